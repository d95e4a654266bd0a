"""Which artifacts were built anew on purpose, though their inputs were the same: what tells such an image from the one before.

Comes in: a folder, and artifacts. Goes out: a short text for each that becomes part of its digest, so that the new image has a name of its
own, rolls out, and stays the one that later sessions find. Forgetting it only means that images are what their inputs say again.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path


class Rebuilds:
    """A file for each artifact that was ever built anew. `folder` None: remembered by this object only."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[tuple[Path, str], str] = {}

    def of(self, project: Path, artifact: str) -> str:
        """ "" for an artifact that is what its inputs say. `project`: its context, which tells it from others of that name."""
        key = (project, artifact)
        if key not in self._known and self._folder is not None:
            try:
                self._known[key] = self._file(self._folder, project, artifact).read_text()
            except OSError:
                self._known[key] = ""
        return self._known.get(key, "")

    def renew(self, project: Path, artifact: str) -> None:
        """From now on the artifact is another one than before. Raises: OSError when it cannot be kept: only this object knows it then."""
        text = self._known[project, artifact] = secrets.token_hex(8)
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            made = self._folder / f".{text}"
            made.write_text(text)
            os.replace(made, self._file(self._folder, project, artifact))

    @staticmethod
    def _file(folder: Path, project: Path, artifact: str) -> Path:
        return folder / hashlib.sha256(f"{project}\0{artifact}".encode()).hexdigest()[:32]
