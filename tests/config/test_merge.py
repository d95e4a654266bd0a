"""Several trees as one."""

from __future__ import annotations

from devloop.config.merge import merge
from devloop.config.paths import Positions
from devloop.config.tree import parse


def test_one_tree_is_itself() -> None:
    root = parse(b"a: 1\n", "f").root
    assert merge([root]) is root


def test_the_last_one_wins_field_by_field_and_keeps_its_places() -> None:
    below = parse(b"a: {x: 1, y: 1}\nb: [1, 2]\n", "below").root
    above = parse(b"b: [3]\na: {y: 2}\nc: 3\n", "above").root
    positions = Positions(merge([below, above]))
    assert positions.where(("a", "x")) == "below:1:8"
    assert positions.where(("a", "y")) == "above:2:8"
    assert positions.where(("b", 0)) == "above:1:5"
    assert not positions.has(("b", 1))
    assert positions.has(("c",))
