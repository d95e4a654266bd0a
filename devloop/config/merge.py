"""Several trees as one: the step at which more than one file makes a configuration.

Comes in: trees, the weakest first. Goes out: one tree whose values keep the places where they were written. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from devloop.config.tree import Map, Node, Scalar


def merge(roots: Sequence[Map]) -> Map:
    """One mapping of all (at least one): mappings merge field by field, of anything else the last one stands."""
    return reduce(_over, roots)


def _over(below: Map, above: Map) -> Map:
    entries: dict[str, tuple[Scalar, Node]] = {key.text: (key, value) for key, value in below.entries}
    for key, value in above.entries:
        old = entries.get(key.text)
        if old is not None and isinstance(old[1], Map) and isinstance(value, Map):
            entries[key.text] = (key, _over(old[1], value))
        else:
            entries[key.text] = (key, value)
    return Map(above.place, tuple(entries.values()))
