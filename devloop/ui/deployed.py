"""What the commands over what is deployed tell, for people: differences, objects, revisions.

Comes in: an event. Goes out: lines. A difference begins with what would be done to which object, and where it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from devloop.events import Difference, Owned, Removed, Revision
from devloop.ui.explanations import age

Paint = Callable[[str, str], str]
_SIGNS = {
    "create": ("green", "+"),
    "install": ("green", "+"),
    "change": ("yellow", "~"),
    "adopt": ("yellow", "~"),
    "upgrade": ("yellow", "~"),
    "recreate": ("red", "±"),
}
_STATES = {"ready": "green", "waiting": "yellow", "failed": "red", "deleting": "yellow"}


def lines(event: Difference | Owned | Revision | Removed, paint: Paint, *, is_verbose: bool) -> Iterator[str]:
    """The event's lines; all that is known of an object with `is_verbose`."""
    match event:
        case Difference():
            return _difference(event, paint)
        case Owned():
            return _owned(event, paint, is_verbose=is_verbose)
        case Revision():
            return _revision(event, paint)
        case Removed():
            return _removed(event, paint)


def _difference(event: Difference, paint: Paint) -> Iterator[str]:
    color, sign = _SIGNS.get(event.action, ("red", "-"))
    place = f" in {event.namespace}" if event.namespace else ""
    facts = ", ".join(filter(None, (event.why, event.source, event.unit and f"unit {event.unit}")))
    yield f"{paint(color, f'{sign} {event.action} {event.resource}')}{place}  {paint('dim', facts)}".rstrip()
    yield from (_diff_line(line, paint) for line in event.diff)


def _diff_line(line: str, paint: Paint) -> str:
    for mark, style in (("+++ ", "bold"), ("--- ", "bold"), ("@@", "cyan"), ("+", "green"), ("-", "red")):
        if line.startswith(mark):
            return paint(style, line)
    return line


def _owned(event: Owned, paint: Paint, *, is_verbose: bool) -> Iterator[str]:
    state = paint(_STATES[event.state], f"{event.state:8}")
    facts = ", ".join(filter(None, (event.why, event.kept and f"stays on delete: {event.kept}")))
    place = event.namespace or "-"
    row = f"{event.resource:40} {place:16} {event.unit:16} {state} {age(event.age_s):>10}  {event.source}"
    yield f"{row.rstrip()}  {paint('dim', facts)}".rstrip()
    yield from (paint("dim", f"    {image}") for image in event.images)
    if is_verbose:
        yield paint("dim", f"    {event.api_version}, project {event.project}")


def _revision(event: Revision, paint: Paint) -> Iterator[str]:
    mark = paint("green", "current") if event.is_current else ""
    why = event.cause or (f"devloop {event.digest[:8]}" if event.digest else "")
    facts = ", ".join(filter(None, (event.status, why)))
    head = f"{event.resource:40} {event.revision:>4}  {age(event.age_s):>10}  {', '.join(event.images)}"
    yield f"{head}  {paint('dim', facts)} {mark}".rstrip()


def _removed(event: Removed, paint: Paint) -> Iterator[str]:
    place = f" in {event.namespace}" if event.namespace else ""
    if event.state == "kept":
        yield paint("yellow", f"! kept {event.resource}{place}: {event.why}")
    else:
        yield f"{paint('red', '-')} {event.state} {event.resource}{place}"
