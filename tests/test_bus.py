"""Events between threads: stamped, ordered, complete."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from functools import partial

import pytest

from devloop.bus import Bus
from devloop.events import AnyEvent, Log, Notice, Step
from devloop.scope import Scope


class Slow:
    """A subscriber that holds its first batch until told to go on."""

    def __init__(self) -> None:
        self.came: list[AnyEvent] = []
        self.is_busy = threading.Event()
        self.go = threading.Event()

    def __call__(self, events: Sequence[AnyEvent]) -> None:
        self.is_busy.set()
        assert self.go.wait(20)
        self.came += events


def ticking() -> Bus:
    ticks = itertools.count(1)
    return Bus(lambda: float(next(ticks)), max_waiting=10)


def step(reason: str) -> Step:
    return Step(step="build", target="image/a", state="started", reason=reason)


def emit_many(bus: Bus, name: str) -> None:
    for i in range(100):
        bus.emit(step(f"{name}{i}"))


def test_events_are_stamped_and_come_in_one_order_to_everybody() -> None:
    bus, one, two = ticking(), [], []  # type: ignore[var-annotated]
    with Scope() as scope:
        bus.subscribe(scope, one.extend)
        bus.subscribe(scope, two.extend)
        with Scope() as emitters:
            for name in "abc":
                emitters.spawn(name, partial(emit_many, bus, name))
        bus.close()
    assert one == two
    assert [event.at_s for event in one] == [float(i) for i in range(1, 301)]
    for name in "abc":
        assert [event.reason for event in one if event.reason.startswith(name)] == [f"{name}{i}" for i in range(100)]


def test_everything_emitted_before_close_is_delivered_and_nothing_after() -> None:
    bus, slow = ticking(), Slow()
    with Scope() as scope:
        bus.subscribe(scope, slow)
        bus.emit(step("first"))
        assert slow.is_busy.wait(20)
        for i in range(50):
            bus.emit(step(str(i)))
        bus.close()
        bus.emit(step("late"))
        slow.go.set()
    assert [event.reason for event in slow.came if isinstance(event, Step)] == ["first", *map(str, range(50))]


def test_a_slow_subscriber_loses_log_lines_only_and_is_told_where() -> None:
    bus, slow, fast = ticking(), Slow(), []  # type: ignore[var-annotated]
    with Scope() as scope:
        bus.subscribe(scope, slow)
        bus.emit(step("first"))
        assert slow.is_busy.wait(20)
        bus.subscribe(scope, fast.extend)
        for i in range(13):
            bus.emit(Log(line=str(i)))
        bus.emit(step("then"))
        bus.emit(Log(line="also lost"))
        slow.go.set()
        bus.close()
    told = [event.line if isinstance(event, Log) else type(event) for event in slow.came]
    assert told == [Step, *map(str, range(10)), Notice, Step, Notice]
    assert [event.message for event in slow.came if isinstance(event, Notice)] == [
        "3 log lines were left out here: whatever reads this output is too slow",
        "1 log line was left out here: whatever reads this output is too slow",
    ]
    times = [event.at_s for event in slow.came]
    assert times == sorted(times)


def test_a_cancelled_scope_still_gets_what_was_emitted_before() -> None:
    bus, slow = ticking(), Slow()
    with Scope() as scope:
        bus.subscribe(scope, slow)
        bus.emit(step("first"))
        assert slow.is_busy.wait(20)
        bus.emit(step("second"))
        scope.cancel()
        slow.go.set()
    assert [event.reason for event in slow.came if isinstance(event, Step)] == ["first", "second"]
    bus.emit(step("nobody listens"))


def test_an_error_of_a_subscriber_is_its_scopes_and_nobody_elses() -> None:
    bus, came = ticking(), []  # type: ignore[var-annotated]

    def broken(_: Sequence[AnyEvent]) -> None:
        raise OSError("disk full")

    with Scope() as others:
        bus.subscribe(others, came.extend)
        scope = Scope()
        bus.subscribe(scope, broken)
        bus.emit(step("first"))
        with pytest.raises(OSError, match="disk full"):
            scope.join()
        bus.emit(step("second"))
        bus.close()
    assert [event.reason for event in came] == ["first", "second"]


def test_subscribing_to_a_closed_bus_ends_at_once() -> None:
    bus, came = ticking(), []  # type: ignore[var-annotated]
    bus.close()
    with Scope() as scope:
        bus.subscribe(scope, came.extend)
    assert came == []
