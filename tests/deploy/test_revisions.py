"""Which revision is meant, and what is sent to bring it back."""

from __future__ import annotations

from typing import Any

import pytest

from devloop.deploy import marks, revisions
from devloop.deploy.revisions import Revision, restored, wanted
from devloop.errors import UsageError
from tests.deploy.conftest import World, config_map, manifest


def revision(number: int, *, is_current: bool = False) -> Revision:
    return Revision(number, {}, {"metadata": {}}, is_current)


ONE_TO_FOUR = [revision(1), revision(3), revision(4, is_current=True), revision(5)]


@pytest.mark.parametrize(("asked", "found"), [(None, 3), (1, 1), (5, 5)])
def test_a_revision_is_found_by_its_number_or_is_the_one_before(asked: int | None, found: int) -> None:
    assert wanted(ONE_TO_FOUR, asked, "deployment/api").number == found


@pytest.mark.parametrize(
    ("known", "asked", "message", "hint"),
    [
        (ONE_TO_FOUR, 2, "there is no revision 2", "there are 1, 3, 4 (current), 5"),
        (ONE_TO_FOUR, 4, "revision 4 is what is deployed", "there are 1, 3, 4 (current), 5"),
        ([revision(1, is_current=True)], None, "there is no earlier revision", "there are 1 (current)"),
        ([], None, "there is no earlier revision", "there are none"),
        ([], 1, "there is no revision 1", "there are none"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(
    known: list[Revision], asked: int | None, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        wanted(known, asked, "deployment/api")
    assert (caught.value.message, caught.value.hint, caught.value.where) == (message, hint, "deployment/api")


def deployment(image: str) -> Any:
    template = {"metadata": {"labels": {"app": "api"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "api"}}, "template": template}
    return manifest("apps/v1", "Deployment", "api", spec=spec)


def test_the_template_of_then_is_sent_and_the_marks_say_so(world: World) -> None:
    world.apply(deployment("none:1"))
    live = world.live("Deployment", "api", "apps/v1")
    assert live is not None
    template = {**live["spec"]["template"], "spec": {"containers": [{"name": "c", "image": "none:0"}]}}
    sent = restored(live, Revision(3, template, {"metadata": {}}, is_current=False))
    world.cluster.apply(world.scope, sent)
    world.apply(deployment("none:1"))
    assert world.writes == ["apply deployment/api"]
    assert world.lines == [
        "deployment/api was rolled back to revision 3 by devloop rollback; it is again as on disk now"
    ]
    again = world.live("Deployment", "api", "apps/v1")
    assert marks.rolled_back(again) == ""
    assert again is not None
    assert again["spec"]["template"]["spec"]["containers"][0]["image"] == "none:1"
    world.apply(deployment("none:1"))
    assert world.writes == []


def test_what_devloop_has_not_applied_is_not_rolled_back(world: World) -> None:
    world.apply(config_map("a"))
    live = world.live("ConfigMap", "a")
    assert live is not None
    with pytest.raises(UsageError, match="has not applied its pod template"):
        restored(live, revision(1))


def test_only_workloads_have_revisions() -> None:
    assert revisions.has_revisions(deployment("a").object)
    assert not revisions.has_revisions(config_map("a").object)
