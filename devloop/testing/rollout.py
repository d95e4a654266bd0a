"""What the controllers of a cluster make of a Deployment, all at once.

Comes in: a Deployment of a fake cluster. Goes out, into that cluster: the ReplicaSet of its template, ready pods, a status; older
revisions have no pods any more. It decides nothing about failures: a test edits the pods for those.
"""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any, Protocol

from devloop.products import Object, ObjectRef

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"


class World(Protocol):
    """The part of FakeCluster that a rollout needs."""

    def put(self, obj: Object) -> Object: ...

    def take(self, ref: ObjectRef) -> None: ...

    def all(self, api_version: str, kind: str, *, namespace: str = "", labels: str = "") -> list[Object]: ...


def settle(world: World, deployment: Object) -> None:
    """Rolls the Deployment out to the end."""
    metadata, spec = deployment["metadata"], deployment["spec"]
    namespace, replicas = metadata["namespace"], spec.get("replicas", 1)
    template = spec.get("template") or {}
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
    older = [each for each in world.all("apps/v1", "ReplicaSet", namespace=namespace) if is_owned(each, deployment)]
    mine = next((each for each in older if each["metadata"]["labels"][HASH] == digest), None)
    newest = max((revision(each) for each in older), default=0)
    number = newest if mine and revision(mine) == newest else newest + 1
    for each in older:
        if each is not mine:
            _fill(world, each, template={}, replicas=0, revision=revision(each))
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH: digest}
    fresh = mine or {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": namespace,
            "labels": labels,
            "ownerReferences": [_owner(deployment)],
        },
        "spec": {"selector": {"matchLabels": labels}, "template": copy.deepcopy(template)},
    }
    _fill(world, fresh, template=template, replicas=replicas, revision=number)
    done = copy.deepcopy(deployment)
    done["metadata"].setdefault("annotations", {})[REVISION] = str(number)
    done["status"] = {
        "observedGeneration": metadata["generation"],
        **_counts(replicas),
        "updatedReplicas": replicas,
        "conditions": [
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
        ],
    }
    world.put(done)


def is_owned(obj: Object, by: Object) -> bool:
    """Whether `by` is among the owners of the object."""
    return any(owner["uid"] == by["metadata"]["uid"] for owner in obj["metadata"].get("ownerReferences") or ())


def revision(replica_set: Object) -> int:
    return int(replica_set["metadata"].get("annotations", {}).get(REVISION, "0"))


def _fill(world: World, replica_set: Object, *, template: Object, replicas: int, revision: int) -> None:
    """Makes the ReplicaSet have that many ready pods."""
    made = copy.deepcopy(replica_set)
    made["metadata"].setdefault("annotations", {})[REVISION] = str(revision)
    made["spec"]["replicas"] = replicas
    made["status"] = {"observedGeneration": 1, **_counts(replicas)}
    live = world.put(made)
    name, namespace = live["metadata"]["name"], live["metadata"]["namespace"]
    pods = [each for each in world.all("v1", "Pod", namespace=namespace) if is_owned(each, live)]
    for pod in pods[replicas:]:
        world.take(ObjectRef("v1", "Pod", namespace, pod["metadata"]["name"]))
    taken = {pod["metadata"]["name"] for pod in pods[:replicas]}
    free = (each for number in range(replicas) if (each := f"{name}-{number:05d}") not in taken)
    for pod_name, _ in zip(free, range(replicas - len(taken)), strict=False):
        world.put(_pod(live, pod_name, template))


def _pod(replica_set: Object, name: str, template: Object) -> Object:
    containers = (template.get("spec") or {}).get("containers") or []
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": replica_set["metadata"]["namespace"],
            "labels": dict(replica_set["metadata"]["labels"]),
            "annotations": dict((template.get("metadata") or {}).get("annotations") or {}),
            "ownerReferences": [_owner(replica_set)],
        },
        "spec": copy.deepcopy(template.get("spec") or {}),
        "status": {
            "phase": "Running",
            "podIP": "10.244.0.5",
            "conditions": [{"type": each, "status": "True"} for each in ("PodScheduled", "ContainersReady", "Ready")],
            "containerStatuses": [
                {
                    "name": each.get("name"),
                    "image": each.get("image", ""),
                    "imageID": "",
                    "ready": True,
                    "started": True,
                    "restartCount": 0,
                    "state": running,
                }
                for each in containers
            ],
        },
    }


def _counts(replicas: int) -> dict[str, Any]:
    """A count of 0 is left out, as the server does."""
    return {name: replicas for name in ("replicas", "readyReplicas", "availableReplicas") if replicas}


def _owner(obj: Object) -> Object:
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
        "controller": True,
    }
