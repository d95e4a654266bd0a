"""A connection to a port of a pod, through the API server's WebSocket.

Comes in: bytes from either side. Goes out: the same bytes. Protocol `v4.channel.k8s.io`: each frame begins with its channel, 0 for
data and 1 for errors, and the first frame of each channel is the port as two bytes, little end first
(k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go). It has no half-close.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from typing import Any

from devloop.effects.kube_http import CONNECT_S, Http
from devloop.effects.kubeconfig import Settings
from devloop.errors import Unavailable
from devloop.scope import Scope

FRAME_BYTES = 1 << 16
DATA, ERROR = 0, 1


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
        raise ConnectionError(f"the API server refused the connection to port {port}: {exc}") from exc
    except (websocket.WebSocketException, OSError) as exc:
        raise Unavailable(
            f"the API server of context {settings.context} does not answer: {exc}", where=http.server
        ) from exc
    connection.settimeout(None)
    return WebSocketPort(connection)


class WebSocketPort:
    """See stages.PortStream."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._socket: socket.socket = connection.sock
        # OpenSSL allows one thread at a time on a connection: a reader waits outside the lock, and takes it to read what is there.
        self._lock = threading.Lock()
        self._is_closed = False
        self._greeted: set[int] = set()

    def send(self, data: bytes) -> None:
        """Blocks until handed to the network. Raises: ConnectionError."""
        for start in range(0, len(data), FRAME_BYTES):
            with self._lock, _as_connection_error():
                self._connection.send_binary(bytes([DATA]) + data[start : start + FRAME_BYTES])

    def receive(self) -> bytes:
        """Blocks for the next bytes; b"" at the end. Raises: ConnectionError."""
        import websocket

        while True:
            if not self._wait_readable():
                return b""
            with self._lock:
                if self._is_closed:
                    return b""
                with _as_connection_error():
                    # With control frames: after a ping it would else wait for the next frame, and senders for the lock.
                    opcode, frame = self._connection.recv_data(control_frame=True)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return b""
            if opcode != websocket.ABNF.OPCODE_BINARY or not frame:
                continue
            channel, content = frame[0], frame[1:]
            if channel not in self._greeted:
                self._greeted.add(channel)
                content = content[2:]
            if channel == ERROR and content:
                raise ConnectionError(content.decode(errors="replace"))
            if channel == DATA and content:
                return bytes(content)

    def _wait_readable(self) -> bool:
        if isinstance(self._socket, ssl.SSLSocket):
            with self._lock, contextlib.suppress(ValueError):
                if self._socket.pending():
                    return True
        poll = select.poll()
        try:
            poll.register(self._socket, select.POLLIN | select.POLLHUP)
            poll.poll()
        except (OSError, ValueError):
            return False  # closed under our feet
        return not self._is_closed

    def close(self) -> None:
        """Ends the connection at once, from any thread."""
        if self._is_closed:
            return
        self._is_closed = True
        # shutdown wakes a thread that polls the socket; only then may it be closed, when nobody is using it any more.
        with contextlib.suppress(OSError, ValueError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        with self._lock, contextlib.suppress(OSError, ValueError):
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
