"""A line that somebody types.

Comes in: a descriptor to read from. Goes out: one line, or that there is none to come. It waits for as long as it takes, is let go by
the scope, and changes nothing of the terminal.
"""

from __future__ import annotations

import contextlib
import os
import select

from devloop.scope import Scope

_READ_BYTES = 4096


def line(scope: Scope, descriptor: int) -> str | None:
    """The next line, without its end; what is there when the input ends; None when it ends before that. Blocks; cancelled by the scope.

    A terminal gives a line at a time, so nothing that is typed ahead is lost.
    """
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    try:
        with scope.on_cancel(lambda: _wake(write_end)):
            found = b""
            while not found.endswith(b"\n"):
                ready, _, _ = select.select([descriptor, read_end], [], [])
                scope.check()
                data = _read(descriptor) if descriptor in ready else None
                if data == b"":
                    break
                found += data or b""
            return found.decode("utf-8", "replace").rstrip("\r\n") if found else None
    finally:
        os.close(read_end)
        os.close(write_end)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _READ_BYTES)
    except OSError:
        return b""  # the other end of the terminal is gone


def _wake(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more
        os.write(descriptor, b"!")
