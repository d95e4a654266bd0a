"""Which releases are no unit's any more, and may be uninstalled."""

from __future__ import annotations

from pathlib import Path

import pytest

from devloop.config import model
from devloop.deploy.helm_storage import Release
from devloop.errors import StepFailed
from devloop.loop.releases import strays
from devloop.loop.surroundings import Plan


def unit(name: str, mode: str = "release", release: str | None = None) -> model.Unit:
    return model.Unit(name, helm=model.Helm("chart", release=release, mode=mode))


def stray(*units: model.Unit, owned: Release, known: frozenset[str] = frozenset()) -> bool:
    """Whether it is one to the first of the units."""
    project = model.Project("devloop/v1", deploy=units)
    names = frozenset(each.name for each in units)
    return bool(strays(Plan(project, Path(), {}, {}, names | known), "ns", units[0], [owned]))


def test_the_release_of_a_unit_that_is_gone_is_a_stray() -> None:
    assert stray(unit("web"), owned=Release("gone", "gone", "ns"))


def test_the_release_that_a_unit_had_under_another_name_is_a_stray() -> None:
    assert stray(unit("web", release="new"), owned=Release("web", "old", "ns"))
    assert stray(unit("db"), unit("web", release="new"), owned=Release("web", "old", "ns"))


def test_the_release_of_a_unit_is_none_whatever_unit_had_it_before() -> None:
    assert not stray(unit("web"), owned=Release("web", "web", "ns"))
    assert not stray(unit("renamed", release="web"), owned=Release("web", "web", "ns"))


def test_the_release_of_a_unit_that_is_known_and_not_in_this_session_is_left_alone() -> None:
    assert not stray(unit("web"), owned=Release("db", "db", "ns"), known=frozenset({"db"}))


def test_a_unit_that_is_to_be_no_release_any_more_is_told() -> None:
    with pytest.raises(StepFailed, match="is not to be one any more"):
        stray(unit("web", "template"), owned=Release("web", "old", "ns"))
