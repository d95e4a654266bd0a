"""A WebSocket of the API server: connecting, and reading whole messages.

Comes in: a path of the API. Goes out: a connection, with the server's refusal in its own words where there is none. What the messages
mean is for whoever asked: ports (`kube_stream`), commands (`kube_exec`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from devloop.effects.kube_http import Http
from devloop.effects.kube_pool import CONNECT_S, SOCKET_OPTIONS, shut
from devloop.effects.kubeconfig import Settings
from devloop.scope import Scope
from devloop.stages import ApiRefusal

FRAME_BYTES = 1 << 16


class Refused(Exception):
    """The API server answered, and said no."""


def connect(scope: Scope, settings: Settings, http: Http, path: str, protocols: Sequence[str]) -> Any:
    """Opens a WebSocket of `path` (with its query). Blocks for about 20 ms, 5 s at most; cancelling ends that.

    Raises: Refused; Unavailable; UsageError for refused credentials; Cancelled.
    """
    import websocket

    scope.check()
    options: dict[str, Any] = {"context": settings.tls} if settings.tls else {}
    if settings.tls_name:
        options["server_hostname"] = settings.tls_name
    connection: Any = websocket.WebSocket(
        sslopt=options, sockopt=SOCKET_OPTIONS, enable_multithread=True, skip_utf8_validation=True
    )
    try:
        with scope.on_cancel(lambda: shut(connection.sock)):
            connection.connect(
                "ws" + (settings.server + path).removeprefix("http"),
                timeout=CONNECT_S,
                header=[f"{name}: {value}" for name, value in settings.login.headers().items()],
                subprotocols=list(protocols),
                redirect_limit=0,
                **_proxy(settings.proxy),
            )
    except websocket.WebSocketBadStatusException as exc:
        refusal = http.refusal(exc.status_code, exc.resp_body or b"")
        if isinstance(refusal, ApiRefusal):
            raise Refused(str(refusal)) from exc
        raise refusal from exc
    except (websocket.WebSocketException, OSError) as exc:
        scope.check()
        raise http.unreachable(exc) from exc
    return connection


def message(connection: Any) -> bytes | None:
    """Blocks for the next message, which may come in several frames; None when the far side says that it ends.

    Raises: ConnectionError when the connection breaks.
    """
    from websocket import ABNF

    found = bytearray()
    while True:
        # Not recv_data, which answers a close with one of its own: that waits for a sender whom nobody reads any more.
        with as_connection_error():
            frame = connection.recv_frame()
        if frame.opcode == ABNF.OPCODE_CLOSE:
            return None
        if frame.opcode == ABNF.OPCODE_PING:
            with as_connection_error():
                connection.pong(frame.data)
        if frame.opcode in (ABNF.OPCODE_BINARY, ABNF.OPCODE_CONT):
            found += frame.data
            if frame.fin and found:
                return bytes(found)


@contextlib.contextmanager
def as_connection_error() -> Iterator[None]:
    """Whatever breaks a connection, as ConnectionError."""
    import websocket

    try:
        yield
    except (websocket.WebSocketException, OSError, ValueError) as exc:
        raise ConnectionError(f"the connection to the pod broke: {exc}") from exc


def _proxy(url: str | None) -> dict[str, Any]:
    if not url:
        return {"http_no_proxy": ["*"]}  # else it looks at the environment itself
    parts = urlsplit(url)
    return {
        "proxy_type": "http",
        "http_proxy_host": parts.hostname,
        "http_proxy_port": parts.port or 80,
        "http_proxy_auth": (unquote(parts.username), unquote(parts.password or "")) if parts.username else None,
    }
