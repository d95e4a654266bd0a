"""Lines on standard input, as the key that a person presses and the word that an editor sends.

Comes in: standard input. Goes out: a call for each line. It never reads from a terminal that is another program's to read at the
moment: that would stop the whole session (SIGTTIN).
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable

from devloop.scope import Scope

READ_BYTES = 4096


def on_lines(scope: Scope, descriptor: int, call: Callable[[], None], ended: Callable[[], None]) -> None:
    """Calls for each line that is entered, and `ended` at the input's end, from a thread of the scope. Does not block.

    `descriptor`: one that is not open has ended.
    """
    try:
        os.fstat(descriptor)
    except OSError:
        ended()
        return
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def body() -> None:
        try:
            with scope.on_cancel(lambda: _wake(write_end)):
                poll = select.poll()
                poll.register(descriptor, select.POLLIN)
                poll.register(read_end, select.POLLIN)
                while all(ready != read_end for ready, _ in poll.poll()):
                    if not _is_ours(descriptor):
                        scope.wait(0.5)
                        continue
                    text = _read(descriptor)
                    if not text:
                        ended()
                        return
                    if b"\n" in text:
                        call()
        finally:
            os.close(read_end)
            os.close(write_end)

    scope.spawn("standard input", body)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, READ_BYTES)
    except OSError:
        return b""  # closed, or a terminal that is gone


def _wake(descriptor: int) -> None:
    try:
        os.write(descriptor, b"!")
    except OSError:
        return  # nobody listens any more


def _is_ours(descriptor: int) -> bool:
    """Whether what is typed is for us: we are in the terminal's foreground, or it is no terminal."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return True
