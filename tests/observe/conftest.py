"""What tests of observation on the real cluster share: the door, the session's mirrors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from devloop import stages
from devloop.observe.pods import PodStore
from devloop.products import Applied, AppliedObject, Object, ObjectRef
from devloop.scope import Scope
from tests.conftest import BUSYBOX
from tests.e2e.kube import Cluster


@pytest.fixture
def door(cluster: Cluster, namespace: str) -> stages.Cluster:
    from devloop.effects.cluster import connect

    return connect(cluster.context, namespace)


@pytest.fixture
def session(door: stages.Cluster) -> Iterator[Scope]:
    """A session's scope, cancelled and joined at the end of the test."""
    with Scope("session") as scope:
        yield scope
        scope.cancel()


@pytest.fixture
def store(session: Scope, door: stages.Cluster) -> PodStore:
    return PodStore(session, door)


@pytest.fixture
def apply(session: Scope, door: stages.Cluster, namespace: str) -> Callable[..., Applied]:
    """A function: objects → what a unit named `unit` consists of after they were applied."""

    def run(*objects: Object, unit: str = "shop") -> Applied:
        found = []
        for each in objects:
            wanted = {**each, "metadata": {**each["metadata"], "namespace": namespace}}
            ref = ObjectRef(each["apiVersion"], each["kind"], namespace, each["metadata"]["name"])
            before = door.get(session, ref)
            live = {**door.apply(session, wanted), "apiVersion": ref.api_version, "kind": ref.kind}
            is_changed = before is None or before["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]
            found.append(AppliedObject(ref, live, "test.yaml", is_changed))
        return Applied(unit, namespace, tuple(found))

    return run


def workload(
    script: str, *, kind: str = "Deployment", name: str = "api", replicas: int = 1, image: str = BUSYBOX, **more: Any
) -> Object:
    """A workload whose one container `main` runs a shell script; `more` goes into the container, `pod` of it into the pod's spec."""
    labels = {"app": name}
    pod: Mapping[str, Any] = more.pop("pod", {})
    spec: dict[str, Any] = {
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "terminationGracePeriodSeconds": 1,
                "containers": [{"name": "main", "image": image, "command": ["sh", "-c", script], **more}],
                **pod,
            },
        },
    }
    if kind != "DaemonSet":
        spec["replicas"] = replicas
    if kind == "StatefulSet":
        spec["serviceName"] = name
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "labels": labels}, "spec": spec}
