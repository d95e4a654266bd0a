"""The schema and the reference page: up to date, and of one mind with the loader."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from devloop.config import model
from devloop.config.load import load
from devloop.config.schema import reference, schema_text
from devloop.config.shapes import Many, Record, fields
from devloop.errors import ConfigError

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*/devloop.yaml"))
BAD = Path(__file__).parent / "bad"

# What the shape of the file alone shows to be wrong; the schema has to see it in the editor.
MISSHAPEN = (
    "deploy-choices",
    "docker-and-custom",
    "fields-of-other-places",
    "later-version",
    "missing-fields",
    "no-version",
    "other-version",
    "out-of-range",
    "skaffold",
    "unknown-fields",
    "wrong-types",
    "wrong-types-deep",
)


@functools.cache  # it is the same for all tests, and takes a while to make
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(schema_text())
    return loaded


def is_valid(text: str) -> bool:
    return jsonschema.Draft202012Validator(schema()).is_valid(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("name", "text"), [("schemas/devloop-v1.json", schema_text()), ("docs/reference/devloop-yaml.md", reference())]
)
def test_what_is_committed_is_what_the_model_says(name: str, text: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == text, "run scripts/generate"


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_example_is_valid_for_both(path: Path) -> None:
    assert load(path).project.deploy
    assert is_valid(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", MISSHAPEN)
def test_what_has_the_wrong_shape_is_wrong_for_both(name: str) -> None:
    path = BAD / f"{name}.yaml"
    with pytest.raises(ConfigError):
        load(path)
    assert not is_valid(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "{apiVersion: devloop/v1, deploy: [{kustomize: overlays/dev}]}",
        "{apiVersion: devloop/v1, deploy: [{helm: {chart: c, set: {a: 1, b: true, c: x, d: 1.5}}}]}",
        "{apiVersion: devloop/v1, portForward: [{resource: svc/a, port: http, localPort: 1}]}",
        "{apiVersion: devloop/v1, build: {concurrency: '${N:-2}'}, logs: {enabled: '${E}', prefix: '${P}'}}",
    ],
)
def test_what_the_loader_takes_is_valid(text: str) -> None:
    assert is_valid(text)


def records(record: type[Any]) -> set[type[Any]]:
    inner = (each.shape.item if isinstance(each.shape, Many) else each.shape for each in fields(record))
    return {record}.union(*(records(each.type) for each in inner if isinstance(each, Record)))


def test_every_record_and_field_is_documented() -> None:
    page = reference()
    for record in records(model.Project):
        assert record.__name__ in schema()["$defs"]
        for each in fields(record):
            assert each.doc.endswith("."), f"{record.__name__}.{each.name}"
            assert f"| `{each.key}` |" in page


def test_examples_and_defaults_of_the_model_fit_it() -> None:
    for name, record in schema()["$defs"].items():
        for key, each in record["properties"].items():
            validator = jsonschema.Draft202012Validator({**each, "$defs": schema()["$defs"]})
            for value in (*each.get("examples", ()), *([each["default"]] if "default" in each else [])):
                assert validator.is_valid(value), f"{name}.{key}: {value}"


def test_fields_that_exclude_each_other_exist() -> None:
    for record in records(model.Project):
        known = {each.key for each in fields(record)}
        for attribute in ("exactly_one", "at_most_one"):
            assert set(getattr(record, attribute, ())) <= known
        assert getattr(record, "shorthand", None) in {None, *known}
        assert dataclasses.is_dataclass(record)
