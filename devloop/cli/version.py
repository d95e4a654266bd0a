"""`devloop version`: which devloop this is, for people and for scripts."""

from __future__ import annotations

import json
import platform

import typer

from devloop import __version__
from devloop.cli.options import Output


def version(output: Output) -> int:
    """Prints the version of devloop, and as JSON also what it runs on."""
    if output is Output.json:
        typer.echo(
            json.dumps({"version": __version__, "python": platform.python_version(), "platform": platform.platform()})
        )
    else:
        typer.echo(f"devloop {__version__}")
    return 0
