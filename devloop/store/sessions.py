"""Who follows a project on this machine now, so that no session takes away what another one needs.

Comes in: a folder, and names of what sessions have in common. Goes out: the processes of the others. Each session has a file that it keeps
locked; the system lets go of it when the process ends, however that comes, and a file that nobody holds counts for nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from devloop.store.locks import claimed


class Sessions:
    """The sessions of this user. Not for several threads at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, tuple[Path, IO[str]]] = {}

    def join(self, name: str) -> tuple[int, ...]:
        """Takes part from now on; the processes that do already, smallest first. Joining twice is joining once. Raises: OSError."""
        with self._alone(name) as folder:
            others = self._others(folder)
            path = folder / f"{os.getpid()}-{secrets.token_hex(4)}"
            if name not in self._held and (file := claimed(path)):
                self._held[name] = (path, file)
        return others

    def leave(self, name: str) -> tuple[int, ...]:
        """Takes part no longer; the processes that go on. Of those that leave at once, the last one hears of nobody. Raises: OSError."""
        with self._alone(name) as folder:
            path, file = self._held.pop(name, (None, None))
            if path is not None and file is not None:
                path.unlink(missing_ok=True)
                file.close()
            return self._others(folder)

    @contextmanager
    def _alone(self, name: str) -> Iterator[Path]:
        """Only one process at a time looks and changes; for a moment, so nobody waits for long."""
        folder = self._folder / hashlib.sha256(name.encode()).hexdigest()[:32]
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder

    def _others(self, folder: Path) -> tuple[int, ...]:
        mine = {path for path, _ in self._held.values()}
        found = []
        for path in folder.iterdir():
            process, dash, _ = path.name.partition("-")
            if path in mine or not dash:
                continue
            lock = claimed(path)
            if lock is None:
                found.append(int(process))
                continue
            with lock:
                path.unlink()  # whoever had it is gone
        return tuple(sorted(found))
