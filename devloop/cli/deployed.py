"""The command line of what is to be deployed and what is: render, apply, diff, ls, history, rollback, delete, modules.

Comes in: arguments. Goes out: each command's exit code. Only the table; the bodies are imported when they run. `app` puts it in its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from devloop.cli.configured import configured
from devloop.cli.options import (
    Common,
    ForceConflicts,
    OverridesOption,
    Recreate,
)
from devloop.cli.words import UnitNames, UnitOrWorkload


@configured
def render(
    common: Common,
    units: UnitNames = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            help="Write one file an object into this folder instead; those of an earlier render go, all others stay.",
        ),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no engine for base images; tags may differ from those of `run` then.")
    ] = False,
    dev_overrides: OverridesOption = False,
) -> int:
    """Print the manifests as they would be applied. Builds nothing and needs no cluster: tags follow from the inputs."""
    from devloop.cli.render import render as body

    return body(common, units or (), folder=output_dir, is_offline=offline, is_dev=dev_overrides)


@configured
def apply_(
    common: Common,
    manifests: Annotated[
        list[str], typer.Argument(help="What `devloop render` printed: files, folders, or - for standard input.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would change, as `devloop diff` does.")
    ] = False,
    force_conflicts: ForceConflicts = False,
    recreate: Recreate = None,
) -> int:
    """Deploy what `devloop render` printed, with the images that `devloop build` made, and wait until it is ready."""
    from devloop.cli.apply import apply as body
    from devloop.cli.consent import consent

    allowed = consent(is_forcing=force_conflicts, recreate=recreate)
    return body(common, manifests, is_dry_run=dry_run, consent=allowed)


@configured
def diff(
    common: Common,
    units: UnitNames = None,
    force_conflicts: ForceConflicts = False,
    recreate: Recreate = None,
) -> int:
    """Say what `devloop run` would change in the cluster now. Exits with 0 when nothing, 1 when something, 2 on errors."""
    from devloop.cli.consent import consent
    from devloop.cli.diff import diff as body

    allowed = consent(is_forcing=force_conflicts, recreate=recreate)
    return body(common, units or (), consent=allowed)


@configured
def ls(
    common: Common,
    units: UnitNames = None,
    all_projects: Annotated[
        bool, typer.Option("--all-projects", help="What devloop deployed for any project, in all namespaces.")
    ] = False,
) -> int:
    """List what the project owns in the cluster: where, from which unit and file, and whether it does its work."""
    from devloop.cli.ls import ls as body

    return body(common, units or (), is_all=all_projects)


@configured
def history(
    common: Common,
    what: UnitOrWorkload = None,
) -> int:
    """List the revisions of workloads and releases that the cluster remembers, with their images."""
    from devloop.cli.rollback import history as body

    return body(common, what)


@configured
def rollback(
    common: Common,
    what: UnitOrWorkload = None,
    to: Annotated[
        int | None, typer.Option("--to", min=1, help="The revision. Default: the one before the current.", metavar="N")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
) -> int:
    """Bring back the pods of an earlier revision, or a release by helm, and wait until they are ready. The next apply brings back what is
    on disk; a release stays until something changes there.
    """
    from devloop.cli.rollback import rollback as body

    return body(common, what, to=to, is_dry_run=dry_run)


@configured
def delete(
    common: Common,
    units: UnitNames = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    include: Annotated[
        list[str] | None,
        typer.Option(
            "--include",
            help="Also this object, which is kept otherwise: a volume, a namespace, a definition, what was there before. "
            "May be given again.",
            metavar="KIND/NAME",
        ),
    ] = None,
) -> int:
    """Delete exactly what the project deployed, or units of it."""
    from devloop.cli.delete import delete as body

    return body(common, units or (), include=include or (), is_dry_run=dry_run)


@configured
def modules_(
    common: Common,
    update: Annotated[
        bool, typer.Option("--update", help="Fetch again what tags and branches of git name now.")
    ] = False,
) -> int:
    """List the projects that the configuration requires, and what they have; fetch those in git."""
    from devloop.cli.modules import modules as body

    return body(common, is_updating=update)


COMMANDS: Mapping[str, Callable[..., Any]] = {
    "render": render,
    "apply": apply_,
    "diff": diff,
    "ls": ls,
    "history": history,
    "rollback": rollback,
    "delete": delete,
    "modules": modules_,
}
