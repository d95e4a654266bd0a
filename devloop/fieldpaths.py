"""Paths to fields of objects that are known by no schema: `.spec.containers[*].image`.

Comes in: a path as text, and JSON-like data. Goes out: the path parsed, or where it is wrong; and the spots in the data that it leads to,
in which a new value can be put. `.name` and `["any.name"]` step into a mapping, `[0]` and `[name=x]` to an item of a list, `[*]` to every
item of a list or value of a mapping. `..name` at the beginning looks everywhere. `{a,b}` at the end names keys that make up one value.
A path that leads nowhere is no error. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"[^\s.\[\]{}\"'=,*]+")
_QUOTED = re.compile(r"\"([^\"]+)\"|'([^']+)'")
_INDEX = re.compile(r"[0-9]{1,9}")


class PathError(ValueError):
    """What is wrong with the text of a path. `at`: the character, from 1."""

    def __init__(self, message: str, at: int, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.hint = hint


@dataclass(frozen=True)
class Key:
    """Into a mapping."""

    name: str


@dataclass(frozen=True)
class Each:
    """To every item of a list, or every value of a mapping."""


@dataclass(frozen=True)
class At:
    """To an item of a list by its number."""

    index: int


@dataclass(frozen=True)
class Where:
    """To the items of a list that have this text in a field."""

    key: str
    value: str


Step = Key | Each | At | Where


@dataclass(frozen=True)
class FieldPath:
    """A parsed path. `is_anywhere`: its first step, a name, is looked for at any depth. `parts`: the keys in braces at its end."""

    text: str
    steps: tuple[Step, ...]
    is_anywhere: bool = False
    parts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Spot:
    """A place in the data: what stands in `holder` under `key`. `trail`: how it was reached."""

    holder: Any
    key: str | int
    trail: tuple[str | int, ...]

    @property
    def value(self) -> Any:
        return self.holder[self.key]

    def put(self, value: Any) -> None:
        """Puts a value there; the data is changed."""
        self.holder[self.key] = value

    def __str__(self) -> str:
        return spelled(self.trail)


def parse(text: str) -> FieldPath:
    """Raises: PathError, which says where and how to write it."""
    return _Parser(text).path()


def find(paths: Iterable[FieldPath], data: Any) -> Iterator[tuple[FieldPath, Spot]]:
    """Every spot that a path leads to; those that look everywhere take one walk together."""
    heads: dict[str, list[FieldPath]] = {}
    root = Spot({"": data}, "", ())
    for path in paths:
        if path.is_anywhere:
            assert isinstance(path.steps[0], Key)
            heads.setdefault(path.steps[0].name, []).append(path)
        else:
            yield from ((path, spot) for spot in _follow(path.steps, root))
    if heads:
        begins: list[Spot] = []
        _collect(heads, data, (), begins)
        for spot in begins:
            for path in heads[str(spot.key)]:
                yield from ((path, found) for found in _follow(path.steps[1:], spot))


def everywhere(data: Any) -> Iterator[Spot]:
    """Every spot in the data."""
    return _everywhere(Spot({"": data}, "", ()))


def general(data: Any, trail: Iterable[str | int]) -> str:
    """A path to the spot that holds when a list is longer, or in another order: items by their name, or all of them."""
    path, value = "", data
    for part in trail:
        value = value[part]
        if isinstance(part, str):
            path += _spelled(part)
        else:
            name = value.get("name") if isinstance(value, dict) else None
            path += f"[name={name}]" if isinstance(name, str) and _NAME.fullmatch(name) else "[*]"
    return path


def spelled(trail: Iterable[str | int]) -> str:
    """The way to a spot as a path."""
    return "".join(_spelled(each) for each in trail)


def _spelled(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return f".{part}" if _NAME.fullmatch(part) else f'["{part}"]'


def _follow(steps: tuple[Step, ...], spot: Spot) -> Iterator[Spot]:
    if not steps:
        yield spot
        return
    for each in _taken(steps[0], spot):
        yield from _follow(steps[1:], each)


def _taken(step: Step, spot: Spot) -> Iterator[Spot]:
    value = spot.value
    match step:
        case Key(name) if isinstance(value, dict) and name in value:
            yield Spot(value, name, (*spot.trail, name))
        case At(index) if isinstance(value, list) and index < len(value):
            yield Spot(value, index, (*spot.trail, index))
        case Each():
            yield from _below(spot)
        case Where(key, wanted) if isinstance(value, list):
            for each in _below(spot):
                if isinstance(each.value, dict) and key in each.value and _text(each.value[key]) == wanted:
                    yield each


def _below(spot: Spot) -> Iterator[Spot]:
    value = spot.value
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return (Spot(value, key, (*spot.trail, key)) for key in keys)


def _collect(names: Collection[str], value: Any, trail: tuple[str | int, ...], found: list[Spot]) -> None:
    """The spots with one of these names. Every object is walked at every render, so what needs no record gets none."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key in names:
                found.append(Spot(value, key, (*trail, key)))
            if isinstance(each, dict | list):
                _collect(names, each, (*trail, key), found)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            if isinstance(each, dict | list):
                _collect(names, each, (*trail, index), found)


