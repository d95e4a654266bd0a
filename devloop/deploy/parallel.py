"""A few calls at a time.

Comes in: functions that block. Goes out: their results in the same order. The first error ends what has not begun and is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from devloop.scope import Scope

T = TypeVar("T")
R = TypeVar("R")

WIDTH = 8  # what one kept-alive connection pool and one API server take with ease


def each(scope: Scope, name: str, items: Sequence[T], call: Callable[[Scope, T], R]) -> list[R]:
    """Calls `call` for every item. Blocks; what has not begun when the scope is cancelled does not begin. Raises: the first error."""
    if len(items) <= 1:
        return [call(scope, item) for item in items]
    waiting = iter(list(enumerate(items)))
    results: dict[int, R] = {}
    with scope.child(name) as inner:

        def work() -> None:
            # next() of a list's iterator is one step for the interpreter: no two threads get the same item.
            for index, item in waiting:
                inner.check()
                results[index] = call(inner, item)

        for number in range(min(WIDTH, len(items))):
            inner.spawn(f"{name} {number + 1}", work)
        inner.join()
    scope.check()
    return [results[index] for index in range(len(items))]
