"""Steps that build and place nothing: what an image would be called follows from its inputs alone.

Comes in: the steps of a session. Goes out: the same, with `build`, `test` and `place` reduced to names.
"""

from __future__ import annotations

from collections.abc import Callable

from devloop.graph import Node, image_target, unit_target
from devloop.loop import releases
from devloop.loop.image_steps import image_ref
from devloop.loop.messages import Start
from devloop.loop.state import State
from devloop.loop.steps import Steps
from devloop.loop.surroundings import Plan
from devloop.products import Image, Outcome, Passed, Placed, Product, Rendered
from devloop.render import images
from devloop.render.finish import Finished, Images, finish
from devloop.render.workloads import named
from devloop.scope import Scope


class NamesOnly:
    """See loop.run.RunStep. `registry`: where the cluster would take images from, if from one.

    `find`: asks whether the image is there for good; then it has the name that `run` gives it, with a digest.
    """

    def __init__(
        self, steps: Steps, registry: str | None, find: Callable[[Scope, Image], Placed | None] | None = None
    ) -> None:
        self._steps = steps
        self._registry = registry
        self._find = find

    def __call__(self, scope: Scope, start: Start, product: Callable[[Node], Product]) -> Outcome:
        artifact = start.node.target.removeprefix("image/")
        if start.node.step == "build":
            self._steps.check_inputs(start.node.target)
            return Outcome(Image(artifact, image_ref(artifact, start.digest), ""), skipped="only named")
        if start.node.step == "test":
            return Outcome(Passed(start.node.target.removeprefix("test/"), ""), skipped="only named")
        if start.node.step == "place":
            image = product(Node(start.node.target, "build"))
            if not isinstance(image, Image):
                raise TypeError(f"a build step left {image!r}")
            if self._find and (placed := self._find(scope, image)):
                return Outcome(placed, skipped="only named")
            ref = f"{self._registry}/{image.ref}" if self._registry else image.ref
            return Outcome(Placed(artifact, ref, ""), skipped="only named")
        return self._steps(scope, start, product)


def refs(state: State) -> dict[str, str]:
    """Artifact → the ref that it has by its inputs, for those whose inputs can be told."""
    found = {name: state.have.get(Node(image_target(name), "place")) for name in state.graph.images}
    return {name: have.product.ref for name, have in found.items() if have and isinstance(have.product, Placed)}


def finished(state: State, plan: Plan, unit: str, namespace: str) -> Finished:
    """The manifests of a unit that was rendered as they would be applied, with the images' names in them; of a release, as helm
    would: with nothing else done to them.
    """
    rendered, named = _rendered(state, unit), refs(state)
    if releases.is_release(plan.units[unit]):
        filled = images.fill(rendered.manifests, named, tuple(state.graph.images), plan.table, tuple(named))
        return Finished(filled.manifests, filled.held)
    is_pulled = bool(plan.project.cluster.registry)
    pulled = frozenset(name for name, ref in named.items() if is_pulled or "@" in ref)
    return finish(rendered.manifests, Images(tuple(state.graph.images), named, pulled), plan.finish(unit, namespace))


def release_digest(state: State, plan: Plan, unit: str) -> str:
    """What the release of a unit that was rendered would be made from. Raises: StepFailed when no value takes an image of its."""
    rendered = _rendered(state, unit)
    named = {artifact: ref for artifact, ref in refs(state).items() if artifact in rendered.images}
    pulled = frozenset(name for name, ref in named.items() if "@" in ref)
    filled = images.fill(rendered.manifests, named, tuple(plan.artifacts), plan.table, pulled)
    return releases.digest(plan, plan.units[unit], rendered, filled.manifests, named)


def _rendered(state: State, unit: str) -> Rendered:
    rendered = state.have[Node(unit_target(unit), "render")].product
    if not isinstance(rendered, Rendered):
        raise TypeError(f"a render step left {rendered!r}")
    return rendered


def uses(state: State, plan: Plan, target: str) -> tuple[str, ...]:
    """Where the unit's manifests, as last rendered, name artifacts, each with the rule that found it."""
    have = state.have.get(Node(target, "render"))
    if have is None or not isinstance(have.product, Rendered):
        return ()
    return tuple(
        f"{each.artifact} at {each.place.spot} of {named(each.manifest.object)} ({each.manifest.source}): {each.place.rule}"
        for each in images.uses(have.product.manifests, tuple(plan.artifacts), plan.table)
    )
