"""Whether what was deployed does its work: a verdict for each kind of workload.

Comes in: the live object, the pods of its namespace, and where they matter its ReplicaSets and warnings. Goes out: ready, waiting (for
what) or failed (why, and the next step). Pure. The counting follows kubectl's rollout status (pkg/polymorphichelpers/rollout_status.go);
failures are read from pods of the new revision only: what the old ones do says nothing about the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from devloop.products import Object

from . import containers
from .containers import GRACE_S, Finding
from .pods import belongs, controller


@dataclass(frozen=True)
class Verdict:
    """What a workload is up to. `finding`: what failed. `pods_ready`: how many of its pods serve, when it is ready. `stuck_pod`: one of an
    old revision that its controller waits for in vain.
    """

    state: Literal["ready", "waiting", "failed"]
    message: str
    finding: Finding | None = None
    pods_ready: int = 0
    stuck_pod: str = ""


@dataclass(frozen=True)
class Around:
    """What surrounds a workload in its namespace. `pods`: all of them. `owned`: ReplicaSets, or Jobs for a CronJob. `warnings`: events.
    `since`: see `containers.failure`.
    """

    pods: Sequence[Object] = ()
    owned: Sequence[Object] = ()
    warnings: Sequence[Object] = ()
    since: str = ""


def verdict(live: Object, around: Around = Around()) -> Verdict:
    """The verdict on a live object; kinds that are not workloads are ready as soon as they are applied."""
    decide = _VERDICTS.get((live.get("apiVersion", "").partition("/")[0], live.get("kind", "")))
    return decide(live, around) if decide else Verdict("ready", "applied")


def is_workload(live: Object) -> bool:
    """Whether the object takes time to become ready after it was applied."""
    return (live.get("apiVersion", "").partition("/")[0], live.get("kind", "")) in _VERDICTS


def pods_of_revision(live: Object, around: Around) -> list[Object]:
    """The pods made from the workload's present template; none while it cannot be told which those are."""
    mine = [pod for pod in around.pods if belongs(pod, live)]
    match live["kind"]:
        case "Deployment":
            current = _newest_hash(live, around.owned)
            return [pod for pod in mine if current and _label(pod, "pod-template-hash") == current]
        case "StatefulSet":
            current = live.get("status", {}).get("updateRevision", "")
            return [pod for pod in mine if current and _label(pod, "controller-revision-hash") == current]
        case "DaemonSet":
            current = live["metadata"].get("annotations", {}).get("deprecated.daemonset.template.generation", "")
            return [pod for pod in mine if not current or _label(pod, "pod-template-generation") == current]
        case _:
            return mine


def _deployment(live: Object, around: Around) -> Verdict:
    spec, status = live["spec"], live.get("status", {})
    if not _is_observed(live):
        return Verdict("waiting", "the change is not observed yet")
    wanted, updated = spec.get("replicas", 1), status.get("updatedReplicas", 0)
    total, available = status.get("replicas", 0), status.get("availableReplicas", 0)
    if updated >= wanted and total <= updated and available >= updated:
        return Verdict("ready", _count(available), pods_ready=available)
    mine = pods_of_revision(live, around)
    if updated < wanted:
        message = f"{updated} of {wanted} pods updated"
    elif total > updated:
        message = f"{total - updated} old pods still there"
    else:
        message = f"{available} of {updated} pods available"
    if spec.get("paused"):
        return _failed(
            Finding("its rollout is paused", "Paused", "take spec.paused away, or run `kubectl rollout resume`")
        )
    return _pods_failed(mine, around) or _refused(live) or _overdue(live, mine) or _waiting(message, mine)


def _stateful_set(live: Object, around: Around) -> Verdict:
    spec, status = live["spec"], live.get("status", {})
    if not _is_observed(live):
        return Verdict("waiting", "the change is not observed yet")
    wanted = spec.get("replicas", 1)
    available = status.get("availableReplicas" if spec.get("minReadySeconds") else "readyReplicas", 0)
    strategy = spec.get("updateStrategy", {})
    is_rolling = strategy.get("type", "RollingUpdate") == "RollingUpdate"
    partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
    current, updating = status.get("currentRevision"), status.get("updateRevision")
    updated = status.get("updatedReplicas", 0)
    is_updated = not is_rolling or (updated >= wanted - partition if partition else current == updating)
    if available >= wanted and is_updated:
        return Verdict("ready", _count(available), pods_ready=available)
    mine = [pod for pod in around.pods if belongs(pod, live)]
    fresh = pods_of_revision(live, around)
    found = _pods_failed(fresh, around) or _creation_failed(live, around)
    if found:
        return found
    stuck = _stuck(spec, mine, fresh) if is_rolling else None
    if stuck:
        message = f"pod {stuck} of the revision before never became ready and holds the rollout back"
        return Verdict("waiting", message, stuck_pod=stuck)
    message = f"{updated} of {wanted} pods updated" if not is_updated else f"{available} of {wanted} pods ready"
    return _waiting(message, fresh or mine)


