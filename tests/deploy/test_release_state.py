"""What a release's revisions say, for all that can have happened to a release."""

from __future__ import annotations

import pytest

from devloop.deploy.helm_storage import SIGNATURE, Release, Revision
from devloop.deploy.release_state import Standing, cause, standing, target
from devloop.errors import UsageError

SHOP = Release("shop", "shop", "default")


def revision(number: int, description: str, status: str = "deployed") -> Revision:
    return Revision(number, status, description, "2026-01-01T10:00:00Z", "")


def ours(number: int, digest: str, status: str = "deployed") -> Revision:
    return revision(number, f"{SIGNATURE}{digest}", status)


def test_a_release_that_is_not_there_is_due() -> None:
    assert standing([], "a") == Standing(True, "is not installed")


def test_a_release_is_due_when_it_was_made_from_something_else() -> None:
    same = standing([ours(1, "a")], "a")
    assert (same.is_due, same.why, same.moved) == (False, "revision 1 was made from the same", "")
    other = standing([ours(1, "a")], "b")
    assert (other.is_due, other.why) == (True, "chart, values or images are not those of revision 1")


@pytest.mark.parametrize("status", ["failed", "pending-upgrade"])
def test_what_did_not_end_well_is_due(status: str) -> None:
    found = standing([ours(1, "a"), ours(2, "a", status)], "a")
    assert (found.is_due, found.why) == (True, f"revision 2 is {status}")


@pytest.mark.parametrize(
    ("description", "moved"),
    [
        ("Rollback to 1", "revision 3 is a rollback to revision 1"),
        ("Upgrade complete", "revision 3 (Upgrade complete) was made by someone else"),
    ],
)
def test_what_somebody_else_made_is_left_until_something_changes(description: str, moved: str) -> None:
    known = [ours(1, "a", "superseded"), ours(2, "b", "superseded"), revision(3, description)]
    same = standing(known, "b")
    assert (same.is_due, same.why, same.moved) == (False, moved, moved)
    other = standing(known, "c")
    assert (other.is_due, other.why) == (True, f"chart, values or images are not those of revision 2; {moved}")


def test_a_release_that_devloop_never_made_is_due() -> None:
    found = standing([revision(4, "Install complete")], "a")
    assert (found.is_due, found.why) == (True, "revision 4 was not made by devloop")


def test_only_what_others_made_has_a_cause() -> None:
    assert [cause(ours(1, "a")), cause(revision(2, "Rollback to 1"))] == ["", "Rollback to 1"]


def test_back_is_the_last_good_revision_before_the_current() -> None:
    known = [ours(1, "a", "superseded"), ours(2, "b", "superseded"), ours(3, "c", "failed"), ours(4, "d")]
    assert target(known, None, SHOP).number == 2
    assert target(known[:3], None, SHOP).number == 2
    assert target(known, 1, SHOP).number == 1


@pytest.mark.parametrize(
    ("known", "number", "message"),
    [
        ([ours(1, "a")], None, "there is no earlier revision"),
        ([ours(1, "a", "superseded"), ours(2, "b")], 7, "there is no revision 7"),
        ([ours(1, "a", "superseded"), ours(2, "b")], 2, "revision 2 is what is deployed"),
        ([ours(1, "a"), ours(2, "b", "pending-upgrade")], 1, "revision 2 is pending-upgrade"),
    ],
)
def test_there_is_not_always_a_way_back(known: list[Revision], number: int | None, message: str) -> None:
    with pytest.raises(UsageError) as told:
        target(known, number, SHOP)
    assert (told.value.message, told.value.where) == (message, "release/shop")
    assert told.value.hint
