"""Paths to fields."""

from __future__ import annotations

from typing import Any

import pytest

from devloop import fieldpaths
from devloop.fieldpaths import Every, Item

OBJECT: dict[str, Any] = {
    "metadata": {"labels": {"app.kubernetes.io/name": "web"}},
    "spec": {"replicas": 2, "containers": [{"name": "web", "image": "a"}, {"name": "log", "image": "b"}]},
}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (".spec.replicas", ("spec", "replicas")),
        ("spec.replicas", ("spec", "replicas")),
        (".a[0].b", ("a", 0, "b")),
        (".a[*].b", ("a", Every(), "b")),
        (".a.*", ("a", Every())),
        ('.a["b.c/d"].e', ("a", "b.c/d", "e")),
        (".a['b.c']", ("a", "b.c")),
        (".a[name=x-1].b", ("a", Item("name", "x-1"), "b")),
        ('.a[name = "x 1"]', ("a", Item("name", "x 1"))),
    ],
)
def test_a_path_is_read(text: str, parts: fieldpaths.Path) -> None:
    assert fieldpaths.parse(text) == parts


@pytest.mark.parametrize(
    ("text", "column"), [(".a..b", 3), (".a[", 3), (".a[b]", 3), (".a b", 3), ("a[0]b", 5), (".spec{x}", 6)]
)
def test_what_is_no_path_says_where(text: str, column: int) -> None:
    with pytest.raises(ValueError, match=f"column {column} "):
        fieldpaths.parse(text)


def test_an_empty_path_is_none() -> None:
    with pytest.raises(ValueError, match="a path is wanted"):
        fieldpaths.parse("")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (".spec.replicas", [2]),
        (".spec.containers[*].image", ["a", "b"]),
        (".spec.containers[1].image", ["b"]),
        (".spec.containers[2].image", []),
        (".spec.containers[name=log].image", ["b"]),
        ('.metadata.labels["app.kubernetes.io/name"]', ["web"]),
        (".metadata.labels.*", ["web"]),
        (".spec.replicas.x", []),
        (".status.phase", []),
    ],
)
def test_a_path_leads_to_values(text: str, found: list[Any]) -> None:
    assert fieldpaths.find(OBJECT, fieldpaths.parse(text)) == found
