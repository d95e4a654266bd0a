"""A forwarded port against a far side that behaves as few do: it floods, stalls, refuses, and breaks off."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from devloop.effects import cluster as cluster_door
from devloop.errors import Unavailable
from devloop.scope import Scope
from devloop.stages import PortStream

MEGABYTE = 1 << 20
BINARY, CLOSE, PING, PONG = 2, 8, 9, 10
KEY = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §4.2.2

Behaviour = Callable[["FarSide"], None]


class FarSide:
    """The API server's end of one WebSocket, port 80."""

    def __init__(self, connection: socket.socket, stream: BinaryIO) -> None:
        self.connection = connection
        self._stream = stream
        lines = []
        while line := self._stream.readline().strip():
            lines.append(line.decode())
        self.request = lines[0]
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}

    def accept(self) -> None:
        key = hashlib.sha1((self.headers["sec-websocket-key"] + KEY).encode()).digest()
        self.connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\nSec-WebSocket-Accept: " + base64.b64encode(key) + b"\r\n\r\n"
        )
        for channel in (0, 1):
            self.write(bytes([channel]) + struct.pack("<H", 80))

    def refuse(self, status: str, body: str) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nX-Noise: yes\r\n\r\n"
        self.connection.sendall((head + body).encode())

    def write(self, payload: bytes, opcode: int = BINARY) -> None:
        size = (
            struct.pack("!BH", 126, len(payload)) if len(payload) < 1 << 16 else struct.pack("!BQ", 127, len(payload))
        )
        head = bytes([len(payload)]) if len(payload) < 126 else size
        self.connection.sendall(bytes([0x80 | opcode]) + head + payload)

    def read(self) -> tuple[int, bytes]:
        """The next frame; (0, b"") at the end of the connection."""
        head = self._stream.read(2)
        if len(head) < 2:
            return 0, b""
        size = head[1] & 0x7F
        if size > 125:
            wide = size == 127
            size = struct.unpack("!Q" if wide else "!H", self._stream.read(8 if wide else 2))[0]
        mask, payload = self._stream.read(4), self._stream.read(size)
        repeated = mask * (size // 4 + 1)
        whole = int.from_bytes(payload, "big") ^ int.from_bytes(repeated[:size], "big")
        return head[0] & 0x0F, whole.to_bytes(size, "big")


@pytest.fixture
def scope() -> Iterator[Scope]:
    with Scope("test") as made:
        yield made


@pytest.fixture
def dial(scope: Scope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Behaviour], PortStream]]:
    """A function: how the far side behaves → a stream to it."""
    opened: list[PortStream] = []
    listener = socket.create_server(("127.0.0.1", 0))
    content = {
        "current-context": "far",
        "contexts": [{"name": "far", "context": {"cluster": "far", "user": "me"}}],
        "clusters": [{"name": "far", "cluster": {"server": f"http://127.0.0.1:{listener.getsockname()[1]}"}}],
        "users": [{"name": "me", "user": {"token": "secret"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(content))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))

    def connect(behave: Behaviour) -> PortStream:
        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                behave(FarSide(connection, stream))

        scope.spawn("far side", serve)
        opened.append(cluster_door.connect(None, None).connect(scope, "ns", "box", 80))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()
    listener.close()


def test_it_asks_for_the_port_with_the_credentials(dial: Callable[[Behaviour], PortStream]) -> None:
    asked: list[FarSide] = []

    def behave(far: FarSide) -> None:
        asked.append(far)
        far.accept()
        far.write(b"\x00hello")

    assert dial(behave).receive() == b"hello"
    assert asked[0].request == "GET /api/v1/namespaces/ns/pods/box/portforward?ports=80 HTTP/1.1"
    assert asked[0].headers["authorization"] == "Bearer secret"
    assert asked[0].headers["sec-websocket-protocol"] == "v4.channel.k8s.io"


def test_both_sides_may_send_more_than_the_network_holds_before_either_reads(
    scope: Scope, dial: Callable[[Behaviour], PortStream]
) -> None:
    taken = bytearray()
    block = b"\x00" + b"y" * 60_000

    def behave(far: FarSide) -> None:
        far.accept()
        for _ in range(500):
            far.write(block)
        while len(taken) < 32 * MEGABYTE:
            taken.extend(far.read()[1][1:])

    stream = dial(behave)
    scope.spawn("send", lambda: stream.send(b"x" * (32 * MEGABYTE)))
    received = 0
    while received < 500 * 60_000:
        received += len(stream.receive())
    scope.join()
    assert bytes(taken) == b"x" * (32 * MEGABYTE)


def test_what_is_sent_is_cut_into_frames_of_64_kilobytes(dial: Callable[[Behaviour], PortStream]) -> None:
    sizes: list[int] = []
    is_done = threading.Event()

    def behave(far: FarSide) -> None:
        far.accept()
        while sum(sizes) < 150_000:
            sizes.append(len(far.read()[1]) - 1)
        is_done.set()

    dial(behave).send(b"x" * 150_000)
    assert is_done.wait(30)
    assert sizes == [65536, 65536, 18928]


def test_what_the_pod_refuses_is_told_in_its_words(dial: Callable[[Behaviour], PortStream]) -> None:
    def behave(far: FarSide) -> None:
        far.accept()
        far.write(b"\x01error forwarding port 80: connection refused")

    with pytest.raises(ConnectionError, match=r"^error forwarding port 80: connection refused$"):
        dial(behave).receive()


def test_a_ping_is_answered_and_told_to_nobody(dial: Callable[[Behaviour], PortStream]) -> None:
    answers: list[tuple[int, bytes]] = []

    def behave(far: FarSide) -> None:
        far.accept()
        far.write(b"are you there", PING)
        answers.append(far.read())
        far.write(b"\x00data")

    assert dial(behave).receive() == b"data"
    assert answers == [(PONG, b"are you there")]


def test_a_connection_that_breaks_is_an_error_and_one_that_is_closed_an_end(
    dial: Callable[[Behaviour], PortStream],
) -> None:
    def close(far: FarSide) -> None:
        far.accept()
        far.write(b"", CLOSE)

    with pytest.raises(ConnectionError, match="the connection to the pod broke"):
        dial(FarSide.accept).receive()
    assert dial(close).receive() == b""


def test_the_end_is_told_although_a_sender_is_not_read_any_more(
    scope: Scope, dial: Callable[[Behaviour], PortStream]
) -> None:
    may_end = threading.Event()

    def behave(far: FarSide) -> None:
        far.accept()
        may_end.wait()
        far.write(b"", CLOSE)
        is_over.wait()

    is_over = threading.Event()
    stream = dial(behave)

    def send() -> None:
        with contextlib.suppress(ConnectionError):
            stream.send(b"x" * (64 * MEGABYTE))

    scope.spawn("send", send)
    scope.wait(0.3)
    may_end.set()
    assert stream.receive() == b""
    is_over.set()


def test_a_message_in_several_frames_is_one(dial: Callable[[Behaviour], PortStream]) -> None:
    def behave(far: FarSide) -> None:
        far.accept()
        far.connection.sendall(bytes([BINARY, 3]) + b"\0ab" + bytes([0x80, 2]) + b"cd")

    assert dial(behave).receive() == b"abcd"


@pytest.mark.parametrize("blocked", ["receive", "send"])
def test_closing_ends_what_waits_for_the_far_side(dial: Callable[[Behaviour], PortStream], blocked: str) -> None:
    is_over = threading.Event()

    def behave(far: FarSide) -> None:
        far.accept()
        is_over.wait()

    stream = dial(behave)
    ended: list[str] = []

    def receive() -> None:
        ended.append(f"received {stream.receive()!r}")

    def send() -> None:
        try:
            stream.send(b"x" * (64 * MEGABYTE))
        except ConnectionError:
            ended.append("broke")

    with Scope("blocked") as scope:
        scope.spawn(blocked, receive if blocked == "receive" else send)
        scope.wait(0.3)
        assert ended == []
        stream.close()
        stream.close()
    assert ended == ["received b''" if blocked == "receive" else "broke"]
    is_over.set()
    assert stream.receive() == b""
    with pytest.raises(ConnectionError):
        stream.send(b"x")


def test_a_refused_upgrade_is_told_in_the_servers_words(dial: Callable[[Behaviour], PortStream]) -> None:
    status = json.dumps({"kind": "Status", "reason": "NotFound", "message": 'pods "box" not found', "code": 404})
    with pytest.raises(ConnectionError) as told:
        dial(lambda far: far.refuse("404 Not Found", status))
    assert str(told.value) == 'the API server refused the connection to port 80: pods "box" not found'


def test_a_server_that_hangs_up_is_unavailable(dial: Callable[[Behaviour], PortStream]) -> None:
    with pytest.raises(Unavailable, match="the API server of context far does not answer"):
        dial(lambda far: far.connection.shutdown(socket.SHUT_RDWR))
