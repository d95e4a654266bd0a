"""Checks side by side: in order, on time, and none ends another."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from devloop import events
from devloop.diagnosis import checks
from devloop.diagnosis.checks import Check, ill, well
from devloop.errors import StepFailed, Unavailable
from devloop.scope import Cancelled, Scope
from devloop.stages import ApiRefusal


@pytest.fixture
def scope() -> Iterator[Scope]:
    with Scope("test") as made:
        yield made


def asking(*found: events.Check, error: Exception | None = None) -> Check:
    def ask(_scope: Scope) -> Iterator[events.Check]:
        yield from found
        if error:
            raise error

    return Check("it", ask)


def waiting(limit_s: float) -> Check:
    def ask(scope: Scope) -> Iterator[events.Check]:
        scope.wait(None)
        yield well("it", "never")

    return Check("slow", ask, limit_s)


def test_findings_come_in_the_order_of_the_checks(scope: Scope) -> None:
    second = threading.Event()

    def first(_scope: Scope) -> Iterator[events.Check]:
        assert second.wait(10)
        yield well("first", "1")

    def other(_scope: Scope) -> Iterator[events.Check]:
        second.set()
        yield well("second", "2")

    found = checks.run(scope, [Check("first", first), Check("second", other)])
    assert [each.subject for each in found] == ["first", "second"]


def test_what_does_not_answer_in_time_is_a_problem_and_the_others_are_told(scope: Scope) -> None:
    found = checks.run(scope, [waiting(0.05), asking(well("it", "fine"))])
    assert [(each.subject, each.verdict, each.found) for each in found] == [
        ("slow", "problem", "no answer within 0.05 s"),
        ("it", "ok", "fine"),
    ]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Unavailable("is away", hint="start it", where="there"), ill("it", "is away", "start it", "there")),
        (StepFailed("refuses"), ill("it", "refuses", "")),
        (ApiRefusal(403, "Forbidden", "no"), ill("it", "the API server refuses: no", "ask who runs the cluster")),
    ],
)
def test_what_a_door_raises_is_a_problem(scope: Scope, error: Exception, expected: events.Check) -> None:
    assert checks.run(scope, [asking(error=error)]) == (expected,)


def test_a_bug_is_raised(scope: Scope) -> None:
    with pytest.raises(KeyError), scope.child("inner") as inner:
        checks.run(inner, [asking(error=KeyError("bug"))])


def test_cancelling_ends_them_all(scope: Scope) -> None:
    begun = threading.Event()

    def ask(inner: Scope) -> Iterator[events.Check]:
        begun.set()
        inner.wait(None)
        yield well("it", "never")

    with scope.child("inner") as inner:

        def cancel() -> None:
            assert begun.wait(10)
            inner.cancel()

        scope.spawn("cancel", cancel)
        with pytest.raises(Cancelled):
            checks.run(inner, [Check("it", ask), waiting(60)])
