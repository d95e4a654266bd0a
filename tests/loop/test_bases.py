"""Which targets an image that moved in the engine touches."""

from __future__ import annotations

from pathlib import Path

import pytest

from devloop.errors import StepFailed, Unavailable
from devloop.loop.bases import of_name
from devloop.loop.track import Listing, Tracker
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.store.digests import FileDigests


class Names:
    """An engine's names, and what was asked of it."""

    def __init__(self) -> None:
        self.ids: dict[str, str | None] = {}
        self.asked: list[str] = []
        self.is_down = False

    def __call__(self, name: str) -> str | None:
        self.asked.append(name)
        if self.is_down:
            raise Unavailable("no engine")
        if name == "Wrong":
            raise StepFailed("no such reference")
        return self.ids.get(name)


def listing(folder: Path) -> Listing:
    """A target that stands on the images that its definition names, if it says anything."""

    def run(scope: Scope) -> Inputs:
        definition = folder / "From"
        if not (words := definition.read_text().split()):
            raise StepFailed("nothing in it")
        return Inputs(
            base=folder,
            files=(definition,),
            roots=(folder,),
            matches=lambda path: path == definition,
            definitions=frozenset({definition}),
            images=tuple(words) if words != ["nothing"] else (),
        )

    return Listing(run, folder)


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def tracker(names: Names, tmp_path: Path) -> Tracker:
    """Two images on one base, and what stands on none."""
    for target, base in (("api", "base"), ("web", "base other"), ("unit", "nothing")):
        (tmp_path / target).mkdir()
        (tmp_path / target / "From").write_text(base)
    names.ids = {"base": "1", "other": "1"}
    tracker = Tracker(FileDigests(), tmp_path, names)
    tracker.track(Scope(), listings(tmp_path))
    return tracker


def listings(folder: Path) -> dict[str, Listing]:
    return {target: listing(folder / target) for target in ("api", "web", "unit")}


def test_a_rebuilt_base_moves_all_that_stands_on_it_and_says_why(tracker: Tracker, names: Names) -> None:
    before = tracker.digests()
    names.ids["base"] = "2"
    changed = tracker.images_changed("base:latest")
    assert changed is not None
    after = tracker.digests()
    assert changed.inputs == {"api": after["api"], "web": after["web"]}
    assert changed.files == ("base image base",)
    assert changed.reasons == {"api": "base image base changed", "web": "base image base changed"}
    assert [target for target in after if after[target] != before[target]] == ["api", "web"]
    names.ids["base"] = "1"
    assert tracker.images_changed() is not None
    assert tracker.digests() == before


def test_the_same_image_under_the_same_name_changes_nothing(tracker: Tracker) -> None:
    assert tracker.images_changed("base") is None
    assert tracker.images_changed() is None


def test_names_that_nobody_stands_on_are_not_even_asked(tracker: Tracker, names: Names) -> None:
    names.asked.clear()
    assert tracker.images_changed("shop/api:0123456789abcdef") is None
    assert names.asked == []


def test_each_name_is_asked_once_however_many_stand_on_it(names: Names, tracker: Tracker) -> None:
    assert sorted(names.asked) == ["base", "other"]


def test_a_base_that_is_absent_stays_so_until_it_is_there(names: Names, tracker: Tracker, tmp_path: Path) -> None:
    names.ids = {}
    fresh = Tracker(FileDigests(), tmp_path, names)
    fresh.track(Scope(), listings(tmp_path))
    digests = fresh.digests()
    assert digests["api"] != tracker.digests()["api"]
    assert fresh.images_changed() is None
    assert fresh.confirm(Scope(), "api", digests["api"]) is None
    assert fresh.is_current(Scope())
    names.ids["base"] = "1"
    assert not fresh.is_current(Scope())
    changed = fresh.images_changed()
    assert changed is not None
    assert changed.inputs["api"] == tracker.digests()["api"]


