"""Ports of this machine: listens on one, or says who has it.

Comes in: an address and a port. Goes out: a listening socket, or PortTaken with the program that holds the port where that can be found
out. It never waits.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

_NEXT_PORTS = 10
_ABOVE_PRIVILEGED = 8000
_BACKLOG = 128
_LISTEN = "0A"


class PortTaken(Exception):
    """The port cannot be listened on."""

    def __init__(self, address: str, port: int, problem: OSError | OverflowError) -> None:
        super().__init__(f"{address}:{port}: {problem}")
        self._address, self._port, self._problem = address, port, problem

    def why(self) -> str:
        """Why, and who has it, in words; takes some milliseconds to find out."""
        if isinstance(self._problem, OverflowError):
            return f"{self._port} is no port"
        if self._problem.errno == errno.EADDRINUSE:
            who = holder(self._port)
            return f"port {self._port} is taken" + (f" by {who}" if who else "")
        if self._problem.errno == errno.EACCES:
            return f"port {self._port} needs more rights than this user has"
        return f"cannot listen on {self._address} port {self._port}: {self._problem.strerror or self._problem}"


def listen_on(address: str, port: int) -> socket.socket:
    """A socket that listens on exactly this port. Raises: PortTaken."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    if sys.platform != "win32":  # there it would let two programs share the port
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as problem:
        listener.close()
        raise PortTaken(address, port, problem) from problem
    listener.setblocking(False)
    return listener


def listen_near(address: str, port: int) -> tuple[socket.socket, int, str]:
    """A socket that listens on the port or on a free one near it; which one, and why not the port itself ("" when it is).

    Raises: PortTaken when none is free.
    """
    try:
        return listen_on(address, port), port, ""
    except PortTaken as problem:
        taken = problem
    for other in _near(port):
        try:
            return listen_on(address, other), other, taken.why()
        except PortTaken:
            continue
    raise taken


def holder(port: int) -> str:
    """The program that listens on the port, as `name (pid N)`; "" where that cannot be told (other systems, other users)."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    if not inodes:
        return ""
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _holds(process, inodes):
            return "this devloop" if int(process.name) == os.getpid() else _name(process)
    return ""


def _near(port: int) -> Iterator[int]:
    first = port + 1 if port >= 1024 else port + _ABOVE_PRIVILEGED
    yield from range(first, min(first + _NEXT_PORTS, 65536))


def _listening(port: int) -> set[str]:
    """Inodes of listening sockets; the format is Documentation/networking/proc_net_tcp.rst of the kernel."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            text = Path(table).read_text()
        except OSError:
            continue
        for line in text.splitlines()[1:]:
            local, _, state, *_, inode = line.split()[1:10]
            if state == _LISTEN and int(local.rpartition(":")[2], 16) == port:
                found.add(inode)
    return found


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        return any(os.readlink(each) in inodes for each in (process / "fd").iterdir())
    except OSError:  # gone, or another user's
        return False


def _name(process: Path) -> str:
    try:
        return f"{(process / 'comm').read_text(errors='replace').strip()} (pid {process.name})"
    except OSError:
        return ""
