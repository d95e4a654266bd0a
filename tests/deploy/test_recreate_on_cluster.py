"""What cannot change in place is made again where nothing is lost, and otherwise only for whom it names."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from devloop.deploy import marks
from devloop.deploy.apply import Consent
from devloop.errors import StepFailed
from devloop.products import Manifest, ObjectRef
from tests.deploy.conftest import World, manifest
from tests.e2e.kube import Kubectl

RBAC = "rbac.authorization.k8s.io"


def template(image: str = "none:1", **labels: str) -> dict[str, Any]:
    container = {"name": "c", "image": image, "imagePullPolicy": "Never"}
    return {"metadata": {"labels": {"app": "a", **labels}}, "spec": {"containers": [container]}}


def job(image: str) -> Manifest:
    pod = template(image)
    pod["spec"]["restartPolicy"] = "Never"
    return manifest("batch/v1", "Job", "migrate", spec={"template": pod, "suspend": True})


def workload(kind: str, **labels: str) -> Manifest:
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": "a", **labels}}, "template": template(**labels)}
    if kind == "DaemonSet":
        spec["template"]["spec"]["nodeSelector"] = {"none": "such"}
    else:
        spec["replicas"] = 0
    return manifest("apps/v1", kind, "w", spec=spec)


def service(address: str) -> Manifest:
    return manifest("v1", "Service", "s", spec={"ports": [{"port": 80}], "clusterIP": address})


def claim(mode: str) -> Manifest:
    spec = {"accessModes": [mode], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "none"}
    return manifest("v1", "PersistentVolumeClaim", "data", spec=spec)


def stateful_set(service_name: str, *, has_claims: bool = False) -> Manifest:
    spec: dict[str, Any] = {
        "replicas": 0,
        "serviceName": service_name,
        "selector": {"matchLabels": {"app": "a"}},
        "template": template(),
    }
    if has_claims:
        spec["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": claim("ReadWriteOnce").object["spec"]}]
    return manifest("apps/v1", "StatefulSet", "db", spec=spec)


def fixed(kind: str, value: str) -> Manifest:
    return manifest("v1", kind, "m", immutable=True, **{"stringData" if kind == "Secret" else "data": {"a": value}})


def typed(of: str) -> Manifest:
    return manifest("v1", "Secret", "t", type=of, stringData={"a": "1"})


def binding(role: str) -> Manifest:
    return manifest(f"{RBAC}/v1", "RoleBinding", "b", roleRef={"apiGroup": RBAC, "kind": "Role", "name": role})


def addresses(family: str) -> Manifest:
    return manifest("discovery.k8s.io/v1", "EndpointSlice", "e", addressType=family, endpoints=[])


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        (job("none:1"), job("none:2"), "spec.template.spec"),
        (workload("Deployment"), workload("Deployment", more="1"), "spec.selector"),
        (workload("DaemonSet"), workload("DaemonSet", more="1"), "spec.selector"),
        (workload("ReplicaSet"), workload("ReplicaSet", more="1"), "spec.selector"),
        (stateful_set("one"), stateful_set("two"), "spec"),
        (service("10.96.77.1"), service("10.96.77.2"), "spec.clusterIPs[0]"),
        (service("10.96.77.3"), service("None"), "spec.clusterIPs[0]"),
        (fixed("ConfigMap", "1"), fixed("ConfigMap", "2"), "data"),
        (fixed("Secret", "1"), fixed("Secret", "2"), "data"),
        (typed("Opaque"), typed("example.com/other"), "type"),
        (binding("one"), binding("two"), "roleRef"),
        (addresses("IPv4"), addresses("IPv6"), "addressType"),
    ],
    ids=lambda each: f"{each.object['kind']}" if isinstance(each, Manifest) else each,
)
def test_what_loses_nothing_is_made_again_with_the_reason(
    real: World, before: Manifest, after: Manifest, field: str
) -> None:
    first = real.apply(before).objects[0]
    second = real.apply(after).objects[0]
    assert second.is_changed
    assert first.live["metadata"]["uid"] != second.live["metadata"]["uid"]
    assert real.lines == [f"{first.ref} was deleted and made again: {field} cannot change in place"]
    real.apply(after)
    assert real.cluster.writes == []


@pytest.fixture
def mine(real: World) -> Iterator[str]:
    """A name for objects outside of namespaces, which are removed afterwards."""
    name = f"t{uuid.uuid4().hex[:10]}"
    yield name
    kinds = (("storage.k8s.io/v1", "StorageClass"), ("scheduling.k8s.io/v1", "PriorityClass"))
    for api_version, kind in kinds:
        real.cluster.delete(real.scope, ObjectRef(api_version, kind, "", name))


def test_classes_are_made_again_too(real: World, mine: str) -> None:
    def classes(parameter: str, value: int) -> list[Manifest]:
        storage = {"provisioner": "example.com/none", "parameters": {"a": parameter}}
        priority = manifest("scheduling.k8s.io/v1", "PriorityClass", mine, value=value)
        return [manifest("storage.k8s.io/v1", "StorageClass", mine, **storage), priority]

    real.apply(*classes("1", 1))
    real.apply(*classes("2", 2))
    assert sorted(real.lines) == [
        f"priorityclass/{mine} was deleted and made again: value cannot change in place",
        f"storageclass/{mine} was deleted and made again: parameters cannot change in place",
    ]


def test_a_pod_takes_a_new_image_in_place_and_is_made_again_for_the_rest(real: World) -> None:
    def pod(image: str, command: str) -> Manifest:
        container = {"name": "c", "image": image, "imagePullPolicy": "Never", "command": [command]}
        return manifest("v1", "Pod", "p", spec={"terminationGracePeriodSeconds": 1, "containers": [container]})

    uids = [
        real.apply(pod(image, command)).objects[0].live["metadata"]["uid"]
        for image, command in (("none:1", "a"), ("none:2", "a"), ("none:2", "b"))
    ]
    assert uids[0] == uids[1] != uids[2]


@pytest.mark.parametrize(
    ("before", "after", "hint"),
    [
        (
            claim("ReadWriteOnce"),
            claim("ReadWriteMany"),
            "a PersistentVolumeClaim is deleted only by name: start again with --recreate persistentvolumeclaim/data"
            " to have it deleted and made anew; its data goes",
        ),
        (
            stateful_set("one", has_claims=True),
            stateful_set("two", has_claims=True),
            "it has volume claims: start again with --recreate statefulset/db to have it deleted and made anew;"
            " its claims and their data stay",
        ),
    ],
    ids=["claim", "stateful"],
)
def test_where_data_could_go_it_has_to_be_named(real: World, before: Manifest, after: Manifest, hint: str) -> None:
    first = real.apply(before).objects[0]
    with pytest.raises(StepFailed) as told:
        real.apply(after)
    assert told.value.where == after.source
    assert told.value.hint == hint
    assert not any(each.startswith("delete") for each in real.cluster.writes)
    second = real.apply(after, consent=Consent(recreate=frozenset({str(first.ref)}))).objects[0]
    assert first.live["metadata"]["uid"] != second.live["metadata"]["uid"]


def test_the_claims_of_a_stateful_set_outlive_its_making_again(real: World, kubectl: Kubectl) -> None:
    first, second = stateful_set("one", has_claims=True), stateful_set("two", has_claims=True)
    for each in (first, second):
        each.object["spec"]["replicas"] = 1
    real.apply(first)
    kubectl.run("wait", "--for=create", "pvc/data-db-0", "--timeout=30s")
    before = kubectl.get("pvc", "data-db-0")
    real.apply(second, consent=Consent(recreate=frozenset({"statefulset/db"})))
    after = kubectl.get("pvc", "data-db-0")
    assert before is not None
    assert after is not None
    assert before["metadata"]["uid"] == after["metadata"]["uid"]
    assert not after["metadata"].get("deletionTimestamp")


def test_what_was_there_before_has_to_be_named(real: World, kubectl: Kubectl) -> None:
    kubectl.run("create", "job", "migrate", "--image=none:0")
    with pytest.raises(StepFailed, match="field is immutable") as told:
        real.apply(job("none:1"), consent=Consent(is_forcing=True))
    assert (told.value.hint or "").startswith(
        "it was there before devloop: start again with --recreate job/migrate to have it deleted"
    )
    assert not any(each.startswith("delete") for each in real.cluster.writes)
    consent = Consent(is_forcing=True, recreate=frozenset({"job/migrate"}))
    assert real.apply(job("none:1"), consent=consent).objects[0].is_changed


def test_what_an_annotation_keeps_has_to_be_named(real: World) -> None:
    before, after = fixed("ConfigMap", "1"), fixed("ConfigMap", "2")
    for each in (before, after):
        each.object["metadata"] = {"name": "m", "annotations": {marks.KEEP: "true"}}
    real.apply(before)
    with pytest.raises(StepFailed) as told:
        real.apply(after)
    assert "its annotation devloop.dev/keep says so" in (told.value.hint or "")


def test_one_that_cannot_change_does_not_stop_its_siblings(real: World) -> None:
    real.apply(claim("ReadWriteOnce"), fixed("ConfigMap", "1"))
    with pytest.raises(StepFailed, match="persistentvolumeclaim/data"):
        real.apply(claim("ReadWriteMany"), fixed("ConfigMap", "2"))
    live = real.live("ConfigMap", "m")
    assert live is not None
    assert live["data"] == {"a": "2"}
