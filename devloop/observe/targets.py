"""Where a port forward leads: from `kind/name` and a port to a pod and a number.

Comes in: the forward's spec, the live resource and the pods of its namespace. Goes out: the newest ready pod that is not on its way out,
or the reason why there is none. Pure. Named ports are the container's (or the Service's, whose targetPort may be a name again).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devloop.config import model
from devloop.products import Object

from .containers import is_ready
from .pods import Source, belongs, pods_of, selects

KINDS: Mapping[str, tuple[str, str]] = {
    "pod": ("v1", "Pod"),
    "service": ("v1", "Service"),
    "deployment": ("apps/v1", "Deployment"),
    "statefulset": ("apps/v1", "StatefulSet"),
    "daemonset": ("apps/v1", "DaemonSet"),
    "replicaset": ("apps/v1", "ReplicaSet"),
    "job": ("batch/v1", "Job"),
}


@dataclass(frozen=True)
class Target:
    """A pod that serves, and the number of its port."""

    pod: str
    uid: str
    port: int


def resource_source(spec: model.PortForward, namespace: str) -> Source | None:
    """What to watch for the resource; None for a kind that cannot be forwarded to."""
    kind = KINDS.get(spec.resource.partition("/")[0].lower())
    return Source(*kind, namespace) if kind else None


def sources(spec: model.PortForward, namespace: str) -> list[Source]:
    """All that decides where the forward leads."""
    resource = resource_source(spec, namespace)
    return [pods_of(namespace), *([resource] if resource else [])]


def find_target(spec: model.PortForward, live: Object | None, pods: Sequence[Object]) -> Target | str:
    """The newest ready pod of the resource with its port; in words why there is none. `live`: the resource, None while there is none."""
    if spec.resource.partition("/")[0].lower() not in KINDS:
        return f"{spec.resource} has no pods: use one of {', '.join(sorted(KINDS))}"
    if live is None:
        return f"there is no {spec.resource}"
    port: int | str = spec.port
    if live["kind"] == "Service":
        found = _service_port(live, spec.port)
        if found is None:
            return f"{spec.resource} has no port {spec.port}"
        if not live["spec"].get("selector"):
            return f"{spec.resource} has no selector, so no pods"
        port = found.get("targetPort", found["port"])
    newest = newest_ready(live, pods)
    if newest is None:
        return f"no pod of {spec.resource} is ready"
    number = port if isinstance(port, int) else _container_port(newest["spec"], port)
    if number is None:
        return f"no container of {spec.resource} has a port named {port}"
    return Target(newest["metadata"]["name"], newest["metadata"]["uid"], number)


def newest_ready(live: Object, pods: Sequence[Object]) -> Object | None:
    """The newest pod of a workload, or behind a Service, that is ready and not on its way out."""
    if live["kind"] == "Service":
        selector = live["spec"].get("selector")
        mine = [pod for pod in pods if selector and selects({"matchLabels": selector}, pod)]
    else:
        mine = [pod for pod in pods if belongs(pod, live)]
    ready = [pod for pod in mine if is_ready(pod)]
    return max(
        ready, key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["name"]), default=None
    )


def usual_local_port(spec: model.PortForward, live: Object | None) -> int | None:
    """The local port when the spec names none: the same number, for a named port the one behind it; None while that is not known."""
    if isinstance(spec.port, int):
        return spec.port
    if live is None:
        return None
    if live["kind"] == "Service":
        found = _service_port(live, spec.port)
        return int(found["port"]) if found else None
    return _container_port(live["spec"] if live["kind"] == "Pod" else live["spec"]["template"]["spec"], spec.port)


def _service_port(live: Object, port: int | str) -> Mapping[str, Any] | None:
    ports: Sequence[Mapping[str, Any]] = live["spec"].get("ports") or []
    key = "port" if isinstance(port, int) else "name"
    return next((each for each in ports if each.get(key) == port), None)


def _container_port(spec: Mapping[str, Any], name: str) -> int | None:
    if name.isdigit():
        return int(name)
    return next((int(each["containerPort"]) for each in _ports(spec) if each.get("name") == name), None)


def _ports(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for kind in ("containers", "initContainers"):
        for container in spec.get(kind) or []:
            yield from container.get("ports") or []
