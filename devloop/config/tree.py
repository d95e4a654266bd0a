"""YAML as a tree in which every value knows its file, line and column.

Comes in: bytes. Goes out: nodes, with anchors, aliases and merge keys (`<<`) resolved and what can be read in spite of problems. Plain
scalars mean what YAML 1.2 says (`no` is text). Of tags it knows YAML's own and those in MERGE_TAGS and VALUE_TAGS, which it keeps for
`merge` and `substitution`; it never builds Python objects from them, never recurses on nesting, and refuses aliases that stand for more
than a configuration can hold.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

from devloop.config import syntax
from devloop.config.names import one_line
from devloop.errors import ConfigError, Problem

MAX_NODES = 50_000
FIELD = "apiVersion: devloop/v1"
FIRST_LINE = f"its first line is `{FIELD}`"

Kind = Literal["text", "whole", "number", "flag", "nothing"]

# The core schema, https://yaml.org/spec/1.2.2/#103-core-schema
_KINDS: tuple[tuple[Kind, str], ...] = (
    ("nothing", r"|~|null|Null|NULL"),
    ("flag", r"true|True|TRUE|false|False|FALSE"),
    ("whole", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    ("number", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
)
_TAGS: Mapping[str, Kind] = {
    "tag:yaml.org,2002:str": "text",
    "tag:yaml.org,2002:int": "whole",
    "tag:yaml.org,2002:float": "number",
    "tag:yaml.org,2002:bool": "flag",
    "tag:yaml.org,2002:null": "nothing",
}
# How a value of a profile is laid over what is below it.
MERGE_TAGS = frozenset({"!replace", "!append", "!remove"})
_YAML_TAGS = "tag:yaml.org,2002:"
# What a single value is besides its text: the output of a command, or not to be shown.
VALUE_TAGS = frozenset({"!cmd", "!secret"})
_COLLECTION_TAGS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})


@dataclass(frozen=True)
class Place:
    """Where a value begins: a file as it is shown to people, 1-based line and column."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Scalar:
    """A single value, as its source text (without quotes), and what YAML takes it for. `tag`: one of VALUE_TAGS, or "".

    `origins`: what gave its text, if not the place alone. `is_broken`: it could not be had, and that is told.
    """

    place: Place
    text: str
    kind: Kind = "text"
    is_merge_key: bool = False
    tag: str = ""
    origins: tuple[str, ...] = ()
    is_broken: bool = False


@dataclass(frozen=True)
class List:
    """Values in their order. `tag`: one of MERGE_TAGS, or ""."""

    place: Place
    items: tuple[Node, ...]
    tag: str = ""


@dataclass(frozen=True)
class Map:
    """Fields in their order; no key stands twice. `tag`: one of MERGE_TAGS, or ""."""

    place: Place
    entries: tuple[tuple[Scalar, Node], ...]
    tag: str = ""

    @cached_property
    def values(self) -> Mapping[str, Node]:
        return {key.text: value for key, value in self.entries}


Node = Scalar | List | Map


@dataclass(frozen=True)
class Tree:
    """What a file holds. `problems`: those in spite of which it could be read."""

    root: Map
    problems: tuple[Problem, ...] = ()


def parse(data: bytes, file: str, field: str = FIELD) -> Tree:
    """Reads one file; `file` is how its places name it, `field` what it may begin with. Raises: ConfigError when it cannot be read as one
    mapping.
    """
    text = syntax.to_text(data, file)
    builder = _Builder(file)
    for event in _events(text, file):
        builder.take(event)
    return builder.tree(f"its first line is `{field}`", field)


def documents(data: bytes, file: str, hint: str = "a configuration begins with `apiVersion`") -> tuple[Tree, ...]:
    """Reads a file that may have several documents; empty ones do not count. `hint`: for a file without any. Raises: as `parse`."""
    text = syntax.to_text(data, file)
    builders: list[_Builder] = []
    for event in _events(text, file):
        if type(event).__name__ == "DocumentStartEvent":
            builders.append(_Builder(file))
        if builders:
            builders[-1].take(event)
    found = [each for each in builders if not each.is_empty] or [_Builder(file)]
    return tuple(each.tree(hint) for each in found)


def _events(text: str, file: str) -> Iterator[Any]:
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    line = 1
    try:
        events: Iterator[Any] = yaml.parse(text, Loader=loader)
        for event in events:
            line = event.start_mark.line + 1
            yield event
    except (yaml.YAMLError, ValueError, OverflowError) as exc:
        # PyYAML's own scanner lets the errors of int() and chr() through, for `"\\UFFFFFFFF"` as an example.
        raise syntax.invalid(exc, text, file, line) from exc


@dataclass
class _Open:
    """A collection whose end has not been seen yet. `size`, `height`: of what it holds, aliases written out."""

    place: Place
    anchor: str | None
    is_map: bool
    children: list[Node]
    tag: str = ""
    size: int = 1
    height: int = 0


