"""A line that is typed: whole, in pieces, cut off, and not waited for any longer."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from devloop.cli import typed
from devloop.scope import Cancelled, Scope


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    try:
        yield ends
    finally:
        for each in ends:
            try:
                os.close(each)
            except OSError:
                continue  # the test closed it


@pytest.mark.parametrize(("sent", "line"), [("yes\n", "yes"), ("\n", ""), ("dos\r\n", "dos"), ("ünten\n", "ünten")])
def test_a_line_comes_without_its_end(sent: str, line: str) -> None:
    with pipe() as (read_end, write_end), Scope("test") as scope:
        os.write(write_end, sent.encode())
        assert typed.line(scope, read_end) == line


def test_a_line_may_come_in_pieces() -> None:
    with pipe() as (read_end, write_end), Scope("test") as scope:
        os.write(write_end, b"ye")
        timer = threading.Timer(0.1, os.write, (write_end, b"s\n"))
        timer.start()
        assert typed.line(scope, read_end) == "yes"
        timer.join()


@pytest.mark.parametrize(("sent", "line"), [(b"", None), (b"ye", "ye")])
def test_the_end_of_the_input_ends_the_waiting(sent: bytes, line: str | None) -> None:
    with pipe() as (read_end, write_end), Scope("test") as scope:
        os.write(write_end, sent)
        os.close(write_end)
        assert typed.line(scope, read_end) == line


def test_a_terminal_that_is_gone_is_the_end_of_the_input() -> None:
    ours, theirs = os.openpty()
    os.close(ours)
    try:
        with Scope("test") as scope:
            assert typed.line(scope, theirs) is None
    finally:
        os.close(theirs)


def test_the_scope_ends_the_waiting() -> None:
    with pipe() as (read_end, _), Scope("test") as scope:
        timer = threading.Timer(0.1, scope.cancel)
        timer.start()
        with pytest.raises(Cancelled):
            typed.line(scope, read_end)
        timer.join()
