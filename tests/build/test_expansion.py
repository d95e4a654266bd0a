"""Variables in a Dockerfile's words."""

from __future__ import annotations

import pytest

from devloop.build.expansion import Unknown, Variables, closed, expand

KNOWN = closed({"A": "1", "B": "two", "EMPTY": "", "LATER": None})


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("a", "a"),
        ("$A", "1"),
        ("x${A}y", "x1y"),
        ("$A$B", "1two"),
        ("$A_", ""),
        ("$NONE", ""),
        ("$", "$"),
        ("a$/b", "a$/b"),
        (r"\$A", "$A"),
        ("'$A'", "$A"),
        ('"$A b"', "1 b"),
        (r'"\$A\n"', "$A\\n"),
        (r"a\b", "ab"),
        ("${A:-d}", "1"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${NONE:-d}", "d"),
        ("${NONE:-$B}", "two"),
        ("${NONE:-${A}x}", "1x"),
        ("${A:+d}", "d"),
        ("${EMPTY:+d}", ""),
        ("${EMPTY+d}", "d"),
        ("${NONE:+d}", ""),
        ("${A:?no}", "1"),
    ],
)
def test_words_are_filled_in(word: str, expected: str) -> None:
    assert expand(word, KNOWN) == expected


@pytest.mark.parametrize(
    "word", ["$LATER", "${LATER:-d}", "$PATH", "${NONE:?no}", "${A#1}", "${A/1/2}", "${A", "${}", "'a", '"a']
)
def test_what_cannot_be_told_is_unknown(word: str) -> None:
    with pytest.raises(Unknown):
        expand(word, KNOWN)


def test_a_base_image_may_set_what_is_not_set_here() -> None:
    with pytest.raises(Unknown):
        expand("${X:-d}", Variables())


def test_the_escape_character_may_be_another() -> None:
    assert expand(r"C:\x`$A", KNOWN, "`") == r"C:\x$A"


def test_what_is_made_of_the_unknown_is_unknown() -> None:
    variables = KNOWN.copy()
    variables.set("MADE", "x$LATER", "\\")
    assert variables.values["MADE"] is None
    variables.set("MADE", "x$A", "\\")
    assert variables.values["MADE"] == "x1"
