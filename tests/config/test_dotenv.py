"""The `.env` file."""

from __future__ import annotations

import pytest

from devloop.config.dotenv import parse
from devloop.errors import ConfigError


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("export A = b c  # comment", "b c"),
        ("A=b#c", "b#c"),
        ("A=", ""),
        ("A= # nothing", ""),
        ("A='b # \"c\" $d'", 'b # "c" $d'),
        (r'A="b\n\"c\" \$d" # comment', 'b\n"c" $d'),
        ("A=https://x/?y=z", "https://x/?y=z"),
    ],
)
def test_a_line_is_a_value(line: str, value: str) -> None:
    assert parse(f"# first\n\n{line}\n", ".env")["A"].value == value


def test_the_last_of_a_name_stands() -> None:
    assert parse("A=1\nB=2\nA=3\n", ".env")["A"].line == 3


def test_every_line_that_is_none_is_told_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as raised:
        parse('A=1\nt0ken\n1A=2\nB=\'open\nC="a" b\n', ".env")
    assert [each.where for each in raised.value.problems] == [".env:2:1", ".env:3:1", ".env:4:1", ".env:5:1"]
    assert "t0ken" not in str(raised.value.problems)
