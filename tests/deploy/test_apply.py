"""A unit is made true in the cluster with as few writes as there are differences, and owned exactly."""

from __future__ import annotations

import copy

import pytest

from devloop.deploy import marks
from devloop.deploy.apply import Owner, preview
from devloop.deploy.inventory import KINDS, TOOLING, Inventory
from devloop.errors import StepFailed
from devloop.products import ObjectRef
from devloop.scope import Cancelled, Scope
from devloop.stages import ApiRefusal
from tests.deploy.conftest import World, config_map, manifest


def test_objects_are_created_with_marks_in_the_units_namespace(world: World) -> None:
    applied = world.apply(config_map("a"), config_map("b"))
    assert [(each.ref.name, each.ref.namespace, each.is_changed) for each in applied.objects] == [
        ("a", world.namespace, True),
        ("b", world.namespace, True),
    ]
    live = world.live("ConfigMap", "a")
    assert live is not None
    assert live["data"] == {"key": "1"}
    assert marks.label(live, marks.PART_OF) == Inventory("shop", world.namespace).applyset
    assert marks.annotation(live, marks.UNIT) == "u"
    assert marks.annotation(live, marks.PROJECT) == f"{world.namespace}/shop"
    assert applied.objects[0].live["metadata"]["uid"] == live["metadata"]["uid"]


def test_the_second_time_nothing_is_written_at_all(world: World) -> None:
    things = [
        config_map("a"),
        manifest("v1", "Secret", "s", stringData={"x": "y"}),
        manifest("v1", "ServiceAccount", "sa"),
    ]
    first = world.apply(*things)
    second = world.apply(*things)
    assert world.cluster.writes == []
    assert [each.is_changed for each in second.objects] == [False] * 3
    versions = [[each.live["metadata"]["resourceVersion"] for each in one.objects] for one in (first, second)]
    assert versions[0] == versions[1]


def test_only_what_differs_is_written(world: World) -> None:
    world.apply(config_map("a"), config_map("b"))
    applied = world.apply(config_map("a"), config_map("b", "2"))
    assert world.cluster.writes == ["apply configmap/b"]
    assert [each.is_changed for each in applied.objects] == [False, True]


def test_what_somebody_changed_is_put_right_and_said(world: World) -> None:
    world.apply(config_map("a"))
    live = world.live("ConfigMap", "a")
    assert live is not None
    digest = marks.annotation(live, marks.DIGEST)
    other = config_map("a", "edited", labels=live["metadata"]["labels"], annotations=live["metadata"]["annotations"])
    other.object["metadata"]["namespace"] = world.namespace
    world.cluster.apply(world.scope, other.object)
    world.apply(config_map("a"))
    live = world.live("ConfigMap", "a")
    assert live is not None
    assert live["data"] == {"key": "1"}
    assert marks.annotation(live, marks.DIGEST) == digest
    assert world.lines == ["configmap/a had been changed outside of devloop; put right"]


def test_the_inventory_is_written_before_its_members_and_only_when_it_grows(world: World) -> None:
    world.apply(config_map("a"))
    assert world.cluster.writes == ["apply configmap/devloop-shop", "apply configmap/a"]
    world.apply(config_map("a"), config_map("b"))
    assert world.cluster.writes == ["apply configmap/b"]
    world.apply(config_map("a"), manifest("v1", "ServiceAccount", "s"))
    assert world.cluster.writes[0] == "apply configmap/devloop-shop"
    live = world.live("ConfigMap", "devloop-shop")
    assert live is not None
    assert marks.annotation(live, KINDS) == "ConfigMap,ServiceAccount"
    assert marks.annotation(live, TOOLING) == "devloop/v1"


def test_a_killed_apply_leaves_nothing_that_delete_does_not_find(world: World) -> None:
    def die(obj: object) -> None:
        if "apply configmap/a" in world.cluster.writes:
            raise KeyboardInterrupt

    world.cluster.before_apply = die
    with pytest.raises(KeyboardInterrupt):
        world.apply(config_map("a"), manifest("apps/v1", "Deployment", "d", spec={}))
    world.cluster.before_apply = lambda obj: None
    assert "a" in world.names()
    world.delete()
    assert world.names() == set()


def test_what_is_no_longer_rendered_is_pruned(world: World) -> None:
    world.apply(config_map("a"), config_map("b"))
    applied = world.apply(config_map("a"))
    assert [each.name for each in applied.pruned] == ["b"]
    assert world.names() == {"a", "devloop-shop"}


def test_what_is_pruned_goes_backwards_in_the_order_of_applying(world: World) -> None:
    role = manifest("rbac.authorization.k8s.io/v1", "Role", "r", rules=[])
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    binding = manifest("rbac.authorization.k8s.io/v1", "RoleBinding", "b", roleRef=ref, subjects=[])
    world.apply(config_map("a"), role, binding)
    assert list(map(str, world.apply(config_map("a")).pruned)) == ["rolebinding/b", "role/r"]


