"""What the commands over what is deployed tell, for people: differences, objects, revisions.

Comes in: an event. Goes out: lines. A difference begins with what would be done to which object, and where it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from devloop.events import Difference, Removed

Paint = Callable[[str, str], str]
_SIGNS = {"create": ("green", "+"), "change": ("yellow", "~"), "adopt": ("yellow", "~"), "recreate": ("red", "±")}


def lines(event: Difference | Removed, paint: Paint, *, is_verbose: bool) -> Iterator[str]:  # noqa: ARG001
    """The event's lines; all that is known of an object with `is_verbose`."""
    match event:
        case Difference():
            return _difference(event, paint)
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


def _removed(event: Removed, paint: Paint) -> Iterator[str]:
    place = f" in {event.namespace}" if event.namespace else ""
    if event.state == "kept":
        yield paint("yellow", f"! kept {event.resource}{place}: {event.why}")
    else:
        yield f"{paint('red', '-')} {event.state} {event.resource}{place}"
