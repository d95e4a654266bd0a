"""Cancellation: what blocks is let go, what was spawned is joined, and errors reach whoever waits."""

from __future__ import annotations

import socket
import threading

import pytest

from devloop.scope import Cancelled, Scope


def test_cancelling_ends_a_wait() -> None:
    with Scope() as scope:
        ended: list[str] = []

        def body() -> None:
            try:
                scope.wait(None)
            except Cancelled:
                ended.append("cancelled")
                raise

        scope.spawn("waiter", body)
        scope.cancel()
    assert ended == ["cancelled"]


def test_cancelling_unblocks_a_read_by_its_callback() -> None:
    near, far = socket.socketpair()
    with far, Scope() as scope:

        def body() -> None:
            with scope.on_cancel(lambda: near.shutdown(socket.SHUT_RDWR)):
                assert near.recv(1) == b""

        scope.spawn("reader", body)
        scope.cancel()
    near.close()


def test_registering_in_a_cancelled_scope_runs_the_callback_and_raises() -> None:
    scope = Scope()
    scope.cancel()
    ran: list[int] = []
    with pytest.raises(Cancelled), scope.on_cancel(lambda: ran.append(1)):
        pass
    assert ran == [1]


def test_a_callback_that_was_left_is_not_run() -> None:
    scope = Scope()
    ran: list[int] = []
    with scope.on_cancel(lambda: ran.append(1)):
        pass
    scope.cancel()
    assert ran == []


def test_the_first_error_of_a_thread_cancels_its_siblings_and_is_raised() -> None:
    def fail() -> None:
        raise ValueError("first")

    def run() -> None:
        with Scope() as scope:
            scope.spawn("sibling", lambda: scope.wait(None))
            scope.spawn("failing", fail)

    with pytest.raises(ValueError, match="first"):
        run()


def test_a_child_ends_with_its_parent_and_not_the_other_way_round() -> None:
    with Scope() as parent:
        with parent.child("inner") as child:
            child.cancel()
        assert not parent.is_cancelled
        with parent.child("inner") as child:
            parent.cancel()
            assert child.is_cancelled


def test_leaving_joins_every_thread() -> None:
    before = threading.active_count()
    with Scope() as scope:
        for _ in range(20):
            scope.spawn("short", lambda: None)
    assert threading.active_count() == before


def test_an_error_in_the_block_cancels_and_joins() -> None:
    def run() -> None:
        with Scope() as scope:
            scope.spawn("waiter", lambda: scope.wait(None))
            raise KeyError("block")

    with pytest.raises(KeyError):
        run()
