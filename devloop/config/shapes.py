"""The model's annotations as shapes: what a value may look like in YAML.

Comes in: the dataclasses of `config.model`. Goes out: their fields under their YAML names, each with its shape and documentation.
Reading, the JSON schema and the reference page all derive from this. Pure; it keeps only what it read of each record.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

# What is no record and no list: text that is never empty; a whole number; true or false; a whole number or a name in its place; names
# with their text, where numbers and flags are taken as they are written; whatever YAML can say, as the node that it is.
Plain = Literal["text", "whole", "flag", "whole or text", "texts", "anything"]


@dataclass(frozen=True)
class Many:
    """A list."""

    item: Shape


@dataclass(frozen=True)
class Record:
    """A mapping with the fields of a dataclass."""

    type: type[Any]

    @property
    def shorthand(self) -> str | None:
        """The field that text in the place of the whole mapping stands for."""
        return getattr(self.type, "shorthand", None)


Shape = Plain | Many | Record


@dataclass(frozen=True)
class Field:
    """A field of a record. `name`: in Python; `key`: in YAML. `default` counts unless it is required. `is_part`: it may say a part only of
    what it stands for, since it is laid over the whole. `is_shell`: it is a command, whose variables a shell fills in.
    `is_variable`: it names one, whose value is a secret.
    `path`: see documented.doc.
    """

    name: str
    key: str
    shape: Shape
    doc: str
    is_required: bool
    default: Any
    choices: tuple[str, ...] = ()
    examples: tuple[Any, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    also: tuple[str, ...] = ()
    is_part: bool = False
    is_shell: bool = False
    is_variable: bool = False
    path: str = ""


def fields(record: type[Any]) -> tuple[Field, ...]:
    """The fields of a dataclass of the model, in its order."""
    return _fields(typing.cast(Hashable, record))


@cache  # reading the annotations of the model's few dozen records costs more than decoding a file
def _fields(record: Any) -> tuple[Field, ...]:
    hints = typing.get_type_hints(record)
    return tuple(_field(each, hints[each.name]) for each in dataclasses.fields(record))


def _field(each: dataclasses.Field[Any], hint: Any) -> Field:
    is_made = each.default_factory is not dataclasses.MISSING
    return Field(
        name=each.name,
        key=_camel(each.name.rstrip("_")),  # `from_` is `from`
        shape=_shape(hint),
        doc=each.metadata["doc"],
        is_required=each.default is dataclasses.MISSING and not is_made,
        default={} if is_made else each.default,
        choices=tuple(each.metadata.get("choices", ())),
        examples=tuple(each.metadata.get("examples", ())),
        minimum=each.metadata.get("minimum"),
        maximum=each.metadata.get("maximum"),
        also=tuple(each.metadata.get("also", ())),
        is_part=each.metadata.get("part", False),
        is_shell=each.metadata.get("shell", False),
        is_variable=each.metadata.get("variable", False),
        path=each.metadata.get("path", ""),
    )


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _shape(hint: Any) -> Shape:
    """Raises: TypeError for an annotation that has no YAML form here yet."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    scalars: Mapping[Any, Shape] = {str: "text", int: "whole", bool: "flag"}
    if hint is Any:
        return "anything"
    if hint in scalars:
        return scalars[hint]
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return Record(hint)
    if origin is tuple and arguments[1:] == (...,):
        return Many(_shape(arguments[0]))
    if origin is Mapping and arguments == (str, str):
        return "texts"
    if origin in (types.UnionType, typing.Union):
        some = [each for each in arguments if each is not type(None)]
        if len(some) == 1:
            return _shape(some[0])
        if set(some) == {int, str}:
            return "whole or text"
    raise TypeError(f"no YAML form for {hint!r}")
