"""A question to the person at the terminal, which Ctrl-C ends like everything else.

Comes in: a question. Goes out: the line that was entered. It writes to standard error only, and leaves the terminal as it was.
"""

from __future__ import annotations

import contextlib
import sys
import termios
from collections.abc import Iterator

from devloop.cli import typed
from devloop.scope import Scope

_ECHO = 3  # where termios keeps the local modes


def ask(scope: Scope, question: str, default: str, *, is_secret: bool) -> str:
    """The answer; `default` for an empty line or the input's end. Blocks; cancelled by the scope. `is_secret`: it is not seen."""
    shown = f" [{default}]" if default and not is_secret else ""
    sys.stderr.write(f"{question}{shown} ")
    sys.stderr.flush()
    descriptor = sys.stdin.fileno()
    with _silent(descriptor) if is_secret else contextlib.nullcontext():
        return typed.line(scope, descriptor) or default


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
