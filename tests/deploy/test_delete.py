"""Exactly what a project put into the cluster is taken out again, by what the cluster itself says."""

from __future__ import annotations

from devloop.deploy import marks
from devloop.deploy.inventory import Contents, Inventory
from devloop.products import Object, ObjectRef
from tests.deploy.conftest import Recorder, World, config_map, manifest


def test_everything_goes_and_the_inventory_last(world: World) -> None:
    world.apply(config_map("a"), manifest("v1", "ServiceAccount", "s"))
    world.apply(config_map("b"), unit="v")
    deleted = world.delete()
    assert sorted(map(str, deleted.deleted)) == ["configmap/a", "configmap/b", "serviceaccount/s"]
    assert deleted.kept == ()
    assert world.cluster.writes[-1] == "delete configmap/devloop-shop"
    assert world.names() == set()


def test_it_goes_backwards(world: World) -> None:
    role = manifest("rbac.authorization.k8s.io/v1", "Role", "r", rules=[])
    binding = manifest(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "b",
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        subjects=[],
    )
    world.apply(role, binding)
    assert list(map(str, world.delete().deleted)) == ["rolebinding/b", "role/r"]


def test_twice_is_the_same_as_once(world: World) -> None:
    world.apply(config_map("a"))
    world.delete()
    assert world.delete().deleted == ()
    assert world.cluster.writes == []


def test_other_projects_and_strangers_stay(world: World) -> None:
    stranger = config_map("stranger", namespace=world.namespace)
    world.cluster.apply(world.scope, stranger.object)
    world.apply(config_map("a"))
    world.apply(config_map("b"), project="blog")
    world.delete()
    assert world.names() == {"stranger", "b", "devloop-blog"}


def test_a_dry_run_says_what_would_go_and_writes_nothing(world: World) -> None:
    world.apply(config_map("a"), config_map("b", annotations={marks.KEEP: "true"}))
    deleted = world.delete(is_dry_run=True)
    assert list(map(str, deleted.deleted)) == ["configmap/a"]
    assert [str(ref) for ref, _ in deleted.kept] == ["configmap/b"]
    assert world.cluster.writes == []


def test_what_is_kept_stays_in_the_inventory_until_it_is_named(world: World) -> None:
    world.apply(config_map("a"), config_map("b", annotations={marks.KEEP: "true"}))
    assert [str(ref) for ref, _ in world.delete().kept] == ["configmap/b"]
    assert world.names() == {"b", "devloop-shop"}
    assert list(map(str, world.delete(asked={"configmap/b"}).deleted)) == ["configmap/b"]
    assert world.names() == set()


def test_one_unit_alone_can_be_deleted(world: World) -> None:
    world.apply(config_map("a"))
    world.apply(config_map("b"), unit="v")
    assert list(map(str, world.delete(unit="v").deleted)) == ["configmap/b"]
    assert world.names() == {"a", "devloop-shop"}


def test_what_a_controller_copied_our_label_to_is_not_ours(world: World) -> None:
    owner = world.apply(config_map("a")).objects[0].live
    labels = {marks.PART_OF: marks.label(owner, marks.PART_OF)}
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "a",
        "uid": owner["metadata"]["uid"],
        "controller": True,
    }
    copy = config_map("copy", namespace=world.namespace, labels=labels, ownerReferences=[reference])
    world.cluster.apply(world.scope, copy.object)
    assert list(map(str, world.delete(is_dry_run=True).deleted)) == ["configmap/a"]


def test_an_inventory_that_another_session_grows_meanwhile_stays(world: World) -> None:
    world.apply(config_map("a"))
    grown: list[str] = []

    def grow(ref: ObjectRef) -> None:
        if ref.name == "a" and not grown:
            grown.append(ref.name)
            mine = Inventory("shop", world.namespace)
            known = mine.read(world.scope, world.door)
            mine.grow(world.scope, world.door, known, Contents(frozenset({("v1", "Secret")}), known.namespaces))

    world.cluster.before_delete = grow
    world.delete()
    assert world.names() == {"devloop-shop"}
    assert ("v1", "Secret") in Inventory("shop", world.namespace).read(world.scope, world.door).kinds


def test_a_delete_during_an_apply_that_had_nothing_to_add_to_the_inventory_leaves_no_orphan(world: World) -> None:
    world.apply(config_map("a"))
    other = World(world.scope, Recorder(world.cluster), world.namespace)

    def delete_all(obj: Object) -> None:
        if obj["metadata"]["name"] == "b":
            assert list(map(str, other.delete().deleted)) == ["configmap/a"]

    world.cluster.before_apply = delete_all
    world.apply(config_map("b"))
    world.cluster.before_apply = lambda _obj: None
    assert world.names() == {"b", "devloop-shop"}
    assert list(map(str, world.delete().deleted)) == ["configmap/b"]


def test_an_apply_at_the_very_end_of_a_delete_leaves_no_orphan(world: World) -> None:
    world.apply(config_map("a"))
    other = World(world.scope, Recorder(world.cluster), world.namespace)

    def apply_one(ref: ObjectRef) -> None:
        if ref.name == "devloop-shop":
            world.cluster.before_delete = lambda _ref: None
            other.apply(config_map("b"))

    world.cluster.before_delete = apply_one
    assert list(map(str, world.delete().deleted)) == ["configmap/a"]
    assert world.names() == {"b", "devloop-shop"}
    assert list(map(str, world.delete().deleted)) == ["configmap/b"]
    assert world.names() == set()
