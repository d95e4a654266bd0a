"""Arguments that name parts of the project. Comes in: nothing. Goes out: annotated types for the commands' parameters."""

from __future__ import annotations

from typing import Annotated

import typer

from devloop.cli import complete

UnitNames = Annotated[
    list[str] | None,
    typer.Argument(
        help="Units of `deploy`, by name; all of them by default.", metavar="UNIT", autocompletion=complete.units
    ),
]
UnitOrWorkload = Annotated[
    str | None,
    typer.Argument(
        help="A unit of `deploy`, or a workload as KIND/NAME; all by default.",
        metavar="UNIT|KIND/NAME",
        autocompletion=complete.units,
        show_default=False,
    ),
]
