"""Where devloop keeps what it remembers: one folder of the user's, deletable at any time."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """The folder; not made yet. XDG_CACHE_HOME decides where it has a say (XDG Base Directory Specification).

    A user without a home, as in some CI containers, has one among the temporary files.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "devloop"
    home = os.path.expanduser("~")
    if home == "~":
        return Path(tempfile.gettempdir()) / f"devloop-{os.getuid()}"
    return Path(home) / ".cache" / "devloop"
