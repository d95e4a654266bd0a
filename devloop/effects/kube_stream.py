"""A connection to a port of a pod, through the API server's WebSocket.

Comes in: bytes from either side. Goes out: the same bytes. Protocol `v4.channel.k8s.io`: each frame begins with its channel, 0 for
data and 1 for errors, and the first frame of each channel is the port as two bytes, little end first
(k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go). It has no half-close.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from typing import Any

from devloop.effects.duplex import Duplex
from devloop.effects.kube_http import CONNECT_S, Http
from devloop.effects.kubeconfig import Settings
from devloop.scope import Scope
from devloop.stages import ApiRefusal

FRAME_BYTES = 1 << 16
DATA, ERROR = b"\0", b"\1"


def open_port(scope: Scope, settings: Settings, http: Http, path: str, port: int) -> WebSocketPort:
    """Connects. Blocks for about 20 ms, 5 s at most. Raises: ConnectionError when the pod or its port is not there; Unavailable."""
    import websocket

    scope.check()
    configuration = settings.configuration
    url = "ws" + (http.server + path).removeprefix("http") + f"?ports={port}"
    options: dict[str, Any] = {"context": _tls(configuration)} if url.startswith("wss:") else {}
    if configuration.tls_server_name:
        options["server_hostname"] = configuration.tls_server_name
    try:
        connection = websocket.create_connection(
            url,
            timeout=CONNECT_S,
            sslopt=options,
            header=[f"{name}: {value}" for name, value in http.headers().items() if name.lower() == "authorization"],
            subprotocols=["v4.channel.k8s.io"],
            skip_utf8_validation=True,
            enable_multithread=True,
            sockopt=configuration.socket_options,
            **_proxy(configuration),
        )
    except websocket.WebSocketBadStatusException as exc:
        refusal = http.refusal(exc.status_code, exc.resp_body or b"")
        if isinstance(refusal, ApiRefusal):
            raise ConnectionError(f"the API server refused the connection to port {port}: {refusal}") from exc
        raise refusal from exc
    except (websocket.WebSocketException, OSError) as exc:
        raise http.unavailable(str(exc)) from exc
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


def _tls(configuration: Any) -> ssl.SSLContext:
    data = configuration.ca_cert_data
    context = ssl.create_default_context(
        cafile=configuration.ssl_ca_cert, cadata=data.decode("ascii") if isinstance(data, bytes) else data
    )
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.assert_hostname is False:
        context.check_hostname = False
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context


def _proxy(configuration: Any) -> dict[str, Any]:
    if not configuration.proxy:
        return {"http_no_proxy": ["*"]}
    from urllib.parse import urlsplit

    parts = urlsplit(configuration.proxy)
    return {
        "proxy_type": parts.scheme.replace("https", "http"),
        "http_proxy_host": parts.hostname,
        "http_proxy_port": parts.port,
        "http_proxy_auth": (parts.username, parts.password) if parts.username else None,
    }
