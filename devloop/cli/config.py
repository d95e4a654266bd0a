"""`devloop config`: the configuration as devloop understands it, where a value comes from, and whether all of it is valid.

Comes in: the shared options. Goes out: YAML, or JSON, on standard output; an exit code. It asks no cluster and no engine.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from devloop import events
from devloop.cli import reading
from devloop.cli.options import Common, Output
from devloop.cli.report import Report, reporting
from devloop.config import effective
from devloop.config.effective import Explained
from devloop.config.load import Loaded


def show(common: Common, path: str | None) -> int:
    """Prints the configuration with every default, or what is at a path and why. Secrets are `***`."""

    def body(report: Report) -> int:
        loaded = reading.load(common, report)
        if path is not None:
            found = effective.explain(loaded, path)
            typer.echo(json.dumps(asdict(found)) if common.output is Output.json else _said(found, loaded))
        elif common.output is Output.json:
            typer.echo(json.dumps(effective.data(loaded)))
        else:
            typer.echo(effective.text(loaded), nl=False)
        return 0

    return reporting(common, body, to_stderr=True)


def validate(common: Common) -> int:
    """Tells every problem of the configuration, or that there is none."""

    def body(report: Report) -> int:
        loaded = reading.load(common, report)
        parts = [f"images: {len(loaded.project.build.artifacts)}", f"units: {len(loaded.project.deploy)}"]
        parts += [f"profiles: {', '.join(report.profiles)}"] if report.profiles else []
        report.emit(events.Notice(message=f"{loaded.file.name} is valid ({', '.join(parts)})", is_answer=True))
        return 0

    return reporting(common, body)


def _said(found: Explained, loaded: Loaded) -> str:
    value = found.value if isinstance(found.value, str) else json.dumps(found.value, ensure_ascii=False)
    lines = [f"{found.path} = {value}"]
    if found.where or not found.origins:
        lines.append(f"  {found.where or 'a default: it is not written'}")
    if found.profile:
        lines.append(f"  set by the profile {found.profile} ({dict(loaded.active)[found.profile]})")
    lines += [f"  from {each}" for each in found.origins]
    return "\n".join(lines)
