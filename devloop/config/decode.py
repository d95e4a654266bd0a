"""A tree as the records of the model, with every way in which it does not fit.

Comes in: a tree and the model. Goes out: a record that is complete in spite of problems (a value of the wrong shape became a default
or an empty one), the problems, and which values are not to be trusted. Pure; it knows shapes, not what they mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from devloop.config.names import did_you_mean, one_line, suggestion
from devloop.config.paths import KeyPath, problem
from devloop.config.shapes import Field, Many, Record, Shape, fields
from devloop.config.tree import List, Map, Node, Place, Scalar
from devloop.errors import Problem

T = TypeVar("T")

# A path or a command with these reaches no operating system; double quotes can write them: "\0".
_UNUSABLE = "[\0\ud800-\udfff]"
_LONGEST_NUMBER = 15
_WRONG: Any = object()
_YES_NO = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


@dataclass(frozen=True)
class Decoded(Generic[T]):
    """`tainted`: what has the wrong shape; what follows from it says nothing new."""

    value: T
    problems: tuple[Problem, ...]
    tainted: frozenset[KeyPath]


def decode(root: Map, record: type[T]) -> Decoded[T]:
    """The mapping as a record of the model."""
    decoder = _Decoder()
    value: T = decoder.record(Record(record), root, ())
    return Decoded(value, tuple(decoder.problems), frozenset(decoder.tainted))


class _Decoder:
    """Collects what is wrong on one walk over the tree."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.tainted: set[KeyPath] = set()
        self._known: dict[type[Any], tuple[Field, ...]] = {}
        self._parts = 0  # how many fields around this place hold only a part of what they stand for

    def record(self, shape: Record, node: Map, path: KeyPath) -> Any:
        if shape.type not in self._known:
            self._known[shape.type] = fields(shape.type)
        known = self._known[shape.type]
        meant = self._unknown(node, known, path)
        own = {each.key for each in known if each.is_required} if self._parts else set()
        named = own & set(getattr(shape.type, "merged_by", ()))
        may_lack = own - named if named else own
        values = {
            each.name: self._field(each, node, path, may_lack=each.key in meant or each.key in may_lack)
            for each in known
        }
        self._exclusive(shape.type, node, path)
        return shape.type(**values)

    def _field(self, field: Field, node: Map, path: KeyPath, *, may_lack: bool) -> Any:
        """The field's value. `may_lack`: it is there under a wrong name, or elsewhere, so it is not said to be missing."""
        otherwise = _empty(field.shape) if field.is_required else field.default
        found = node.values.get(field.key)
        here = (*path, field.key)
        if found is None or _is_nothing(found):
            if field.is_required and not may_lack:
                self._wrong(
                    found.place if found else node.place, f"`{field.key}` is missing", path, _example(field), taint=here
                )
            return otherwise
        if isinstance(found, Scalar) and found.is_broken:
            self.tainted.add(here)
            return otherwise
        if self._parts and _is_open(field, found):
            return otherwise
        self._parts += field.is_part
        value = self._value(field.shape, found, here)
        self._parts -= field.is_part
        if value is _WRONG:
            return otherwise
        self._limits(field, value, found, here)
        return value

    def _value(self, shape: Shape, node: Node, path: KeyPath) -> Any:
        if not isinstance(node, Scalar) and node.tag and not self._parts:
            self._wrong(node.place, f"`{node.tag}` means something in a profile only", path, "leave it out")
        if isinstance(node, Map) and node.tag == "!append" and shape != "anything":
            return self._wrong(node.place, "`!append` adds to a list, and this is a mapping", path, "mappings merge")
        match shape, node:
            case "anything", _:
                return node
            case "text", Scalar(kind="text"):
                return self._text(node, path)
            case "whole" | "whole or text", Scalar(kind="whole"):
                return self._whole(node, path)
            case "whole or text", Scalar(kind="text"):
                return self._text(node, path)
            case "flag", Scalar(kind="flag"):
                return node.text.lower() == "true"
            case "texts", Map():
                return {key.text: self._loose_text(key, value, path) for key, value in node.entries}
            case Many(item), List():
                return tuple(self._item(item, value, (*path, index)) for index, value in enumerate(node.items))
            case Record(), Map():
                return self.record(shape, node, path)
            case Record(shorthand=str(key)), Scalar(kind="text"):
                return self.record(shape, Map(node.place, ((Scalar(node.place, key), node),)), path)
        return self._wrong(
            node.place, f"found {_found(node)} where {_wanted(shape)} is wanted", path, _remedy(shape, node)
        )

    def _item(self, shape: Shape, node: Node, path: KeyPath) -> Any:
        if isinstance(node, Scalar) and node.is_broken:
            self.tainted.add(path)
            return _empty(shape)
        value = self._value(shape, node, path)
        return _empty(shape) if value is _WRONG else value

    def _text(self, node: Scalar, path: KeyPath) -> Any:
        if not node.text.strip():
            return self._wrong(node.place, "this text is empty", path, "leave the field out, or fill it in")
        return self._usable(node, path)

    def _usable(self, node: Scalar, path: KeyPath) -> Any:
        if found := re.search(_UNUSABLE, node.text):
            return self._wrong(node.place, f"this text holds the character U+{ord(found[0]):04X}", path)
        return node.text

    def _whole(self, node: Scalar, path: KeyPath) -> Any:
        if len(node.text) > _LONGEST_NUMBER:
            return self._wrong(node.place, "this number is too large", path)
        base = {"0x": 16, "0o": 8}.get(node.text[:2], 10)
        return int(node.text, base)

    def _loose_text(self, key: Scalar, node: Node, path: KeyPath) -> str:
        here = (*path, key.text)
        if not key.text.strip():
            self._wrong(key.place, "this name is empty", path)
        if isinstance(node, Scalar) and node.is_broken:
            self.tainted.add(here)
            return ""
        if isinstance(node, Scalar) and node.kind != "nothing":
            text = self._usable(node, here)
            return "" if text is _WRONG else text
        hint = 'write "" for empty text' if isinstance(node, Scalar) else None
        self._wrong(node.place, f"found {_found(node)} where text is wanted", here, hint)
        return ""

    def _unknown(self, node: Map, known: tuple[Field, ...], path: KeyPath) -> set[str]:
        """Says which fields are unknown; returns the known ones that were meant by them."""
        keys = {each.key for each in known}
        meant = set()
        for key, _ in node.entries:
            if key.text not in keys:
                field, hint = _meant(key.text, known)
                meant.add(field)
                self._wrong(key.place, f"unknown field `{_short(key.text)}`", path, hint)
        return meant - {""}

    def _exclusive(self, record: type[Any], node: Map, path: KeyPath) -> None:
        at_most: tuple[str, ...] = getattr(record, "at_most_one", ())
        exactly: tuple[str, ...] = getattr(record, "exactly_one", ())
        for group in (at_most, exactly):
            given = [key for key, value in node.entries if key.text in group and not _is_nothing(value)]
            if len(given) > 1:
                names = _and([key.text for key in given])
                self._wrong(given[1].place, f"{names} exclude each other", path, "keep one of them")
            elif group is exactly and exactly and not given and not self._parts:
                choice = ", ".join(f"`{each}`" for each in exactly)
                self._wrong(node.place, f"none of {choice} is there", path, "give one of them")

    def _limits(self, field: Field, value: Any, node: Node, path: KeyPath) -> None:
        if field.choices and value not in field.choices:
            choices = ", ".join(field.choices)
            hint = did_you_mean(str(value), field.choices, f"choose from {choices}")
            self._wrong(node.place, f"`{_short(str(value))}` is not one of {choices}", path, hint)
        if isinstance(value, tuple) and field.minimum is not None and len(value) < field.minimum:
            self._wrong(node.place, "this list is empty", path, "fill it in")
        if isinstance(value, int) and field.minimum is not None and value < field.minimum:
            self._wrong(node.place, f"{value} is too small", path, f"{field.minimum} is the least")
        if isinstance(value, int) and field.maximum is not None and value > field.maximum:
            self._wrong(node.place, f"{value} is too large", path, f"{field.maximum} is the most")

    def _wrong(
        self, place: Place, message: str, path: KeyPath, hint: str | None = None, *, taint: KeyPath | None = None
    ) -> Any:
        self.problems.append(problem(place, message, path, hint))
        self.tainted.add(path if taint is None else taint)
        return _WRONG


