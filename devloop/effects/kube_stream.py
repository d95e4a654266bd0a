"""A connection to a port of a pod, through the API server's WebSocket.

Comes in: bytes from either side. Goes out: the same bytes. Protocol `v4.channel.k8s.io`: each frame begins with its channel, 0 for
data and 1 for errors, and the first frame of each channel is the port as two bytes, little end first
(k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go). It has no half-close.
"""

from __future__ import annotations

import threading
from typing import Any

from devloop.effects import kube_socket
from devloop.effects.duplex import Duplex
from devloop.effects.kube_http import Http
from devloop.effects.kubeconfig import Settings
from devloop.scope import Scope

DATA, ERROR = b"\0", b"\1"


def open_port(scope: Scope, settings: Settings, http: Http, path: str, port: int) -> WebSocketPort:
    """Connects. Blocks for about 20 ms, 5 s at most; cancelling ends that.

    Raises: ConnectionError when the pod or its port is not there; Unavailable; UsageError for refused credentials; Cancelled.
    """
    try:
        return WebSocketPort(kube_socket.connect(scope, settings, http, f"{path}?ports={port}", ["v4.channel.k8s.io"]))
    except kube_socket.Refused as exc:
        raise ConnectionError(f"the API server refused the connection to port {port}: {exc}") from exc


class WebSocketPort:
    """See stages.PortStream."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._socket = connection.sock = Duplex(connection.sock)
        self._is_closed = threading.Event()
        self._greeted: set[bytes] = set()

    def send(self, data: bytes) -> None:
        """Blocks until handed to the network. Raises: ConnectionError."""
        for start in range(0, len(data), kube_socket.FRAME_BYTES):
            with kube_socket.as_connection_error():
                self._connection.send_binary(DATA + data[start : start + kube_socket.FRAME_BYTES])

    def receive(self) -> bytes:
        """Blocks for the next bytes; b"" at the end. Raises: ConnectionError."""
        while not self._is_closed.is_set():
            try:
                message = kube_socket.message(self._connection)
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

    def close(self) -> None:
        """Ends the connection at once, from any thread."""
        self._is_closed.set()
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()
