"""What `devloop doctor` tells, for people.

Comes in: a finding as an event. Goes out: lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from devloop.events import Check, Verdict

Paint = Callable[[str, str], str]

_COLORS: Mapping[Verdict, str] = {"ok": "green", "warning": "yellow", "problem": "red"}


def check(event: Check, paint: Paint) -> Iterator[str]:
    """A finding: its verdict, what was looked at and found; below it, what to do."""
    where = f" ({event.where})" if event.where else ""
    yield f"{paint(_COLORS[event.verdict], f'{event.verdict:8}')} {event.subject:14} {event.found}{where}"
    if event.fix:
        yield f"  next: {event.fix}"
