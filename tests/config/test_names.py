"""Names that are valid, and what wrong ones were meant to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devloop.config import names


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ("api", True),
        ("shop/api", True),
        ("shop/api-v2.x__y", True),
        ("localhost/api", True),
        ("localhost:5000/shop/api", True),
        ("Registry.Example.com:443/shop/api", True),
        ("gcr.io/a/b/c", True),
        ("api:latest", False),
        ("localhost:5000", False),
        ("shop/Api", False),
        ("Shop", False),
        ("MyOrg/api", False),
        ("shop/", False),
        ("/shop", False),
        ("-shop", False),
        ("shop/-api", False),
        ("shop..x", False),
        ("example.com:/a", False),
        ("a@sha256:0", False),
        ("a" * 256, False),
        ("", False),
        ("a\n", False),
    ],
)
def test_image_names_are_those_of_the_reference_grammar(text: str, is_valid: bool) -> None:
    assert names.is_repository(text) is is_valid


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ("localhost:5001", True),
        ("registry.example.com/team/x", True),
        ("team", True),
        ("ghcr.io/team/", True),
        ("https://ghcr.io", False),
        ("ghcr.io//x", False),
        ("host:port", False),
        ("", False),
    ],
)
def test_registries_are_addresses(text: str, is_valid: bool) -> None:
    assert names.is_registry(text) is is_valid


@given(st.text())
def test_a_label_made_of_anything_is_one_or_nothing(text: str) -> None:
    made = names.to_label(text)
    assert made == "" or names.is_label(made)
    assert names.to_label(made) == made


@given(st.text())
def test_a_line_of_anything_moves_no_cursor(text: str) -> None:
    line = names.one_line(text)
    assert line.isprintable()
    assert len(line) <= 300


def test_suggestions_do_not_mind_capitals_or_lengths() -> None:
    assert names.suggestion("LOCALPORT", ["localPort", "port"]) == "localPort"
    assert names.suggestion("x" * 100_000, ["localPort"]) is None
    assert names.suggestion("nothing", ["localPort"]) is None
