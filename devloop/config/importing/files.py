"""`devloop import`: which file is converted, and by what.

Comes in: a path. Goes out: a tree of devloop's, with the environment's variables by their names. Blocks on the disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from devloop.config.importing import devspace, dollars, onto, skaffold, templates, tiltfile
from devloop.config.importing.skaffold import Imported
from devloop.errors import ConfigError, UsageError

NAMES = (*skaffold.NAMES, *devspace.NAMES, *tiltfile.NAMES)


def find(asked: Path | None) -> Path:
    """The file that is asked for, or the one in that folder or here. Absolute. Raises: UsageError when there is none."""
    start = Path(os.path.abspath(asked or Path()))
    if start.is_dir():
        found = next((start / name for name in NAMES if (start / name).is_file()), None)
        if found is None:
            raise UsageError(
                "there is nothing to import", where=str(asked or "."), hint=f"devloop reads {', '.join(NAMES)}"
            )
        return found
    if not start.exists():
        raise UsageError("there is no such file", where=str(asked), hint=f"devloop reads {', '.join(NAMES)}")
    return start


def convert(file: Path, read: Callable[[Path], bytes], shown: Callable[[Path], str]) -> Imported:
    """The file by its name: a Tiltfile, a devspace.yaml, else one of Skaffold's.

    Raises: ConfigError when it cannot be read as such, or has problems that a file must not take over; UsageError.
    """
    if file.name in tiltfile.NAMES:
        made = tiltfile.convert(read(file), file, shown(file))
    elif file.name in devspace.NAMES:
        made = devspace.convert(read(file), file, shown(file))
    else:
        made = skaffold.convert(file, onto.disk(read, shown), templates.as_variables)
    if made.problems:
        raise ConfigError(made.problems)
    return replace(made, root=dollars.escaped(made.root))