def _is_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.kind == "nothing"


def _is_open(field: Field, node: Node) -> bool:
    """Whether variables decide what it is: in a profile they are filled in once it is laid over the rest."""
    is_narrow = field.shape in ("whole", "flag", "whole or text") or bool(field.choices)
    return is_narrow and isinstance(node, Scalar) and ("${" in node.text or bool(node.tag))


def _empty(shape: Shape) -> Any:
    match shape:
        case "text":
            return ""
        case "whole" | "whole or text":
            return 0
        case "flag":
            return False
        case "texts":
            return {}
        case "anything":
            return None
        case Many():
            return ()
        case Record(record):
            return record(
                **{each.name: _empty(each.shape) if each.is_required else each.default for each in fields(record)}
            )


def _wanted(shape: Shape) -> str:
    match shape:
        case "text":
            return "text"
        case "whole":
            return "a whole number"
        case "flag":
            return "true or false"
        case "whole or text":
            return "a whole number or a name"
        case "texts":
            return "a mapping of names to text"
        case "anything":
            return "a value"
        case Many("text"):
            return "a list of text"
        case Many():
            return "a list of mappings"
        case Record(record):
            needed = _and(_needed(record))
            return f"a mapping with {needed}" if needed else "a mapping"


def _found(node: Node) -> str:
    match node:
        case List():
            return "a list"
        case Map():
            return "a mapping"
        case Scalar(kind="nothing"):
            return "nothing"
        case Scalar(kind="flag"):
            return f"`{node.text}`"
        case Scalar(kind="whole" | "number"):
            return f"the number {_short(node.text)}"
        case Scalar(text=""):
            return "empty text"
        case Scalar():
            return f"the text `{_short(node.text)}`"