def test_what_another_unit_renders_is_left_to_it(world: World) -> None:
    world.apply(config_map("a"), config_map("moves"), config_map("goes"))
    moves = frozenset({("", "ConfigMap", world.namespace, "moves")})
    applied = world.apply(config_map("a"), unit="renamed", known=frozenset({"renamed", "v"}), elsewhere=moves)
    assert [each.name for each in applied.pruned] == ["goes"]


def test_nothing_goes_before_it_is_known_what_others_render(world: World) -> None:
    world.apply(config_map("a"), config_map("b"))
    world.apply(config_map("c"), config_map("d"), unit="v")
    applied = world.apply(config_map("c"), unit="v", known=frozenset({"v"}), elsewhere=None)
    assert applied.pruned == ()
    assert [each.name for each in applied.postponed] == ["d"]
    applied = world.apply(config_map("c"), unit="v", known=frozenset({"u", "v"}))
    assert [each.name for each in applied.pruned] == ["d"]
    assert applied.postponed == ()


def test_what_is_kept_is_nothing_to_do(world: World) -> None:
    world.apply(config_map("a"), config_map("b", annotations={marks.KEEP: "true"}), config_map("c"))
    due = preview(
        world.scope,
        world.door,
        owner=Owner("shop", "u", frozenset({"u"})),
        namespace=world.namespace,
        manifests=[config_map("a"), config_map("d")],
    )
    assert [(str(ref), why) for ref, why in due] == [
        ("configmap/d", "is not there"),
        ("configmap/c", "is rendered no longer"),
    ]


def test_other_units_are_left_alone_until_they_are_no_more(world: World) -> None:
    world.apply(config_map("a"))
    world.apply(config_map("b"), unit="v")
    assert world.names() == {"a", "b", "devloop-shop"}
    applied = world.apply(config_map("a"), known=frozenset({"u"}))
    assert [each.name for each in applied.pruned] == ["b"]


def test_an_object_that_moves_to_another_unit_stays(world: World) -> None:
    first = world.apply(config_map("a"), config_map("moves")).objects[1].live
    second = world.apply(config_map("moves"), unit="v").objects[0].live
    assert world.apply(config_map("a")).pruned == ()
    assert first["metadata"]["uid"] == second["metadata"]["uid"]


def test_an_object_that_another_unit_takes_over_at_this_moment_stays(world: World) -> None:
    world.apply(config_map("a"), config_map("b"), unit="u")

    def take_over(ref: ObjectRef) -> None:
        world.cluster.before_delete = lambda _ref: None
        found = world.live("ConfigMap", "b")
        assert found is not None
        live = copy.deepcopy(found)
        live["metadata"]["annotations"][marks.UNIT] = "v"
        live["metadata"].pop("managedFields", None)
        live["metadata"].pop("resourceVersion", None)
        world.door.apply(world.scope, live)

    world.cluster.before_delete = take_over
    assert world.apply(config_map("a"), unit="u").pruned == ()
    left = world.live("ConfigMap", "b")
    assert left is not None
    assert marks.annotation(left, marks.UNIT) == "v"


def test_what_waits_for_its_image_is_neither_applied_nor_pruned(world: World) -> None:
    world.apply(config_map("a"), config_map("b"))
    applied = world.apply(config_map("a"), held=((config_map("b", "2"), "shop/api"),))
    assert applied.pruned == ()
    assert applied.held == ((ObjectRef("v1", "ConfigMap", world.namespace, "b"), "shop/api"),)
    assert world.cluster.writes == []


def test_precious_and_protected_objects_are_kept_and_reported(world: World) -> None:
    claim = manifest(
        "v1",
        "PersistentVolumeClaim",
        "data",
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    )
    world.apply(config_map("a"), claim, config_map("b", annotations={marks.KEEP: "true"}))
    assert world.apply(config_map("a")).pruned == ()
    assert sorted(world.lines) == [
        "kept configmap/b, which is no longer rendered: its annotation devloop.dev/keep says so",
        "kept persistentvolumeclaim/data, which is no longer rendered: a PersistentVolumeClaim is deleted only by name",
    ]
    assert world.writes == []


def test_another_projects_object_is_not_taken(world: World) -> None:
    world.apply(config_map("a"))
    with pytest.raises(StepFailed) as told:
        world.apply(config_map("b"), config_map("a", "2"), project="blog")
    here = world.namespace
    assert told.value.message == f"configmap/a belongs to project {here}/shop, not to project {here}/blog"
    assert told.value.where == "k8s/a.yaml:1"
    assert world.cluster.writes == []


