"""The rules of .dockerignore against what moby/patternmatcher, the code that BuildKit uses, says of the same patterns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devloop.build import dockerignore
from devloop.errors import StepFailed

# One case a line, made with `MatchesUsingParentResults` of moby/patternmatcher 0.6.1 on each path from the root down.
RECORDED = [json.loads(line) for line in Path(__file__).with_name("patternmatcher.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: repr(case["text"]))
def test_the_verdict_is_that_of_patternmatcher(case: dict[str, object]) -> None:
    ignored, kept = set(map(str, case["ignored"])), set(map(str, case["kept"]))  # type: ignore[call-overload]
    rules = dockerignore.parse(str(case["text"]))
    assert {path for path in ignored | kept if rules.ignores(path)} == ignored


@pytest.mark.parametrize(
    ("text", "ignored", "kept"),
    [
        ("\ufeffa", ["a", "a/b"], ["ab"]),
        ("# no\n #yes", ["#yes"], ["# no", "no"]),
        ("\r\n  a  \r\n", ["a"], [""]),
        ("/a", ["a"], ["b/a"]),
        ("./a/../b/", ["b"], ["a"]),
        ("*.log", ["x.log"], ["dir/x.log"]),
        ("**/*.log", ["x.log", "a/b/x.log"], ["x.log.txt"]),
        ("**/x", ["x", "a/x", "a/x/y"], ["ax"]),
        ("dir/**", ["dir/a", "dir/a/b"], ["dir", "dirs"]),
        ("*\n!keep", ["a"], ["keep", "keep/below"]),
        ("!keep\n*", ["keep"], []),
        ("dir\n!dir/keep", ["dir", "dir/other"], ["dir/keep"]),
        ("**/deep\n!**/deep/keep", ["a/deep/x"], ["a/deep/keep"]),
        # Skipped on the folder for it was ignored already; not tried on the folder again further down.
        ("*\n!a/x\na", ["a", "a/y"], ["a/x"]),
    ],
)
def test_lines_are_read_as_buildkit_reads_them(text: str, ignored: list[str], kept: list[str]) -> None:
    rules = dockerignore.parse(text)
    assert [path for path in ignored if not rules.ignores(path)] == []
    assert [path for path in kept if rules.ignores(path)] == []


@pytest.mark.parametrize(("text", "line"), [("a\n\n[", 3), ("# c\nb/[a-", 2), ("!", 1), ("a\n! /", 2), ("[]", 1)])
def test_a_pattern_that_buildkit_refuses_is_an_error_with_its_line(text: str, line: int) -> None:
    with pytest.raises(StepFailed) as caught:
        dockerignore.parse(text, "api/.dockerignore")
    assert caught.value.where == f"api/.dockerignore:{line}"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "folder", "expected"),
    [
        ("node_modules", "node_modules", False),
        ("*\n!src/app", "src", True),
        ("*\n!src/app", "lib", False),
        ("*\n!src/app", "src/app/below", False),
        ("*\n!**/keep", "any/where", True),
        ("*\n!s*/a?/x", "src/ab", True),
        ("*\n!s*/a?/x", "src/abc", False),
        ("*\n!a/[^b]/c", "a/x", True),
    ],
)
def test_ignored_folders_are_read_only_where_something_may_come_back(text: str, folder: str, expected: bool) -> None:
    assert dockerignore.parse(text).may_reinclude_below(folder) is expected


NAMES = st.sampled_from(["a", "b", "ab", "*", "**", "a*", "?", "[ab]", "*b"])
PATTERNS = st.builds(
    lambda sign, parts: sign + "/".join(parts), st.sampled_from(["", "!"]), st.lists(NAMES, min_size=1, max_size=3)
)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "c"]), min_size=2, max_size=4)


@settings(max_examples=500, deadline=None)
@given(st.lists(PATTERNS, min_size=1, max_size=5), PATHS)
def test_nothing_comes_back_below_a_folder_that_is_not_read(patterns: list[str], parts: list[str]) -> None:
    rules = dockerignore.parse("\n".join(patterns))
    folders = ["/".join(parts[:length]) for length in range(1, len(parts))]
    if any(rules.ignores(folder) and not rules.may_reinclude_below(folder) for folder in folders):
        assert rules.ignores("/".join(parts))
