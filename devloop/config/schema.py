"""The format of devloop.yaml for editors and for readers, made from the model itself.

Comes in: the dataclasses of `config.model`. Goes out: the text of `schemas/devloop-v1.json`, which editors complete and check with, and
of `docs/reference/devloop-yaml.md`. The same model gives the same text. What only the rules know (names that exist, files that are
there) is not in it.
"""

from __future__ import annotations

import inspect
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from devloop.config import model
from devloop.config.shapes import Field, Many, Record, Shape, fields

_TEXT = {"type": "string", "minLength": 1}
_VARIABLE = {"type": "string", "pattern": r"\$\{"}  # filled in, and only then a number, a flag or one of the choices
_SMALLEST = """```yaml
apiVersion: devloop/v1
build:
  artifacts:
    - image: shop/api            # context: ., Dockerfile found there
deploy:
  - manifests: [k8s/*.yaml]      # or kustomize: overlays/dev, or helm: {chart: chart}
portForward:
  - resource: deployment/api
    port: 8080
```"""


def schema_text() -> str:
    """The JSON schema (draft 2020-12) of devloop.yaml, as `schemas/devloop-v1.json` holds it."""
    return json.dumps(_schema(), indent=2, ensure_ascii=False) + "\n"


def reference() -> str:
    """The reference page in Markdown, as `docs/reference/devloop-yaml.md` holds it."""
    places: dict[type[Any], list[str]] = {}
    for record, path in _records(model.Project, ""):
        places.setdefault(record, []).append(path)
    return "\n\n".join((_INTRODUCTION, *(_section(record, paths) for record, paths in places.items()))) + "\n"


def _schema() -> dict[str, Any]:
    records = dict.fromkeys(record for record, _ in _records(model.Project, ""))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{model.API_VERSION.replace('/', ':config:')}",
        "title": "devloop.yaml",
        "$ref": "#/$defs/Project",
        "$defs": {
            **{record.__name__: _object(record) for record in records},
            **{_PART + record.__name__: _object(record, _PART) for record in _of_profiles(records)},
        },
    }


_PART = "PartOf"


def _of_profiles(records: Iterable[type[Any]]) -> dict[type[Any], None]:
    """What a profile may hold a part of."""
    parts = [each.shape for record in records for each in fields(record) if each.is_part]
    found = [each.item if isinstance(each, Many) else each for each in parts]
    return dict.fromkeys(below for each in found if isinstance(each, Record) for below, _ in _records(each.type, ""))


def _or_nothing(made: dict[str, Any]) -> dict[str, Any]:
    return {
        "anyOf": [{key: each for key, each in made.items() if key != "description"}, {"type": "null"}],
        "description": made["description"],
    }


def _object(record: type[Any], prefix: str = "") -> dict[str, Any]:
    """`prefix`: of the definitions for what stands in a profile, where a part is enough and `null` takes away."""
    known = fields(record)
    made: dict[str, Any] = {
        "type": "object",
        "description": inspect.cleandoc(record.__doc__ or ""),
        "additionalProperties": False,
        "properties": {
            each.key: _or_nothing(_property(each, prefix)) if prefix else _property(each, _PART if each.is_part else "")
            for each in known
        },
    }
    names = getattr(record, "merged_by", ())
    if required := [each.key for each in known if each.is_required and (not prefix or each.key in names)]:
        made["required"] = required
    if (exactly := getattr(record, "exactly_one", ())) and not prefix:
        made["oneOf"] = [{"required": [key]} for key in exactly]
    if at_most := getattr(record, "at_most_one", ()):
        pairs = [{"required": list(pair)} for pair in itertools.combinations(at_most, 2)]
        made["not"] = pairs[0] if len(pairs) == 1 else {"anyOf": pairs}
    return made


def _property(field: Field, prefix: str = "") -> dict[str, Any]:
    made = {**_type(field.shape, prefix), "description": field.doc}
    if isinstance(field.shape, Many) and field.minimum is not None:
        made["minItems"] = field.minimum
    elif field.minimum is not None or field.maximum is not None:
        number = made["anyOf"][0] if "anyOf" in made else made
        number |= {
            key: limit for key, limit in (("minimum", field.minimum), ("maximum", field.maximum)) if limit is not None
        }
    if field.choices:
        del made["type"], made["minLength"]
        made["anyOf"] = [{"enum": list(field.choices)}, dict(_VARIABLE)]
    if _says_something(field) and not prefix:
        made["default"] = list(field.default) if isinstance(field.default, tuple) else field.default
    if field.examples:
        made["examples"] = list(field.examples)
    return made


