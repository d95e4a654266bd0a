"""Paths to fields: what they lead to, and what is said of those that are none."""

from __future__ import annotations

from typing import Any

import pytest

from devloop.fieldpaths import PathError, find, parse

DATA: dict[str, Any] = {
    "spec": {
        "image": "one",
        "parts": [{"name": "a", "image": "two"}, {"name": "b", "image": "three"}],
        "byName": {"x": {"image": "four"}, "y": 5},
        "app.io/image": "six",
        "on": [{"ready": True, "v": "yes"}, {"ready": 1, "v": "one"}],
    }
}


@pytest.mark.parametrize(
    ("path", "values", "spots"),
    [
        (".spec.image", ["one"], [".spec.image"]),
        (".spec.parts[*].image", ["two", "three"], [".spec.parts[0].image", ".spec.parts[1].image"]),
        (".spec.parts[1].image", ["three"], [".spec.parts[1].image"]),
        (".spec.parts[2].image", [], []),
        (".spec.parts[name=b].image", ["three"], [".spec.parts[1].image"]),
        ('.spec.parts[name="b"].image', ["three"], [".spec.parts[1].image"]),
        (".spec.parts[name=c].image", [], []),
        (".spec.byName[*].image", ["four"], [".spec.byName.x.image"]),
        ('.spec["app.io/image"]', ["six"], ['.spec["app.io/image"]']),
        ("['spec'].image", ["one"], [".spec.image"]),
        (".spec.on[ready=true].v", ["yes"], [".spec.on[0].v"]),
        (".spec.on[ready=1].v", ["one"], [".spec.on[1].v"]),
        ("..parts[*].image", ["two", "three"], [".spec.parts[0].image", ".spec.parts[1].image"]),
        (
            "..image",
            ["one", "two", "three", "four"],
            [".spec.image", ".spec.parts[0].image", ".spec.parts[1].image", ".spec.byName.x.image"],
        ),
        (".spec.image.deeper", [], []),
        (".spec[0]", [], []),
        (".nothing.here[*]", [], []),
    ],
)
def test_a_path_leads_to_its_spots(path: str, values: list[Any], spots: list[str]) -> None:
    found = [spot for _, spot in find([parse(path)], DATA)]
    assert [spot.value for spot in found] == values
    assert [str(spot) for spot in found] == spots


def test_a_value_is_put_where_a_path_leads() -> None:
    data = {"a": [{"b": 1}, {"b": 2}]}
    for _, spot in list(find([parse(".a[*].b")], data)):
        spot.put(spot.value + 10)
    assert data == {"a": [{"b": 11}, {"b": 12}]}


def test_each_spot_is_told_with_the_path_that_led_there() -> None:
    paths = [parse(each) for each in (".spec.image", "..image", "..parts[0].image")]
    found = [(path.text, spot.value) for path, spot in find(paths, DATA)]
    assert found[0] == (".spec.image", "one")
    assert ("..parts[0].image", "two") in found
    assert sum(text == "..image" for text, _ in found) == 4


def test_keys_in_braces_are_parts_of_one_value() -> None:
    path = parse(".spec.image{repository,tag}")
    assert path.parts == ("repository", "tag")
    assert path.steps == parse(".spec.image").steps


@pytest.mark.parametrize(
    ("text", "message", "at", "hint"),
    [
        ("spec.image", "a path begins with a dot", 1, "write `.spec.image`"),
        ("$.spec.image", "a path begins with a dot", 1, "write `.spec.image`"),
        ("", "a path begins with a dot", 1, "for example `.spec.image`"),
        (".", "a name is missing", 2, "for example"),
        (".spec..image", "a name is missing", 7, "for example"),
        (".spec.*.image", "`.*` is no step", 7, "write `[*]`"),
        (".spec[", "a name is missing", 7, "for example"),
        (".spec[*", "`]` is missing", 8, "known are"),
        (".spec[0", "`]` is missing", 8, "known are"),
        (".spec[-1]", "`=` is missing", 9, "for items"),
        (".spec[name]", "`=` is missing", 11, '`["name"]` for a key'),
        (".spec[name=]", "a value is missing", 12, "[name=api]"),
        (".spec image", "` ` cannot stand here", 6, "a step begins with"),
        (".spec{a", "`}` is missing", 8, "{repository,tag}"),
        (".spec{}", "a name is missing", 7, "for example"),
        (".spec{a,b}.c", "nothing can follow the braces", 11, "leave it out"),
        (".spec]", "`]` cannot stand here", 6, "a step begins with"),
    ],
)
def test_what_is_no_path_says_where_and_how_to_write_it(text: str, message: str, at: int, hint: str) -> None:
    with pytest.raises(PathError) as raised:
        parse(text)
    assert (raised.value.message, raised.value.at) == (message, at)
    assert hint in raised.value.hint
