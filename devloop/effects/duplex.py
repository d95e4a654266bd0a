"""A socket, with TLS or without, that one thread reads while another writes.

Comes in: a connected socket. Goes out: blocking `recv` and `send` that never wait for each other, and a `close` that ends both at
once. OpenSSL allows one thread at a time on a connection, so nothing waits for the network while it holds that connection's lock: a
writer that waits for the far side to read would else keep us from reading what the far side waits to get rid of.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

_T = TypeVar("_T")


class Duplex:
    """Owns the socket from now on. At most one reader and one writer at a time."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(0)
        self._socket = sock
        self._tls = threading.Lock()
        self._state = threading.Lock()
        self._users = 0
        self._is_closed = threading.Event()

    def recv(self, size: int) -> bytes:
        """Blocks for the next bytes, `size` at most; b"" at the end of the stream. Raises: OSError."""
        return self._until_done(lambda: self._socket.recv(size), selectors.EVENT_READ)

    def send(self, data: bytes) -> int:
        """Blocks until some of the data is handed to the network; how much of it. Raises: OSError."""
        return self._until_done(lambda: self._socket.send(data), selectors.EVENT_WRITE)

    def close(self) -> None:
        """Ends the connection at once, in any thread; a blocked `recv` returns b"" or raises OSError."""
        with self._state:
            if self._is_closed.is_set():
                return
            self._is_closed.set()
            is_idle = not self._users
        # Not the TLS socket's own shutdown, which would strip TLS under the hands of a reader.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        if is_idle:
            self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def gettimeout(self) -> float:
        """0, to tell websocket-client that it has not to wait for the socket itself: `recv` and `send` do."""
        return 0.0

    def _until_done(self, step: Callable[[], _T], event: int) -> _T:
        with self._in_use():
            while True:
                try:
                    with self._tls:
                        return step()
                except BlockingIOError:
                    wanted = event
                except ssl.SSLWantReadError:
                    wanted = selectors.EVENT_READ
                except ssl.SSLWantWriteError:
                    wanted = selectors.EVENT_WRITE
                with selectors.DefaultSelector() as selector:
                    selector.register(self._socket, wanted)
                    selector.select()

    @contextlib.contextmanager
    def _in_use(self) -> Iterator[None]:
        """Keeps the descriptor from being closed, and given to another connection, under a thread that waits for it."""
        with self._state:
            if self._is_closed.is_set():
                raise ConnectionError("the connection is closed")
            self._users += 1
        try:
            yield
        finally:
            with self._state:
                self._users -= 1
                is_last = self._is_closed.is_set() and not self._users
            if is_last:
                self._socket.close()
