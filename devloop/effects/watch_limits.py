"""How many folders this user may watch, and how many are watched already. Linux only.

Comes in: /proc. Goes out: the limits of inotify and their use. It registers nothing. Source: inotify(7), proc_pid_fdinfo(5).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class WatchLimits:
    """`watches`, `instances`: the most that all processes of a user may have. `watched`, `opened`: what those have whose `/proc` we may
    read, at least.
    """

    watches: int
    instances: int
    watched: int
    opened: int


def look(proc: Path = Path("/proc")) -> WatchLimits | None:
    """Blocks on /proc, some milliseconds. None where there is no inotify, as on macOS."""
    limits = proc / "sys/fs/inotify"
    try:
        watches, instances = (int((limits / f"max_user_{name}").read_text()) for name in ("watches", "instances"))
    except FileNotFoundError:
        return None
    counts = [_watches(info) for info in _inotify(proc)]
    return WatchLimits(watches, instances, sum(counts), len(counts))


def _inotify(proc: Path) -> Iterator[Path]:
    """The fdinfo of each inotify instance of this user's processes. What ends meanwhile, or is not to be read, is not among them."""
    for process in proc.iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdecimal() and process.stat().st_uid == os.getuid():
                for fd in os.listdir(process / "fd"):
                    if os.readlink(process / "fd" / fd) == "anon_inode:inotify":
                        yield process / "fdinfo" / fd


def _watches(info: Path) -> int:
    try:
        return sum(line.startswith("inotify ") for line in info.read_text().splitlines())
    except OSError:  # it ended meanwhile
        return 0
