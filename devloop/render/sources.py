"""Where an object was written down, after a tool passed it on.

Comes in: objects with their sources, as they were before. Goes out: a function that finds the source of what comes out of the tool, as
far as kind and name tell. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from devloop.products import Manifest
from devloop.render import objects
from devloop.render.documents import Document


def kept(before: Iterable[Manifest], name: str) -> Callable[[Document], str]:
    """For `objects.manifests`. `name`: the source of what was not there before, or not under one kind and name only."""
    places: dict[tuple[str, str], set[str]] = {}
    for each in before:
        places.setdefault((each.object["kind"], each.object["metadata"]["name"]), set()).add(each.source)

    def source(document: Document) -> str:
        printed, _ = objects.manifests([document], name)
        if len(printed) != 1:
            return name
        known = places.get((printed[0].object["kind"], printed[0].object["metadata"]["name"]), set())
        return next(iter(known)) if len(known) == 1 else name

    return source
