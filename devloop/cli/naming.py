"""Steps that build and place nothing: what an image would be called follows from its inputs alone.

Comes in: the steps of a session. Goes out: the same, with `build`, `test` and `place` reduced to names.
"""

from __future__ import annotations

from collections.abc import Callable

from devloop.graph import Node, image_target, unit_target
from devloop.loop.image_steps import image_ref
from devloop.loop.messages import Start
from devloop.loop.state import State
from devloop.loop.steps import Steps
from devloop.products import Image, Outcome, Passed, Placed, Product, Rendered
from devloop.render import images
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


def filled(state: State, unit: str, registry: str | None) -> images.Filled:
    """The manifests of a unit that was rendered, with the images' names in them. `registry`: see NamesOnly."""
    rendered = state.have[Node(unit_target(unit), "render")].product
    if not isinstance(rendered, Rendered):
        raise TypeError(f"a render step left {rendered!r}")
    named = refs(state)
    pulled = named if registry else {name for name, ref in named.items() if "@" in ref}
    return images.fill(rendered.manifests, named, tuple(state.graph.images), pulled)
