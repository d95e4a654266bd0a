"""Sessions that know of each other, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devloop.store.sessions import Sessions

OTHER = """
import sys
from pathlib import Path
from devloop.store.sessions import Sessions
sessions = Sessions(Path(sys.argv[1]))
print(*sessions.join(sys.argv[2]), flush=True)
sys.stdin.readline()
print(*sessions.leave(sys.argv[2]), flush=True)
"""
Other = subprocess.Popen[str]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Other]]:
    """Starts a process that takes part until it is sent a line."""
    started: list[Other] = []

    def made(name: str) -> Other:
        argv = [sys.executable, "-c", OTHER, str(tmp_path), name]
        started.append(subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield made
    for each in started:
        each.kill()
        each.communicate()


def heard(other: Other) -> list[int]:
    assert other.stdout is not None
    return [int(word) for word in other.stdout.readline().split()]


def leave(other: Other) -> list[int]:
    assert other.stdin is not None
    other.stdin.write("\n")
    other.stdin.flush()
    return heard(other)


def test_each_hears_of_those_before_it_and_the_last_one_of_nobody(
    start: Callable[[str], Other], tmp_path: Path
) -> None:
    first = start("shop")
    assert heard(first) == []
    mine = Sessions(tmp_path)
    assert mine.join("shop") == (first.pid,)
    assert mine.join("shop") == (first.pid,)
    second = start("shop")
    assert heard(second) == sorted([first.pid, os.getpid()])
    assert leave(first) == sorted([second.pid, os.getpid()])
    assert mine.leave("shop") == (second.pid,)
    assert leave(second) == []


def test_another_name_is_nothing_to_it(start: Callable[[str], Other], tmp_path: Path) -> None:
    other = start("shop")
    assert heard(other) == []
    mine = Sessions(tmp_path)
    assert mine.join("shop 2") == ()
    assert mine.leave("shop 2") == ()


def test_one_that_was_killed_counts_for_nothing(start: Callable[[str], Other], tmp_path: Path) -> None:
    other = start("shop")
    assert heard(other) == []
    other.kill()
    other.wait()
    mine = Sessions(tmp_path)
    assert mine.join("shop") == ()
    assert mine.leave("shop") == ()
    assert [path.name for path in tmp_path.glob("*/*")] == ["lock"]


def test_leaving_without_having_joined_still_tells_of_others(start: Callable[[str], Other], tmp_path: Path) -> None:
    other = start("shop")
    assert heard(other) == []
    assert Sessions(tmp_path).leave("shop") == (other.pid,)
