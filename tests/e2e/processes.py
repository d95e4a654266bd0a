"""The processes that a `devloop` under test started, found without asking it.

Comes in: the mark that was put into its environment, and its pid. Goes out: what still lives: descendants, and whatever carries the
mark although its parents are gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

MARK = "DEVLOOP_E2E"


@dataclass(frozen=True)
class Process:
    pid: int
    command: str

    def kill(self) -> None:
        """SIGKILL; nothing when it is gone already."""
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def started_by(pid: int, mark: str) -> tuple[Process, ...]:
    """Living processes, without zombies and without `pid` itself. Where there is no /proc: descendants only."""
    found = _from_proc(pid, mark) if Path("/proc/self/environ").exists() else _from_ps(pid)
    return tuple(sorted(found, key=lambda process: process.pid))


def _from_proc(root: int, mark: str) -> list[Process]:
    wanted = f"{MARK}={mark}".encode()
    parents: dict[int, int] = {}
    marked: set[int] = set()
    commands: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # "pid (name) state ppid …": the name may hold spaces and brackets
            state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            variables = (folder / "environ").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        pid = int(folder.name)
        if state in "ZX":
            continue
        parents[pid], commands[pid] = int(parent), command
        if wanted in variables:
            marked.add(pid)
    return [Process(pid, commands[pid]) for pid in (marked | _descendants(root, parents)) - {root}]


def _from_ps(root: int) -> list[Process]:
    lines = subprocess.run(
        ["ps", "-axo", "pid=,ppid=,stat=,command="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    rows = [line.split(None, 3) for line in lines]
    living = {int(row[0]): row for row in rows if len(row) == 4 and not row[2].startswith("Z")}
    parents = {pid: int(row[1]) for pid, row in living.items()}
    return [Process(pid, living[pid][3]) for pid in _descendants(root, parents) - {root}]


def _descendants(root: int, parents: dict[int, int]) -> set[int]:
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found and pid not in found}:
        found |= more
    return found & parents.keys()
