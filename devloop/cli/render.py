"""`devloop render`: the manifests as they would be applied, without building and without a cluster.

It is the same loop as `run` on a smaller graph, whose build and place steps only work out the names: a tag follows from the inputs.
The engine is only asked which base images it has.
"""

from __future__ import annotations

import json

import typer

from devloop import events
from devloop.cli import session
from devloop.cli.naming import NamesOnly, finished
from devloop.cli.options import Common, Output
from devloop.cli.report import Report, reporting
from devloop.config import model
from devloop.errors import Unavailable, UsageError
from devloop.loop.state import State
from devloop.loop.surroundings import Doors, Plan
from devloop.products import Manifest
from devloop.scope import Scope


def render(common: Common, *, is_dev: bool = False) -> int:
    """Prints the manifests on standard output (YAML, or with `--output json` one List); all else goes to standard error.

    `is_dev`: with what `dev` has otherwise.
    """

    def body(report: Report) -> int:
        loaded = session.load(common)
        namespace = common.namespace or loaded.project.cluster.namespace or ""
        with Scope("render") as scope, report.interrupts.during(scope.cancel):
            doors = _open_doors(scope, common, loaded.project, report)
            current = session.Session(
                scope,
                session.plan(loaded, session.asked_overrides(loaded) if is_dev else None),
                doors,
                report,
                wanted=("build", "place", "render"),
                namespace=namespace,
                wrap=lambda steps: NamesOnly(steps, loaded.project.cluster.registry),
            )
            current.tracker.track(scope, current.steps.listings())
            if problem := current.tracker.unanswered:
                report.emit(
                    events.Notice(
                        message=f"tags are not those of `devloop run`, which hang on base images: {problem.message}",
                        hint=problem.hint or "",
                    )
                )
            state = current.run(is_partial=False, until_idle=True)
            scope.cancel()
        code = session.exit_code(state)
        if code == 0:
            typer.echo(_text(_finished(state, current.steps.plan, namespace, report), common.output), nl=False)
        return code

    return reporting(common, body, to_stderr=True)


def _open_doors(scope: Scope, common: Common, project: model.Project, report: Report) -> Doors:
    """With the engine that `run` would build on, as far as that can be told without a cluster."""

    def context() -> str:
        try:
            return session.connect(common, project, report).context
        except UsageError:
            return ""

    try:
        return session.open_doors(scope, None, context)
    except Unavailable as exc:
        report.emit(
            events.Notice(message=f"another engine is asked for base images: {exc.message}", hint=exc.hint or "")
        )
        return session.open_doors(scope, None)


def _finished(state: State, plan: Plan, namespace: str, report: Report) -> list[Manifest]:
    manifests: list[Manifest] = []
    for unit in state.graph.units:
        found = finished(state, plan, unit, namespace)
        manifests += found.manifests
        for notice in found.notices:
            report.emit(notice)
    return manifests


def _text(manifests: list[Manifest], output: Output) -> str:
    objects = [each.object for each in manifests]
    if output is Output.json:
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}) + "\n"
    from devloop.render.manifests import to_yaml

    return to_yaml(objects)