def _remedy(shape: Shape, node: Node) -> str | None:
    """How to write what was probably meant."""
    match shape, node:
        case "text", Scalar(kind="whole" | "number" | "flag"):
            return f'put it in quotes: "{_short(node.text)}"'
        case "whole" | "whole or text", Scalar(text=text) if re.fullmatch(r"[0-9]{1,9}", text):
            return f"write {text} without quotes"
        case "flag", Scalar(text=text) if text.lower() in _YES_NO:
            return f"write {_YES_NO[text.lower()]}"
        case "flag", Scalar(text=text) if text.lower() in ("true", "false"):
            return f"write {text.lower()} without quotes"
        case Many("text"), Scalar() if not _is_nothing(node):
            return f"write it as a list: [{_short(node.text)}]"
        case Many(Record()), Map():
            return "begin each entry with `- `"
        case Many(Record(record)), Scalar(kind="text") if len(needed := _needed(record)) == 1:
            return f"write it as a list: [{{{needed[0]}: {_short(node.text)}}}]"
        case "texts", Scalar(text=text) if re.fullmatch(r"[^\s=]+=[^=]*", text):
            return f"write `{_short(text.replace('=', ': ', 1))}` below it"
        case Record(), Scalar(kind="text", text=text) if re.fullmatch(r"[A-Za-z]+:\S.*", text):
            return f"write a blank after the `:`, as in `{_short(text.replace(':', ': ', 1))}`"
        case Record(record), List() if node.items:
            return "leave out the `- `"
        case Record(record), Scalar(kind="text"):
            needed = _needed(record)
            return f"write `{needed[0]}: {_short(node.text)}` below it" if len(needed) == 1 else None
    return None


def _needed(record: type[Any]) -> list[str]:
    return [each.key for each in fields(record) if each.is_required]


def _meant(word: str, known: tuple[Field, ...]) -> tuple[str, str]:
    """The field that an unknown one probably is, and a hint: as another tool calls it, one level deeper, or spelt alike."""
    for each in known:
        if word in each.also:
            return each.key, f"here it is called `{each.key}`"
        if isinstance(each.shape, Record) and word in {inner.key for inner in fields(each.shape.type)}:
            return "", f"it belongs into `{each.key}`"
    keys = [each.key for each in known]
    close = suggestion(word, keys)
    if foreign := next((each for each in word if not each.isascii()), None):
        looks = f", and `{close}` is a field" if close else ""
        return close or "", f"its character U+{ord(foreign):04X} is in no field{looks}"
    return close or "", f"did you mean `{close}`?" if close else f"known are {', '.join(keys)}"


def _example(field: Field) -> str | None:
    value = next(iter((*field.choices, *field.examples)), None)
    if value is None:
        return None
    return f"write `{field.key}: {value if isinstance(value, str) else json.dumps(value)}`"


def _and(words: Sequence[str]) -> str:
    quoted = [f"`{each}`" for each in words]
    return " and ".join(filter(None, (", ".join(quoted[:-1]), *quoted[-1:])))


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= 60 else line[:57] + "…"
