"""Waiting for what a unit needs of the cluster besides other units: a Job's end, a Service's endpoints, a condition of any object.

Comes in: needs from the configuration, the session's mirrors. Goes out: nothing once all are met, or StepFailed that names the first one
that is not, and why. It blocks on watches only, never polls, and writes nothing. Whose the object is does not matter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devloop import fieldpaths
from devloop.config import model
from devloop.errors import StepFailed
from devloop.products import Object
from devloop.scope import Scope

from .pods import PodStore, Source
from .verdicts import is_workload, verdict

_SERVICE = "kubernetes.io/service-name"  # https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/


@dataclass(frozen=True)
class Answer:
    """Whether a need is met. `message`: what is missing. `is_final`: it will not be met without somebody's help."""

    is_met: bool
    message: str = ""
    is_final: bool = False


def wait(
    scope: Scope,
    store: PodStore,
    needs: Sequence[model.Need],
    namespace: str,
    *,
    where: str,
    is_endless: bool,
    on_progress: Callable[[str], None],
) -> None:
    """Blocks until every need is met; each only has to be met once. `namespace`: for needs that name none.

    `on_progress` gets what is waited for, whenever that changes. `is_endless`: time-outs and failures are told, and waiting goes on.
    Cancelled by the scope. Raises: StepFailed with `where`.
    """
    left = list(needs)
    began = time.monotonic()
    told = ""
    with store.changes(scope, *(source for need in needs for source in sources(need, namespace))) as wake:
        while True:
            answers = [(need, _look(store, need, namespace)) for need in left]
            answers = [(need, found) for need, found in answers if not found.is_met]
            left = [need for need, _ in answers]
            if not left:
                return
            waited_s = time.monotonic() - began
            late = [(need, found) for need, found in answers if found.is_final or need.timeout_seconds <= waited_s]
            if late and not is_endless:
                raise _failed(*late[0], where)
            text = "waits for " + "; ".join(f"{need.name}: {found.message}" for need, found in answers)
            if text != told:
                on_progress(text)
                told = text
            wake.wait(None if is_endless else min(need.timeout_seconds for need in left) - waited_s)


def sources(need: model.Need, namespace: str) -> list[Source]:
    """What has to be watched for a need."""
    space = _space(need, namespace)
    api_version, kind = need.api_version or "v1", need.kind
    found = [Source(api_version, kind, space, f"metadata.name={need.object_name}")]
    return [*found, Source("discovery.k8s.io/v1", "EndpointSlice", space)] if _is_service(need) else found


def answer(need: model.Need, live: Object | None, slices: Sequence[Object] = ()) -> Answer:
    """Whether the need is met. `live`: its object, None while there is none. `slices`: EndpointSlices of its namespace. Pure."""
    if live is None:
        return Answer(False, "is not there")
    if live["metadata"].get("deletionTimestamp"):
        return Answer(False, "is being deleted")
    if need.condition is not None:
        kind, _, status = need.condition.partition("=")
        return _condition(live, kind, status or "True")
    if need.jsonpath is not None:
        return _value(live, need)
    if _is_service(need):
        return _endpoints(live, slices)
    if is_workload(live):
        found = verdict(live)
        return Answer(found.state == "ready", found.message, is_final=found.state == "failed" and need.kind == "Job")
    if need.kind == "CustomResourceDefinition":
        return _condition(live, "Established", "True")
    if need.kind == "Namespace":
        return Answer((live.get("status") or {}).get("phase") == "Active", "is not active")
    usual = next((each for each in ("Ready", "Available") if _find(live, each)), "")
    return _condition(live, usual, "True") if usual else Answer(True)


def _look(store: PodStore, need: model.Need, namespace: str) -> Answer:
    space = _space(need, namespace)
    first, *others = (store.mirror(each) for each in sources(need, namespace))
    if first.refusal:
        return Answer(False, first.refusal)
    slices = [live for mirror in others for live in mirror.objects()]
    live = first.get(space, need.object_name) or first.get("", need.object_name)
    return answer(need, live, slices) if first.is_synced else Answer(False, "not looked at yet")


def _space(need: model.Need, namespace: str) -> str:
    return "" if need.is_cluster_scoped else need.namespace or namespace


def _is_service(need: model.Need) -> bool:
    return (need.api_version or "v1", need.kind) == ("v1", "Service") and not need.condition and not need.jsonpath


def _find(live: Object, kind: str) -> Mapping[str, Any] | None:
    conditions: Sequence[Mapping[str, Any]] = (live.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if str(each.get("type", "")).lower() == kind.lower()), None)


def _condition(live: Object, kind: str, status: str) -> Answer:
    """As `kubectl wait --for=condition`; a condition that speaks of an older generation says nothing."""
    found = _find(live, kind)
    if found is None:
        return Answer(False, f"has no condition {kind}")
    generation = live["metadata"].get("generation")
    if isinstance(found.get("observedGeneration"), int) and found["observedGeneration"] != generation:
        return Answer(False, f"condition {kind} speaks of an older generation")
    now = str(found.get("status", ""))
    said = " ".join(str(found.get("message") or found.get("reason") or "").split())
    return Answer(now.lower() == status.lower(), f"condition {kind} is {now}" + (f": {said}" if said else ""))


def _value(live: Object, need: model.Need) -> Answer:
    """As `kubectl wait --for=jsonpath`: the value that is there, or any."""
    path, _, wanted = (need.jsonpath or "").partition("=")
    found = [spot.value for _, spot in fieldpaths.find([fieldpaths.parse(need.field)], live)]
    if not found:
        return Answer(False, f"has no {path}")
    values = [
        each if isinstance(each, str) else str(each).lower() if isinstance(each, bool) else str(each) for each in found
    ]
    return Answer(not wanted or all(each == wanted for each in values), f"{path} is {', '.join(values)}")


def _endpoints(live: Object, slices: Sequence[Object]) -> Answer:
    mine = [
        each
        for each in slices
        if (each["metadata"].get("labels") or {}).get(_SERVICE) == live["metadata"]["name"]
        and each["metadata"].get("namespace") == live["metadata"].get("namespace")
    ]
    endpoints = [one for each in mine for one in each.get("endpoints") or ()]
    # Absent means ready: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/endpoint-slice-v1/
    ready = [one for one in endpoints if (one.get("conditions") or {}).get("ready") is not False]
    if ready or live["spec"].get("type") == "ExternalName":
        return Answer(True)
    return Answer(False, f"none of its {len(endpoints)} endpoints is ready" if endpoints else "has no endpoints")


def _failed(need: model.Need, found: Answer, where: str) -> StepFailed:
    if found.is_final:
        return StepFailed(f"needs {need.name}: {found.message}", where=where, hint="mend that first; then run again")
    return StepFailed(
        f"needs {need.name}, which is not so after {need.timeout_seconds} s: {found.message}",
        where=where,
        hint="see why; if it just takes longer, raise the need's timeoutSeconds",
    )
