"""The table of docs/skaffold.md, and each of its rows by a configuration that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devloop.config import merge, model, tree
from devloop.config.decode import decode
from devloop.config.importing.difference import between, is_same
from devloop.config.tree import List, Map, Node, Scalar
from tests.config.importing.converting import converted, plain, written
from tests.config.importing.rows import ROWS, Row, table

TABLE = Path(__file__).parents[3] / "docs" / "skaffold.md"
ENV = {"V": "v", "E": "e"}


def test_the_table_of_the_documentation_has_these_rows() -> None:
    assert table() in TABLE.read_text()


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_row_says_what_becomes_of_it(row: Row) -> None:
    imported = converted(row.given, row.files, ENV, with_manifests=row.with_manifests)
    wanted = written(f"apiVersion: devloop/v1\n{row.wanted}")
    assert plain(imported.root) == wanted
    told = [each.reason for each in imported.notes]
    assert len(told) == len(row.notes)
    assert all(part in reason for part, reason in zip(row.notes, told, strict=True)), told
    if row.verdict == "imports":
        assert not told
    if row.verdict == "not carried":
        assert told


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_what_comes_out_has_the_shape_of_the_model(row: Row) -> None:
    imported = converted(row.given, row.files, ENV, with_manifests=row.with_manifests)
    assert not decode(imported.root, model.Project).problems


@pytest.mark.parametrize("distance", [1, 2, 5, 13, 31])
def test_a_difference_laid_over_makes_the_other(distance: int) -> None:
    for index, (row, one) in enumerate(BODIES):
        other = BODIES[(index + distance) % len(BODIES)][1]
        made = merge.over(one, between(one, other, model.Project), model.Project)
        assert is_same(_sorted(made), _sorted(other)), row.feature


def _body(row: Row) -> Map:
    root = tree.parse(f"apiVersion: devloop/v1\n{row.wanted}".encode(), "devloop.yaml").root
    return Map(root.place, tuple(each for each in root.entries if each[0].text != "profiles"))


BODIES = [(row, _body(row)) for row in ROWS]


def _sorted(node: Node) -> Node:
    """Named entries in the order of their names, as their order says nothing."""
    if isinstance(node, Map):
        entries = ((key, _sorted(value)) for key, value in node.entries if not _is_empty(value))
        return Map(node.place, tuple(sorted(entries, key=lambda each: each[0].text)))
    if isinstance(node, List):
        items = [_sorted(each) for each in node.items]
        is_named = all(isinstance(each, Map) for each in items)
        return List(node.place, tuple(sorted(items, key=lambda each: str(plain(each))) if is_named else items))
    return node


def _is_empty(node: Node) -> bool:
    return not isinstance(node, Scalar) and not (node.entries if isinstance(node, Map) else node.items)
