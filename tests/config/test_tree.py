"""YAML as nodes with places."""

from __future__ import annotations

import pytest

from devloop.config.tree import List, Map, Node, Place, Scalar, documents, parse
from devloop.errors import ConfigError


def value(text: str) -> Node:
    return parse(text.encode(), "f").root.values["a"]


def plain(node: Node) -> object:
    match node:
        case Scalar():
            return node.text
        case List():
            return [plain(each) for each in node.items]
        case Map():
            return {key.text: plain(each) for key, each in node.entries}


def test_every_node_knows_where_it_begins() -> None:
    root = parse(b"a:\n  - b: c\n    d: [e, 'f']\n", "dir/f.yaml").root
    assert root.place == Place("dir/f.yaml", 1, 1)
    items = root.values["a"]
    assert isinstance(items, List)
    assert items.place == Place("dir/f.yaml", 2, 3)
    entry = items.items[0]
    assert isinstance(entry, Map)
    assert [(key.text, str(key.place), str(each.place)) for key, each in entry.entries] == [
        ("b", "dir/f.yaml:2:5", "dir/f.yaml:2:8"),
        ("d", "dir/f.yaml:3:5", "dir/f.yaml:3:8"),
    ]


def test_columns_count_characters_not_bytes() -> None:
    root = parse("{ä: 1, b: ö, c: 2}\n".encode(), "f").root
    assert root.values["c"].place == Place("f", 1, 17)


def test_a_byte_order_mark_is_not_text() -> None:
    assert parse(b"\xef\xbb\xbfa: 1\n", "f").root.values["a"].place == Place("f", 1, 4)


@pytest.mark.parametrize(
    ("written", "kind", "text"),
    [
        ("abc", "text", "abc"),
        ("no", "text", "no"),
        ("on", "text", "on"),
        ("1:30", "text", "1:30"),
        ("2024-01-01", "text", "2024-01-01"),
        ("1_000", "text", "1_000"),
        ("true", "flag", "true"),
        ("False", "flag", "False"),
        ("12", "whole", "12"),
        ("-0", "whole", "-0"),
        ("0x1F", "whole", "0x1F"),
        ("1.10", "number", "1.10"),
        ("1e3", "number", "1e3"),
        (".nan", "number", ".nan"),
        ("~", "nothing", "~"),
        ("", "nothing", ""),
        ("'12'", "text", "12"),
        ('"tr\\u0075e"', "text", "true"),
        ("!!str 12", "text", "12"),
        ("! 12", "text", "12"),
        ("!!int '12'", "whole", "12"),
        ("!!int x", "text", "x"),
        ("<<", "text", "<<"),
    ],
)
def test_plain_scalars_mean_what_yaml_1_2_says(written: str, kind: str, text: str) -> None:
    node = value(f"a: {written}\n")
    assert isinstance(node, Scalar)
    assert (node.kind, node.text) == (kind, text)


def test_an_alias_is_what_it_names_at_the_place_of_the_anchor() -> None:
    root = parse(b"a: &x {k: v}\nb: *x\n", "f").root
    assert root.values["b"] == root.values["a"]
    assert root.values["b"].place == Place("f", 1, 4)


def test_a_merge_key_fills_in_what_the_mapping_lacks() -> None:
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\na:\n  <<: [*y, *x]\n  c: 3\n"
    assert plain(value(text)) == {"c": "3", "b": "2", "a": "1"}


def test_what_is_merged_keeps_its_place() -> None:
    node = value("x: &x {k: v}\na:\n  <<: *x\n")
    assert isinstance(node, Map)
    assert node.values["k"].place == Place("f", 1, 11)


def test_a_quoted_merge_key_is_a_field() -> None:
    assert plain(value("a: {'<<': 1}\n")) == {"<<": "1"}


def test_a_key_that_stands_twice_is_said_and_the_last_one_counts() -> None:
    tree = parse(b"a: 1\na: 2\n", "f")
    assert [str(each) for each in tree.problems] == ["f:2:1: `a` stands here twice, first at f:1:1"]
    assert plain(tree.root) == {"a": "2"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"a: 1\n\xff: 2\n", "f:2:1: the file is not UTF-8 text; save it as UTF-8"),
        ("a: 1\n".encode("utf-16"), "f:1:1: the file is not UTF-8 text; save it as UTF-8"),
        (b"a: 1\nb: \x07\n", "f:2:4: the character U+0007 is not allowed in YAML; delete it; it may be invisible"),
        (
            b"a" * 1_000_001,
            "f:1:1: the file is larger than 1 MB; a configuration is a few kilobytes: is it the right file?",
        ),
        (b"a: " + b"[" * 60, "f:1:53: nested more than 50 levels deep; is it the right file?"),
        (
            b"a: &x " + b"[" * 30 + b"]" * 30 + b"\nb: " + b"[" * 30 + b"*x",
            "f:2:34: nested more than 50 levels deep; is it the right file?",
        ),
        (b"a:\n  <<: 1\n", "f:2:7: `<<` merges mappings; name one with an alias: `<<: *name`"),
        (b"a: {[x]: 1}\n", "f:1:5: a name of a field is wanted here; put text that begins with `{` or `[` in quotes"),
        (b"a: @x\n", "f:1:4: text cannot begin with this character; put it in quotes"),
        (b"a: &\n", "f:1:5: an anchor without a name; put text that begins with `&` in quotes"),
        (b"a: *\n", "f:1:5: an alias without a name; put text that begins with `*` in quotes"),
        (b"a: {b: 1\n", "f:1:4: the mapping that opens here is never closed, or a comma is missing; close it with `}`"),
        (b"a: - b\n", "f:1:4: a `-` where no list can begin; begin the list on a line of its own"),
        (
            b"a: |\n x\nb\n",
            "f:4:1: a line without a `:`; write `field: value`, or indent it when it belongs to the text above",
        ),
        (b"%YAML 3.0\n---\na: 1\n", "f:1:1: this version of YAML is unknown; leave the `%YAML` line out"),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_place(data: bytes, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(data, "f")
    assert [str(each) for each in raised.value.problems] == [said]


def test_what_the_parser_finds_too_deep_first_is_refused_in_the_same_words() -> None:
    with pytest.raises(ConfigError) as raised:
        parse(b"a: " + b"[" * 900_000, "f")
    (problem,) = raised.value.problems
    assert (problem.line, problem.message) == (1, "nested more than 50 levels deep")


@pytest.mark.parametrize("written", [r"\UFFFFFFFF", r"\ud800", r"\x", r"\u12"])
def test_an_impossible_escape_is_a_problem(written: str) -> None:
    with pytest.raises(ConfigError, match="escape"):
        parse(f'a: "{written}"\n'.encode(), "f")


def test_documents_of_a_file_are_trees_of_their_own() -> None:
    one, two = documents(b"a: &x 1\n---\n# nothing\n---\na: 2\n...\n", "f")
    assert (one.root.values["a"], two.root.values["a"]) == (
        Scalar(Place("f", 1, 4), "1", "whole"),
        Scalar(Place("f", 5, 4), "2", "whole"),
    )


def test_an_alias_ends_with_its_document() -> None:
    with pytest.raises(ConfigError, match="nothing above has the anchor `&x`"):
        documents(b"a: &x 1\n---\na: *x\n", "f")


def test_a_file_that_is_to_have_one_document_has_no_more() -> None:
    with pytest.raises(ConfigError, match="a second document begins here"):
        parse(b"a: 1\n---\na: 2\n", "f")