class _Builder:
    """Turns the parser's events into nodes, on a stack of its own."""

    def __init__(self, file: str) -> None:
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._file = file
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int, int]] = {}
        self._documents = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written, or nothing but `null`."""
        return self.root is None or (isinstance(self.root, Scalar) and self.root.kind == "nothing")

    def tree(self, hint: str, field: str = FIELD) -> Tree:
        """What was read. Raises: ConfigError when it is no mapping."""
        root = self.root
        if root is None or self.is_empty:
            raise syntax.refused(self._file, 1, 1, "the file is empty", hint)
        if not isinstance(root, Map):
            what = "a list" if isinstance(root, List) else "text"
            raise _refused(root.place, f"found {what} where fields such as `{field}` are wanted")
        return Tree(root, tuple(self.problems))

    def take(self, event: Any) -> None:
        place = Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)
        match type(event).__name__:
            case "DocumentStartEvent":
                self._documents += 1
                if self._documents > 1:
                    raise _refused(place, "a second document begins here", "keep one document in a file")
            case "MappingStartEvent" | "SequenceStartEvent" as name:
                self._begin(event, place, is_map=name == "MappingStartEvent")
            case "MappingEndEvent" | "SequenceEndEvent":
                self._end()
            case "ScalarEvent":
                self._add(_scalar(event, place), event.anchor, 1, 0)
            case "AliasEvent":
                self._alias(event.anchor, place)

    def _begin(self, event: Any, place: Place, *, is_map: bool) -> None:
        tag = event.tag if event.tag in MERGE_TAGS else ""
        if event.tag is not None and not tag and event.tag not in _COLLECTION_TAGS:
            raise _unknown_tag(place, event.tag)
        self._open.append(_Open(place, event.anchor, is_map, [], tag))
        self._limit_depth(place, len(self._open))

    def _end(self) -> None:
        done = self._open.pop()
        node: Node = self._map(done) if done.is_map else List(done.place, tuple(done.children), done.tag)
        self._add(node, done.anchor, done.size, done.height + 1)

    def _alias(self, name: str, place: Place) -> None:
        if name in self._anchors:
            node, size, height = self._anchors[name]
            self._limit_depth(place, len(self._open) + height)
            self._add(node, None, size, height)
        elif any(each.anchor == name for each in self._open):
            raise _refused(place, f"the alias `*{name}` stands inside of what it stands for")
        else:
            raise _refused(place, f"nothing above has the anchor `&{name}`", "put text that begins with `*` in quotes")

    def _add(self, node: Node, anchor: str | None, size: int, height: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (node, size, height)
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.children.append(node)
        parent.size += size
        parent.height = max(parent.height, height)
        if parent.size > MAX_NODES:
            raise _refused(
                parent.place, f"more than {MAX_NODES} values, aliases written out", "aliases of aliases multiply"
            )

    def _limit_depth(self, place: Place, depth: int) -> None:
        if depth > syntax.MAX_DEPTH:
            raise _refused(place, syntax.TOO_DEEP, "is it the right file?")

    def _map(self, done: _Open) -> Map:
        own: dict[str, tuple[Scalar, Node]] = {}
        merged: dict[str, tuple[Scalar, Node]] = {}
        for key, value in zip(done.children[::2], done.children[1::2], strict=True):
            if not isinstance(key, Scalar):
                raise _refused(
                    key.place, "a name of a field is wanted here", "put text that begins with `{` or `[` in quotes"
                )
            if key.tag:
                raise _unknown_tag(key.place, key.tag)
            if key.is_merge_key:
                for each in _merged(value):
                    merged |= {name: entry for name, entry in _by_name(each).items() if name not in merged}
                continue
            if key.text in own:
                self.problems.append(
                    _problem(key.place, f"`{key.text}` stands here twice, first at {own[key.text][0].place}")
                )
            own[key.text] = (key, value)
        return Map(
            done.place,
            tuple((own | {name: entry for name, entry in merged.items() if name not in own}).values()),
            done.tag,
        )


def _by_name(node: Map) -> dict[str, tuple[Scalar, Node]]:
    return {key.text: (key, value) for key, value in node.entries}


def _merged(value: Node) -> Sequence[Map]:
    """The mappings that a merge key names, the strongest first (https://yaml.org/type/merge.html)."""
    values = value.items if isinstance(value, List) else (value,)
    maps = [each for each in values if isinstance(each, Map)]
    if len(maps) < len(values):
        wrong = next(each for each in values if not isinstance(each, Map))
        raise _refused(wrong.place, "`<<` merges mappings", "name one with an alias: `<<: *name`")
    return maps


def _scalar(event: Any, place: Place) -> Scalar:
    text: str = event.value
    is_plain = not event.style
    if event.tag in VALUE_TAGS:
        return Scalar(place, text, tag=event.tag)
    if event.tag is not None and event.tag != "!":
        if event.tag not in _TAGS:
            raise _unknown_tag(place, event.tag)
        kind = _TAGS[event.tag]
        # `!!int x` is a number only if it looks like one.
        return Scalar(place, text, kind if kind == "text" or kind_of(text) == kind else "text")
    if not is_plain or event.tag == "!":
        return Scalar(place, text)
    return Scalar(place, text, kind_of(text), is_merge_key=text == "<<")


@lru_cache(4096)  # files say the same words again and again
def kind_of(text: str) -> Kind:
    """What YAML takes plain text for."""
    return next((kind for kind, pattern in _KINDS if re.fullmatch(pattern, text)), "text")


def _unknown_tag(place: Place, tag: str) -> ConfigError:
    if tag.startswith(_YAML_TAGS):
        return _refused(place, f"the tag `!!{tag.removeprefix(_YAML_TAGS)}` means nothing here", "leave it out")
    if near := difflib.get_close_matches(tag, sorted(MERGE_TAGS), n=1):
        return _refused(place, f"the tag `{tag}` means nothing here", f"did you mean `{near[0]}`?")
    return _refused(place, f"the tag `{tag}` means nothing here", "put text that begins with `!` in quotes")


def _problem(place: Place, message: str, hint: str | None = None) -> Problem:
    return Problem(place.file, place.line, place.column, one_line(message), hint)


def _refused(place: Place, message: str, hint: str | None = None) -> ConfigError:
    return ConfigError((_problem(place, message, hint),))
