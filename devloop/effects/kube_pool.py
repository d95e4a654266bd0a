"""Connections to one server, kept open between requests, of which any wait can be cut short.

Comes in: requests. Goes out: urllib3's responses, with the socket that they come from. It never retries, redirects or interprets.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from devloop.scope import Scope

CONNECT_S = 5.0
# A peer that vanished (sleep, VPN, a killed machine) shows within half a minute, also on a quiet watch.
_KEEP_ALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPALIVE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *((socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in _KEEP_ALIVE if hasattr(socket, name)),
]


@dataclass(frozen=True)
class Answer:
    """`response`: a urllib3.HTTPResponse. `shut`: wakes whoever reads it, in any thread."""

    response: Any
    connection: socket.socket | None

    def shut(self) -> None:
        shut(self.connection)


class Pool:
    """Safe to use from many threads. Connections are made as needed; 64 idle ones are kept.

    `proxy`: the URL of one. `tls`: for https. `tls_name`: the name on the server's certificate where that is not the URL's.
    """

    def __init__(self, proxy: str | None, tls: ssl.SSLContext | None, tls_name: str | None = None) -> None:
        self._here = _Here()
        self._manager = _manager(proxy, tls, tls_name, self._here)

    def request(
        self,
        scope: Scope | None,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        read_s: float | None,
        is_stream: bool = False,
    ) -> Answer:
        """Blocks for the answer, or for its head when it is a stream. Cancelling `scope` (None: nobody may) ends that.

        Raises: urllib3.exceptions.HTTPError, also for a request that was cut short; Cancelled.
        """
        from urllib3.util import Timeout

        self._here.scope = scope
        try:
            response = self._manager.request(
                method,
                url,
                body=body,
                headers=dict(headers),
                timeout=Timeout(connect=CONNECT_S, read=read_s),
                preload_content=not is_stream,
                retries=False,
                redirect=False,
            )
            return Answer(response, self._here.connection)
        finally:
            self._here.scope = self._here.connection = None


def shut(connection: socket.socket | None) -> None:
    """Wakes whoever reads or writes the socket. Not by a TLS socket's own shutdown: that strips TLS first, and the reader would be
    handed what the server encrypted.
    """
    if connection is not None:
        with contextlib.suppress(OSError, ValueError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


def innermost(exc: BaseException) -> BaseException:
    """The reason behind the reasons, which is the one that says something ("Connection refused")."""
    for inner in (getattr(exc, "reason", None), exc.__cause__, *exc.args[:1]):
        if isinstance(inner, BaseException):
            return innermost(inner)
    return exc


def words(cause: BaseException) -> str:
    """What an error of a connection says, on one line."""
    return " ".join((getattr(cause, "strerror", None) or str(cause) or type(cause).__name__).split())


class _Here(threading.local):
    """What the request of this thread is about. urllib3 has no other way to hand it to the connection that it picks."""

    scope: Scope | None = None
    connection: socket.socket | None = None

    @contextlib.contextmanager
    def waiting(self, connection: socket.socket | None) -> Iterator[None]:
        self.connection = connection
        if self.scope is None:
            yield
            return
        with self.scope.on_cancel(lambda: shut(connection)):
            yield


def _manager(proxy: str | None, tls: ssl.SSLContext | None, tls_name: str | None, here: _Here) -> Any:
    import urllib3
    from urllib3 import connection, connectionpool

    class Plain(connection.HTTPConnection):
        def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
            with here.waiting(self.sock):
                return super().getresponse()

    class Secure(connection.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            # It would warn at each connection of what kubeconfig asks for with insecure-skip-tls-verify.
            self.is_verified = True

        def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
            with here.waiting(self.sock):
                return super().getresponse()

    class PlainPool(connectionpool.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(connectionpool.HTTPSConnectionPool):
        ConnectionCls = Secure

    options: dict[str, Any] = {"maxsize": 64, "block": False, "socket_options": SOCKET_OPTIONS}
    if tls:
        options["ssl_context"] = tls
        options["server_hostname"] = tls_name
    manager = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
    manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
    return manager
