"""Which images passed which tests."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from devloop.store.passes import KEPT_S, Passes

SHOP = Path("/shop")


def test_what_passed_is_known_to_later_sessions_and_nothing_else_is(tmp_path: Path) -> None:
    Passes(tmp_path / "passed").add(SHOP, "sha256:1", "tests")
    later = Passes(tmp_path / "passed")
    assert later.has(SHOP, "sha256:1", "tests")
    assert not later.has(SHOP, "sha256:2", "tests")
    assert not later.has(SHOP, "sha256:1", "other tests")
    assert not later.has(Path("/other"), "sha256:1", "tests")


def test_what_nobody_asked_for_in_a_long_time_is_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "passed"
    passes = Passes(folder)
    for image in ("asked for", "left alone"):
        passes.add(SHOP, image, "tests")
    for file in folder.iterdir():
        os.utime(file, (0, time.time() - KEPT_S - 60))
    assert passes.has(SHOP, "asked for", "tests")
    passes.add(SHOP, "new", "tests")
    assert passes.has(SHOP, "asked for", "tests")
    assert not passes.has(SHOP, "left alone", "tests")


def test_what_cannot_be_kept_is_said_and_not_known(tmp_path: Path) -> None:
    (tmp_path / "passed").write_text("a file where the folder should be")
    passes = Passes(tmp_path / "passed")
    with pytest.raises(OSError):
        passes.add(SHOP, "sha256:1", "tests")
    assert not passes.has(SHOP, "sha256:1", "tests")
