"""Mappings of a foreign configuration, read field by field, and mappings of devloop's, made of them.

Comes in: nodes. Goes out: nodes that keep the places of what they were made from. What nobody asked a mapping for is no field of the
foreign format as devloop knows it, and `done` notes it. Pure, but for the notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from devloop.config.importing.notes import Notes
from devloop.config.names import did_you_mean
from devloop.config.tree import List, Map, Node, Place, Scalar


class Fields:
    """The fields of one mapping. A node that is none has no fields, and is noted."""

    def __init__(self, node: Node, path: str, notes: Notes) -> None:
        self.place = node.place
        self.path = path
        self.notes = notes
        self._values = dict(node.values) if isinstance(node, Map) else {}
        self._asked: set[str] = set()
        if not isinstance(node, Map) and not is_nothing(node):
            notes.add(node.place, path or "the file", "fields are wanted here", matters=True)

    def take(self, key: str) -> Node | None:
        """The value; None where there is none, or `null`."""
        self._asked.add(key)
        found = self._values.get(key)
        return None if found is None or is_nothing(found) else found

    def text(self, key: str) -> str:
        """A single value as it is written; "" where there is none."""
        found = self.take(key)
        return found.text if isinstance(found, Scalar) else ""

    def is_true(self, key: str) -> bool:
        return self.text(key).lower() == "true"

    def record(self, key: str) -> Fields | None:
        found = self.take(key)
        return None if found is None else Fields(found, self.at(key), self.notes)

    def has(self, key: str) -> bool:
        """Whether it is written, also without a value: `local: {}`, `sha256:`."""
        self._asked.add(key)
        return key in self._values

    def items(self, key: str) -> Iterator[tuple[Node, str]]:
        """The entries of a list, each with its path. Another value is noted."""
        found = self.take(key)
        if isinstance(found, List):
            yield from ((each, f"{self.at(key)}[{index}]") for index, each in enumerate(found.items))
        elif found is not None:
            self.notes.add(found.place, self.at(key), "a list is wanted here", matters=True)

    def records(self, key: str) -> Iterator[Fields]:
        for node, path in self.items(key):
            yield Fields(node, path, self.notes)

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def leave(self, reason: str, *keys: str, matters: bool = False) -> None:
        """Notes those of the fields that are written."""
        for key in keys:
            found = self.take(key)
            if found is not None:
                self.notes.add(found.place, self.at(key), reason, matters=matters)

    def acknowledge(self) -> None:
        """Counts all fields as asked for: what is said of the whole mapping says it of them."""
        self._asked.update(self._values)

    def done(self) -> None:
        """Notes what was not asked for."""
        for key, value in self._values.items():
            if key not in self._asked:
                hint = did_you_mean(key, self._asked)
                reason = "devloop knows no such field" + (f"; {hint}" if hint else "")
                self.notes.add(value.place, self.at(key), reason, matters=True)


def is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.kind == "nothing"


def text(place: Place, value: str) -> Scalar:
    return Scalar(place, value)


def listed(place: Place, items: Sequence[Node]) -> List | None:
    """A list; None when nothing is in it."""
    return List(place, tuple(items)) if items else None


def mapping(place: Place, *entries: tuple[str, Node | None]) -> Map:
    """A mapping of those entries that have a value."""
    made = tuple((Scalar(value.place, key), value) for key, value in entries if value is not None)
    return Map(place, made)


def filled(made: Map) -> Map | None:
    """The mapping; None when nothing is in it."""
    return made if made.entries else None


def each_text(node: Node | None, change: Callable[[Scalar], Scalar | None]) -> Node | None:
    """The node with every single value in it changed; one that becomes None is gone."""
    match node:
        case None:
            return None
        case Scalar():
            return node if node.kind == "nothing" else change(node)
        case List():
            return replace(node, items=tuple(made for each in node.items if (made := each_text(each, change))))
        case Map():
            made_entries = ((key, each_text(value, change)) for key, value in node.entries)
            return replace(node, entries=tuple((key, value) for key, value in made_entries if value is not None))