def _type(shape: Shape, prefix: str = "") -> dict[str, Any]:
    match shape:
        case "text":
            return dict(_TEXT)
        case "whole":
            return {"anyOf": [{"type": "integer"}, dict(_VARIABLE)]}
        case "flag":
            return {"anyOf": [{"type": "boolean"}, dict(_VARIABLE)]}
        case "whole or text":
            return {"anyOf": [{"type": "integer"}, dict(_TEXT)]}
        case "texts":
            return {
                "type": "object",
                "propertyNames": {"minLength": 1},
                "additionalProperties": {"type": ["string", "number", "boolean"]},
            }
        case "anything":
            return {}
        case Many(item):
            return {"type": "array", "items": _type(item, prefix)}
        case Record(record):
            whole = {"$ref": f"#/$defs/{prefix}{record.__name__}"}
            return {"anyOf": [whole, dict(_TEXT)]} if shape.shorthand else whole


def _records(record: type[Any], path: str) -> Iterator[tuple[type[Any], str]]:
    """A record and all below it, each with the path that leads to it; what a shape hides in a list has `[]`."""
    yield record, path
    for field in fields(record):
        if field.is_part:
            continue  # it is documented where the whole of it stands
        shape, here = field.shape, f"{path}.{field.key}".lstrip(".")
        if isinstance(shape, Many):
            shape, here = shape.item, f"{here}[]"
        if isinstance(shape, Record):
            yield from _records(shape.type, here)


_INTRODUCTION = f"""# devloop.yaml

<!-- Made by scripts/generate from devloop/config/model.py. -->

One file says how images are built and how they are deployed. The smallest one:

{_SMALLEST}

- It is YAML 1.2: `no` and `on` are text. Anchors, aliases and merge keys (`<<`) work.
- Paths are relative to the folder of the file; absolute ones are allowed. Globs know `*`, `?`, `[a-z]` and `**` for any depth.
- Values, but not names of fields, may hold variables: `${{NAME}}`, `${{NAME:-default}}`, `${{NAME:?message}}`; `$$` is a dollar. Shell
  commands are left to the shell. [Profiles and variables](../configuration.md) says where values come from.
- A field that is not known is an error. A field that is written with nothing after it counts as left out.
- Editors complete and check it with the schema that `devloop schema` prints."""


def _section(record: type[Any], paths: Sequence[str]) -> str:
    """`paths`: where it stands, each place once."""
    lines = [
        f"## {', '.join(paths)}" if paths != [""] else "## The file",
        "",
        inspect.cleandoc(record.__doc__ or ""),
        "",
        "| field | type | default | |",
        "|---|---|---|---|",
        *(_row(each) for each in fields(record)),
    ]
    if key := Record(record).shorthand:
        lines += ["", f"Text in place of the mapping is its `{key}`."]
    return "\n".join(lines)


def _row(field: Field) -> str:
    cells = (f"`{field.key}`", _type_words(field.shape), _default_words(field), _doc_words(field))
    return "| " + " | ".join(each.replace("|", "\\|") for each in cells) + " |"


def _type_words(shape: Shape) -> str:
    match shape:
        case "whole":
            return "number"
        case "flag":
            return "true or false"
        case "whole or text":
            return "number or text"
        case "texts":
            return "names with text"
        case "anything":
            return "any value"
        case Many(Record()):
            return "list, below"
        case Many(item):
            return f"list of {_type_words(item)}"
        case Record():
            return "mapping, below"
        case _:
            return shape


def _default_words(field: Field) -> str:
    if field.is_required:
        return "*required*"
    return f"`{json.dumps(field.default)}`" if _says_something(field) else ""


def _doc_words(field: Field) -> str:
    words = [field.doc]
    if field.choices:
        words.append("One of " + ", ".join(f"`{each}`" for each in field.choices) + ".")
    limits = [
        f"{word} {limit}"
        for word, limit in (("at least", field.minimum), ("at most", field.maximum))
        if limit is not None
    ]
    if limits and not isinstance(field.shape, Many):
        words.append(f"{' and '.join(limits).capitalize()}.")
    if field.examples:
        words.append("Example: " + ", ".join(f"`{_yaml(each)}`" for each in field.examples) + ".")
    return " ".join(words)


def _says_something(field: Field) -> bool:
    """Whether the default is a value that could be written there, and not the absence of one."""
    return not field.is_required and field.default not in (None, "", (), {}) and not isinstance(field.shape, Record)


def _yaml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_yaml(each) for each in value) + "]"
    return str(value)
