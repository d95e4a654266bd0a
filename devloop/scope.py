"""Cancellation and child threads: Go's context and errgroup, on Python threads.

Comes in: functions that block. Goes out: threads that are joined when the `with` block is left, and one way to stop
them all. A scope never kills a thread: what blocks registers `on_cancel` (close the socket, stop the process) first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType


class Cancelled(Exception):
    """The scope was cancelled; unwinds a step to the place that started it. Not an error to report."""


class Scope:
    """A lifetime: threads spawned in it end before it does, and cancelling it cancels its children.

    Use as a context manager. Leaving the block joins every spawned thread, cancelling them first when the block raised.
    The first exception of a spawned thread cancels its siblings and is raised on leaving.
    """

    def __init__(self, name: str = "main") -> None:
        self.name = name
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._callbacks: dict[object, Callable[[], None]] = {}
        self._threads: list[threading.Thread] = []
        self._error: BaseException | None = None

    @property
    def is_cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Ends the scope: runs the registered callbacks once, newest first, in the caller's thread. Does not block on threads."""
        with self._lock:
            if self._cancelled.is_set():
                return
            self._cancelled.set()
            callbacks = list(reversed(self._callbacks.values()))
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def check(self) -> None:
        """Returns at once while the scope lives. Raises: Cancelled when it does not."""
        if self._cancelled.is_set():
            raise Cancelled(self.name)

    def wait(self, seconds: float | None) -> None:
        """Blocks for `seconds` (for ever when None). Raises: Cancelled as soon as the scope is cancelled."""
        if self._cancelled.wait(seconds):
            raise Cancelled(self.name)

    @contextmanager
    def on_cancel(self, callback: Callable[[], None]) -> Iterator[None]:
        """Runs `callback` when the scope is cancelled inside the block; at once when it already is.

        Register before blocking. The callback runs in the cancelling thread, may run after the block was left by a hair,
        and must neither block for long nor raise. Raises: Cancelled on entering a cancelled scope, after the callback ran.
        """
        key = object()
        with self._lock:
            late = self._cancelled.is_set()
            if not late:
                self._callbacks[key] = callback
        if late:
            callback()
            raise Cancelled(self.name)
        try:
            yield
        finally:
            with self._lock:
                self._callbacks.pop(key, None)

    def spawn(self, name: str, run: Callable[[], None]) -> None:
        """Runs `run` in a thread named `name`, joined when this scope is left. Its Cancelled ends it quietly."""

        def body() -> None:
            try:
                run()
            except Cancelled:
                return
            except BaseException as exc:  # noqa: BLE001 - carried to the thread that leaves the scope, which raises it
                with self._lock:
                    self._error = self._error or exc
                self.cancel()

        thread = threading.Thread(target=body, name=name, daemon=True)
        with self._lock:
            self._threads = [other for other in self._threads if other.is_alive() or other.ident is None]
            self._threads.append(thread)
        thread.start()

    @contextmanager
    def child(self, name: str) -> Iterator[Scope]:
        """A scope inside this one: cancelled with it, joined when its block is left."""
        inner = Scope(name)
        with self.on_cancel(inner.cancel), inner:
            yield inner

    def join(self) -> None:
        """Blocks until every spawned thread has ended. Raises: the first error of a spawned thread."""
        while True:
            with self._lock:
                alive = [thread for thread in self._threads if thread.is_alive()]
            if not alive:
                break
            for thread in alive:
                thread.join()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def __enter__(self) -> Scope:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.cancel()
        try:
            self.join()
        finally:
            self.cancel()
