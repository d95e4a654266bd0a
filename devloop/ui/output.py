"""Where a screen writes: bytes to a stream, and quiet once nobody reads them.

Comes in: bytes. Goes out: the same bytes, flushed. A reader that goes away (`| head`) is no failure: it ends the output, not the
session. It never blocks for anything but the stream itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import BinaryIO


class Output:
    """A stream that people or programs read. For one thread at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.is_closed = False

    def write(self, data: bytes) -> None:
        """Writes and flushes; does nothing once the reader went away (`is_closed`)."""
        if self.is_closed or not data:
            return
        try:
            self._stream.write(data)
            self._stream.flush()
        except BrokenPipeError:
            self.is_closed = True
            _discard(self._stream)


def wants_color(stream: BinaryIO, environment: Mapping[str, str]) -> bool:
    """Whether text on this stream may have colours: NO_COLOR (https://no-color.org), then FORCE_COLOR, then whether it is a terminal."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environment.get("TERM") != "dumb"


def _discard(stream: BinaryIO) -> None:
    """Leads the stream nowhere: the interpreter flushes what is left in its buffer on exit, and would complain.

    https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)
