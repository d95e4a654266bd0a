"""A TCP relay that a test may cut, or that speaks HTTP CONNECT as a proxy does.

Comes in: connections. Goes out: the same bytes to where they are meant for, until `cut`. `seen`: the first line of each CONNECT.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from devloop.scope import Scope


class Relay:
    """Listens on a free port of 127.0.0.1. `target`: where all connections go; None: where each one's CONNECT says."""

    def __init__(self, scope: Scope, target: tuple[str, int] | None) -> None:
        self._scope = scope
        self._target = target
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.seen: list[str] = []
        scope.spawn("relay", self._accept)

    def cut(self) -> None:
        """Breaks all connections off, and each new one at once."""
        with self._lock:
            self._is_cut = True
            for each in self._open:
                _shut(each)

    def mend(self) -> None:
        with self._lock:
            self._is_cut = False

    def close(self) -> None:
        self.cut()
        _shut(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._scope.spawn("relayed", lambda near=near: self._relay(near))  # type: ignore[misc]

    def _relay(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError):
            target = self._target or self._asked(near)
            with socket.create_connection(target) as far:
                with self._lock:
                    if self._is_cut:
                        return
                    self._open |= {near, far}
                if self._target is None:
                    near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=_pump, args=(far, near))
                back.start()
                _pump(near, far)
                back.join()
                with self._lock:
                    self._open -= {near, far}

    def _asked(self, near: socket.socket) -> tuple[str, int]:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += near.recv(1)
        lines = head.decode().splitlines()
        self.seen += [each for each in lines if each.startswith(("CONNECT", "Proxy-Authorization", "Authorization"))]
        host, _, port = lines[0].split()[1].rpartition(":")
        return host, int(port)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    _shut(sink)
    _shut(source)


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
