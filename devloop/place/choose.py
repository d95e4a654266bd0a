"""Which way images get to a cluster, and which engine a cluster brings along.

Comes in: the config's `cluster`, the cluster and the engine. Goes out: a placer, or what to set when none fits. It looks at what
is there, once at the start of a session; it sends nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from devloop import events
from devloop.config import model
from devloop.effects.process import not_installed
from devloop.errors import StepFailed, Unavailable, UsageError
from devloop.place.hosting import PLACE, discover
from devloop.place.kind import KindPlacer
from devloop.place.pushed import PushedSource, is_near
from devloop.place.registry import RegistryPlacer
from devloop.place.saved import from_save
from devloop.place.shared import SharedPlacer, is_shared
from devloop.products import Object
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster, Container, Engine, Placer, Processes

KIND_LABEL = "io.x-k8s.kind.cluster"


def choose(
    scope: Scope,
    spec: model.Cluster,
    cluster: Cluster,
    engine: Engine,
    processes: Processes,
    *,
    emit: events.Emit,
) -> Placer:
    """The way for this cluster: the config's registry, else kind's nodes (their missing layers are the quickest), else none because the
    engine is the cluster's, else the registry that the cluster names, which `emit` is told of.

    Blocks for two questions to the cluster and two to the engine. Raises: UsageError when no way is known, or the docker CLI, which
    all ways but the shared engine need, is not installed; Unavailable.
    """
    if spec.registry is not None:
        _require_docker(processes)
        return RegistryPlacer(spec.registry)
    nodes = _nodes(scope, cluster)
    if containers := kind_nodes(nodes, engine):
        _require_docker(processes)
        return KindPlacer(containers, PushedSource() if is_near(engine) else from_save)
    if is_shared(nodes, engine):
        return SharedPlacer()
    if hosting := discover(scope, cluster, emit):
        _require_docker(processes)
        emit(
            events.Notice(message=f"images go through {hosting.host}, the registry that the cluster names", where=PLACE)
        )
        return RegistryPlacer(hosting.host, hosting.runtime_host)
    raise UsageError(
        f"the cluster of context {cluster.context} cannot see the images of this Docker engine",
        hint="set cluster.registry to a registry that both the engine and the cluster reach",
        where=f"context {cluster.context}",
    )


def kind_nodes(nodes: list[Object], engine: Engine) -> tuple[Container, ...]:
    """The running containers of this engine that are the cluster's nodes: kind names both the same."""
    names = {node["metadata"]["name"] for node in nodes}
    return tuple(box for box in engine.containers({KIND_LABEL: ""}) if box.name in names)


def engine_environment(scope: Scope, context: str, processes: Processes) -> Mapping[str, str]:
    """Variables that lead to the engine which the cluster of a context brings along: a minikube profile's; {} for others.

    Runs minikube only where it is installed. Raises: Unavailable when the profile's engine cannot be asked.
    """
    if context.startswith(("kind-", "k3d-")) or processes.find("minikube") is None:
        return {}
    listed = processes.run(scope, ["minikube", "profile", "list", "--light", "--output=json"], check=False)
    if context not in _docker_profiles(listed.stdout):
        return {}
    try:
        done = processes.run(scope, ["minikube", "--profile", context, "docker-env", "--shell=none"])
    except StepFailed as failed:
        raise Unavailable(
            f"minikube profile {context} does not say how to reach its Docker engine",
            hint=f"is it running? `minikube start --profile {context}`",
            evidence=failed.evidence,
        ) from failed
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {key: value.strip('"') for key, equals, value in pairs if equals and key.startswith("DOCKER_")}


def _docker_profiles(listed: str) -> set[str]:
    try:
        profiles = json.loads(listed).get("valid") or []
        return {
            profile["Name"]
            for profile in profiles
            if profile["Config"]["KubernetesConfig"]["ContainerRuntime"] == "docker"
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()  # no profiles, said in words


def _nodes(scope: Scope, cluster: Cluster) -> list[Object]:
    try:
        return cluster.list(scope, "v1", "Node")
    except ApiRefusal as refusal:
        if refusal.code != 403:
            raise StepFailed(f"the API server does not list its nodes: {refusal.message}") from refusal
        return []  # a shared cluster where nodes are none of our business; only a registry can help there


def _require_docker(processes: Processes) -> None:
    if processes.find("docker") is None:
        raise not_installed("docker")
