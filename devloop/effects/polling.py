"""Folders that tell nobody about changes, looked at again and again, a part at a time.

Comes in: real folders. Goes out: paths that changed. What changed lately is looked at five times a second, the rest within 2 s, and
never all at once. It reads no file, and starts no process.
"""

from __future__ import annotations

import math
import os
import stat
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from devloop.effects.roots import Tops, covers
from devloop.scope import Scope

TICK_S = 0.2
ROUND_S = 2.0
HOT_S = 600.0
_HOT_MOST = 500
# Network file systems round their times; an edit that the times hid is found by looking at the content once more.
_AGAIN_S = 2.5


@dataclass
class _Folder:
    """What a folder looked like. `files`: name → a digest of its status."""

    files: dict[str, int] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)


@dataclass
class _Hot:
    """A file that changed: until when it is watched closely, and when it is reported once more."""

    until: float
    again: float


class Poller:
    """See files.Native. Its thread ends with the scope or with `close`. `report(path, is_doubtful)`: from that thread."""

    quiet_s = 0.0

    def __init__(self, scope: Scope, report: Callable[[str, bool], None]) -> None:
        self._scope = scope
        self._report = report
        self._lock = threading.Lock()
        self._is_closed = False
        self._tops: Tops = {}
        self._folders: dict[str, _Folder] = {}
        self._order: list[str] = []
        self._next = 0
        self._hot: dict[str, _Hot] = {}
        scope.spawn("watch-polling", self._run)

    def set(self, tops: Tops) -> None:
        """Looks at exactly these folders; what was known of them stays known. Blocks for a walk."""
        with self._lock:
            if tops == self._tops:
                return
            self._tops = dict(tops)
            known = self._folders
            self._folders = {}
            for top, below in tops.items():
                self._take(top, known, is_deep=below is not None)
            self._begin_round()

    def drain(self) -> bool:
        """See files.Native."""
        return False

    def close(self) -> None:
        """Ends the thread at its next tick; does not wait for it."""
        with self._lock:
            self._is_closed = True

    def _run(self) -> None:
        while True:
            self._scope.wait(TICK_S)
            with self._lock:
                if self._is_closed:
                    return
                self._look_at_hot(time.monotonic())
                self._look_at_part()

    def _begin_round(self) -> None:
        self._order = list(self._folders)
        self._next = 0

    def _look_at_part(self) -> None:
        count = math.ceil(len(self._order) * TICK_S / ROUND_S)
        for folder in self._order[self._next : self._next + count]:
            if folder in self._folders:
                self._compare(folder)
        self._next += count
        if self._next >= len(self._order):
            self._begin_round()

    def _look_at_hot(self, now: float) -> None:
        for path, hot in list(self._hot.items()):
            folder, name = os.path.split(path)
            known = self._folders.get(folder)
            if known is None or now > hot.until:
                del self._hot[path]
                continue
            if known.files.get(name) != _file_status(path):
                self._compare(folder)
            elif hot.again <= now:
                hot.again = math.inf
                self._report(path, False)

    def _compare(self, folder: str) -> None:
        """Reports what is not as it was, and takes it as it is now."""
        known = self._folders[folder]
        now = _look(folder)
        if now is None:
            self._forget(folder)
            self._report(folder, True)
            return
        self._folders[folder] = now
        for name in known.files.keys() | now.files.keys():
            if known.files.get(name) != now.files.get(name):
                self._changed(os.path.join(folder, name), is_gone=name not in now.files)
        for name in known.folders - now.folders:
            self._forget(os.path.join(folder, name))
            self._report(os.path.join(folder, name), True)
        for name in now.folders - known.folders:
            path = os.path.join(folder, name)
            # Looked at before it is reported: whoever hears of it lists it then, and what comes after that has to differ from this look.
            if covers(self._tops, path):
                self._take(path, {})
            self._report(path, False)

    def _changed(self, path: str, *, is_gone: bool) -> None:
        self._report(path, is_gone)
        if not is_gone:
            now = time.monotonic()
            self._hot.pop(path, None)
            self._hot[path] = _Hot(now + HOT_S, now + _AGAIN_S)
            if len(self._hot) > _HOT_MOST:
                del self._hot[next(iter(self._hot))]

    def _forget(self, top: str) -> None:
        for folder in [each for each in self._folders if each == top or each.startswith(top + os.sep)]:
            del self._folders[folder]

    def _take(self, top: str, known: Mapping[str, _Folder], *, is_deep: bool = True) -> None:
        """Takes the folder and those below it as they are `known`, else as they are now: each as one look has it."""
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            made = known.get(folder) or _look(folder)
            if made is None:
                continue
            self._folders[folder] = made
            below = (os.path.join(folder, name) for name in made.folders) if is_deep else ()
            waiting += (path for path in below if covers(self._tops, path))


def _look(folder: str) -> _Folder | None:
    """The folder as it is now; None when there is none, or it cannot be read."""
    try:
        found = _Folder()
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    found.folders.add(entry.name)
                else:
                    found.files[entry.name] = _file_status(entry.path)
    except OSError:
        return None
    return found


def _file_status(path: str) -> int:
    """Differs when the file does; 0 when there is none."""
    try:
        status = os.lstat(path)
    except OSError:
        return 0
    if stat.S_ISDIR(status.st_mode):
        return 0
    return hash((status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode)) or 1
