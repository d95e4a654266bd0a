"""A pod's port in memory: a socket pair with a handler at its far end.

Comes in: a function that speaks for the pod. Goes out: a stages.PortStream. The handler runs in a thread of the connecting scope, and
cancelling that ends it.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable

from devloop.scope import Scope

Handler = Callable[[socket.socket], None]


def connected(scope: Scope, name: str, handler: Handler) -> Port:
    """A connection to the handler, which is at work at once; what it has not read when it returns is lost."""
    near, far = socket.socketpair()

    def serve() -> None:
        with far, scope.on_cancel(lambda: _shut(far)), contextlib.suppress(ConnectionError):
            handler(far)

    scope.spawn(name, serve)
    return Port(near)


class Port:
    """stages.PortStream over one end of a socket pair."""

    def __init__(self, near: socket.socket) -> None:
        self._near = near

    def send(self, data: bytes) -> None:
        try:
            self._near.sendall(data)
        except OSError as exc:
            raise ConnectionError(f"the connection to the pod broke: {exc}") from exc

    def receive(self) -> bytes:
        try:
            return self._near.recv(1 << 16)
        except OSError as exc:
            raise ConnectionError(f"the connection to the pod broke: {exc}") from exc

    def close(self) -> None:
        _shut(self._near)
        self._near.close()

    def fileno(self) -> int:
        return self._near.fileno()


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
