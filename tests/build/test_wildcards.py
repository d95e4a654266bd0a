"""Go's patterns and clean paths."""

from __future__ import annotations

import re

import pytest

from devloop.build import wildcards


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("*", "abc", True),
        ("*", "ab/c", False),
        ("**", "ab/c", False),
        ("a*/b", "abc/b", True),
        ("a?c", "abc", True),
        ("a?c", "a/c", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("[^a]b", "/b", True),
        ("[!a]", "!", True),
        ("[a^]", "^", True),
        (r"[\]a]", "]", True),
        (r"\*", "*", True),
        (r"\*", "a", False),
        ("[z-a]", "m", False),
        ("a.b+(c)|$^", "a.b+(c)|$^", True),
        ("[[&|~]", "[", True),
    ],
)
def test_patterns_match_as_in_go(pattern: str, path: str, expected: bool) -> None:
    assert wildcards.is_well_formed(pattern)
    assert (re.fullmatch(wildcards.expression(pattern), path) is not None) is expected


@pytest.mark.parametrize("pattern", ["[", "[]", "[]a]", "[a-]", "[-a]", "a\\", "[^]", "x[a"])
def test_go_refuses_open_sets_and_lone_backslashes(pattern: str) -> None:
    assert not wildcards.is_well_formed(pattern)


@pytest.mark.parametrize(
    ("path", "expected"), [("a*", True), ("a?", True), ("[", True), (r"a\*", False), ("a]b", False)]
)
def test_an_escaped_wildcard_is_none(path: str, expected: bool) -> None:
    assert wildcards.has_wildcards(path) is expected


@pytest.mark.parametrize(
    ("path", "expected"), [("", "."), ("//a//b/", "/a/b"), ("./a/../b", "b"), ("/..", "/"), ("../a", "../a")]
)
def test_paths_are_cleaned_as_in_go(path: str, expected: str) -> None:
    assert wildcards.clean(path) == expected
