"""Kubernetes objects in the files of a folder: which images they run, and on which ports.

Comes in: a tree. Goes out: the objects of each file, once. A file that is no YAML, or holds templates, has none. Pure but for reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from devloop.config import names
from devloop.render import objects
from devloop.setup import reading
from devloop.setup.records import Use
from devloop.setup.walk import Tree

SUFFIXES = (".yaml", ".yml", ".json")
_POD_TEMPLATES = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"})
_FOLLOWED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "Pod"})


@dataclass(frozen=True)
class Objects:
    """A file's objects. `problem`: what is wrong with a file that means to hold some."""

    file: str
    found: tuple[Mapping[str, Any], ...] = ()
    problem: str = ""


def read(tree: Tree, file: str) -> Objects:
    """The objects of a file; none when it is something else."""
    text = tree.read(file)
    if "kind" not in text or "apiVersion" not in text:
        return Objects(file)
    parsed, problems = reading.parse(tree, file)
    if problems:
        is_template = "{{" in text or "${" in text
        return Objects(file, problem="" if is_template else str(problems[0]))
    found, wrong = objects.manifests(parsed, file)
    if wrong or any(not _is_deployable(each.object) for each in found):
        return Objects(file)
    return Objects(file, tuple(each.object for each in found))


def uses(found: Iterable[Objects]) -> tuple[Use, ...]:
    """The images that the objects run, each place by itself."""
    return tuple(use for each in found for obj in each.found for use in _uses(obj, each.file))


def services(found: Iterable[Objects]) -> tuple[tuple[str, int], ...]:
    """Each Service that has a selector, with its first TCP port."""
    return tuple(
        (str(obj["metadata"]["name"]), port)
        for each in found
        for obj in each.found
        if obj["kind"] == "Service" and isinstance(spec := obj.get("spec"), dict) and spec.get("selector")
        for port in _ports(spec.get("ports"), "port")[:1]
    )


def use(image: object, file: str, **facts: Any) -> Use | None:
    """The use of an image by its reference; None for what is none."""
    text = image.strip() if isinstance(image, str) else ""
    name = names.without_tag(text)
    return Use(name, file, is_pinned="@" in text, **facts) if name and names.is_repository(name) else None


def _is_deployable(obj: Mapping[str, Any]) -> bool:
    """Whether it is meant for the API server; files of tools look much the same."""
    group = str(obj["apiVersion"]).rpartition("/")[0]
    return not group.endswith(("kustomize.config.k8s.io", "kind.x-k8s.io", "k3d.io", "config.k8s.io", "skaffold")) and (
        group not in ("skaffold", "devloop", "kubeadm.k8s.io")
    )


def _uses(obj: Mapping[str, Any], file: str) -> Iterator[Use]:
    if obj["kind"] not in _POD_TEMPLATES:
        return
    name = obj["metadata"]["name"]
    workload = f"{obj['kind'].lower()}/{name}" if obj["kind"] in _FOLLOWED else ""
    for each in _containers(obj.get("spec")):
        facts = {
            "workload": workload,
            "container": str(each.get("name", "")),
            "ports": _ports(each.get("ports"), "containerPort"),
        }
        found = use(each.get("image"), file, **facts)
        if found:
            yield found


def _containers(spec: Any) -> Iterator[dict[str, Any]]:
    """Those of a pod's spec, wherever it lies: a Pod's own, a template's, a CronJob's template's template."""
    if not isinstance(spec, dict):
        return
    for key in ("containers", "initContainers"):
        if isinstance(spec.get(key), list):
            yield from (each for each in spec[key] if isinstance(each, dict))
    for key in ("template", "jobTemplate", "spec"):
        yield from _containers(spec.get(key))


def _ports(found: Any, key: str) -> tuple[int, ...]:
    entries = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return tuple(
        each[key] for each in entries if isinstance(each.get(key), int) and each.get("protocol", "TCP") == "TCP"
    )
