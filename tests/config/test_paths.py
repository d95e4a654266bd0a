"""Paths to values, and which findings only follow from others."""

from __future__ import annotations

import pytest

from devloop.config.paths import Finding, KeyPath, spelled, untainted

FIRST: KeyPath = ("build", "artifacts", 0)


def test_paths_are_spelt_as_people_would() -> None:
    assert spelled(("build", "artifacts", 0, "image")) == "build.artifacts[0].image"
    assert spelled(()) == ""


@pytest.mark.parametrize(
    ("path", "basis", "tainted", "is_kept"),
    [
        ((*FIRST, "image"), (), (*FIRST, "image"), False),
        ((*FIRST, "image"), (), FIRST, False),
        (FIRST, (), (*FIRST, "image"), False),
        ((*FIRST, "image"), (), (*FIRST, "context"), True),
        ((*FIRST, "image"), (FIRST,), (*FIRST, "context"), False),
        ((*FIRST, "image"), (), ("build", "artifacts", 1), True),
        ((*FIRST, "image"), (), (), True),
        ((), (), (), False),
        ((), (), FIRST, True),
        ((), (("build",),), FIRST, False),
    ],
)
def test_what_follows_from_a_wrong_shape_is_left_out(
    path: KeyPath, basis: tuple[KeyPath, ...], tainted: KeyPath, is_kept: bool
) -> None:
    finding = Finding(path, "x", basis=basis)
    assert untainted([finding], [tainted]) == ([finding] if is_kept else [])
