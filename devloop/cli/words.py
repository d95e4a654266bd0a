"""Arguments that name parts of the project, and what a shell may complete them with.

Comes in: the beginning of a word, and the options before it. Goes out: names from `devloop.yaml`. It asks no cluster, and says nothing:
whatever is wrong with the file, the command itself will tell.
"""

from __future__ import annotations

from typing import Annotated

import typer


def _units(ctx: typer.Context, incomplete: str) -> list[str]:
    from devloop.config import load
    from devloop.errors import DevloopError

    try:
        project = load.load(load.find(ctx.params.get("file"))).project
    except DevloopError:
        return []  # nothing to be completed; running the command tells what is wrong
    return [each.name for each in project.deploy if each.name.startswith(incomplete)]


UnitNames = Annotated[
    list[str] | None,
    typer.Argument(help="Units of `deploy`, by name; all of them by default.", metavar="UNIT", autocompletion=_units),
]
UnitOrWorkload = Annotated[
    str | None,
    typer.Argument(
        help="A unit of `deploy`, or a workload as KIND/NAME; all by default.",
        metavar="UNIT|KIND/NAME",
        autocompletion=_units,
        show_default=False,
    ),
]
