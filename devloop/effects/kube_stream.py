"""A connection to a port of a pod, through the API server's WebSocket.

Comes in: bytes from either side. Goes out: the same bytes. Protocol `v4.channel.k8s.io`: each frame begins with its channel, 0 for
data and 1 for errors, and the first frame of each channel is the port as two bytes, little end first
(k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go). It has no half-close.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any
from urllib.parse import unquote, urlsplit

from devloop.effects.duplex import Duplex
from devloop.effects.kube_http import Http
from devloop.effects.kube_pool import CONNECT_S, SOCKET_OPTIONS, shut
from devloop.effects.kubeconfig import Settings
from devloop.scope import Scope
from devloop.stages import ApiRefusal

FRAME_BYTES = 1 << 16
DATA, ERROR = b"\0", b"\1"


def open_port(scope: Scope, settings: Settings, http: Http, path: str, port: int) -> WebSocketPort:
    """Connects. Blocks for about 20 ms, 5 s at most; cancelling ends that.

    Raises: ConnectionError when the pod or its port is not there; Unavailable; UsageError for refused credentials; Cancelled.
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
                "ws" + (settings.server + path).removeprefix("http") + f"?ports={port}",
                timeout=CONNECT_S,
                header=[f"{name}: {value}" for name, value in settings.login.headers().items()],
                subprotocols=["v4.channel.k8s.io"],
                redirect_limit=0,
                **_proxy(settings.proxy),
            )
    except websocket.WebSocketBadStatusException as exc:
        refusal = http.refusal(exc.status_code, exc.resp_body or b"")
        if isinstance(refusal, ApiRefusal):
            raise ConnectionError(f"the API server refused the connection to port {port}: {refusal}") from exc
        raise refusal from exc
    except (websocket.WebSocketException, OSError) as exc:
        scope.check()
        raise http.unreachable(exc) from exc
    return WebSocketPort(connection)


class WebSocketPort:
    """See stages.PortStream."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._socket = connection.sock = Duplex(connection.sock)
        self._is_closed = threading.Event()
        self._greeted: set[bytes] = set()

    def send(self, data: bytes) -> None:
        """Blocks until handed to the network. Raises: ConnectionError."""
        for start in range(0, len(data), FRAME_BYTES):
            with _as_connection_error():
                self._connection.send_binary(DATA + data[start : start + FRAME_BYTES])

    def receive(self) -> bytes:
        """Blocks for the next bytes; b"" at the end. Raises: ConnectionError."""
        while not self._is_closed.is_set():
            try:
                message = self._message()
            except ConnectionError:
                if self._is_closed.is_set():
                    break
                raise
            if message is None:
                break
            channel, content = message[:1], message[1:]
            if channel not in self._greeted:
                self._greeted.add(channel)
                content = content[2:]
            if channel == ERROR and content:
                raise ConnectionError(content.decode(errors="replace"))
            if channel == DATA and content:
                return content
        return b""

    def _message(self) -> bytes | None:
        """The next message, which may come in several frames; None when the far side says that it ends."""
        from websocket import ABNF

        message = bytearray()
        while True:
            # Not recv_data, which answers a close with one of its own: that waits for a sender whom nobody reads any more.
            with _as_connection_error():
                frame = self._connection.recv_frame()
            if frame.opcode == ABNF.OPCODE_CLOSE:
                return None
            if frame.opcode == ABNF.OPCODE_PING:
                with _as_connection_error():
                    self._connection.pong(frame.data)
            if frame.opcode in (ABNF.OPCODE_BINARY, ABNF.OPCODE_CONT):
                message += frame.data
                if frame.fin and message:
                    return bytes(message)

    def close(self) -> None:
        """Ends the connection at once, from any thread."""
        self._is_closed.set()
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()


@contextlib.contextmanager
def _as_connection_error() -> Any:
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
