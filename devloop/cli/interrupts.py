"""Ctrl-C, TERM and HUP as calls from an ordinary thread.

Comes in: signals, at any moment. Goes out: calls to whoever is in charge at that moment. No exception is ever thrown into code that
happens to run: such a one can be lost in a destructor, or break what it interrupts. Blocks nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator

from devloop.scope import Scope

EXIT_CODE = 130
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Interrupts:
    """What the user's wish to stop means now. `was_asked`: whether there was any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: tuple[Callable[[], None], ...] = ()
        self._count = 0
        self._is_waiting = False
        self.was_asked = False

    @contextlib.contextmanager
    def during(self, *answers: Callable[[], None]) -> Iterator[None]:
        """The first interrupt inside the block calls the first answer, the second the second, and one more ends the process at once.

        One that came before, when nobody was in charge, is answered on entering.
        """
        with self._lock:
            before = self._answers, self._count
            self._answers, self._count = answers, 0
            is_late, self._is_waiting = self._is_waiting, False
        if is_late:
            self.happened()
        try:
            yield
        finally:
            with self._lock:
                self._answers, self._count = before

    def happened(self) -> None:
        """Answers one interrupt."""
        with self._lock:
            self.was_asked = True
            if not self._answers:
                self._is_waiting = True
                return
            self._count += 1
            answer = self._answers[self._count - 1] if self._count <= len(self._answers) else _leave
        answer()


@contextlib.contextmanager
def listening() -> Iterator[Interrupts]:
    """Catches the signals inside the block, and only there. For the main thread."""
    interrupts = Interrupts()
    near, far = socket.socketpair()
    far.setblocking(False)
    before = {each: signal.signal(each, lambda _number, _frame: None) for each in _SIGNALS}
    wakeup = signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        while near.recv(1):
            interrupts.happened()

    try:
        with Scope("interrupts") as scope, near, far:
            scope.spawn("interrupts", listen)
            try:
                yield interrupts
            finally:
                signal.set_wakeup_fd(wakeup)
                for each, handler in before.items():
                    signal.signal(each, handler)
                near.shutdown(socket.SHUT_RDWR)
                scope.join()
    finally:
        near.close()
        far.close()


def _leave() -> None:
    os._exit(EXIT_CODE)
