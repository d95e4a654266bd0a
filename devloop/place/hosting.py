"""The registry that a local cluster says it has: the ConfigMap of KEP-1755 in kube-public.

Comes in: the cluster. Goes out: where to push and what nodes call that place, or nothing, with the reason said. It never
trusts an address off this machine: a cluster could then send a developer's images anywhere.
https://github.com/kubernetes/enhancements/tree/master/keps/sig-cluster-lifecycle/generic/1755-communicating-a-local-registry
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devloop import events
from devloop.errors import StepFailed
from devloop.products import Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster

CONFIG_MAP = ObjectRef("v1", "ConfigMap", "kube-public", "local-registry-hosting")
KEY = "localRegistryHosting.v1"
PLACE = f"configmap {CONFIG_MAP.namespace}/{CONFIG_MAP.name}"

_HOST = re.compile(r"(?P<name>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[a-z0-9._/-]*)?")
_HERE = re.compile(r"localhost|.+\.localhost|127(\.[0-9]+){3}|\[::1\]")


@dataclass(frozen=True)
class Hosting:
    """`host`: where this machine pushes to. `runtime_host`: what the nodes' containerd calls the same place."""

    host: str
    runtime_host: str


class Unusable(Exception):
    """Why the ConfigMap says nothing that can be followed; `hint`: what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def discover(scope: Scope, cluster: Cluster, emit: events.Emit) -> Hosting | None:
    """The cluster's own registry; None when it names none, or one that cannot be used, of which it tells. Blocks for one question.

    Raises: Unavailable, and StepFailed for what the API server refuses, unless it is that one may not look.
    """
    try:
        found = cluster.get(scope, CONFIG_MAP)
    except ApiRefusal as refusal:
        if refusal.code != 403:
            raise StepFailed(f"the API server does not show {PLACE}: {refusal.message}") from refusal
        return None
    if found is None:
        return None
    try:
        return parse(found.get("data") or {})
    except Unusable as why:
        emit(events.Notice(message=f"the cluster's registry is not used: {why}", hint=why.hint, where=PLACE))
        return None


def parse(data: Mapping[str, Any]) -> Hosting:
    """What the ConfigMap's data says. Pure. Raises: Unusable."""
    import yaml

    text = data.get(KEY)
    if not isinstance(text, str):
        raise Unusable(f"there is no {KEY} in it", f"it needs the key {KEY} with `host: localhost:PORT`")
    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        cause = getattr(problem, "problem", None) or str(problem)
        raise Unusable(
            f"{KEY} is no YAML: {line}{cause}", "it has to be a mapping with `host: localhost:PORT`"
        ) from None
    if not isinstance(said, dict):
        raise Unusable(f"{KEY} is no mapping", "it has to be a mapping with `host: localhost:PORT`")
    host = _host(said, "host")
    if host is None:
        raise Unusable("it names no host", "add `host: localhost:PORT`, the address that this machine pushes to")
    matched = _HOST.fullmatch(host)
    if matched and not _HERE.fullmatch(matched["name"]):
        raise Unusable(f"{host} is not on this machine", f"if you trust it, set cluster.registry: {host}")
    return Hosting(host, _host(said, "hostFromContainerRuntime") or host)


def _host(said: Mapping[str, Any], field: str) -> str | None:
    value = said.get(field)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or not _HOST.fullmatch(value):
        raise Unusable(f"{field} is {value!r}", f"{field} is a name and a port, `localhost:5001`, without https://")
    return value.rstrip("/")


def config_map(host: str, help_url: str = "https://kind.sigs.k8s.io/docs/user/local-registry/") -> Object:
    """What says that a registry is there; `parse` understands its data. `host`: as this machine and the nodes know it."""
    metadata = {"namespace": CONFIG_MAP.namespace, "name": CONFIG_MAP.name}
    data = {KEY: f'host: "{host}"\nhelp: "{help_url}"\n'}
    return {"apiVersion": CONFIG_MAP.api_version, "kind": CONFIG_MAP.kind, "metadata": metadata, "data": data}
