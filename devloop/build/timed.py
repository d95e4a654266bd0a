"""Commands that may take so long and no longer.

Comes in: a command and a number of seconds. Goes out: how it ended; or, once all that it started is gone, that it took too long.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from devloop.scope import Cancelled, Scope
from devloop.stages import Completed, Tools

SHOWN_LINES = 20


class TimedOut(Exception):
    """A command took too long, and was ended. `tail`: the last lines that it wrote."""

    def __init__(self, tail: Sequence[str]) -> None:
        super().__init__()
        self.tail = tuple(tail)


def run(
    scope: Scope, argv: Sequence[str], *, timeout_s: float, cwd: Path, env: Mapping[str, str], tools: Tools
) -> Completed:
    """Runs it to its end, whatever its exit code; `timeout_s`: 0 for no limit. Blocks; cancelled by the scope.

    Raises: TimedOut; otherwise as stages.Processes.run.
    """
    last: deque[str] = deque(maxlen=SHOWN_LINES)

    def line(text: str) -> None:
        last.append(text)
        tools.line(text)

    with limited(scope, timeout_s, last) as inner:
        return tools.processes.run(inner, argv, cwd=cwd, env=env, on_line=line, check=False)


@contextmanager
def limited(scope: Scope, timeout_s: float, last: Sequence[str] = ()) -> Iterator[Scope]:
    """A scope for what may take `timeout_s` (0: any time). `last`: what it has written by then, told with the time-out.

    Raises: TimedOut once what was begun in the scope is gone; Cancelled when `scope` is cancelled.
    """
    is_late = threading.Event()
    try:
        with scope.child("time-limited") as inner:

            def end() -> None:
                inner.wait(timeout_s)
                is_late.set()
                inner.cancel()

            if timeout_s:
                inner.spawn("time-out", end)
            yield inner
            inner.cancel()
    except Cancelled:
        scope.check()
        if is_late.is_set():
            raise TimedOut(last) from None
        raise
