"""What the file leaves out and other parts of it, or the name of its folder, decide.

Comes in: a decoded project and the folder of its file. Goes out: the project with names, releases and local ports filled in, and
resources spelt one way. Pure: the folder is only a name here. A name never depends on the position in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from devloop.config import model
from devloop.config.names import number, to_label

# As kubectl abbreviates them.
KINDS: Mapping[str, tuple[str, ...]] = {
    "pod": ("po", "pods"),
    "deployment": ("deploy", "deployments"),
    "statefulset": ("sts", "statefulsets"),
    "daemonset": ("ds", "daemonsets"),
    "replicaset": ("rs", "replicasets"),
    "job": ("jobs",),
    "service": ("svc", "services"),
}
_SPELT = {name: kind for kind, names in KINDS.items() for name in (kind, *names)}

# What a unit may need: the kind as Kubernetes spells it, and where it lives; by the names that kubectl knows.
RESOURCES: Mapping[str, tuple[str, str]] = {
    name: (api_version, kind)
    for api_version, kind, short in (
        ("v1", "Pod", ("po", "pods")),
        ("v1", "Service", ("svc", "services")),
        ("v1", "ConfigMap", ("cm", "configmaps")),
        ("v1", "Secret", ("secrets",)),
        ("v1", "Namespace", ("ns", "namespaces")),
        ("v1", "Node", ("no", "nodes")),
        ("v1", "PersistentVolumeClaim", ("pvc", "persistentvolumeclaims")),
        ("v1", "PersistentVolume", ("pv", "persistentvolumes")),
        ("v1", "ServiceAccount", ("sa", "serviceaccounts")),
        ("apps/v1", "Deployment", ("deploy", "deployments")),
        ("apps/v1", "StatefulSet", ("sts", "statefulsets")),
        ("apps/v1", "DaemonSet", ("ds", "daemonsets")),
        ("apps/v1", "ReplicaSet", ("rs", "replicasets")),
        ("batch/v1", "Job", ("jobs",)),
        ("networking.k8s.io/v1", "Ingress", ("ing", "ingresses")),
        ("storage.k8s.io/v1", "StorageClass", ("sc", "storageclasses")),
        ("apiregistration.k8s.io/v1", "APIService", ("apiservices",)),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", ("crd", "crds", "customresourcedefinitions")),
    )
    for name in (kind.lower(), *short)
}

_MAGIC = frozenset("*?[")
_MANIFEST_SUFFIXES = (".yaml", ".yml", ".json")
# Parts of a path that say nothing about what lies there.
_NO_NAMES = frozenset({"", ".", "..", "base", "overlays"})


def fill(project: model.Project, base: Path) -> model.Project:
    """The project with its defaults."""
    name = project.metadata.name or to_label(base.name) or "project"
    return replace(
        project,
        metadata=replace(project.metadata, name=name),
        deploy=tuple(_unit(each, name) for each in project.deploy),
        port_forward=tuple(_forward(each) for each in project.port_forward),
    )


def _unit(unit: model.Unit, project: str) -> model.Unit:
    name = unit_name(unit) or project
    unit = replace(unit, needs=tuple(map(_need, unit.needs)))
    if unit.helm is None:
        return replace(unit, name=name)
    return replace(unit, name=name, helm=replace(unit.helm, release=unit.helm.release or name))


def unit_name(unit: model.Unit) -> str:
    """The unit's name, or the one that what it deploys gives it; empty when that says nothing."""
    return unit.name or to_label(_derived(unit))


def _need(need: model.Need) -> model.Need:
    kind, slash, name = (need.resource or "").partition("/")
    if need.api_version is not None or not name or kind.lower() not in RESOURCES:
        return need
    api_version, spelt = RESOURCES[kind.lower()]
    return replace(need, resource=spelt + slash + name, api_version=api_version)


def _derived(unit: model.Unit) -> str:
    """A name from what is deployed: of manifests the first entry decides, so that adding one renames nothing."""
    if unit.helm is not None:
        return unit.helm.release or _last(unit.helm.chart.removesuffix(".tgz").split("/"))
    if unit.kustomize is not None:
        return _last(unit.kustomize.path.split("/"))
    if unit.ytt is not None:
        return _of_manifests(unit.ytt.files[0]) if unit.ytt.files else ""
    if unit.custom is not None:
        return _last(unit.custom.dir.split("/"))
    return _of_manifests(unit.manifests[0]) if unit.manifests else ""


def _of_manifests(pattern: str) -> str:
    parts = (pattern.partition("#")[0] if model.is_url(pattern) else pattern).split("/")
    plain = next((index for index, part in enumerate(parts) if _MAGIC & set(part)), len(parts))
    last = _last(parts[:plain])
    if plain == len(parts):
        for suffix in _MANIFEST_SUFFIXES:
            last = last.removesuffix(suffix)
    return last


def _last(parts: Iterable[str]) -> str:
    """The last part that says something; empty when none does."""
    return next((part for part in reversed(tuple(parts)) if part not in _NO_NAMES), "")


def _forward(spec: model.PortForward) -> model.PortForward:
    kind, slash, name = spec.resource.partition("/")
    resource = _SPELT.get(kind.lower(), kind) + slash + name
    named = number(spec.port) if isinstance(spec.port, str) else None
    port = spec.port if named is None else named
    local_port = port if spec.local_port is None and isinstance(port, int) else spec.local_port
    return replace(spec, resource=resource, port=port, local_port=local_port)
