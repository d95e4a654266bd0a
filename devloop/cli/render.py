"""`devloop render`: the manifests as they would be applied, without building and without a cluster.

The engine is only asked which base images it has; with `--offline` not even that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import typer

from devloop import events
from devloop.cli import folder as output_folder
from devloop.cli import session
from devloop.cli.options import Common, Output
from devloop.cli.rendering import chosen, rendered
from devloop.cli.report import Report, reporting
from devloop.config import model
from devloop.errors import Unavailable, UsageError
from devloop.loop.surroundings import Doors
from devloop.products import Manifest
from devloop.scope import Scope


def render(common: Common, what: Sequence[str], *, folder: Path | None, is_offline: bool, is_dev: bool) -> int:
    """Prints the manifests on standard output (YAML, or with `--output json` one List); all else goes to standard error.

    `what`: units; all without any. `folder`: where to write them instead, one file an object. `is_dev`: with what `dev` has otherwise.
    Blocks; Ctrl-C ends it with 130.
    """

    def body(report: Report) -> int:
        loaded = session.load(common, report)
        units = chosen(loaded.project, what)
        if folder is not None:
            output_folder.check(folder)
        namespace = common.namespace or loaded.project.cluster.namespace or ""
        with Scope("render") as scope, report.interrupts.during(scope.cancel):
            doors = _offline() if is_offline else _open_doors(scope, common, loaded.project, report)
            overrides = session.asked_overrides(loaded) if is_dev else None
            told = rendered(scope, loaded, doors, report, units, namespace=namespace, overrides=overrides)
            found = told.finished
            scope.cancel()
        for each in found.values():
            for notice in each.notices:
                report.emit(notice)
        manifests = [one for each in found.values() for one in each.manifests]
        if folder is None:
            typer.echo(_text(manifests, common.output), nl=False)
        else:
            _write(folder, manifests, report)
        return 0

    return reporting(common, body, to_stderr=True)


def _write(folder: Path, manifests: Sequence[Manifest], report: Report) -> None:
    written = output_folder.write(folder, manifests)
    gone = f", {written.removed} of an earlier render removed" if written.removed else ""
    report.emit(
        events.Notice(
            message=f"{len(manifests)} objects in {folder}: {written.changed} files written{gone}", is_answer=True
        )
    )


class _Unasked:
    """An engine that is not asked anything."""

    def __getattr__(self, _name: str) -> Callable[..., NoReturn]:
        def refuse(*_args: object, **_named: object) -> NoReturn:
            raise Unavailable("--offline asks no engine", hint="they are the same where no artifact has a base image")

        return refuse


def _offline() -> Doors:
    from devloop.effects.process import RealProcesses

    engine: Any = _Unasked()
    return Doors(RealProcesses(), engine)


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


def _text(manifests: Sequence[Manifest], output: Output) -> str:
    objects = [each.object for each in manifests]
    if output is Output.json:
        return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}) + "\n"
    from devloop.render.manifests import to_yaml

    return to_yaml(objects)
