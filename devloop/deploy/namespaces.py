"""Namespaces that units ask for.

Comes in: a name. Goes out: nothing; the namespace is there then. One that is there already is left as it is, and none is ever deleted.
"""

from __future__ import annotations

from devloop.errors import StepFailed
from devloop.products import ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster


def ensure(scope: Scope, cluster: Cluster, name: str, where: str) -> bool:
    """Makes the namespace if it is not there; whether it did. Blocks. Raises: StepFailed when the cluster refuses; Unavailable."""
    try:
        if cluster.get(scope, ObjectRef("v1", "Namespace", "", name)) is not None:
            return False
        cluster.apply(scope, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    except ApiRefusal as exc:
        raise StepFailed(f"the namespace {name} cannot be made: {exc.message}", where=where) from exc
    return True
