"""What only a real API server can tell: immutable fields, grace periods, definitions, ownership of fields."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from devloop.deploy import marks
from devloop.effects import cluster as cluster_door
from devloop.errors import StepFailed
from devloop.products import Manifest, ObjectRef
from tests.deploy.conftest import Recorder, World, config_map, manifest
from tests.e2e.kube import Kubectl
from tests.e2e.web import eventually


def deployment(image: str = "none:1", **labels: str) -> Manifest:
    template = {
        "metadata": {"labels": {"app": "api", **labels}},
        "spec": {
            "containers": [
                {"name": "c", "image": image, "resources": {"requests": {"cpu": "1000m", "memory": "0.5Gi"}}}
            ]
        },
    }
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "api", **labels}}, "template": template}
    return manifest("apps/v1", "Deployment", "api", spec=spec)


def test_nothing_changes_the_second_time_whatever_the_server_made_of_it(real: World) -> None:
    service = manifest("v1", "Service", "api", spec={"selector": {"app": "api"}, "ports": [{"port": 80}]})
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "none:1"}]}}
    job = manifest("batch/v1", "Job", "migrate", spec={"template": template, "suspend": True})
    first = real.apply(deployment(), service, job)
    second = real.apply(deployment(), service, job)
    assert real.cluster.writes == []
    assert not any(each.is_changed for each in second.objects)
    generations = [[each.live["metadata"].get("generation") for each in one.objects] for one in (first, second)]
    assert generations[0] == generations[1]


def test_adopted_objects_are_never_deleted_and_lose_only_our_marks(real: World, kubectl: Kubectl) -> None:
    kubectl.run("create", "configmap", "old", "--from-literal=theirs=1")
    kubectl.run("create", "deployment", "api", "--image=none:0", "--replicas=0")
    real.apply(config_map("old"), deployment())
    assert marks.is_adopted(real.live("ConfigMap", "old"))
    assert real.apply(config_map("old"), deployment()).objects[0].is_changed is False
    applied = real.apply(config_map("new"))
    assert applied.pruned == ()
    assert sorted(real.lines) == [
        "kept configmap/old, which is no longer rendered: it was there before devloop",
        "kept deployment/api, which is no longer rendered: it was there before devloop",
    ]
    old, api = real.live("ConfigMap", "old"), real.live("Deployment", "api", "apps/v1")
    assert old is not None
    assert api is not None
    assert old["data"] == {"theirs": "1", "key": "1"}
    assert api["spec"]["template"]["spec"]["containers"][0]["name"] in ("none", "c")
    for live in (old, api):
        assert not marks.label(live, marks.PART_OF)
        assert not marks.annotation(live, marks.UNIT)
    assert real.apply(config_map("new")).objects[0].is_changed is False
    assert real.lines == []


def test_a_definition_and_its_objects_go_in_one_apply(real: World) -> None:
    group = f"t{uuid.uuid4().hex[:8]}.example.com"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = manifest(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        f"foos.{group}",
        spec={
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "foos", "kind": "Foo"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    )
    foo = manifest(f"{group}/v1", "Foo", "x", spec={"a": 1})
    try:
        applied = real.apply(foo, definition)
        assert [each.is_changed for each in applied.objects] == [True, True]
        real.apply(foo, definition)
        assert real.cluster.writes == []
        deleted = real.delete()
        assert list(map(str, deleted.deleted)) == ["foo/x"]
        assert [str(ref) for ref, _ in deleted.kept] == [f"customresourcedefinition/foos.{group}"]
    finally:
        real.cluster.delete(
            real.scope, ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"foos.{group}")
        )


def test_objects_of_a_version_that_is_served_no_more_are_still_ours(real: World) -> None:
    group = f"t{uuid.uuid4().hex[:8]}.example.com"
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}

    def definition(*, is_served: bool) -> Manifest:
        old = {"name": "v1alpha1", "served": is_served, "storage": False, "schema": schema}
        new = {"name": "v1", "served": True, "storage": True, "schema": schema}
        names = {"plural": "foos", "kind": "Foo"}
        spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [old, new]}
        return manifest("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"foos.{group}", spec=spec)

    def forgetful(version: str) -> World | None:
        """By a door that remembers nothing of kinds, once the server serves the version no more."""
        door = cluster_door.connect(real.cluster.context, real.namespace)
        gone = door.resource(real.scope, version, "Foo") is None
        return World(real.scope, Recorder(door), real.namespace) if gone else None

    ref = ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"foos.{group}")
    try:
        real.apply(manifest(f"{group}/v1alpha1", "Foo", "x", spec={"a": 1}), definition(is_served=True))
        real.cluster.apply(real.scope, definition(is_served=False).object)
        there = eventually(lambda: forgetful(f"{group}/v1alpha1"), timeout_s=30, what="the version to go")
        assert there is not None
        assert list(map(str, there.delete().deleted)) == ["foo/x"]
    finally:
        real.cluster.delete(real.scope, ref)


def test_a_namespace_that_is_among_the_manifests_is_made_first(real: World) -> None:
    name = f"{real.namespace}-2"
    there = World(real.scope, real.cluster, name)
    namespace = manifest("v1", "Namespace", name)
    try:
        there.apply(config_map("a"), namespace)
        assert real.cluster.writes == [f"apply namespace/{name}", "apply configmap/devloop-shop", "apply configmap/a"]
        deleted = there.delete()
        assert [str(ref) for ref, _ in deleted.kept] == [f"namespace/{name}"]
        assert list(map(str, there.delete(asked={f"namespace/{name}"}, patience_s=60.0).deleted)) == [
            f"namespace/{name}"
        ]
    finally:
        real.cluster.delete(real.scope, ObjectRef("v1", "Namespace", "", name))


def test_a_missing_namespace_is_told_with_the_command_that_makes_it(real: World) -> None:
    with pytest.raises(StepFailed, match="no namespace nowhere-at-all") as told:
        World(real.scope, real.cluster, "nowhere-at-all").apply(config_map("a"))
    assert told.value.hint == "kubectl create namespace nowhere-at-all"


def test_objects_of_other_namespaces_are_in_the_inventory_too(real: World, kubectl: Kubectl) -> None:
    other = f"{real.namespace}-3"
    kubectl.run("create", "namespace", other)
    try:
        real.apply(config_map("a"), config_map("b", namespace=other))
        assert sorted(ref.namespace for ref in real.delete().deleted) == sorted([real.namespace, other])
    finally:
        real.cluster.delete(real.scope, ObjectRef("v1", "Namespace", "", other))


def test_the_servers_own_words_are_the_message(real: World) -> None:
    bad: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bad"}, "data": {"a": 1}}
    secret: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "stringData": {"a": 12345},
    }
    with pytest.raises(StepFailed) as told:
        real.apply(Manifest(bad, "k8s/bad.yaml:3"), Manifest(secret, "k8s/s.yaml:9"), config_map("good"))
    assert "configmap/bad: " in told.value.message
    assert ".data.a: expected string" in told.value.message
    assert told.value.where == "k8s/bad.yaml:3"
    assert "k8s/s.yaml:9: secret/s: " in told.value.evidence[0]
    assert "12345" not in told.value.evidence[0]
    assert "good" in real.names()


def test_marks_are_what_the_applyset_convention_says(real: World, kubectl: Kubectl) -> None:
    real.apply(config_map("a"), deployment())
    parent = kubectl.json("get", "configmap", "devloop-shop")
    applyset = parent["metadata"]["labels"]["applyset.kubernetes.io/id"]
    listed = kubectl.json("get", "configmaps,deployments", "-l", f"applyset.kubernetes.io/part-of={applyset}")
    assert sorted(each["metadata"]["name"] for each in listed["items"]) == ["a", "api"]
    assert (
        parent["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"] == "ConfigMap,Deployment.apps"
    )
