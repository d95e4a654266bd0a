"""Artifacts that were built anew on purpose."""

from __future__ import annotations

from pathlib import Path

import pytest

from devloop.store.rebuilds import Rebuilds


def test_what_was_built_anew_stays_another_one_in_later_sessions(tmp_path: Path) -> None:
    first = Rebuilds(tmp_path / "rebuilds")
    assert first.of(Path("/shop"), "shop/api") == ""
    first.renew(Path("/shop"), "shop/api")
    once = first.of(Path("/shop"), "shop/api")
    later = Rebuilds(tmp_path / "rebuilds")
    assert later.of(Path("/shop"), "shop/api") == once != ""
    assert later.of(Path("/shop"), "shop/web") == later.of(Path("/other"), "shop/api") == ""
    later.renew(Path("/shop"), "shop/api")
    assert Rebuilds(tmp_path / "rebuilds").of(Path("/shop"), "shop/api") not in ("", once)


def test_what_cannot_be_kept_holds_for_the_session(tmp_path: Path) -> None:
    (tmp_path / "rebuilds").write_text("a file where the folder should be")
    rebuilds = Rebuilds(tmp_path / "rebuilds")
    assert rebuilds.of(Path("/shop"), "shop/api") == ""
    with pytest.raises(OSError):
        rebuilds.renew(Path("/shop"), "shop/api")
    assert rebuilds.of(Path("/shop"), "shop/api") != ""
