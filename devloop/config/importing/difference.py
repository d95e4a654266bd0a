"""What has to be laid over a tree so that it becomes another: `merge`, backwards.

Comes in: two trees of one record of the model. Goes out: the smallest overlay that `merge.over` turns the first into the second with.
Pure. Its values keep the places that they have in the second; named entries may come out in another order, which says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from devloop.config.merge import name_of
from devloop.config.shapes import Many, Record, Shape, fields
from devloop.config.tree import List, Map, Node, Place, Scalar


def between(below: Map, wanted: Map, record: type[Any]) -> Map:
    """The overlay; without fields when both are the same."""
    shapes = {each.key: each.shape for each in fields(record)}
    entries: list[tuple[Scalar, Node]] = []
    for key, value in wanted.entries:
        old = below.values.get(key.text)
        if old is None:
            entries.append((key, value))
        elif not is_same(old, value):
            entries.append((key, _value(old, value, shapes.get(key.text))))
    entries += [(key, _nothing(wanted.place)) for key, _ in below.entries if key.text not in wanted.values]
    return Map(wanted.place, tuple(entries))


def is_same(one: Node, other: Node) -> bool:
    """Whether both say the same, wherever they are written."""
    return _bare(one) == _bare(other)


def _bare(node: Node) -> object:
    match node:
        case Map():
            return {key.text: _bare(value) for key, value in node.entries}
        case List():
            return [_bare(each) for each in node.items]
        case _:
            return node.kind, node.text


def _nothing(place: Place) -> Scalar:
    return Scalar(place, "null", "nothing")


def _value(below: Node, wanted: Node, shape: Shape | None) -> Node:
    match shape, below, wanted:
        case (Record(record), Map(), Map()):
            return between(below, wanted, record)
        case (Many(Record(record)), List(), List()) if hasattr(record, "merged_by"):
            return _named(below, wanted, record)
        case ("texts", Map(), Map()):
            changed = [(key, value) for key, value in wanted.entries if not _has(below, key.text, value)]
            gone = [(key, _nothing(wanted.place)) for key, _ in below.entries if key.text not in wanted.values]
            return Map(wanted.place, (*changed, *gone))
        case (_, _, Map() | List()):
            return replace(wanted, tag="!replace")
        case _:
            return wanted


def _has(node: Map, key: str, value: Node) -> bool:
    return key in node.values and is_same(node.values[key], value)


def _named(below: List, wanted: List, record: type[Any]) -> List:
    """Only the entries that differ; the whole list where entries cannot be told apart, or nothing of it stays."""
    old, new = _by_name(below.items, record), _by_name(wanted.items, record)
    if old is None or new is None or not old.keys() & new.keys():
        return replace(wanted, tag="!replace")
    items: list[Node] = []
    for name, each in new.items():
        if name not in old:
            items.append(each)
        elif not is_same(old[name], each):
            items.append(_entry(each, between(old[name], each, record), record))
    keys = record.merged_by
    for name, each in old.items():
        if name not in new:
            items.append(
                Map(wanted.place, tuple((key, value) for key, value in each.entries if key.text in keys), "!remove")
            )
    return replace(wanted, items=tuple(items))


def _by_name(items: Sequence[Node], record: type[Any]) -> dict[tuple[str, ...], Map] | None:
    found: dict[tuple[str, ...], Map] = {}
    for each in items:
        name = name_of(record, each) if isinstance(each, Map) else None
        if name is None or name in found or not isinstance(each, Map):
            return None
        found[name] = each
    return found


def _entry(wanted: Map, changes: Map, record: type[Any]) -> Map:
    names = tuple((key, value) for key, value in wanted.entries if key.text in record.merged_by)
    return Map(wanted.place, (*names, *(entry for entry in changes.entries if entry[0].text not in record.merged_by)))
