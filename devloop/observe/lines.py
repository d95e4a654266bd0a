"""Lines out of a log stream, each once, over any number of broken and repeated streams of one container.

Comes in: chunks of the API server's log with `timestamps=true`, not aligned to lines. Goes out: the lines that were not read before,
without their stamps. Pure. The API resumes at whole seconds only (`sinceTime` is a metav1.Time), so what it repeats is dropped by stamp:
all lines before the last one that was read, and as many with its very stamp as were read with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

Line = tuple[bytes, bytes]  # stamp (sortable), text


class Tape:
    """How far a container's log was read: the last stamp, and how many lines bore it."""

    def __init__(self) -> None:
        self.last = b""
        self.count = 0

    @property
    def since(self) -> str:
        """Where to resume, for `sinceTime`; "" for the beginning."""
        return f"{self.last[:19].decode()}Z" if self.last else ""

    def take(self, lines: Sequence[Line]) -> None:
        """Marks lines as read, in their order."""
        last = lines[-1][0]
        count = 0
        for stamp, _ in reversed(lines):
            if stamp != last:
                break
            count += 1
        self.count = count + (self.count if self.last == last else 0)
        self.last = last


class Stream:
    """One stream of the log, from `tape.since` on. `is_joined`: it repeated something that was read, so nothing lies between."""

    def __init__(self, tape: Tape) -> None:
        self.is_joined = False
        self._last, self._repeats = tape.last, tape.count
        self._is_past = not tape.last
        self._rest: list[bytes] = []

    def feed(self, chunk: bytes) -> list[Line]:
        """The complete lines of the chunk that are new."""
        if b"\n" not in chunk:
            self._rest.append(chunk)
            return []
        lines = b"".join((*self._rest, chunk)).split(b"\n")
        self._rest = [lines.pop()]
        return self._fresh(lines)

    def end(self) -> list[Line]:
        """The last line of a log that ended without a line end, if it is new."""
        rest = b"".join(self._rest)
        self._rest = []
        return self._fresh([rest]) if rest else []

    def _fresh(self, lines: Sequence[bytes]) -> list[Line]:
        # A line without a stamp is the kubelet's own word ("unable to retrieve container logs …"), not the container's.
        split = [
            (line[:30], line[31:]) if line[29:31] == b"Z " and line[10:11] == b"T" else _split(line) for line in lines
        ]
        stamped = [each for each in split if each[0]]
        return stamped if self._is_past else self._unread(stamped)

    def _unread(self, lines: Sequence[Line]) -> list[Line]:
        for index, (stamp, _) in enumerate(lines):
            if stamp > self._last or (stamp == self._last and not self._repeats):
                self.is_joined = self.is_joined or stamp == self._last
                self._is_past = True
                return list(lines[index:])
            self.is_joined = True
            if stamp == self._last:
                self._repeats -= 1
        return []


def _split(line: bytes) -> Line:
    """The general form of a stamp: another zone than UTC, fewer than nine digits after the second."""
    stamp, _, text = line.partition(b" ")
    try:
        second, _, tail = stamp.decode().partition(".")
        digits = tail.rstrip("Z").partition("+")[0].partition("-")[0]
        zone = tail[len(digits) :] if tail else ""
        at = datetime.fromisoformat(second + zone) if zone else datetime.fromisoformat(second)
    except ValueError:
        return b"", b""
    if at.tzinfo is None:
        return b"", b""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{digits:0<9}Z".encode(), text
