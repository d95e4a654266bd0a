"""What `devloop init` found and writes, for people.

Comes in: an event. Goes out: lines: what was found, each file's text, what was left out; once it is written, its names and what comes next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from devloop.events import Setup

Paint = Callable[[str, str], str]


def lines(event: Setup, paint: Paint) -> Iterator[str]:
    """The event's lines."""
    if event.state == "written":
        yield from (f"{paint('green', '✓')} wrote {path}" for path in event.files)
        yield f"  next: {paint('bold', 'devloop dev')}, or `devloop cluster create` first if there is no cluster yet"
        return
    yield from (f"found {line}" for line in event.found)
    for path, text in event.files.items():
        yield ""
        yield paint("bold", f"── {path}")
        yield from (_line(line, paint) for line in text.splitlines())
    if event.files:
        yield ""
    yield from (f"{paint('yellow', '!')} {note}" for note in event.notes)


def _line(text: str, paint: Paint) -> str:
    shown = f"   {text}".rstrip()
    return paint("dim", shown) if text.lstrip().startswith("#") else shown
