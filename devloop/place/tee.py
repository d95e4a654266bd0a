"""One stream for several readers: an image that all nodes lack is taken out of the engine once.

Comes in: chunks. Goes out: an iterator of the same chunks for each reader. No reader is ever more than a few chunks behind the others, so
that next to nothing is held in memory; one that leaves holds nobody up. It has no thread: whoever is first reads on for all.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from devloop.place.saved import stop
from devloop.scope import Scope

_AHEAD = 16  # chunks


class Tee:
    """`readers`: how many there will be; each is asked for once, and leaves when it is not read to its end."""

    def __init__(self, chunks: Iterator[bytes], readers: int) -> None:
        self._chunks = chunks
        self._news = threading.Condition()
        self._held: deque[bytes] = deque()
        self._first = 0  # the number of the first chunk that is held
        self._next = dict.fromkeys(range(readers), 0)  # reader → the number of the chunk that it wants
        self._is_reading = False
        self._is_over = False
        self._error: BaseException | None = None

    def reader(self, scope: Scope, number: int) -> Iterator[bytes]:
        """The chunks for one of the readers. Blocks for the slowest one; cancelled by the scope. Raises: what the stream raises."""
        try:
            with scope.on_cancel(self._wake):
                while (chunk := self._take(scope, number)) is not None:
                    yield chunk
        finally:
            self.leave(number)

    def leave(self, number: int) -> None:
        """The reader wants no more; nothing when it left already. An iterator that nobody began to read cannot tell so itself."""
        with self._news:
            if self._next.pop(number, None) is None:
                return
            self._drop()
            is_last = not self._next
        if is_last:
            stop(self._chunks)

    def _take(self, scope: Scope, number: int) -> bytes | None:
        with self._news:
            while True:
                scope.check()
                at = self._next[number] - self._first
                if at < len(self._held):
                    return self._given(number, self._held[at])
                if self._error is not None:
                    raise self._error
                if self._is_over:
                    return None
                if not self._is_reading and len(self._held) < _AHEAD:
                    self._is_reading = True
                    break
                self._news.wait()
        chunk, error = None, None
        try:
            chunk = next(self._chunks, None)
        except BaseException as exc:  # noqa: BLE001 - it is every reader's, and raised for each
            error = exc
        with self._news:
            self._is_reading = False
            self._error, self._is_over = error, chunk is None
            if chunk is not None:
                self._held.append(chunk)
            self._news.notify_all()
        return self._take(scope, number)

    def _given(self, number: int, chunk: bytes) -> bytes:
        self._next[number] += 1
        self._drop()
        return chunk

    def _drop(self) -> None:
        """Lets go of what every reader has had."""
        least = min(self._next.values(), default=self._first + len(self._held))
        while self._first < least:
            self._held.popleft()
            self._first += 1
            self._news.notify_all()

    def _wake(self) -> None:
        with self._news:
            self._news.notify_all()
