"""What a person would do with a browser: ask until it answers.

Comes in: a port of this machine. Goes out: the answer, or an assertion that says what was seen last.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    status: int
    text: str


def eventually(ask: Callable[[], T], *, timeout_s: float = 30, every_s: float = 0.1, what: str = "") -> T:
    """Blocks until `ask` returns something true, and returns that. Raises: AssertionError with what it returned last."""
    end = time.monotonic() + timeout_s
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout_s} s: {what or ask}; last: {answer!r}")
        time.sleep(every_s)


def http_get(
    port: int,
    path: str = "/",
    *,
    timeout_s: float = 30,
    until: Callable[[Answer], bool] = lambda answer: answer.status == 200,
) -> Answer:
    """GETs from 127.0.0.1 until the answer is as `until` wants it; refused and broken connections are tried again."""
    last: list[object] = ["nothing"]

    def ask() -> Answer | None:
        try:
            last[0] = answer = get_once(port, path)
        except (OSError, http.client.HTTPException) as problem:
            last[0] = problem
            return None
        return answer if until(answer) else None

    try:
        # every_s: as fast as a person's figure of "edit → answered" needs it
        answer = eventually(ask, timeout_s=timeout_s, every_s=0.02)
    except AssertionError as problem:
        raise AssertionError(
            f"GET 127.0.0.1:{port}{path}: not as wanted within {timeout_s} s; last: {last[0]!r}"
        ) from problem
    assert answer is not None
    return answer


def get_once(port: int, path: str = "/", *, timeout_s: float = 10) -> Answer:
    """One GET on a connection of its own. Raises: OSError, http.client.HTTPException."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return Answer(response.status, response.read().decode(errors="replace"))
    finally:
        connection.close()