def test_an_object_that_moves_to_another_project_of_the_session_stays(world: World) -> None:
    first = world.apply(config_map("a"), config_map("moves")).objects[1].live
    second = world.apply(config_map("moves"), unit="b", project="blog", siblings=frozenset({"shop"})).objects[0].live
    assert first["metadata"]["uid"] == second["metadata"]["uid"]
    assert marks.annotation(second, marks.PROJECT) == f"{world.namespace}/blog"
    assert not marks.is_adopted(second)
    assert world.apply(config_map("a"), siblings=frozenset({"blog"})).pruned == ()
    assert [str(each) for each in world.delete().deleted] == ["configmap/a"]
    assert [str(each) for each in world.delete(project="blog").deleted] == ["configmap/moves"]


def test_what_another_project_takes_over_at_this_moment_is_not_deleted(world: World) -> None:
    world.apply(config_map("moves"))

    def take_over(_ref: ObjectRef) -> None:
        world.cluster.before_delete = lambda _ref: None
        world.apply(config_map("moves"), unit="b", project="blog", siblings=frozenset({"shop"}))

    world.cluster.before_delete = take_over
    assert world.delete().deleted == ()
    assert "moves" in world.names()


def test_an_apply_that_has_begun_is_finished_though_it_is_cancelled(world: World) -> None:
    with Scope("step") as step:
        step_world = World(step, world.cluster, world.namespace)
        world.cluster.before_apply = lambda obj: step.cancel()
        applied = step_world.apply(config_map("a"), manifest("v1", "ServiceAccount", "s"))
    assert [each.is_changed for each in applied.objects] == [True, True]
    assert world.names() == {"a", "devloop-shop"}


def test_an_apply_that_was_cancelled_before_writes_nothing(world: World) -> None:
    step = Scope("step")
    step.cancel()
    with pytest.raises(Cancelled):
        World(step, world.cluster, world.namespace).apply(config_map("a"))
    assert world.cluster.writes == []


def test_a_refusal_does_not_stop_siblings_and_all_are_reported(world: World) -> None:
    world.cluster.refusals = {
        "configmap/b": ApiRefusal(422, "Invalid", "b is no good"),
        "configmap/d": ApiRefusal(422, "Invalid", "d neither"),
    }
    world.apply(config_map("old"))
    with pytest.raises(StepFailed) as told:
        world.apply(*(config_map(name) for name in "abcd"), manifest("v1", "Pod", "later", spec={}))
    assert told.value.message == "the cluster refused configmap/b: b is no good (and 1 more)"
    assert told.value.where == "k8s/b.yaml:1"
    assert told.value.evidence == ("k8s/d.yaml:1: configmap/d: d neither",)
    assert {"a", "c", "old"} <= world.names()
    assert "apply pod/later" not in world.cluster.writes


def test_an_unknown_kind_is_told_before_anything_is_written(world: World) -> None:
    with pytest.raises(StepFailed) as told:
        world.apply(config_map("a"), manifest("example.com/v1", "Foo", "x"), manifest("example.com/v1", "Bar", "y"))
    assert told.value.message == 'no matches for kind "Foo" in version "example.com/v1" (and 1 more)'
    assert told.value.where == "k8s/foo.yaml:1"
    assert told.value.evidence == ('k8s/bar.yaml:1: no matches for kind "Bar" in version "example.com/v1"',)
    assert world.cluster.writes == []


def test_one_object_with_and_without_its_namespace_is_there_twice(world: World) -> None:
    with pytest.raises(StepFailed, match="configmap/a is there twice"):
        world.apply(config_map("a"), config_map("a", namespace=world.namespace))


def test_a_unit_that_renders_nothing_writes_nothing(world: World) -> None:
    assert world.apply().objects == ()
    assert world.cluster.writes == []


def test_a_config_map_of_the_inventorys_name_is_not_taken_over(world: World) -> None:
    other = config_map("devloop-shop", namespace=world.namespace)
    world.cluster.apply(world.scope, other.object)
    with pytest.raises(StepFailed, match="configmap/devloop-shop is not devloop's"):
        world.apply(config_map("a"))


def test_units_that_start_the_inventory_at_once_are_all_in_it(world: World) -> None:
    kinds = ["ConfigMap", "Secret", "ServiceAccount"]
    names = [f"u{number}" for number in range(len(kinds))]
    with Scope("both") as both:
        for name, kind in zip(names, kinds, strict=True):
            one = World(both, world.cluster, world.namespace)
            both.spawn(
                name,
                lambda one=one, name=name, kind=kind: one.apply(  # type: ignore[misc]
                    manifest("v1", kind, "x"), unit=name, known=frozenset(names)
                ),
            )
    live = world.live("ConfigMap", "devloop-shop")
    assert marks.annotation(live, KINDS) == "ConfigMap,Secret,ServiceAccount"
