"""Lines on standard input: each is a call, its end is told, and cancelling lets go of it."""

from __future__ import annotations

import os
import queue
from collections.abc import Iterator

import pytest

from devloop.cli import trigger
from devloop.scope import Scope

Said = queue.SimpleQueue[str]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read_end, write_end = os.pipe()
    yield read_end, write_end
    for each in (read_end, write_end):
        try:
            os.close(each)
        except OSError:
            continue  # the test closed it


def listen(scope: Scope, descriptor: int) -> Said:
    said: Said = queue.SimpleQueue()
    trigger.on_lines(scope, descriptor, lambda: said.put("line"), lambda: said.put("end"))
    return said


def test_a_line_is_a_call_and_the_end_is_told(pipe: tuple[int, int]) -> None:
    with Scope("test") as scope:
        said = listen(scope, pipe[0])
        os.write(pipe[1], b"not yet a line")
        os.write(pipe[1], b"\n")
        assert said.get() == "line"
        os.write(pipe[1], b"\n")
        assert said.get() == "line"
        os.close(pipe[1])
        assert said.get() == "end"


def test_a_closed_input_has_ended(pipe: tuple[int, int]) -> None:
    os.close(pipe[0])
    with Scope("test") as scope:
        assert listen(scope, pipe[0]).get() == "end"


def test_cancelling_lets_go_of_an_input_that_says_nothing(pipe: tuple[int, int]) -> None:
    with Scope("test") as scope:
        said = listen(scope, pipe[0])
        os.write(pipe[1], b"\n")
        assert said.get() == "line"
        scope.cancel()
    assert said.empty()
