"""Workloads whose controllers replace their pods when the pod template changes.

Comes in: an object. Goes out: its pod template, if it is such a one. Jobs and bare pods are none: a change of theirs makes them anew, which
is for their author to ask for. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devloop.products import Object

_ROLLING = frozenset(
    {
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("apps", "DaemonSet"),
        ("argoproj.io", "Rollout"),
        ("serving.knative.dev", "Service"),
        ("serving.knative.dev", "Configuration"),
    }
)
_CONTAINERS = ("initContainers", "containers")


def template(obj: Mapping[str, Any]) -> Object | None:
    """The pod template, with a `spec` that is a mapping; None when it has none that rolls."""
    if (group(obj), obj["kind"]) not in _ROLLING:
        return None
    found = mapping(obj, "spec").get("template")
    return found if isinstance(found, dict) and isinstance(found.get("spec"), dict) else None


def containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The containers of a pod's spec, those that run first in front."""
    return [each for field in _CONTAINERS for each in items(pod, field)]


def group(obj: Mapping[str, Any]) -> str:
    return str(obj["apiVersion"]).rpartition("/")[0]


def named(obj: Mapping[str, Any]) -> str:
    """As people name it."""
    return f"{obj['kind'].lower()}/{obj['metadata']['name']}"


def mapping(holder: Mapping[str, Any], field: str) -> dict[str, Any]:
    """A mapping in a field; an empty one when there is none."""
    found = holder.get(field)
    return found if isinstance(found, dict) else {}


def items(holder: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """The mappings of a list in a field; none when there is no list."""
    found = holder.get(field)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
