"""A question to the person at the terminal, which Ctrl-C ends like everything else.

Comes in: a question. Goes out: the line that was entered. It writes to standard error only, and leaves the terminal as it was.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
from collections.abc import Iterator

from devloop.scope import Scope

_ECHO = 3  # where termios keeps the local modes


def ask(scope: Scope, question: str, default: str, *, is_secret: bool) -> str:
    """The answer; `default` for an empty line or the input's end. Blocks; cancelled by the scope. `is_secret`: it is not seen."""
    shown = f" [{default}]" if default and not is_secret else ""
    sys.stderr.write(f"{question}{shown} ")
    sys.stderr.flush()
    descriptor = sys.stdin.fileno()
    with _silent(descriptor) if is_secret else contextlib.nullcontext():
        return _line(scope, descriptor) or default


def _line(scope: Scope, descriptor: int) -> str:
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        with scope.on_cancel(lambda: _wake(write_end)):
            select.select([descriptor, read_end], [], [])
            scope.check()
            return (
                os.read(descriptor, 65536).decode(errors="replace").rstrip("\r\n")
            )  # a terminal gives one line at a time
    finally:
        os.close(read_end)
        os.close(write_end)


def _wake(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        os.write(descriptor, b"!")


@contextlib.contextmanager
def _silent(descriptor: int) -> Iterator[None]:
    before = termios.tcgetattr(descriptor)
    after = [*before]
    after[_ECHO] &= ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSADRAIN, after)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        sys.stderr.write("\n")