def _stuck(spec: Mapping[str, Any], mine: Sequence[Object], fresh: Sequence[Object]) -> str | None:
    """A StatefulSet that goes in order waits for its broken pod for ever, even when the template was mended: "you must also delete any
    Pods that StatefulSet had already attempted to run with the bad configuration" (Kubernetes docs, "Forced rollback").
    """
    if spec.get("podManagementPolicy", "OrderedReady") != "OrderedReady":
        return None
    uids = {pod["metadata"]["uid"] for pod in fresh}
    old = [pod for pod in mine if pod["metadata"]["uid"] not in uids and "deletionTimestamp" not in pod["metadata"]]
    broken = (pod for pod in old if not containers.is_ready(pod) and containers.failure(pod))
    return next((pod["metadata"]["name"] for pod in broken), None)


def _daemon_set(live: Object, around: Around) -> Verdict:
    spec, status = live["spec"], live.get("status", {})
    if not _is_observed(live):
        return Verdict("waiting", "the change is not observed yet")
    wanted, available = status.get("desiredNumberScheduled", 0), status.get("numberAvailable", 0)
    is_rolling = spec.get("updateStrategy", {}).get("type", "RollingUpdate") == "RollingUpdate"
    updated = status.get("updatedNumberScheduled", 0) if is_rolling else wanted
    if updated >= wanted and available >= wanted:
        return Verdict("ready", _count(available), pods_ready=available)
    mine = pods_of_revision(live, around)
    message = f"{updated} of {wanted} pods updated" if updated < wanted else f"{available} of {wanted} pods available"
    return _pods_failed(mine, around) or _creation_failed(live, around) or _waiting(message, mine)


def _replica_set(live: Object, around: Around) -> Verdict:
    status = live.get("status", {})
    if not _is_observed(live):
        return Verdict("waiting", "the change is not observed yet")
    mine = [pod for pod in around.pods if belongs(pod, live)]
    template = live["spec"]["template"]["spec"]["containers"]
    if any(containers.runs_other_tag(template, pod) for pod in mine if "deletionTimestamp" not in pod["metadata"]):
        hint = "use a Deployment, or delete the pods"
        return _failed(Finding("its pods run other images, and a ReplicaSet never replaces pods", "OldPods", hint))
    wanted, available = live["spec"].get("replicas", 1), status.get("availableReplicas", 0)
    if available >= wanted:
        return Verdict("ready", _count(available), pods_ready=available)
    return _pods_failed(mine, around) or _refused(live) or _waiting(f"{available} of {wanted} pods available", mine)


def _pod(live: Object, around: Around) -> Verdict:
    phase = live.get("status", {}).get("phase", "")
    if phase == "Succeeded":
        return Verdict("ready", "completed")
    if phase == "Failed" and not containers.failure(live, around.warnings):
        status = live["status"]
        text = status.get("message", "")
        message = f"the pod failed: {status.get('reason') or 'Failed'}" + (f": {text}" if text else "")
        return _failed(Finding(message, status.get("reason", "Failed"), pod=live["metadata"]["name"]))
    if not _is_observed(live, missing_is_ok=True) or not containers.is_image_current(live):
        return Verdict("waiting", "the change is not observed yet")
    if containers.is_ready(live):
        return Verdict("ready", _count(1), pods_ready=1)
    return _pods_failed([live], around) or _waiting("the pod is not ready", [live])


def _job(live: Object, around: Around) -> Verdict:
    status, spec = live.get("status", {}), live["spec"]
    mine = [pod for pod in around.pods if belongs(pod, live)]
    for kind in ("Complete", "SuccessCriteriaMet"):
        if _has(live, kind):
            return Verdict("ready", "completed")
    for kind in ("Failed", "FailureTarget"):
        if _has(live, kind):
            return _job_failed(_condition(live, kind), mine)
    if spec.get("suspend"):
        return Verdict("ready", "suspended")
    # Crashing pods are the Job's own business, up to its backoffLimit; what never starts would never end either.
    for pod in mine:
        found = containers.failure(pod, around.warnings, around.since)
        if found is not None and not found.has_log:
            return _failed(found)
    failed, limit = status.get("failed", 0), spec.get("backoffLimit", 6)
    tries = f", {failed} of {limit + 1} tries failed" if failed else ""
    done = f"{status.get('succeeded', 0)} of {spec.get('completions') or 1} completed"
    return _waiting(done + tries, mine)


