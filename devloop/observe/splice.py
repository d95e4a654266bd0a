"""One connection of a forwarded port, from accept to its end.

Comes in: a client's socket, where to connect, how to find out where. Goes out: its bytes, both ways, whole. The client is held until a
pod serves; a connection that a pod refused, or that broke before anything was sent on it, is made again with another pod. Once a
reply began or a request may have been read, nothing is ever sent twice.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from devloop.errors import DevloopError
from devloop.scope import Scope
from devloop.stages import ApiRefusal, PortStream

HOLD_S = 60.0
_CHUNK = 65536
_REPLAY_BYTES = 65536
_DRAIN_S = 5.0
# The channel has no half-close: a client that ended its side may still wait for a reply, or be gone.
_REPLY_STARTED_S, _REPLY_OWED_S = 10.0, 60.0
_RETRY_S, _MAX_RETRY_S = 0.05, 0.5
_TELL_REFUSED_AFTER_S = 1.0


@dataclass(frozen=True)
class Dialled:
    """A connection to a pod's port. `is_current`: whether a new dial would lead to the same pod."""

    stream: PortStream
    is_current: Callable[[], bool]


class Connection:
    """A client and what it is connected to. `dial`: blocks until a pod serves, at most until the deadline; None when it is too late or
    the client has left. `note`: gets why the pod does not answer, "" when it does. `bell`: wakes a blocked `dial`.
    """

    def __init__(
        self,
        scope: Scope,
        client: socket.socket,
        dial: Callable[[Connection, float], Dialled | None],
        note: Callable[[str], None],
    ) -> None:
        self._scope, self._client, self._dial, self._note = scope, client, dial, note
        self._lock = threading.Lock()  # orders what is sent first after a new dial; never held while receiving
        self._stream: PortStream | None = None
        self._sent = bytearray()  # what the client has said so far, kept until a reply shows that it was heard
        self._is_settled = False  # nothing may be sent again
        self._is_joined = threading.Event()
        self._is_gone = False
        self._said_at = self._heard_at = time.monotonic()
        self._client_ended = threading.Event()
        self._finished = threading.Event()
        self.bell: Callable[[], None] = lambda: None

    @property
    def is_abandoned(self) -> bool:
        """Whether the client broke off, or left without having said anything."""
        return self._is_gone or (self._client_ended.is_set() and not self._sent)

    def run(self) -> None:
        """Serves the client until either side ends. Blocks; cancelled by the scope."""
        with self._scope.on_cancel(self._break_off):
            self._scope.spawn(f"{self._scope.name} up", self._pump_up)
            try:
                self._serve()
            finally:
                self._finished.set()
                self._is_joined.set()
                self._break_off()
                self._client.close()

    def _serve(self) -> None:
        started_at = time.monotonic()
        retry_s = _RETRY_S
        while True:
            problem = self._attempt(started_at + HOLD_S)
            if problem is None or time.monotonic() > started_at + HOLD_S:
                return
            if time.monotonic() > started_at + _TELL_REFUSED_AFTER_S:
                self._note(problem)
            self._scope.wait(retry_s)
            retry_s = min(retry_s * 2, _MAX_RETRY_S)

    def _attempt(self, deadline: float) -> str | None:
        """One dial and what comes of it; why to try again, None when it is over."""
        try:
            dialled = self._dial(self, deadline)
        except (ApiRefusal, DevloopError, ConnectionError) as problem:
            return str(problem)
        if dialled is None:
            return None
        try:
            self._join(dialled.stream)
            self._pump_down(dialled.stream)
        except ConnectionError as problem:
            is_harmless = not self._sent or _is_refusal(problem)
            return str(problem) if is_harmless and not self._is_settled else None
        finally:
            self._part(dialled.stream)
        if not self._is_settled and not self._sent and not dialled.is_current():
            return "the pod is gone"
        self._end_client()
        return None

    def _join(self, stream: PortStream) -> None:
        with self._lock:
            if self._sent:
                stream.send(bytes(self._sent))
            self._stream = stream
        self._is_joined.set()

    def _part(self, stream: PortStream) -> None:
        self._is_joined.clear()
        stream.close()  # before the lock: whoever sends on it holds the lock
        with self._lock:
            self._stream = None

    def _pump_down(self, stream: PortStream) -> None:
        while data := stream.receive():
            self._heard_at = time.monotonic()
            if not self._is_settled:
                self._is_settled = True
                self._note("")
            try:
                self._client.sendall(data)
            except OSError:
                return

    def _end_client(self) -> None:
        """Ends our side and waits for the client's: closing with unread bytes would reset the connection and lose the reply's end."""
        try:
            self._client.shutdown(socket.SHUT_WR)
        except OSError:
            return
        self._client_ended.wait(_DRAIN_S)

    def _pump_up(self) -> None:
        try:
            while data := self._client.recv(_CHUNK):
                self._said_at = time.monotonic()
                self._send(data)
        except OSError:
            self._is_gone = True
        self._client_ended.set()
        self.bell()
        self._outlast()

    def _send(self, data: bytes) -> None:
        while not self._is_settled and not self._finished.is_set():
            with self._lock:
                is_bulky = len(self._sent) + len(data) > _REPLAY_BYTES
                if not is_bulky or self._stream is not None:
                    # More than can be kept for another try: this pod is the last one.
                    self._is_settled = is_bulky
                    self._sent += data
                    if self._stream is not None:
                        _try_send(self._stream, data)
                    return
            self._is_joined.wait()
        stream = self._stream
        if stream is not None:
            _try_send(stream, data)

    def _outlast(self) -> None:
        """After the client's end: lets the reply come, and gives up when nothing comes."""
        while not self._finished.is_set():
            is_owed = bool(self._sent) and self._said_at >= self._heard_at
            last_at, patience_s = (self._said_at, _REPLY_OWED_S) if is_owed else (self._heard_at, _REPLY_STARTED_S)
            left_s = 0.0 if self._is_gone else last_at + patience_s - time.monotonic()
            stream = self._stream
            if left_s <= 0 and stream is not None:
                stream.close()
                return
            self._finished.wait(max(left_s, 0.1))

    def _break_off(self) -> None:
        with contextlib.suppress(OSError):  # the client was faster
            self._client.shutdown(socket.SHUT_RDWR)
        stream = self._stream
        if stream is not None:
            stream.close()


def _try_send(stream: PortStream, data: bytes) -> None:
    try:
        stream.send(data)
    except OSError:
        return  # the receiving side meets the same end, and decides


def _is_refusal(problem: ConnectionError) -> bool:
    """Whether the pod's port refused the connection, so that nothing sent on it was read."""
    return isinstance(problem, ConnectionRefusedError) or "refused" in str(problem)
