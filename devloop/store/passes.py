"""What ended well for what, so that it is not done again in a later session: tests of an image, hooks of a unit.

Comes in: the folder of a project, what was done (an image's id, a hook's place) and the digest of all that it was done with. Goes out:
whether it ended well. Only that is remembered; forgetting it means that it is done once more.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from pathlib import Path

KEPT_S = 60 * 86_400.0  # what no session asked for in that time is forgotten


class Passes:
    """An empty file for each. `folder` None: remembers nothing. Safe from many threads and sessions."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def has(self, project: Path, what: str, digest: str) -> bool:
        """Whether it ended well. `project`: the folder of the configuration."""
        if self._folder is None:
            return False
        try:
            os.utime(self._file(self._folder, project, what, digest))
        except OSError:
            return False
        return True

    def add(self, project: Path, what: str, digest: str) -> None:
        """Remembers it. Raises: OSError when it cannot be kept."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file(self._folder, project, what, digest).touch()
            self._forget_old(self._folder)

    @staticmethod
    def _forget_old(folder: Path) -> None:
        oldest = time.time() - KEPT_S
        for entry in os.scandir(folder):
            with contextlib.suppress(FileNotFoundError):  # another session may do the same
                if entry.stat().st_mtime < oldest:
                    os.unlink(entry.path)

    @staticmethod
    def _file(folder: Path, project: Path, what: str, digest: str) -> Path:
        return folder / hashlib.sha256("\0".join((str(project), what, digest)).encode()).hexdigest()[:32]
