"""What is written as devloop.yaml reads back as the tree that it was."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devloop.config import tree
from devloop.config.importing import writing
from devloop.config.importing.difference import is_same
from devloop.config.tree import Map, Place, Scalar
from tests.config.importing.converting import converted, plain
from tests.config.importing.rows import ROWS, Row

HERE = Place("skaffold.yaml", 1, 1)
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co")), max_size=30)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_row_reads_back_as_it_was(row: Row) -> None:
    imported = converted(row.given, row.files, {"V": "v", "E": "e"}, with_manifests=row.with_manifests)
    text = writing.text(imported.root, imported.notes, "skaffold.yaml")
    again = tree.parse(text.encode(), "devloop.yaml").root
    assert is_same(again, imported.root)
    assert plain(again) == plain(imported.root)  # the tags too
    assert text.count("# not carried: skaffold.yaml, line ") == len(imported.notes)


@settings(deadline=None)
@given(TEXT)
def test_any_text_reads_back_as_it_was(text: str) -> None:
    root = Map(HERE, ((Scalar(HERE, "a"), Map(HERE, ((Scalar(HERE, text or "b"), Scalar(HERE, text)),))),))
    again = tree.parse(writing.text(root, (), "skaffold.yaml").encode(), "devloop.yaml").root
    assert is_same(again, root)
