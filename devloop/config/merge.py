"""A part of a configuration laid over another: how profiles change what is below them.

Comes in: trees, and the records of the model that they are to become. Goes out: one tree whose values keep the places where they were
written. Pure. The rules:
- mappings merge field by field; a field that is written with nothing after it (`null`) is taken away, back to its default;
- of fields that exclude each other the one laid over stands, the other goes;
- lists of named things (artifacts, units, …) merge by their names; what is not there yet is added; `!remove` before an entry takes it
  away;
- other lists are replaced, as single values are; `!append` before a list adds to the one below, `!replace` before anything puts it in
  the place of all that is below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from devloop.config.shapes import Many, Record, Shape, fields
from devloop.config.tree import List, Map, Node, Scalar

NameOf = Callable[[type[Any], Map], str]


def over(below: Map, above: Map, record: type[Any], name_of: NameOf = lambda _record, _node: "") -> Map:
    """`above` laid over `below`. `name_of`: what an entry of a list is called that does not write its own name."""
    return _Merge(name_of).record(below, above, record)


def plain(node: Node) -> Node:
    """The value without its tags and what they take away: what stands when nothing is below it."""
    match node:
        case Map():
            entries = tuple((key, plain(value)) for key, value in node.entries if not is_removed(value))
            return replace(node, entries=entries, tag="")
        case List():
            return replace(node, items=tuple(plain(each) for each in node.items if not is_removed(each)), tag="")
        case _:
            return node


def is_removed(node: Node) -> bool:
    """Whether the value says of itself that it is to go."""
    return not isinstance(node, Scalar) and node.tag == "!remove"


def name_of(record: type[Any], node: Map) -> tuple[str, ...] | None:
    """What tells the entry from others of its list, as it is written; None when it does not say all of it."""
    keys: tuple[str, ...] = getattr(record, "merged_by", ())
    values = [node.values.get(key) for key in keys]
    texts = tuple(each.text for each in values if isinstance(each, Scalar) and each.kind != "nothing")
    return texts if keys and len(texts) == len(keys) else None


class _Merge:
    def __init__(self, default_name: NameOf) -> None:
        self._default_name = default_name

    def record(self, below: Map, above: Map, record: type[Any]) -> Map:
        shapes = {each.key: each.shape for each in fields(record)}
        entries = dict(self._kept(below, above, record))
        for key, value in above.entries:
            old = entries.get(key.text)
            if _is_nothing(value) or is_removed(value):
                entries.pop(key.text, None)
            elif old is None:
                entries[key.text] = (key, plain(value))
            else:
                entries[key.text] = (key, self._value(old[1], value, shapes.get(key.text)))
        return Map(above.place, tuple(entries.values()))

    def _kept(self, below: Map, above: Map, record: type[Any]) -> dict[str, tuple[Scalar, Node]]:
        """What of `below` does not exclude what is laid over it."""
        gone: set[str] = set()
        for group in (getattr(record, "exactly_one", ()), getattr(record, "at_most_one", ())):
            if written := [key.text for key, value in above.entries if key.text in group and not _is_nothing(value)]:
                gone |= set(group) - set(written)
        return {key.text: (key, value) for key, value in below.entries if key.text not in gone}

    def _value(self, below: Node, above: Node, shape: Shape | None) -> Node:
        if isinstance(shape, Record):
            below, above = _whole(below, shape), _whole(above, shape)
        match shape, below, above:
            case (_, _, Map(tag="!replace") | List(tag="!replace")):
                return plain(above)
            case (Record(record), Map(), Map()):
                return self.record(below, above, record)
            case (_, List(), List(tag="!append")):
                return replace(below, items=(*below.items, *(plain(each) for each in above.items)))
            case (Many(Record(record)), List(), List()) if hasattr(record, "merged_by"):
                return self._named(below, above, Record(record))
            case ("texts", Map(), Map()):
                kept = {key.text: (key, value) for key, value in below.entries}
                kept |= {key.text: (key, value) for key, value in above.entries}
                return Map(above.place, tuple(each for each in kept.values() if not _is_nothing(each[1])))
            case _:
                return plain(above)

    def _named(self, below: List, above: List, shape: Record) -> List:
        items = [_whole(each, shape) for each in below.items]
        for node in above.items:
            each = _whole(node, shape)
            at = self._index(items, each, shape.type)
            if is_removed(each):
                items = [item for index, item in enumerate(items) if index != at]
            elif at is None:
                items.append(plain(each))
            elif isinstance(each, Map) and each.tag != "!replace":
                items[at] = self.record(_as_map(items[at]), each, shape.type)
            else:
                items[at] = plain(each)
        return List(above.place, tuple(items))

    def _index(self, items: Sequence[Node], wanted: Node, record: type[Any]) -> int | None:
        name = self._name(wanted, record)
        return next((index for index, each in enumerate(items) if name and self._name(each, record) == name), None)

    def _name(self, node: Node, record: type[Any]) -> tuple[str, ...]:
        if not isinstance(node, Map):
            return ()
        return name_of(record, node) or tuple(filter(None, (self._default_name(record, node),)))


def _whole(node: Node, shape: Record) -> Node:
    """A record that is written as text, as the mapping that it stands for."""
    if isinstance(node, Scalar) and node.kind == "text" and shape.shorthand:
        return Map(node.place, ((Scalar(node.place, shape.shorthand), node),))
    return node


def _as_map(node: Node) -> Map:
    assert isinstance(node, Map)  # it has a name
    return node


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.kind == "nothing"
