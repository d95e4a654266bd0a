"""Which targets a change on disk touches."""

from __future__ import annotations

from pathlib import Path

import pytest

from devloop import globs
from devloop.errors import StepFailed
from devloop.loop.track import Listing, Tracker
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.store.digests import FileDigests


def listing(folder: Path, pattern: str, *, definition: str = "Definition", values: str = "") -> Listing:
    def run(scope: Scope) -> Inputs:
        if not (folder / definition).exists():
            raise StepFailed(f"no {definition}", where=str(folder))
        return Inputs(
            base=folder,
            files=globs.expand(folder, [pattern, definition]),
            roots=(folder,),
            matches=globs.matcher(folder, [pattern, definition]),
            definitions=frozenset({folder / definition}),
        )

    return Listing(run, folder, values)


@pytest.fixture
def tracker(tmp_path: Path) -> Tracker:
    for name in ("api", "web"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "Definition").write_text("1")
        (folder / "a.py").write_text("1")
    tracker = Tracker(FileDigests(), tmp_path)
    listings = {f"image/{name}": listing(tmp_path / name, "*.py") for name in ("api", "web")}
    tracker.track(Scope(), listings)
    return tracker


def test_a_changed_file_moves_its_own_target_and_says_why(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "api/a.py").write_text("2")
    changed = tracker.changed(Scope(), [tmp_path / "api/a.py"])
    assert changed is not None
    assert changed.inputs == {"image/api": tracker.digests()["image/api"]}
    assert changed.files == ("api/a.py",)
    assert changed.reasons == {"image/api": "api/a.py changed"}


def test_a_save_of_equal_bytes_changes_nothing(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "api/a.py").write_text("1")
    assert tracker.changed(Scope(), [tmp_path / "api/a.py"]) is None


def test_a_new_file_and_its_end_count_but_only_where_they_match(tracker: Tracker, tmp_path: Path) -> None:
    before = tracker.digests()
    (tmp_path / "api/b.py").write_text("")
    (tmp_path / "api/b.txt").write_text("")
    changed = tracker.changed(Scope(), [tmp_path / "api/b.py", tmp_path / "api/b.txt"])
    assert changed is not None
    assert changed.files == ("api/b.py",)
    (tmp_path / "api/b.py").unlink()
    assert tracker.changed(Scope(), [tmp_path / "api/b.py"]) is not None
    assert tracker.digests() == before


def test_a_missing_definition_is_a_problem_until_it_is_back(tracker: Tracker, tmp_path: Path) -> None:
    before = tracker.digests()
    definition = tmp_path / "api/Definition"
    definition.unlink()
    assert tracker.changed(Scope(), [definition]) is not None
    assert isinstance(tracker.problem("image/api"), StepFailed)
    assert tmp_path / "api" in tracker.roots()
    definition.write_text("1")
    assert tracker.changed(Scope(), [definition]) is not None
    assert tracker.problem("image/api") is None
    assert tracker.digests() == before


def test_a_removed_folder_takes_its_definition_with_it(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "api").rename(tmp_path / "gone")
    assert tracker.changed(Scope(), [tmp_path / "api"]) is not None
    assert tracker.problem("image/api") is not None


def test_confirming_finds_what_was_never_reported(tracker: Tracker, tmp_path: Path) -> None:
    digest = tracker.digests()["image/api"]
    assert tracker.confirm(Scope(), "image/api", digest) is None
    assert tracker.is_current(Scope())
    (tmp_path / "api/a.py").write_text("unseen")
    changed = tracker.confirm(Scope(), "image/api", digest)
    assert changed is not None
    assert changed.inputs == {"image/api": tracker.digests()["image/api"]}
    assert tracker.digests()["image/api"] != digest
    (tmp_path / "web/a.py").write_text("unseen")
    assert not tracker.is_current(Scope())
    changed = tracker.changed(Scope(), [tmp_path / "web/a.py"])
    assert changed is not None
    assert "image/web" in changed.inputs
    assert tracker.is_current(Scope())


