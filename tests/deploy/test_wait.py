"""Waiting ends as soon as the last object is what it has to be, and never later than its patience."""

from __future__ import annotations

from typing import Any

import pytest

from devloop.deploy import wait
from devloop.products import Object, ObjectRef
from devloop.scope import Cancelled, Scope
from tests.deploy.conftest import World, config_map, manifest


def refs(world: World, *names: str, kind: str = "ConfigMap") -> list[ObjectRef]:
    return [ObjectRef("v1", kind, world.namespace, name) for name in names]


def has_value(value: str) -> wait.Condition:
    return lambda _ref, live: live is not None and live.get("data", {}).get("key") == value


def test_nothing_to_wait_for_is_over_at_once(world: World) -> None:
    assert wait.until(world.scope, world.door, [], has_value("1"), patience_s=60) == frozenset()


def test_what_is_so_already_is_seen_and_what_is_not_is_returned(world: World) -> None:
    world.apply(config_map("a"), config_map("b", "2"))
    late = wait.until(world.scope, world.door, refs(world, "a", "b", "none"), has_value("1"), patience_s=0.3)
    assert sorted(ref.name for ref in late) == ["b", "none"]


def test_changes_are_followed_in_several_kinds(world: World) -> None:
    world.apply(config_map("a"), manifest("v1", "ServiceAccount", "s"))
    both = [*refs(world, "a"), *refs(world, "s", kind="ServiceAccount")]
    uids = {}
    for ref in both:
        live = world.live(ref.kind, ref.name)
        assert live is not None
        uids[ref] = live["metadata"]["uid"]
    with world.scope.child("change") as change:

        def later() -> None:
            change.wait(0.1)
            for ref in both:
                world.cluster.delete(change, ref)

        change.spawn("later", later)
        assert wait.until(world.scope, world.door, both, wait.is_gone(uids), patience_s=30) == frozenset()


def test_another_object_of_the_same_name_is_not_the_one_that_has_to_go(world: World) -> None:
    world.apply(config_map("a"))
    (ref,) = refs(world, "a")
    assert wait.until(world.scope, world.door, [ref], wait.is_gone({ref: "another"}), patience_s=30) == frozenset()


def test_cancelling_ends_the_wait(world: World) -> None:
    with Scope("step") as step, step.child("canceller") as other:

        def soon() -> None:
            other.wait(0.05)
            step.cancel()

        other.spawn("soon", soon)
        with pytest.raises(Cancelled):
            wait.until(step, world.door, refs(world, "never"), has_value("1"), patience_s=60)


@pytest.mark.parametrize(
    ("kind", "status", "is_usable"),
    [
        ("Namespace", {"phase": "Active"}, True),
        ("Namespace", {"phase": "Terminating"}, False),
        ("Namespace", {}, False),
        ("CustomResourceDefinition", {"conditions": [{"type": "Established", "status": "True"}]}, True),
        ("CustomResourceDefinition", {"conditions": [{"type": "Established", "status": "False"}]}, False),
        ("CustomResourceDefinition", None, False),
        ("ConfigMap", None, True),
    ],
)
def test_usable_is_a_matter_of_the_kind(kind: str, status: Any, is_usable: bool) -> None:
    live: Object = {"metadata": {"name": "a"}, "status": status}
    assert wait.is_usable(ObjectRef("v1", kind, "", "a"), live) is is_usable
    assert not wait.is_usable(ObjectRef("v1", kind, "", "a"), None)
