"""The JSON schema of the event stream, made from the event records themselves.

Comes in: the dataclasses of `events`. Goes out: the text of `schemas/events-v1.json`. Readers must ignore fields that they do not
know, so the schema lets them pass: a new field is no new version. It never says anything that the records do not.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from typing import Any

from devloop import events

_SCALARS: Mapping[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


def events_schema_text() -> str:
    """The schema of one line (draft 2020-12), as `schemas/events-v1.json` holds it."""
    return json.dumps(_schema(), indent=2, ensure_ascii=False) + "\n"


def _schema() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:devloop:events:v{events.VERSION}",
        "title": "devloop event",
        "description": "One line of `devloop --output json`. Fields that are empty are left out.",
        "oneOf": [{"$ref": f"#/$defs/{event.kind}"} for event in events.EVENT_TYPES],
        "$defs": {event.kind: _object(event) for event in events.EVENT_TYPES},
    }


def _object(event: type[events.Event]) -> dict[str, Any]:
    hints = typing.get_type_hints(event)
    common = {each.name for each in dataclasses.fields(events.Event)}
    properties: dict[str, Any] = {"v": {"const": events.VERSION, "description": "The version of this format."}}
    properties |= {each.name: _property(each, hints) for each in dataclasses.fields(event) if each.name in common}
    properties |= {"kind": {"const": event.kind, "description": "The kind of event."}}
    properties |= {each.name: _property(each, hints) for each in dataclasses.fields(event) if each.name not in common}
    needed = [
        each.name
        for each in dataclasses.fields(event)
        if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
    ]
    return {
        "type": "object",
        "description": (event.__doc__ or "").strip(),
        "properties": properties,
        "required": ["v", "at_s", "update", "kind", *needed],
    }


def _property(each: dataclasses.Field[Any], hints: Mapping[str, Any]) -> dict[str, Any]:
    return {**_type(hints[each.name]), "description": each.metadata["doc"]}


def _type(hint: Any) -> dict[str, Any]:
    """Raises: TypeError for an annotation that has no JSON form here yet."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _SCALARS:
        return {"type": _SCALARS[hint]}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is tuple and arguments[1:] == (...,):
        return {"type": "array", "items": _type(arguments[0])}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _type(arguments[1])}
    if origin in (types.UnionType, typing.Union) and type(None) in arguments and len(arguments) == 2:
        return _type(next(each for each in arguments if each is not type(None)))
    raise TypeError(f"no JSON schema for {hint!r}")