def _job_failed(condition: Mapping[str, Any], mine: Sequence[Object]) -> Verdict:
    crashed = [found for pod in _newest_first(mine) if (found := containers.failure(pod))]
    reason, text = condition.get("reason", "Failed"), condition.get("message", "")
    if not crashed:
        return _failed(Finding(f"the job failed: {text or reason}", reason))
    first = crashed[0]
    told = f"{first.message}; {text}" if text else first.message
    return _failed(Finding(told, reason, "its log says why", first.container, first.pod, text, has_log=first.has_log))


_VERDICTS: Mapping[tuple[str, str], Callable[[Object, Around], Verdict]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "ReplicaSet"): _replica_set,
    ("v1", "Pod"): _pod,
    ("batch", "Job"): _job,
}


def _newest_hash(live: Object, replica_sets: Iterable[Object]) -> str:
    """The pod-template-hash of the revision being rolled out; "" while its ReplicaSet has not been seen."""
    key = "deployment.kubernetes.io/revision"
    revision = live["metadata"].get("annotations", {}).get(key)
    for each in replica_sets:
        is_mine = controller(each).get("uid") == live["metadata"].get("uid")
        if is_mine and revision and each["metadata"].get("annotations", {}).get(key) == revision:
            return _label(each, "pod-template-hash")
    return ""


def _pods_failed(pods: Sequence[Object], around: Around) -> Verdict | None:
    """The failure that counts soonest among pods that are not on their way out."""
    live = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"] and not _is_evicted(pod)]
    found = [each for pod in live if (each := containers.failure(pod, around.warnings, around.since))]
    return _failed(min(found, key=lambda each: each.grace_s)) if found else None


def _is_evicted(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") == "Failed" and bool(pod["status"].get("reason"))


def _refused(live: Object) -> Verdict | None:
    """The API server refuses the pods: a quota, an admission rule, a missing service account."""
    condition = _condition(live, "ReplicaFailure")
    if condition.get("status") != "True":
        return None
    return _not_created(condition.get("message", ""), condition.get("reason", "FailedCreate"))


def _creation_failed(live: Object, around: Around) -> Verdict | None:
    """The same for controllers that say so in events only; an event from before the last pod was made is history."""
    mine = [pod["metadata"].get("creationTimestamp", "") for pod in around.pods if belongs(pod, live)]
    for event in reversed(around.warnings):
        is_mine = event.get("involvedObject", {}).get("uid") == live["metadata"].get("uid")
        if (
            is_mine
            and event.get("reason") == "FailedCreate"
            and (event.get("lastTimestamp") or "") > max(mine, default="")
        ):
            return _not_created(event.get("message", ""), "FailedCreate")
    return None


def _not_created(text: str, reason: str) -> Verdict:
    hint = "the API server refuses its pods: mend what it names"
    return _failed(Finding(f"its pods cannot be created: {text}", reason, hint, detail=text, grace_s=GRACE_S))


def _overdue(live: Object, pods: Sequence[Object]) -> Verdict | None:
    condition = _condition(live, "Progressing")
    if condition.get("reason") != "ProgressDeadlineExceeded":
        return None
    limit = live["spec"].get("progressDeadlineSeconds", 600)
    waits = next(filter(None, map(containers.waiting, pods)), "")
    message = f"no progress in {limit} s (progressDeadlineSeconds)" + (f": {waits}" if waits else "")
    pod = next((each["metadata"]["name"] for each in pods if not containers.is_ready(each)), "")
    return _failed(Finding(message, "ProgressDeadlineExceeded", pod=pod))


def _failed(finding: Finding) -> Verdict:
    return Verdict("failed", finding.message, finding)


def _waiting(message: str, pods: Iterable[Object]) -> Verdict:
    live = (pod for pod in pods if "deletionTimestamp" not in pod["metadata"] and not containers.is_ready(pod))
    waits = next(filter(None, map(containers.waiting, live)), "")
    return Verdict("waiting", f"{message}; {waits}" if waits else message)


def _is_observed(live: Object, *, missing_is_ok: bool = False) -> bool:
    observed = live.get("status", {}).get("observedGeneration")
    if observed is None:
        return missing_is_ok
    return bool(observed >= live["metadata"].get("generation", 0))


def _condition(obj: Object, kind: str) -> Mapping[str, Any]:
    conditions: Iterable[Mapping[str, Any]] = obj.get("status", {}).get("conditions") or []
    return next((each for each in conditions if each.get("type") == kind), {})


def _has(obj: Object, kind: str) -> bool:
    return _condition(obj, kind).get("status") == "True"


def _label(obj: Object, key: str) -> str:
    labels: Mapping[str, str] = obj["metadata"].get("labels") or {}
    return labels.get(key, "")


def _newest_first(pods: Iterable[Object]) -> list[Object]:
    return sorted(pods, key=lambda pod: pod["metadata"].get("creationTimestamp", ""), reverse=True)


def _count(pods: int) -> str:
    return f"{pods} pod{'' if pods == 1 else 's'} ready"
