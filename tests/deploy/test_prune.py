"""What may go and what stays is decided by an object's own marks."""

from __future__ import annotations

from typing import Any

from devloop.deploy import marks, prune
from devloop.products import Object
from tests.deploy.conftest import World, config_map


def live(name: str, *, unit: str = "u", kind: str = "ConfigMap", **metadata: Any) -> Object:
    annotations = {marks.UNIT: unit, **metadata.pop("annotations", {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "annotations": annotations, **metadata}}


def names(objects: list[Object]) -> list[str]:
    return [each["metadata"]["name"] for each in objects]


def test_stale_is_what_this_unit_or_a_former_one_renders_no_longer() -> None:
    members = [live("kept"), live("gone"), live("other", unit="v"), live("former", unit="w"), live("unknown", unit="")]
    rendered = {("", "ConfigMap", "", "kept")}
    assert names(prune.stale(members, rendered, "u", {"u", "v"})) == ["gone", "former", "unknown"]


def test_what_is_going_already_is_not_stale() -> None:
    assert prune.stale([live("a", deletionTimestamp="now")], set(), "u", {"u"}) == []


def test_an_object_in_another_version_is_still_rendered() -> None:
    member = {**live("a"), "apiVersion": "x/v1"}
    assert prune.stale([member], {("x", "ConfigMap", "", "a")}, "u", {"u"}) == []


def test_precious_protected_and_adopted_objects_stay_unless_they_are_named() -> None:
    members = [
        live("plain"),
        live("space", kind="Namespace"),
        live("safe", annotations={marks.KEEP: "true"}),
        live("old", annotations={marks.ADOPTED: "true"}),
    ]
    going, staying = prune.split(members)
    assert names(going) == ["plain"]
    assert [(each["metadata"]["name"], why) for each, why in staying] == [
        ("space", "a Namespace is deleted only by name"),
        ("safe", "its annotation devloop.dev/keep says so"),
        ("old", "it was there before devloop"),
    ]
    going, staying = prune.split(members, {"namespace/space", "configmap/safe", "configmap/old"})
    assert staying == []
    assert len(going) == 4


def test_an_adopted_object_that_another_unit_takes_over_meanwhile_is_not_given_back(world: World) -> None:
    world.cluster.apply(world.scope, config_map("old", namespace=world.namespace).object)
    stale = world.apply(config_map("old")).objects[0].live
    world.apply(config_map("old"), unit="v")
    removed = prune.remove(
        world.scope, world.door, [stale], still=lambda each: marks.annotation(each, marks.UNIT) == "u"
    )
    assert removed.released == frozenset()
    assert marks.annotation(world.live("ConfigMap", "old"), marks.UNIT) == "v"
