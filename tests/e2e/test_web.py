"""Asking a port until it answers as wanted."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from tests.e2e.web import eventually, http_get


@pytest.fixture
def port() -> Iterator[int]:
    """A server that refuses twice before it answers."""
    statuses = iter([503, 503])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(next(statuses, 200))
            self.end_headers()
            self.wfile.write(f"you asked for {self.path}".encode())

        def log_message(self, *args: object) -> None:
            """Silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_it_asks_until_the_answer_is_as_wanted(port: int) -> None:
    answer = http_get(port, "/a")
    assert (answer.status, answer.text) == (200, "you asked for /a")
    assert http_get(port, "/b", until=lambda answer: answer.text.endswith("b")).text == "you asked for /b"


def test_it_says_what_it_saw_last(port: int) -> None:
    with pytest.raises(AssertionError, match=r"within 0\.3 s; last: Answer\(status=200"):
        http_get(port, until=lambda answer: answer.status == 404, timeout_s=0.3)
    with pytest.raises(AssertionError, match="last: ConnectionRefusedError"):
        http_get(1, timeout_s=0)


def test_eventually_returns_what_became_true() -> None:
    answers = iter([0, "", "now"])
    assert eventually(lambda: next(answers), every_s=0) == "now"
    with pytest.raises(AssertionError, match=r"not within 0 s: the moon; last: 0"):
        eventually(lambda: 0, timeout_s=0, what="the moon")