def test_removing_a_base_builds_nothing_but_the_next_build_knows(tracker: Tracker, names: Names) -> None:
    before = tracker.digests()
    names.ids["base"] = None
    assert tracker.images_changed() is None
    assert tracker.is_current(Scope())
    assert tracker.digests() == before
    assert tracker.confirm(Scope(), "api", before["api"]) is not None
    assert tracker.digests()["api"] != before["api"]


def test_a_base_that_is_rebuilt_during_a_build_undoes_it_for_all_that_stand_on_it(
    tracker: Tracker, names: Names
) -> None:
    digest = tracker.digests()["api"]
    assert tracker.confirm(Scope(), "api", digest) is None
    names.ids["base"] = "2"
    moved = tracker.confirm(Scope(), "api", digest)
    assert moved is not None
    assert moved.inputs == {target: tracker.digests()[target] for target in ("api", "web")}
    assert moved.reasons["api"] == "base image base changed"
    assert tracker.images_changed() is None


def test_the_proof_of_freshness_asks_the_engine_but_leaves_the_news_to_who_tells_it(
    tracker: Tracker, names: Names
) -> None:
    assert tracker.is_current(Scope())
    names.ids["other"] = "2"
    assert not tracker.is_current(Scope())
    assert tracker.images_changed() is not None
    names.is_down = True
    assert not tracker.is_current(Scope())


def test_a_definition_may_name_another_base(tracker: Tracker, names: Names, tmp_path: Path) -> None:
    before = tracker.digests()
    names.ids["other"] = "2"  # told of by nobody yet
    (tmp_path / "api/From").write_text("other")
    changed = tracker.changed(Scope(), [tmp_path / "api/From"])
    assert changed is not None
    assert set(changed.inputs) == {"api", "web"}
    (tmp_path / "api/From").write_text("base")
    names.ids["other"] = "1"
    tracker.changed(Scope(), [tmp_path / "api/From"])
    tracker.images_changed()
    assert tracker.digests() == before


def test_a_target_whose_inputs_cannot_be_told_stands_on_nothing(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "web/From").write_text("")
    assert tracker.changed(Scope(), [tmp_path / "web/From"]) is not None
    assert tracker.images() == {"base"}


def test_an_engine_that_does_not_answer_is_no_reason_to_stop_but_to_build_nothing(
    names: Names, tracker: Tracker, tmp_path: Path
) -> None:
    names.is_down = True
    fresh = Tracker(FileDigests(), tmp_path, names)
    fresh.track(Scope(), listings(tmp_path))
    assert isinstance(fresh.unanswered, Unavailable)
    unknown = fresh.digests()
    assert unknown["unit"] == tracker.digests()["unit"]
    assert fresh.images_changed() is None
    with pytest.raises(Unavailable):
        fresh.confirm(Scope(), "api", unknown["api"])
    assert fresh.confirm(Scope(), "unit", unknown["unit"]) is None
    names.is_down = False
    changed = fresh.images_changed()
    assert changed is not None
    assert fresh.digests() == tracker.digests()


def test_an_outage_leaves_what_is_known_as_it_is(tracker: Tracker, names: Names) -> None:
    before = tracker.digests()
    names.is_down = True
    assert tracker.images_changed() is None
    assert tracker.digests() == before


def test_a_name_that_the_engine_refuses_is_none_of_its_images(names: Names, tmp_path: Path) -> None:
    (tmp_path / "From").write_text("Wrong")
    tracker = Tracker(FileDigests(), tmp_path, names)
    tracker.track(Scope(), {"api": listing(tmp_path)})
    assert tracker.unanswered is None
    assert tracker.confirm(Scope(), "api", tracker.digests()["api"]) is None


def test_each_base_is_pulled_once_and_what_moved_is_told_to_each(tracker: Tracker, names: Names) -> None:
    pulled: list[str] = []

    def pull(name: str) -> None:
        pulled.append(name)
        names.ids[name] = "2"

    before = tracker.digests()
    moved = tracker.pull("api", before["api"], pull)
    assert moved is not None
    assert set(moved.inputs) == {"api", "web"}
    assert tracker.pull("web", before["web"], pull) is not None
    after = tracker.digests()
    assert tracker.pull("web", after["web"], pull) is None
    assert tracker.pull("unit", after["unit"], pull) is None
    assert pulled == ["base", "other"]


