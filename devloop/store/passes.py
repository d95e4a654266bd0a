"""Which images passed which tests, so that an unchanged image is not tested again in a later session.

Comes in: the folder of a project, an image's id and the digest of its tests. Goes out: whether they passed. Only what passed is
remembered; forgetting it means that it is tested once more.
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

    def has(self, project: Path, image_id: str, tests: str) -> bool:
        """Whether the image passed these tests. `project`: the folder of the configuration."""
        if self._folder is None:
            return False
        try:
            os.utime(self._file(self._folder, project, image_id, tests))
        except OSError:
            return False
        return True

    def add(self, project: Path, image_id: str, tests: str) -> None:
        """Remembers it. Raises: OSError when it cannot be kept."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file(self._folder, project, image_id, tests).touch()
            self._forget_old(self._folder)

    @staticmethod
    def _forget_old(folder: Path) -> None:
        oldest = time.time() - KEPT_S
        for entry in os.scandir(folder):
            with contextlib.suppress(FileNotFoundError):  # another session may do the same
                if entry.stat().st_mtime < oldest:
                    os.unlink(entry.path)

    @staticmethod
    def _file(folder: Path, project: Path, image_id: str, tests: str) -> Path:
        return folder / hashlib.sha256("\0".join((str(project), image_id, tests)).encode()).hexdigest()[:32]
