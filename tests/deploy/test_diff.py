"""What would change, on the fake and on a real server: only real differences, each with its place, and no secret's value."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest

from devloop.deploy import diff, marks
from devloop.deploy.apply import Owner
from devloop.errors import StepFailed
from devloop.products import Manifest
from tests.deploy.conftest import UNITS, World, config_map, manifest


def differences(world: World, *manifests: Manifest, others: Sequence[Manifest] = ()) -> diff.Differences:
    world.cluster.writes.clear()
    return diff.differences(
        world.scope,
        world.door,
        owner=Owner("shop", "u", UNITS),
        namespace=world.namespace,
        manifests=manifests,
        others=others,
    )


def secret(name: str = "s", **data: str) -> Manifest:
    return manifest("v1", "Secret", name, stringData=data)


def deployment(image: str, **template: Any) -> Manifest:
    spec = {"containers": [{"name": "c", "image": image}], **template}
    return manifest(
        "apps/v1",
        "Deployment",
        "api",
        spec={
            "replicas": 0,
            "selector": {"matchLabels": {"app": "api"}},
            "template": {"metadata": {"labels": {"app": "api"}}, "spec": spec},
        },
    )


def actions(told: diff.Differences) -> dict[str, str]:
    return {str(each.ref): each.action for each in told.found}


def test_nothing_differs_after_an_apply(world: World) -> None:
    everything = (config_map("a"), secret(password="hunter22"), deployment("none:1"))
    world.apply(*everything)
    told = differences(world, *everything)
    assert told.found == ()
    assert told.same == 3


def test_what_would_be_made_changed_and_deleted_is_told_and_nothing_written(world: World) -> None:
    world.apply(config_map("a"), config_map("b"), config_map("old"))
    before = {name: world.live("ConfigMap", name) for name in ("a", "b", "old")}
    told = differences(world, config_map("a"), config_map("b", "2"), config_map("new"))
    assert actions(told) == {"configmap/b": "change", "configmap/new": "create", "configmap/old": "delete"}
    assert told.same == 1
    assert {name: world.live("ConfigMap", name) for name in ("a", "b", "old")} == before
    assert world.live("ConfigMap", "new") is None
    sources = {str(each.ref): each.source for each in told.found}
    assert sources == {
        "configmap/b": "k8s/b.yaml:1",
        "configmap/new": "k8s/new.yaml:1",
        "configmap/old": "k8s/old.yaml",
    }


def test_only_what_differs_differs(world: World) -> None:
    world.apply(deployment("none:1"))
    (found,) = differences(world, deployment("none:2")).found
    assert found.before is not None
    assert found.after is not None
    container = found.before["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "none:1"
    container["image"] = "none:2"
    assert found.before == found.after
    assert not {"managedFields", "resourceVersion", "uid", "generation"} & set(found.after["metadata"])
    assert not [each for each in found.after["metadata"].get("annotations", {}) if each.startswith("devloop.dev/")]
    assert marks.PART_OF not in found.after["metadata"].get("labels", {})


def test_what_the_server_adds_by_itself_is_no_difference(world: World) -> None:
    world.apply(deployment("none:1"))
    more = {"containers": [{"name": "c", "image": "none:1"}, {"name": "d", "image": "none:1"}]}
    (found,) = differences(world, deployment("none:1", **more)).found
    assert found.after is not None
    added = found.after["spec"]["template"]["spec"]["containers"][1]
    assert added == {"name": "d", "image": "none:1"}


def test_no_value_of_a_secret_is_told(world: World) -> None:
    world.apply(secret(password="hunter22", token="same-token", gone="old-value"), secret("t", key="top-secret"))
    told = differences(
        world, secret(password="hunter33", token="same-token", more="new-value"), secret("n", a="fresh1")
    )
    text = repr(told)
    for value in ("hunter22", "hunter33", "same-token", "old-value", "new-value", "top-secret", "fresh1"):
        assert value not in text
        assert base64.b64encode(value.encode()).decode() not in text
    changed = next(each for each in told.found if each.action == "change")
    assert changed.before is not None
    assert changed.after is not None
    assert changed.before["data"] == {"password": "*** (before)", "token": "***", "gone": "***"}
    assert changed.after["data"] == {"password": "*** (after)", "token": "***", "more": "***"}


def test_what_was_there_before_would_be_taken_over(world: World) -> None:
    world.cluster.apply(
        world.scope, {**config_map("a").object, "metadata": {"name": "a", "namespace": world.namespace}}
    )
    (found,) = differences(world, config_map("a")).found
    assert (found.action, found.why) == ("adopt", "was there before devloop")


def test_what_another_project_has_is_an_error(world: World) -> None:
    world.apply(config_map("a"), project="other")
    with pytest.raises(StepFailed, match="belongs to project"):
        differences(world, config_map("a"))


def test_a_job_that_cannot_change_would_be_made_anew(world: World) -> None:
    def job(image: str) -> Manifest:
        pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}
        return manifest("batch/v1", "Job", "migrate", spec={"suspend": True, "template": {"spec": pod}})

    world.apply(job("none:1"))
    (found,) = differences(world, job("none:2")).found
    assert found.action == "recreate"
    assert found.why.endswith(" cannot change in place")


def test_what_the_server_would_refuse_is_told_beside_the_rest(world: World) -> None:
    told = differences(world, config_map("a"), config_map("Not_A_Name"))
    assert actions(told) == {"configmap/a": "create"}
    (refused,) = told.refused
    assert refused.source == "k8s/Not_A_Name.yaml:1"
    assert "lowercase RFC 1123" in refused.told


def test_what_comes_in_a_namespace_that_comes_with_it_would_be_made(world: World) -> None:
    space = Manifest({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop-to-come"}}, "k8s/ns.yaml:1")
    inside = config_map("a", namespace="shop-to-come")
    assert actions(differences(world, space, inside)) == {"configmap/a": "create", "namespace/shop-to-come": "create"}
    assert actions(differences(world, inside, others=[space])) == {"configmap/a": "create"}
    (refused,) = differences(world, inside).refused
    assert 'namespaces "shop-to-come" not found' in refused.told


def test_a_kind_that_another_unit_defines_would_be_made(world: World) -> None:
    group = "diff.devloop.test"
    definition = manifest(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        f"things.{group}",
        spec={
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Thing", "plural": "things", "singular": "thing"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    )
    thing = manifest(f"{group}/v1", "Thing", "one")
    assert actions(differences(world, thing, others=[definition])) == {"thing/one": "create"}
    with pytest.raises(StepFailed, match="no matches for kind"):
        differences(world, thing)


def test_a_volume_that_is_rendered_no_longer_would_stay(world: World) -> None:
    claim = manifest(
        "v1",
        "PersistentVolumeClaim",
        "data",
        spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    )
    world.apply(config_map("a"), claim)
    told = differences(world, config_map("a"))
    assert told.found == ()
    assert [(str(ref), why) for ref, why in told.kept] == [
        ("persistentvolumeclaim/data", "a PersistentVolumeClaim is deleted only by name")
    ]
