"""When what was reported may go out: once the disk is quiet, or git is done.

Comes in: paths as they are reported, and the time. Goes out: what is ripe. It waits for nothing itself; it looks for git's lock, and
only when something is ripe.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Callable, Iterable

SETTLE_CAP_S = 0.100  # a batch is never held for longer, however much goes on
DOUBT_S = 0.050  # how long a save by rename leaves a file missing, at most
GIT_CAP_S = 2.0  # a lock that is held for longer is a leftover, or a git that waits for its user
GIT_LOOK_S = 0.010
REBASE_STEP_S = 0.300  # between two commits of a rebase git lets go of the index

# What editors leave beside a file while they save it: Vim, Emacs, JetBrains, GLib, and backups.
_DROPPING = re.compile(r".*~|4913|\.#.*|#.*#|.*\.sw[px]|.*___jb_.*|\.goutputstream-.*", re.DOTALL)


def is_dropping(path: str) -> bool:
    """Whether an editor put it there for the moment of a save."""
    return _DROPPING.fullmatch(os.path.basename(path)) is not None


class Settling:
    """What was reported and did not go out yet: certain paths, which go together, and doubtful ones with their own time."""

    def __init__(self) -> None:
        self._certain: set[str] = set()
        self._first = 0.0
        self._due = 0.0
        self._doubtful: dict[str, float] = {}
        self._repositories: dict[str, str] = {}
        self._held_since: float | None = None

    def add(self, paths: Iterable[str], now: float, quiet_s: float, *, is_doubtful: bool) -> None:
        """Takes what was reported at `now`; `quiet_s` after the last certain one it may go."""
        for path in paths:
            if is_doubtful and path not in self._certain:
                self._doubtful.setdefault(path, now + DOUBT_S)
            elif not is_doubtful:
                self._doubtful.pop(path, None)
                self._first = self._first if self._certain else now
                self._certain.add(path)
                self._due = min(now + quiet_s, self._first + SETTLE_CAP_S)

    def seconds_left(self, now: float) -> float | None:
        """Until something may go out; None when nothing waits."""
        times = [*itertools.islice(self._doubtful.values(), 1)] + ([self._due] if self._certain else [])
        if not times:
            return None
        left = max(0.0, min(times) - now)
        return max(left, GIT_LOOK_S) if self._held_since is not None else left

    def ripe(self, now: float, catch_up: Callable[[], None]) -> set[str]:
        """Takes what may go out now; nothing while git holds the index of a repository that something ripe lies in.

        `catch_up` adds all that has happened before it is called: git may have let go of its index a moment ago.
        """
        is_due = bool(self._certain) and self._due <= now
        ripe = self._settled(now, is_due)
        repositories = {self._repository(os.path.dirname(path)) for path in ripe} - {""}
        if not ripe or self._is_held(repositories, now):
            return set()
        catch_up()
        # What git removed is gone for good: no editor is in the middle of a save.
        ripe = self.everything() if any(map(_has_moved, repositories)) else self._settled(now, is_due)
        self._certain -= ripe
        for path in ripe:
            self._doubtful.pop(path, None)
        return ripe

    def _settled(self, now: float, is_due: bool) -> set[str]:
        return {path for path, due in self._doubtful.items() if due <= now} | (self._certain if is_due else set())

    def everything(self) -> set[str]:
        """Takes all there is, settled or not."""
        taken = self._certain | set(self._doubtful)
        self._certain, self._doubtful, self._held_since = set(), {}, None
        return taken

    def _is_held(self, repositories: Iterable[str], now: float) -> bool:
        if not any(map(_is_busy, repositories)):
            self._held_since = None
            self._repositories.clear()  # they come and go
            return False
        if self._held_since is None:
            self._held_since = now
        return now - self._held_since < GIT_CAP_S

    def _repository(self, folder: str) -> str:
        """Where the repository of a folder keeps its index, "" for none; remembered while git is busy: a switch touches many folders."""
        way = []
        found = ""
        while folder not in self._repositories:
            way.append(folder)
            found = _git_folder(os.path.join(folder, ".git"))
            if found or folder == os.path.dirname(folder):
                break
            folder = os.path.dirname(folder)
        else:
            found = self._repositories[folder]
        self._repositories |= dict.fromkeys(way, found)
        return found


def _git_folder(path: str) -> str:
    """The folder, or where the file of a worktree or submodule says that it is: gitrepository-layout(5)."""
    if os.path.isdir(path):
        return path
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            said = file.readline()
    except OSError:
        return ""
    return os.path.join(os.path.dirname(path), said.removeprefix("gitdir:").strip())


def _is_busy(git: str) -> bool:
    """Whether git is changing files now: it holds the index, or took a step of a rebase a moment ago. One that waits is not busy."""
    if os.path.lexists(os.path.join(git, "index.lock")):
        return True
    for name in ("rebase-merge", "rebase-apply"):
        try:
            if time.time() - os.stat(os.path.join(git, name)).st_mtime < REBASE_STEP_S:
                return True
        except OSError:
            continue
    return False


def _has_moved(git: str) -> bool:
    """Whether git wrote its index a moment ago: the last thing that a switch, a merge or a pull does after the files."""
    try:
        return time.time() - os.stat(os.path.join(git, "index")).st_mtime < DOUBT_S + SETTLE_CAP_S
    except OSError:
        return False
