"""`devloop render`: the manifests as they would be applied, without building and without a cluster.

It is the same loop as `run` on a smaller graph, whose build and place steps only work out the names: a tag follows from the inputs.
"""

from __future__ import annotations

import json
from collections.abc import Callable

import typer

from devloop import events
from devloop.cli import session
from devloop.cli.options import Common, Output
from devloop.cli.report import Report, reporting
from devloop.graph import Node, image_target
from devloop.loop.messages import Start
from devloop.loop.state import State
from devloop.loop.steps import Steps, image_ref
from devloop.products import Image, Manifest, Outcome, Placed, Product, Rendered
from devloop.render import images
from devloop.scope import Scope


def render(common: Common) -> int:
    """Prints the manifests on standard output (YAML, or with `--output json` one List); all else goes to standard error."""

    def body(report: Report) -> int:
        loaded = session.load(common)
        namespace = common.namespace or loaded.project.cluster.namespace or ""
        with Scope("render") as scope, report.interrupts.during(scope.cancel):
            doors = session.open_doors(scope, None)
            current = session.Session(
                scope,
                session.plan(loaded),
                doors,
                report,
                wanted=("build", "place", "render"),
                namespace=namespace,
                wrap=lambda steps: _NamesOnly(steps, loaded.project.cluster.registry),
            )
            current.tracker.track(scope, current.steps.listings())
            state = current.run(is_partial=False, until_idle=True)
            scope.cancel()
        code = session.exit_code(state)
        if code == 0:
            typer.echo(_text(_filled(state, report), common.output), nl=False)
        return code

    return reporting(common, body, to_stderr=True)


class _NamesOnly:
    """Steps that build and place nothing, but know how the image would be called."""

    def __init__(self, steps: Steps, registry: str | None) -> None:
        self._steps = steps
        self._registry = registry

    def __call__(self, scope: Scope, start: Start, product: Callable[[Node], Product]) -> Outcome:
        artifact = start.node.target.removeprefix("image/")
        if start.node.step == "build":
            self._steps.check_inputs(start.node.target)
            return Outcome(Image(artifact, image_ref(artifact, start.digest), ""), skipped="only named")
        if start.node.step == "place":
            image = product(Node(start.node.target, "build"))
            if not isinstance(image, Image):
                raise TypeError(f"a build step left {image!r}")
            ref = f"{self._registry}/{image.ref}" if self._registry else image.ref
            return Outcome(Placed(artifact, ref, ""), skipped="only named")
        return self._steps(scope, start, product)


def _filled(state: State, report: Report) -> list[Manifest]:
    artifacts = tuple(state.graph.images)
    refs = {name: _placed(state, name).ref for name in artifacts}
    manifests: list[Manifest] = []
    for node in state.graph.nodes:
        rendered = state.have[node].product if node.step == "render" else None
        if isinstance(rendered, Rendered):
            filled = images.fill(rendered.manifests, refs, artifacts)
            manifests += filled.manifests
            for warning in filled.warnings:
                report.emit(events.Notice(message=warning))
    return manifests


def _placed(state: State, artifact: str) -> Placed:
    product = state.have[Node(image_target(artifact), "place")].product
    if not isinstance(product, Placed):
        raise TypeError(f"a place step left {product!r}")
    return product


def _text(manifests: list[Manifest], output: Output) -> str:
    objects = [each.object for each in manifests]
    if output is Output.json:
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}) + "\n"
    from devloop.render.manifests import to_yaml

    return to_yaml(objects)