def test_with_a_watcher_confirming_lists_nothing_again(tmp_path: Path) -> None:
    (tmp_path / "Definition").write_text("")
    (tmp_path / "a.py").write_text("1")
    listed = listing(tmp_path, "*.py")
    listings = 0

    def count(scope: Scope) -> Inputs:
        nonlocal listings
        listings += 1
        return listed.list(scope)

    tracker = Tracker(FileDigests(), tmp_path)
    tracker.track(Scope(), {"image/api": Listing(count, tmp_path)})
    decided_on = tracker.digests()["image/api"]

    def caught_up(scope: Scope) -> bool:
        tracker.changed(scope, reported)
        return True

    tracker.follow(caught_up)
    reported: list[Path] = []
    assert tracker.confirm(Scope(), "image/api", decided_on) is None
    (tmp_path / "a.py").write_text("2")
    reported = [tmp_path / "a.py"]
    moved = tracker.confirm(Scope(), "image/api", decided_on)
    assert moved is not None
    assert moved.inputs == tracker.digests()
    assert tracker.confirm(Scope(), "image/api", tracker.digests()["image/api"]) is None
    assert listings == 1


def test_a_folder_is_left_out_when_every_reader_of_the_root_leaves_it_out(tmp_path: Path) -> None:
    def reader(*skipped: str, definition: str = "Definition") -> Listing:
        def run(scope: Scope) -> Inputs:
            wanted = frozenset({tmp_path / definition})
            return Inputs(
                tmp_path, (), (tmp_path,), lambda _: True, wanted, skips=lambda folder: folder.name in skipped
            )

        return Listing(run, tmp_path)

    tracker = Tracker(FileDigests(), tmp_path)
    tracker.track(Scope(), {"image/a": reader("x", "y"), "image/b": reader("y", "z", definition="z/Definition")})
    leaves_out = tracker.roots()[tmp_path]
    assert [name for name in "wxyz" if leaves_out(tmp_path / name)] == ["y"]
    assert tracker.roots()[tmp_path] is leaves_out
    tracker.changed(Scope(), [tmp_path / "Definition"])
    assert tracker.roots()[tmp_path] is not leaves_out


def test_a_definition_is_watched_wherever_it_is(tmp_path: Path) -> None:
    inputs = Inputs(
        tmp_path, (), (tmp_path,), lambda _: False, frozenset({tmp_path / "ci/docker/Dockerfile"}), skips=lambda _: True
    )
    assert not inputs.leaves_out(tmp_path / "ci")
    assert not inputs.leaves_out(tmp_path / "ci/docker")
    assert inputs.leaves_out(tmp_path / "ci/other")


def test_other_values_make_another_digest(tmp_path: Path) -> None:
    (tmp_path / "Definition").write_text("")
    tracker = Tracker(FileDigests(), tmp_path)
    digests = []
    for values in ("a", "b"):
        tracker.track(Scope(), {"image/api": listing(tmp_path, "*.py", values=values)})
        digests.append(tracker.digests()["image/api"])
    assert digests[0] != digests[1]


def test_paths_that_no_one_can_name_may_define_the_listing_too(tmp_path: Path) -> None:
    listings = 0

    def run(scope: Scope) -> Inputs:
        nonlocal listings
        listings += 1
        return Inputs(
            base=tmp_path,
            files=tuple(sorted(tmp_path.glob("*.md"))),
            roots=(tmp_path,),
            matches=lambda path: False,
            is_definition=lambda path: path.suffix == ".md",
        )

    tracker = Tracker(FileDigests(), tmp_path)
    tracker.track(Scope(), {"image/a": Listing(run, tmp_path, "")})
    (tmp_path / "new.txt").write_text("")
    assert tracker.changed(Scope(), [tmp_path / "new.txt"]) is None
    assert listings == 1
    (tmp_path / "new.md").write_text("")
    assert tracker.changed(Scope(), [tmp_path / "new.md"]) is not None
    assert listings == 2


def test_a_survey_knows_the_roots_before_anything_is_tracked(tmp_path: Path) -> None:
    (tmp_path / "Definition").write_text("")
    (tmp_path / "a.py").write_text("1")
    listings = {"image/api": listing(tmp_path, "*.py"), "image/web": listing(tmp_path / "none", "*.py")}
    tracker = Tracker(FileDigests(), tmp_path)
    surveyed = tracker.survey(Scope(), listings)
    assert tracker.digests() == {}
    tracker.track(Scope(), listings)
    assert surveyed.keys() == tracker.roots().keys()
    for folder in (tmp_path / "below", tmp_path / "none"):
        assert surveyed[tmp_path](folder) == tracker.roots()[tmp_path](folder)
