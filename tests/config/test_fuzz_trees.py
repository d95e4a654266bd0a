"""Whatever is written of the model's own fields, in whatever place, with profiles, patches and merge tags: a project, or a ConfigError.

Random trees hit what random bytes never reach: rules, merging and patches on values of every wrong shape.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devloop.config import defaults, model, profiles, tree, validate
from devloop.config.decode import decode
from devloop.config.paths import Positions
from devloop.config.profiles import Facts
from devloop.config.shapes import Many, Record, fields
from devloop.errors import ConfigError, UsageError

# What a hang would exceed on any machine; what is usual is in docs/performance.md.
NEVER = timedelta(seconds=30)
NAMES = ("a", "b", "dev", "shop/api")
SCALARS = (
    *NAMES,
    "",
    " ",
    "-1",
    "0",
    "1e9",
    "true",
    "~",
    "*",
    "{.a}",
    "linux",
    "80:80",
    "a/b",
    "job/x",
    "/build",
    "${A}",
    "\u00e9",
    "!x",
)
TAGS = ("", "", "", "", "!append ", "!replace ", "!remove ")


def keys(record: type[Any]) -> Iterator[str]:
    """All names of fields below a record."""
    for each in fields(record):
        yield each.key
        shape = each.shape.item if isinstance(each.shape, Many) else each.shape
        if isinstance(shape, Record):
            yield from keys(shape.type)


KEYS = sorted({*keys(model.Project), "<<", "nothing"})
SECTIONS = [each.key for each in fields(model.Project) if each.key not in ("apiVersion", "profiles")]


def quoted(text: str) -> str:
    return json.dumps(text) if text not in ("~", "true", "-1", "0", "1e9") else text


scalars = st.sampled_from(SCALARS).map(quoted)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(TAGS), st.lists(inner, max_size=4)).map(lambda it: f"{it[0]}[{', '.join(it[1])}]"),
        st.tuples(st.sampled_from(TAGS), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)).map(
            lambda it: it[0] + mapping(it[1])
        ),
    ),
    max_leaves=15,
)


def mapping(entries: dict[str, str]) -> str:
    return "{" + ", ".join(f"{json.dumps(key)}: {value}" for key, value in entries.items()) + "}"


@st.composite
def shaped(draw: st.DrawFn, record: type[Any], depth: int = 0) -> str:
    """A record of the model, of which now and then a value has another shape."""
    entries: dict[str, str] = {}
    for each in fields(record):
        if draw(st.integers(0, 9)) < (7 if each.is_required else 3):
            entries[each.key] = draw(value(each.shape, depth))
    return draw(st.sampled_from(TAGS)) + mapping(entries)


@st.composite
def value(draw: st.DrawFn, shape: Any, depth: int) -> str:
    if depth > 5 or draw(st.integers(0, 19)) == 0:
        return draw(values)
    if isinstance(shape, Record):
        return draw(shaped(shape.type, depth + 1))
    if isinstance(shape, Many):
        items = draw(st.lists(value(shape.item, depth + 1), max_size=3))
        return f"{draw(st.sampled_from(TAGS))}[{', '.join(items)}]"
    return draw(scalars)


@st.composite
def patches(draw: st.DrawFn) -> str:
    parts = st.sampled_from((*SECTIONS, "artifacts", "image", "docker", "0", "1", "-", "~1", "~0", ""))
    pointer = st.lists(parts, max_size=5).map(lambda it: json.dumps("".join(f"/{each}" for each in it)))
    entries = {
        "path": draw(pointer),
        "op": draw(st.sampled_from(("add", "remove", "replace", "move", "copy", "test", "x"))),
    }
    if draw(st.booleans()):
        entries["value"] = draw(values)
    if draw(st.booleans()):
        entries["from"] = draw(pointer)
    return mapping(entries)


@st.composite
def configurations(draw: st.DrawFn) -> str:
    """A file with profiles named a and b. Aliases of what is above stand where values do."""
    lines = ["apiVersion: devloop/v1"]
    by_key = {each.key: each.shape for each in fields(model.Project)}
    for section in draw(st.lists(st.sampled_from(SECTIONS), unique=True)):
        lines.append(f"{section}: {draw(value(by_key[section], 1))}")
    written = []
    for name in "ab":
        sections = draw(st.lists(st.sampled_from(SECTIONS), unique=True, max_size=4))
        entries = {"name": name} | {each: draw(value(by_key[each], 1)) for each in sections}
        if draw(st.booleans()):
            entries["patches"] = f"[{', '.join(draw(st.lists(patches(), max_size=3)))}]"
        if draw(st.booleans()):
            entries["activation"] = draw(value(Many(Record(model.Activation)), 1))
        written.append(mapping(entries))
    lines.append(f"profiles: [{', '.join(written)}]")
    return "\n".join(lines) + "\n"


def problems_of(text: str, asked: list[str], facts: Facts) -> tuple[Any, ...]:
    """All that `load` does, but for the disk."""
    try:
        parsed = tree.parse(text.encode(), "f")
        root = profiles.apply(parsed.root, asked, facts).root
    except ConfigError as exc:
        return exc.problems
    decoded = decode(root, model.Project)
    positions = Positions(root)
    findings = validate.check(defaults.fill(decoded.value, Path("/shop")), positions)
    return (*parsed.problems, *decoded.problems, *(positions.problem(each) for each in findings))


@settings(max_examples=100, deadline=NEVER)
@given(
    text=configurations(),
    asked=st.lists(st.sampled_from(("a", "b", "-a", "-b", "nobody")), max_size=3),
    env=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(SCALARS), max_size=2),
)
def test_no_tree_breaks_the_model(text: str, asked: list[str], env: dict[str, str]) -> None:
    facts = Facts("dev", "linux", env, lambda: "kind-dev")
    if {"nobody", "-nobody"} & set(asked):
        with contextlib.suppress(ConfigError), pytest.raises(UsageError, match="nobody"):
            profiles.apply(tree.parse(text.encode(), "f").root, asked, facts)
        return
    lines = text.count("\n") + 1
    for each in problems_of(text, asked, facts):
        assert 1 <= each.line <= lines
        assert each.column >= 1
        assert str(each).isprintable()


@settings(max_examples=100, deadline=NEVER)
@given(below=values, above=values, patch=patches())
def test_no_value_breaks_merging_and_patching(below: str, above: str, patch: str) -> None:
    text = f"apiVersion: devloop/v1\nbuild: {below}\nprofiles: [{{name: a, build: {above}, patches: [{patch}]}}]\n"
    for each in problems_of(text, ["a"], Facts()):
        assert str(each).isprintable()
