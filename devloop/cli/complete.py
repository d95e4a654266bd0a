"""What a shell completes: names from `devloop.yaml`.

Comes in: the beginning of a word, and the options before it. Goes out: names. It asks no cluster, runs no command, and says nothing:
whatever is wrong with the file, the command itself will tell.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from devloop.config.load import Loaded


def units(ctx: typer.Context, incomplete: str) -> list[str]:
    """Units of `deploy`."""
    loaded = _loaded(ctx)
    project = loaded.project if loaded else None
    return [each.name for each in project.deploy if each.name.startswith(incomplete)] if project else []


def profiles(ctx: typer.Context, incomplete: str) -> list[str]:
    """Profiles of all modules; the last one of a list, and one to be left out."""
    loaded = _loaded(ctx)
    head, comma, last = incomplete.rpartition(",")
    sign = "-" if last.startswith("-") else ""
    known = dict.fromkeys(each.name for module in loaded.every for each in module.project.profiles) if loaded else {}
    names = [f"{head}{comma}{sign}{each}" for each in known]
    return [each for each in names if each.startswith(incomplete)]


def modules(ctx: typer.Context, incomplete: str) -> list[str]:
    """Modules of the session."""
    loaded = _loaded(ctx)
    return [each.name for each in loaded.every if each.name.startswith(incomplete)] if loaded else []


def paths(ctx: typer.Context, incomplete: str) -> list[str]:
    """Paths of values, one step further."""
    from devloop.config import effective

    loaded = _loaded(ctx)
    known = effective.paths(loaded) if loaded else []
    return [each for each in known if each.startswith(incomplete)]


def _loaded(ctx: typer.Context) -> Loaded | None:
    from devloop.config import load
    from devloop.config.profiles import NOWHERE
    from devloop.config.variables import Sources
    from devloop.errors import DevloopError

    try:
        return load.load(load.find(ctx.params.get("file")), (), NOWHERE, Sources(env=dict(os.environ)))
    except DevloopError:
        return None  # nothing to be completed; running the command tells what is wrong