def _everywhere(spot: Spot) -> Iterator[Spot]:
    for each in _below(spot):
        yield each
        yield from _everywhere(each)


def _text(value: Any) -> str:
    """A scalar as YAML has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Parser:
    """One pass over the text, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def path(self) -> FieldPath:
        if not self._text.startswith(("..", ".", "[")):
            better = self._text.removeprefix("$").lstrip(".")
            raise self._error(
                "a path begins with a dot", f"write `.{better}`" if better else "for example `.spec.image`"
            )
        is_anywhere = self._take("..")
        steps: list[Step] = [Key(self._name())] if is_anywhere else []
        parts: tuple[str, ...] = ()
        while self._at < len(self._text) and not parts:
            if self._take("."):
                steps.append(Key(self._name()))
            elif self._take("["):
                steps.append(self._bracket())
            elif self._take("{"):
                parts = self._braces()
            else:
                raise self._error(f"`{self._text[self._at]}` cannot stand here", "a step begins with `.` or `[`")
        if self._at < len(self._text):
            raise self._error("nothing can follow the braces", "leave it out")
        if not steps:
            raise self._error("it leads to nothing", "for example `.spec.image`")
        return FieldPath(self._text, tuple(steps), is_anywhere, parts)

    def _name(self) -> str:
        if found := _NAME.match(self._text, self._at):
            self._at = found.end()
            return found[0]
        if self._text.startswith("*", self._at):
            raise self._error("`.*` is no step", "write `[*]` for every item, or every value")
        raise self._error("a name is missing", 'for example `.image`; one with dots is written `["a.b"]`')

    def _bracket(self) -> Step:
        step: Step
        if self._take("*"):
            step = Each()
        elif found := _INDEX.match(self._text, self._at):
            self._at = found.end()
            step = At(int(found[0]))
        else:
            name = self._quoted() or self._bare()
            step = Where(name, self._wanted()) if self._take("=") else Key(name)
        if not self._take("]"):
            raise self._error("`]` is missing", 'known are `[*]`, `[0]`, `[name=value]` and `["a.b"]`')
        return step

    def _bare(self) -> str:
        name = self._name()
        if not self._text.startswith("=", self._at):
            raise self._error("`=` is missing", f'write `[{name}=value]` for items, `["{name}"]` for a key')
        return name

    def _wanted(self) -> str:
        if quoted := self._quoted():
            return quoted
        end = self._text.find("]", self._at)
        value = self._text[self._at : end if end >= 0 else len(self._text)]
        if not value.strip():
            raise self._error("a value is missing", "for example `[name=api]`")
        self._at += len(value)
        return value

    def _quoted(self) -> str:
        found = _QUOTED.match(self._text, self._at)
        if not found:
            return ""
        self._at = found.end()
        return str(found[1] or found[2])

    def _braces(self) -> tuple[str, ...]:
        names = [self._name()]
        while self._take(","):
            names.append(self._name())
        if not self._take("}"):
            raise self._error("`}` is missing", "for example `.spec.image{repository,tag}`")
        return tuple(names)

    def _take(self, token: str) -> bool:
        is_there = self._text.startswith(token, self._at)
        self._at += len(token) if is_there else 0
        return is_there

    def _error(self, message: str, hint: str) -> PathError:
        return PathError(message, self._at + 1, hint)
