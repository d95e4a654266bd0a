"""Paths to fields of Kubernetes objects: `.spec.containers[0].image`, `[*]`, `[name=web]`, `["a.b/c"]`.

Comes in: the text of a path, and an object. Goes out: its parts, and what it leads to. A part of kubectl's JSONPath
(https://kubernetes.io/docs/reference/kubectl/jsonpath/) that leads to fields and computes nothing. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Item:
    """The items of a list whose field `name` is `value`."""

    name: str
    value: str


@dataclass(frozen=True)
class Every:
    """All items of a list, or all values of a mapping."""


Part = str | int | Item | Every
Path = tuple[Part, ...]

_PART = re.compile(
    r"""\.?(?P<name>[A-Za-z0-9_$-]+)          # .spec, also at the very beginning
      | \[(?P<index>\d+)\]                     # [0]
      | \[(?P<every>\*)\]|\.(?P<any>\*)        # [*], .*
      | \[(?P<quote>['"])(?P<key>.+?)(?P=quote)\]     # ["a.b/c"]
      | \[\s*(?P<field>[\w.-]+)\s*=\s*(?P<value>[^\]]+?)\s*\]   # [name=web]
    """,
    re.VERBOSE,
)


def parse(text: str) -> Path:
    """The parts of a path. Raises: ValueError with the column at which it stops making sense."""
    parts: list[Part] = []
    at = 0
    while at < len(text):
        found = _PART.match(text, at)
        if not found or (at and found["name"] and text[at] != "."):
            raise ValueError(f"`{text}` is no path: column {at + 1} is neither `.name` nor `[…]`")
        parts.append(_part(found))
        at = found.end()
    if not parts:
        raise ValueError("a path is wanted, such as `.spec.replicas`")
    return tuple(parts)


def find(value: Any, path: Path) -> list[Any]:
    """Every value that the path leads to, in order; none where it leads nowhere."""
    found = [value]
    for part in path:
        found = [below for each in found for below in _below(each, part)]
    return found


def _part(found: re.Match[str]) -> Part:
    if found["name"]:
        return found["name"]
    if found["index"]:
        return int(found["index"])
    if found["key"]:
        return found["key"]
    return Item(found["field"], found["value"].strip("'\"")) if found["field"] else Every()


def _below(value: Any, part: Part) -> Iterator[Any]:
    match part:
        case str() if isinstance(value, Mapping) and part in value:
            yield value[part]
        case int() if isinstance(value, list) and part < len(value):
            yield value[part]
        case Item(name, wanted) if isinstance(value, list):
            yield from (each for each in value if isinstance(each, Mapping) and str(each.get(name)) == wanted)
        case Every() if isinstance(value, list):
            yield from value
        case Every() if isinstance(value, Mapping):
            yield from value.values()
