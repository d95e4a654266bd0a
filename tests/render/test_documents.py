"""YAML and JSON are read as kubectl reads them, and what is wrong is told with its line."""

from __future__ import annotations

from typing import Any

import pytest

from devloop.render.documents import parse


def values(text: str) -> list[Any]:
    documents, problems = parse(text, "f.yaml")
    assert problems == []
    return [each.value for each in documents]


def problems(text: str) -> list[str]:
    return [str(each) for each in parse(text, "f.yaml")[1]]


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("0644", 420),
        ("0o17", 15),
        ("-0x1F", -31),
        ("0b101", 5),
        ("0", 0),
        ("1_000", 1000),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z"),
        ("=", "="),
        ("yes", True),
        ("off", False),
        ('"yes"', "yes"),
        ("'1'", "1"),
        ("1e3", 1000),
        ("1.0", 1),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.2.3", "1.2.3"),
        ("~", None),
        ("", None),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("_1", "_1"),
        ("100m", "100m"),
        ("{}", {}),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_a_scalar_means_what_it_means_to_kubernetes(scalar: str, value: Any) -> None:
    (found,) = values(f"k: {scalar}")
    assert found == {"k": value}
    assert type(found["k"]) is type(value)


def test_keys_become_text_as_in_json() -> None:
    assert values("1: a\ntrue: b\n1.5: c") == [{"1": "a", "true": "b", "1.5": "c"}]


def test_merge_keys_give_way_to_own_ones() -> None:
    text = "base: &a {x: 1, y: 2}\nother: &b {y: 3, z: 4}\none: {<<: *a, x: 9}\nboth: {<<: [*a, *b]}"
    assert values(text)[0]["one"] == {"x": 9, "y": 2}
    assert values(text)[0]["both"] == {"x": 1, "y": 2, "z": 4}


def test_documents_know_their_line_and_the_comment_above_them() -> None:
    documents, _ = parse("\n# Source: c/t.yaml\n# more\na: 1\n--- # second\n\n\nb: 2\n---\n# nothing\n---\nc: 3\n", "f")
    assert [(each.line, each.comment) for each in documents] == [(4, ("Source: c/t.yaml", "more")), (8, ()), (12, ())]


def test_line_ends_and_byte_order_marks_of_windows_are_no_matter() -> None:
    documents, wrong = parse("\ufeffa: 1\r\n---\r\nb: 2\r\n", "f")
    assert [(each.value, each.line) for each in documents] == [({"a": 1}, 1), ({"b": 2}, 3)]
    assert wrong == []


def test_json_may_use_tabs_and_follow_json() -> None:
    assert values('{"a":\t1}\n{"b": [2]}') == [{"a": 1}, {"b": [2]}]


def test_every_broken_document_is_told_with_its_line() -> None:
    text = "a: 1\na: 2\n---\nb: [\n---\n\tc: 1\n---\nd: !Ref x\n---\nok: 1\n"
    assert problems(text) == [
        "f.yaml:2:1: duplicate key 'a', first at line 1",
        "f.yaml:5:1: not YAML: did not find expected node content",
        "f.yaml:6:1: not YAML: found character that cannot start any token; indent with spaces, not tabs",
        "f.yaml:8:4: unknown tag !Ref",
    ]
    assert [each.value for each in parse(text, "f")[0]][-1] == {"ok": 1}


def test_a_duplicate_key_of_json_is_told_too() -> None:
    assert problems('{"a": 1,\n"a": 2}') == ["f.yaml:2:1: duplicate key 'a', first at line 1"]


def test_an_unrendered_template_is_told_as_such() -> None:
    assert problems("a: {{ .Values.x }}") == [
        "f.yaml:1:5: a key that is neither text nor a number; quote text that begins with a brace"
    ]


def test_an_alias_that_holds_itself_is_a_problem_and_no_endless_loop() -> None:
    assert problems("a: &a [*a]") == ["f.yaml:1:4: an alias that holds itself"]


def test_control_characters_are_a_problem() -> None:
    assert problems("a: 1\n---\nb: \x01\n")[0].startswith("f.yaml:3:1: not YAML: ")
