"""A few calls run at a time, and the first error is the one that counts."""

from __future__ import annotations

import threading

import pytest

from devloop.deploy import parallel
from devloop.scope import Cancelled, Scope


def test_results_come_in_the_order_of_the_items() -> None:
    with Scope("test") as scope:
        assert parallel.each(scope, "double", list(range(50)), lambda _scope, item: item * 2) == list(range(0, 100, 2))
        assert parallel.each(scope, "double", [3], lambda _scope, item: item * 2) == [6]
        assert parallel.each(scope, "double", [], lambda _scope, item: item) == []


def test_calls_overlap() -> None:
    meeting = threading.Barrier(parallel.WIDTH)
    with Scope("test") as scope:
        parallel.each(scope, "meet", list(range(parallel.WIDTH)), lambda _scope, _item: meeting.wait(10))


def test_an_error_is_raised_and_ends_what_has_not_begun() -> None:
    begun: list[int] = []

    def call(scope: Scope, item: int) -> None:
        begun.append(item)
        if item == 0:
            raise ValueError("no")
        scope.wait(None)

    with Scope("test") as scope, pytest.raises(ValueError, match="no"):
        parallel.each(scope, "fail", list(range(100)), call)
    assert len(begun) <= parallel.WIDTH


def test_a_cancelled_scope_ends_it() -> None:
    with Scope("outer") as outer:

        def call(scope: Scope, item: int) -> None:
            if item == 0:
                outer.cancel()
            scope.wait(None)

        with pytest.raises(Cancelled):
            parallel.each(outer, "end", [0, 1, 2], call)
