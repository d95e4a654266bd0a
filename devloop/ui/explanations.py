"""What `devloop explain` tells, for people.

Comes in: a file or a target as an event. Goes out: lines. The first says what it is about, the last what would be done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from devloop.events import File, Image, Target

Paint = Callable[[str, str], str]
SHOWN = 8  # files of a target, unless all are asked for


def file(event: File, paint: Paint, *, is_verbose: bool) -> Iterator[str]:
    """A file: whom it feeds and why, whom not (where it feeds nobody, or all is asked for), and what saving it leads to."""
    yield paint("bold", event.path)
    yield from (f"  {paint('green', 'feeds')} {targets}: {rule}" for rule, targets in _by_rule(event.feeds))
    if is_verbose or not event.feeds:
        yield from (paint("dim", f"  not   {targets}: {rule}") for rule, targets in _by_rule(event.ignored_by))
    yield f"  saving it: {' → '.join(event.follows) or 'nothing'}"


def _by_rule(rules: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for rule in dict.fromkeys(rules.values()):
        yield rule, ", ".join(target for target, each in rules.items() if each == rule)


def target(event: Target, paint: Paint, *, is_verbose: bool) -> Iterator[str]:
    """A target: its name and digest, what it reads and hangs on, and whether something is owed."""
    verb = {"image": "build", "test": "test"}.get(event.target.partition("/")[0], "write")
    yield f"{paint('bold', event.target)}  {event.ref or event.digest[:16]}".rstrip()
    if event.digest:
        shown = event.files if is_verbose else event.files[:SHOWN]
        more = len(event.files) - len(shown)
        count = f"{len(event.files)} {'file' if len(event.files) == 1 else 'files'}"
        names = ", ".join(shown) + (f" and {more} more (-v shows them)" if more else "")
        yield f"  reads {count}: {names}" if names else "  reads no file"
    if on := (*event.builds_on, *event.images):
        yield f"  {'tests' if verb == 'test' else 'builds on'} {', '.join(on)}"
    if event.feeds:
        yield f"  feeds {', '.join(event.feeds)}"
    verdict = {
        True: paint("yellow", f"run would {verb}"),
        False: paint("green", f"run would not {verb}"),
        None: "whether it is up to date cannot be told",
    }[event.owed]
    if len(event.why) == 1:
        yield f"  {verdict}: {event.why[0]}"
        return
    yield f"  {verdict}:"
    yield from (f"    {line}" for line in event.why)


def image(event: Image, paint: Paint) -> Iterator[str]:
    """An image of the cache: its ref, how big and how old it is, and whether it is what is wanted now."""
    mark = paint("green", "current") if event.is_current else ""
    yield f"{event.ref:48} {_size(event.size_bytes):>8}  {age(event.age_s):>9}  {mark}".rstrip()


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"


def age(age_s: float) -> str:
    """How long ago, in the unit that says it best."""
    for unit, scale in (("d", 86400), ("h", 3600), ("min", 60)):
        if age_s >= 2 * scale:
            return f"{age_s // scale:.0f} {unit} ago"
    return f"{age_s:.0f} s ago"
