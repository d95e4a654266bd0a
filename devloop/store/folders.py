"""Where devloop keeps what it remembers: one folder of the user's, deletable at any time."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder; not made yet. XDG_CACHE_HOME decides where it has a say (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "devloop"
