"""Many objects and big ones: what is asked and written follows what changed, not what there is."""

from __future__ import annotations

from collections import Counter

import pytest

from devloop.products import Manifest, ObjectRef
from tests.deploy.conftest import World, config_map, manifest

KINDS = {"ConfigMap": 300, "Secret": 100, "ServiceAccount": 100}


def many(*, changed: int = -1) -> list[Manifest]:
    return [
        Manifest(
            {
                "apiVersion": "v1",
                "kind": kind,
                "metadata": {"name": f"n{number}", "annotations": {"v": str(number == changed)}},
            },
            f"k8s/{kind}.yaml:{number}",
        )
        for kind, count in KINDS.items()
        for number in range(count)
    ]


def asked(world: World) -> Counter[str]:
    return Counter(world.cluster.reads)


@pytest.mark.timeout(180)
def test_five_hundred_objects_are_asked_for_by_kind(real: World) -> None:
    """Each kind is listed twice for objects that are not ours yet, and once from then on; the inventory once more after a write."""
    first = real.apply(*many())
    assert sum(each.is_changed for each in first.objects) == 500
    assert asked(real) == {"get configmap/devloop-shop": 2, **{f"list {kind}": 2 for kind in KINDS}}
    assert len(real.cluster.writes) == 501

    real.apply(*many())
    assert asked(real) == {"get configmap/devloop-shop": 1, **{f"list {kind}": 1 for kind in KINDS}}
    assert real.cluster.writes == []

    real.apply(*many(changed=250))
    assert real.cluster.writes == ["apply configmap/n250"]

    real.apply(*many()[1:])
    assert sorted(real.cluster.writes) == ["apply configmap/n250", "delete configmap/n0"]

    assert len(real.delete(patience_s=60.0).deleted) == 499
    assert real.names() == set()


def test_a_big_set_still_knows_what_belongs_to_others(real: World) -> None:
    theirs = config_map("n3", "theirs", namespace=real.namespace)
    real.cluster.apply(real.scope, theirs.object)
    applied = real.apply(*(config_map(f"n{number}") for number in range(20)))
    assert asked(real)["list ConfigMap"] == 2
    assert len(applied.objects) == 20
    real.apply(config_map("other"))
    assert real.names() == {"n3", "other", "devloop-shop"}
    assert real.lines == ["kept configmap/n3, which is no longer rendered: it was there before devloop"]


def test_an_object_near_the_servers_own_limit_is_applied_and_changed(real: World) -> None:
    """`kubectl apply` cannot: its copy of the object in an annotation has a limit of 256 KiB."""
    value = "x" * 1_000_000
    real.apply(config_map("big", value))
    assert real.apply(config_map("big", value)).objects[0].is_changed is False
    assert real.cluster.writes == []
    real.apply(config_map("big", f"{value}y"))
    live = real.live("ConfigMap", "big")
    assert live is not None
    assert live["data"]["key"].endswith("y")
    assert [str(ref) for ref in real.delete().deleted] == ["configmap/big"]


def test_a_namespace_and_what_is_in_it_go_in_one_apply(real: World) -> None:
    name = f"{real.namespace}-in"
    try:
        real.apply(config_map("a", namespace=name), manifest("v1", "Namespace", name), config_map("here"))
        assert [each.split("/")[0] for each in real.cluster.writes] == [
            "apply configmap",
            "apply namespace",
            "apply configmap",
            "apply configmap",
        ]
        real.apply(config_map("a", namespace=name), manifest("v1", "Namespace", name), config_map("here"))
        assert real.cluster.writes == []
        applied = real.apply(config_map("here"))
        assert [(each.name, each.namespace) for each in applied.pruned] == [("a", name)]
        assert real.lines == [
            f"kept namespace/{name}, which is no longer rendered: a Namespace is deleted only by name"
        ]
    finally:
        real.cluster.delete(real.scope, ObjectRef("v1", "Namespace", "", name))
