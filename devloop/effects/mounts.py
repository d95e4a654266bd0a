"""Which folders lie on file systems that tell nobody about changes.

Comes in: real folders. Goes out: those on network and shared folders, with the kind of file system. Linux only: macOS and Windows say
so in their own ways. Source: proc_pid_mountinfo(5).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

# What is written on the other side of these comes without an event; WSL's drives (9p, drvfs) give none at all:
# https://github.com/microsoft/WSL/issues/4739
_SILENT = frozenset(
    {"9p", "drvfs", "nfs", "nfs4", "cifs", "smb3", "smbfs", "virtiofs", "vboxsf", "vmhgfs", "prl_fs", "afs", "ceph"}
)
_MOUNTS = "/proc/self/mountinfo"


def silent(folders: Iterable[str], mounts: str = _MOUNTS) -> dict[str, str]:
    """Folder → kind of file system, for those that have to be polled. `mounts`: the table to read; {} where there is none."""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as file:
            table = [_row(line) for line in file]
    except FileNotFoundError:
        return {}
    found = {folder: _kind(folder, table) for folder in folders}
    return {folder: kind for folder, kind in found.items() if kind in _SILENT or kind.startswith("fuse")}


def _row(line: str) -> tuple[str, str]:
    """Mount point and kind. Fields before ` - ` vary in number; blanks in paths are octal."""
    before, _, after = line.partition(" - ")
    point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), before.split(" ")[4])
    return point, after.split(" ")[0]


def _kind(folder: str, table: list[tuple[str, str]]) -> str:
    """Of the mount that the folder lies on: the longest, and of equal ones the last, which hides the others."""
    best = ("", "")
    for point, kind in table:
        if (folder == point or folder.startswith(os.path.join(point, ""))) and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]
