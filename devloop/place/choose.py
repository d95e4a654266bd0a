"""Which way images get to a cluster.

Comes in: the config's `cluster`, the cluster and the engine. Goes out: a placer, or what to set when none fits. It looks at what
is there, once at the start of a session; it sends nothing.
"""

from __future__ import annotations

from devloop import events
from devloop.config import model
from devloop.effects.process import not_installed
from devloop.errors import StepFailed, UsageError
from devloop.place import minikube
from devloop.place.hosting import PLACE, discover
from devloop.place.nodes import NodesPlacer
from devloop.place.pushed import PushedSource, is_near
from devloop.place.registry import RegistryPlacer
from devloop.place.saved import from_save
from devloop.place.shared import SharedPlacer, is_shared
from devloop.products import Object
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster, Container, Engine, Placer, Processes

KIND_LABEL = "io.x-k8s.kind.cluster"
# Labels of the containers that are nodes of kind, k3d, and minikube's docker driver. All three name container and node the same.
NODE_LABELS = (KIND_LABEL, "k3d.role", "name.minikube.sigs.k8s.io")


def choose(
    scope: Scope,
    spec: model.Cluster,
    cluster: Cluster,
    engine: Engine,
    processes: Processes,
    *,
    emit: events.Emit,
) -> Placer:
    """The way for this cluster: the config's registry, else into the nodes that are containers of the engine (their missing layers are the
    quickest), else none because the engine is the cluster's, else the registry that the cluster names, else minikube's own way. `emit`
    is told of the last two.

    Blocks for two questions to the cluster and two to the engine. Raises: UsageError when no way is known, or the docker CLI, which
    all ways but the shared engine need, is not installed; Unavailable.
    """
    if spec.registry is not None:
        _require(processes, "docker")
        return RegistryPlacer(spec.registry)
    nodes = _nodes(scope, cluster)
    if containers := own_nodes(nodes, engine):
        _require(processes, engine.cli()[0])
        return NodesPlacer(containers, PushedSource() if is_near(engine) else from_save)
    if is_shared(nodes, engine):
        return SharedPlacer()
    if hosting := discover(scope, cluster, emit):
        _require(processes, "docker")
        emit(
            events.Notice(
                message=f"images go through {hosting.host}, the registry that the cluster names",
                where=PLACE,
                is_answer=True,
            )
        )
        return RegistryPlacer(hosting.host, hosting.runtime_host)
    if minikube.runtime(scope, cluster.context, processes):
        emit(
            events.Notice(
                message=f"images go whole through minikube image load: the nodes of {cluster.context} are no containers of this engine",
                hint="only what changed is sent after minikube start --driver=docker --container-runtime=containerd",
            )
        )
        return minikube.MinikubePlacer(cluster.context)
    raise UsageError(
        f"the cluster of context {cluster.context} cannot see the images of this Docker engine",
        hint="set cluster.registry to a registry that both the engine and the cluster reach",
        where=f"context {cluster.context}",
    )


def own_nodes(nodes: list[Object], engine: Engine) -> tuple[Container, ...]:
    """The running containers of this engine that are the cluster's nodes, and run containerd."""
    names = {node["metadata"]["name"] for node in nodes if _runtime(node).startswith("containerd://")}
    boxes = {box.name: box for label in NODE_LABELS for box in engine.containers({label: ""}) if box.name in names}
    return tuple(boxes[name] for name in sorted(boxes))


def _runtime(node: Object) -> str:
    return str(node.get("status", {}).get("nodeInfo", {}).get("containerRuntimeVersion", ""))


def _nodes(scope: Scope, cluster: Cluster) -> list[Object]:
    try:
        return cluster.list(scope, "v1", "Node")
    except ApiRefusal as refusal:
        if refusal.code != 403:
            raise StepFailed(f"the API server does not list its nodes: {refusal.message}") from refusal
        return []  # a shared cluster where nodes are none of our business; only a registry can help there


def _require(processes: Processes, program: str) -> None:
    if processes.find(program) is None:
        raise not_installed(program)