def test_what_was_pulled_for_another_target_is_no_base_to_build_on_unseen(tracker: Tracker, names: Names) -> None:
    before = tracker.digests()
    tracker.pull("web", before["web"], lambda name: names.ids.update({name: "2"}))
    moved = tracker.pull("api", before["api"], lambda name: None)
    assert moved is not None
    assert moved.inputs == {"api": tracker.digests()["api"]}


def test_a_pull_that_failed_is_tried_again(tracker: Tracker) -> None:
    def fail(name: str) -> None:
        raise StepFailed(f"no {name}")

    pulled: list[str] = []
    digest = tracker.digests()["api"]
    with pytest.raises(StepFailed):
        tracker.pull("api", digest, fail)
    assert tracker.pull("api", digest, pulled.append) is None
    assert pulled == ["base"]


@pytest.mark.parametrize(
    "told", ["base", "base:latest", "library/base", "docker.io/library/base:latest", "index.docker.io/base:latest"]
)
def test_a_name_is_the_same_however_it_is_spelt(told: str) -> None:
    assert of_name(["base", "base:1", "quay.io/base"], told) == {"base"}
    assert of_name(["docker.io/library/base"], told) == {"docker.io/library/base"}


def test_no_name_means_any() -> None:
    assert of_name(["a", "b"], "") == {"a", "b"}


def for_engine(folder: Path) -> dict[str, Listing]:
    """A target that is made for whatever platform the engine has."""

    def run(scope: Scope) -> Inputs:
        return Inputs(base=folder, files=(), roots=(folder,), matches=lambda _path: False, is_for_engine=True)

    return {"api": Listing(run, folder)}


class Platform:
    """An engine that says which platform it has, once it answers."""

    def __init__(self, said: str, *, is_down: bool = False) -> None:
        self.said, self.is_down, self.asked = said, is_down, 0

    def __call__(self) -> str:
        self.asked += 1
        if self.is_down:
            raise Unavailable("no engine")
        return self.said


def test_another_platform_is_another_image(names: Names, tmp_path: Path) -> None:
    digests = []
    for said in ("linux/amd64", "linux/arm64"):
        tracker = Tracker(FileDigests(), tmp_path, names, Platform(said))
        tracker.track(Scope(), for_engine(tmp_path))
        digests.append(tracker.digests()["api"])
    assert digests[0] != digests[1]


def test_a_platform_is_nothing_to_what_names_its_own(names: Names, tracker: Tracker, tmp_path: Path) -> None:
    platform = Platform("linux/arm64")
    other = Tracker(FileDigests(), tmp_path, names, platform)
    other.track(Scope(), listings(tmp_path))
    assert other.digests() == tracker.digests()
    assert platform.asked == 0


def test_the_platform_is_asked_until_it_is_known_and_then_no_more(names: Names, tmp_path: Path) -> None:
    platform = Platform("linux/amd64", is_down=True)
    tracker = Tracker(FileDigests(), tmp_path, names, platform)
    tracker.track(Scope(), for_engine(tmp_path))
    assert isinstance(tracker.unanswered, Unavailable)
    before = tracker.digests()["api"]
    with pytest.raises(Unavailable):
        tracker.confirm(Scope(), "api", before)
    platform.is_down = False
    changed = tracker.confirm(Scope(), "api", before)
    assert changed is not None
    assert changed.reasons == {"api": "the engine's platform changed"}
    asked = platform.asked
    assert tracker.images_changed() is None
    assert tracker.confirm(Scope(), "api", tracker.digests()["api"]) is None
    assert platform.asked == asked


def test_a_platform_is_never_pulled(names: Names, tmp_path: Path) -> None:
    tracker = Tracker(FileDigests(), tmp_path, names, Platform("linux/amd64"))
    tracker.track(Scope(), for_engine(tmp_path))
    pulled: list[str] = []
    assert tracker.pull("api", tracker.digests()["api"], pulled.append) is None
    assert pulled == []
