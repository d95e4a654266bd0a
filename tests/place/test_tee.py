"""One stream for several readers."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from devloop.place.tee import Tee
from devloop.scope import Cancelled, Scope

CHUNKS = [str(number).encode() for number in range(1000)]


class Stream:
    """Chunks that count how many were read, and whether the rest was let go of."""

    def __init__(self, error: Exception | None = None) -> None:
        self.read = 0
        self.is_closed = False
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in CHUNKS:
                self.read += 1
                yield chunk
            if self._error:
                raise self._error
        finally:
            self.is_closed = True


def test_every_reader_gets_all_of_it_and_it_is_read_once() -> None:
    stream = Stream()
    tee = Tee(iter(stream), 3)
    got: dict[int, list[bytes]] = {}
    with Scope("tee") as scope:
        for number in range(3):
            scope.spawn(f"reader {number}", lambda number=number: got.update({number: list(tee.reader(scope, number))}))  # type: ignore[misc]
    assert got == dict.fromkeys(range(3), CHUNKS)
    assert (stream.read, stream.is_closed) == (len(CHUNKS), True)


def test_nobody_is_far_ahead_of_the_slowest() -> None:
    stream = Stream()
    tee = Tee(iter(stream), 2)
    with Scope("tee") as scope:
        slow, fast = tee.reader(scope, 0), tee.reader(scope, 1)
        taken = [next(fast) for _ in range(16)]
        ahead = threading.Event()

        def go_on() -> None:
            taken.extend(fast)
            ahead.set()

        scope.spawn("fast", go_on)
        assert next(slow) == CHUNKS[0]
        assert stream.read <= 18
        assert not ahead.is_set()
        assert list(slow) == CHUNKS[1:]
    assert taken == CHUNKS


def test_a_reader_that_leaves_holds_nobody_up_and_the_last_one_lets_go() -> None:
    stream = Stream()
    tee = Tee(iter(stream), 2)
    with Scope("tee") as scope:
        gone, other = tee.reader(scope, 0), tee.reader(scope, 1)
        next(gone)
        gone.close()  # type: ignore[attr-defined]
        assert [next(other) for _ in range(500)] == CHUNKS[:500]
        assert not stream.is_closed
        other.close()  # type: ignore[attr-defined]
    assert (stream.read, stream.is_closed) == (500, True)


def test_every_reader_hears_of_a_stream_that_breaks_off() -> None:
    tee = Tee(iter(Stream(ConnectionError("gone"))), 2)
    with Scope("tee") as scope:
        for reader in (tee.reader(scope, 0), tee.reader(scope, 1)):
            heard: list[bytes] = []

            def listen(reader: Iterator[bytes] = reader, heard: list[bytes] = heard) -> None:
                with pytest.raises(ConnectionError, match="gone"):
                    heard.extend(reader)

            scope.spawn("reader", listen)


def test_one_that_never_began_may_leave_too() -> None:
    stream = Stream()
    tee = Tee(iter(stream), 2)
    with Scope("tee") as scope:
        tee.reader(scope, 0)
        tee.leave(0)
        tee.leave(0)
        assert list(tee.reader(scope, 1)) == CHUNKS


def test_cancelling_wakes_whoever_waits_for_the_slowest() -> None:
    tee = Tee(iter(Stream()), 2)
    with Scope("tee") as outer:
        tee.reader(outer, 0)
        with outer.child("fast") as scope:
            reader = tee.reader(scope, 1)
            taken = [next(reader) for _ in range(16)]
            threading.Timer(0.05, scope.cancel).start()
            with pytest.raises(Cancelled):
                next(reader)
    assert taken == CHUNKS[:16]
