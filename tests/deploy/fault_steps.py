"""The steps of a project's life that are broken off at every write: `python -m tests.deploy.fault_steps STEP CONTEXT NAMESPACE`.

They are devloop's own apply, prune and delete, on the cluster of KUBECONFIG. The set is small, and has one of each way to write: made,
changed, pruned, made again, adopted with fields taken over, given back.
"""

from __future__ import annotations

import sys

from devloop.deploy.apply import Owner, apply
from devloop.deploy.delete import delete
from devloop.effects import cluster as cluster_door
from devloop.products import Manifest, Object
from devloop.scope import Scope
from devloop.stages import Cluster

PROJECT = "shop"


def config_map(name: str, value: str, **more: object) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value}, **more}


def secret(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"key": "1"}}


RENDERED: dict[str, list[Object]] = {
    "first": [
        config_map("changes", "1"),
        config_map("fixed", "1", immutable=True),
        {**config_map("old", "1"), "data": {"key": "1", "same": "1"}},
        secret("goes"),
    ],
    "second": [config_map("changes", "2"), config_map("fixed", "2", immutable=True), secret("comes")],
}
STEPS = ("first", "second", "delete")


def run(step: str, scope: Scope, cluster: Cluster, namespace: str) -> None:
    """One step. Raises: Unavailable when it is broken off."""
    if step == "delete":
        delete(scope, cluster, project=PROJECT, namespace=namespace)
        return
    manifests = [Manifest(each, f"k8s/{each['metadata']['name']}.yaml:1") for each in RENDERED[step]]
    owner = Owner(PROJECT, "u", frozenset({"u"}))
    apply(scope, cluster, owner=owner, namespace=namespace, manifests=manifests, images={})


def main() -> None:
    step, context, namespace = sys.argv[1:]
    with Scope(step) as scope:
        run(step, scope, cluster_door.connect(context, namespace), namespace)


if __name__ == "__main__":
    main()
