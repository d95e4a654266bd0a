"""What `dev` has otherwise than the manifests say, so that a rollout takes no longer than a new container's start.

Comes in: manifests with their images, which of them run an image of the project, and what is to be otherwise. Goes out: the manifests
and, for each that is changed, a notice of every field with its value before. Only what rolls in the loop is changed; a limit lowers and
never raises; nothing that decides whether a container is ended for being broken is touched. Pure; what came in is never changed.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from devloop import events
from devloop.config import model
from devloop.products import Identity, Manifest, Object
from devloop.render import workloads
from devloop.render.objects import identity
from devloop.render.workloads import items, mapping

FAST = model.DevOverrides(
    replicas=1,
    termination_grace_period_seconds=1,
    probe_period_seconds=1,
    min_ready_seconds=0,
    max_surge="100%",
    max_unavailable=0,
)
# What Kubernetes takes where the manifest says nothing.
_GRACE_S = 30
_PERIOD_S = 10
_FAILURES = 3
_SURGE = "25%"
_NONE = ("0", "0%")
_KINDS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Rollout"})  # Knative takes no such fields


def overridden(
    manifests: Iterable[Manifest], ours: Collection[Identity], spec: model.DevOverrides
) -> tuple[tuple[Manifest, ...], tuple[events.Notice, ...]]:
    """The manifests as `dev` applies them, and what is told of each that is changed. `ours`: those that run an image of the project."""
    found = tuple(manifests)
    wanted = effective(spec)
    scaled = {each for manifest in found for each in _scaled(manifest.object)}
    made: list[Manifest] = []
    notices: list[events.Notice] = []
    for each in found:
        edit = _Edit(each.object)
        if identity(each.object) in ours and edit.pods is not None and each.object["kind"] in _KINDS:
            _override(edit, wanted, is_scaled=_target(each.object) in scaled)
        made.append(Manifest(edit.object, each.source) if edit.told else each)
        if edit.told:
            text = f"devOverrides: {workloads.named(each.object)} has {', '.join(edit.told)}"
            notices.append(events.Notice(message=text, where=each.source))
    return tuple(made), tuple(notices)


def effective(spec: model.DevOverrides) -> model.DevOverrides:
    """With what the preset sets."""
    if spec.preset != "fast":
        return spec
    given = {each.name: getattr(spec, each.name) for each in fields(spec) if getattr(spec, each.name) is not None}
    return replace(FAST, **given)


@dataclass
class _Edit:
    """A copy of an object that is being changed. `told`: the changes in words; `pods`: its pod template, if it is one that rolls."""

    object: Object
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.object = copy.deepcopy(self.object)
        self.pods = workloads.template(self.object)

    def put(self, holder: dict[str, Any], name: str, value: Any, *, label: str = "") -> None:
        """Sets a field, if that changes it."""
        before = holder.get(name)
        if before != value:
            holder[name] = value
            self.told.append(f"{label}{name} {value} (not {'the default' if before is None else before})")

    def lower(self, holder: dict[str, Any], name: str, limit: int | None, default: int, *, label: str = "") -> None:
        """Sets a field to the limit, if it is more."""
        before = _number(holder, name, default)
        if limit is not None and before is not None and before > limit:
            self.put(holder, name, limit, label=label)


def _override(edit: _Edit, wanted: model.DevOverrides, *, is_scaled: bool) -> None:
    spec, pod = edit.object["spec"], (edit.pods or {})["spec"]
    if not is_scaled:
        edit.lower(spec, "replicas", wanted.replicas, 0)
    edit.lower(spec, "minReadySeconds", wanted.min_ready_seconds, 0)
    edit.lower(pod, "terminationGracePeriodSeconds", wanted.termination_grace_period_seconds, _GRACE_S)
    if wanted.probe_period_seconds is not None:
        for container in workloads.containers(pod):
            for kind in ("startupProbe", "readinessProbe"):
                if isinstance(container.get(kind), dict):
                    label = f"{container.get('name', 'container')}.{kind}."
                    _quicken(edit, container[kind], wanted.probe_period_seconds, label)
    if edit.object["kind"] == "Deployment" and not _is_alone(pod):
        _surge(edit, spec, wanted)


def _quicken(edit: _Edit, probe: dict[str, Any], period_s: int, label: str) -> None:
    """Probes more often and at once, for as long as before: more failures are allowed for what the time is made of."""
    before_s, failures = _number(probe, "periodSeconds", _PERIOD_S), _number(probe, "failureThreshold", _FAILURES)
    delay_s = _number(probe, "initialDelaySeconds", 0)
    if before_s is None or failures is None or delay_s is None:
        return
    told = len(edit.told)
    now_s = min(before_s, period_s)
    edit.lower(probe, "periodSeconds", period_s, _PERIOD_S, label=label)
    edit.lower(probe, "initialDelaySeconds", 0, 0, label=label)
    if len(edit.told) > told:
        edit.put(probe, "failureThreshold", math.ceil((delay_s + before_s * failures) / now_s), label=label)


def _surge(edit: _Edit, spec: dict[str, Any], wanted: model.DevOverrides) -> None:
    strategy = mapping(spec, "strategy")
    given = {"maxSurge": wanted.max_surge, "maxUnavailable": wanted.max_unavailable}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate" or all(each is None for each in given.values()):
        return
    rolling = {**mapping(strategy, "rollingUpdate")}
    if all(str(value if value is not None else rolling.get(name, _SURGE)) in _NONE for name, value in given.items()):
        return  # nothing could roll; the API server would refuse it
    for name, value in given.items():
        if value is not None:
            edit.put(rolling, name, value)
    spec["strategy"] = {**strategy, "type": "RollingUpdate", "rollingUpdate": rolling}


def _is_alone(pod: Mapping[str, Any]) -> bool:
    """Whether a new pod may not be able to run beside the old one."""
    ports = [port for container in workloads.containers(pod) for port in items(container, "ports")]
    has_claim = any("persistentVolumeClaim" in volume for volume in items(pod, "volumes"))
    return bool(pod.get("hostNetwork")) or has_claim or any(port.get("hostPort") for port in ports)


def _scaled(obj: Object) -> Iterator[tuple[str, str, str]]:
    """What an autoscaler, of whatever kind, sets the replicas of."""
    target = mapping(mapping(obj, "spec"), "scaleTargetRef")
    if target.get("name"):
        yield str(target.get("kind", "Deployment")), obj["metadata"].get("namespace") or "", str(target["name"])


def _target(obj: Object) -> tuple[str, str, str]:
    return obj["kind"], obj["metadata"].get("namespace") or "", obj["metadata"]["name"]


def _number(holder: Mapping[str, Any], name: str, default: int) -> int | None:
    """A whole number in a field; None for what the API server will refuse."""
    found = holder.get(name)
    if found is None:
        return default
    return found if isinstance(found, int) and not isinstance(found, bool) else None
