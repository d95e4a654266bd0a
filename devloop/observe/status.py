"""Waits until what was applied does its work, or says why it will not.

Comes in: a unit as it was applied, the session's mirrors. Goes out: `Ready`, or StepFailed with the object, the cause, the next step and
the evidence (last log lines or the event). It blocks on watches only, never polls, and judges by `verdicts` alone. The one thing it ever
writes is the deletion of a broken pod that a StatefulSet waits for in vain.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from devloop.errors import DevloopError, StepFailed, Unavailable
from devloop.products import Applied, AppliedObject, Object, ObjectRef, Ready
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster

from . import containers
from .pods import PodStore, Source, belongs, pods_of
from .verdicts import Around, Verdict, is_workload, pods_of_revision, verdict

EVIDENCE_LINES = 20
# The kubelet looks at its containers once a second: what died at start is seen to be dead about a second after it was seen to run.
SETTLE_S = 2.0
RECOVERED_S = 4.0
_CLOCK_SKEW_S = 5.0
_NOISE = frozenset({"BackOff", "Failed", "FailedCreate", "InspectFailed", "ErrImageNeverPull"})


def wait_ready(
    scope: Scope,
    cluster: Cluster,
    store: PodStore,
    applied: Applied,
    *,
    deadline_s: float,
    on_progress: Callable[[str], None],
    settle_s: float = SETTLE_S,
) -> Ready:
    """Blocks until all objects of the unit do their work. `on_progress` gets what is waited for, whenever that changes.

    `settle_s`: how long a new container without a probe has to stay up before it counts. To Kubernetes it is ready the moment it runs,
    so one that crashes at start is ready for a moment too. 0 takes Kubernetes' word; `broke` then tells what comes after.
    Cancelled by the scope at once. Raises: StepFailed as soon as an object cannot become ready, and at the deadline.
    """
    wait = _Wait(scope, cluster, store, applied)
    return wait.run(time.monotonic() + deadline_s, deadline_s, on_progress, settle_s=settle_s)


def broke(scope: Scope, cluster: Cluster, store: PodStore, applied: Applied) -> StepFailed:
    """Blocks until something of a unit that was ready fails, and returns what. Cancelled by the scope."""
    wait = _Wait(scope, cluster, store, applied)
    with store.changes(scope, *wait.sources()) as wake:
        while True:
            try:
                patience_s = wait.patience(wait.verdicts(), time.monotonic())
            except StepFailed as failure:
                return failure
            wake.wait(patience_s if patience_s < float("inf") else None)


def recovered(scope: Scope, cluster: Cluster, store: PodStore, applied: Applied) -> Ready:
    """Blocks until the same unit is ready after all, however long it takes and whatever fails meanwhile.

    It has to stay ready for a while: a container that crashes again and again runs for a moment each time. Cancelled by the scope.
    """
    wait = _Wait(scope, cluster, store, applied)
    since: float | None = None
    with store.changes(scope, *wait.sources()) as wake:
        while True:
            try:
                verdicts = [found for _, found in wait.verdicts()]
            except StepFailed:  # it may not be watched, and is asked for again every few seconds
                verdicts = [_vanished()]
            if not all(each.state == "ready" for each in verdicts):
                since = None
                wake.wait()
                continue
            since = since or time.monotonic()
            left_s = since + RECOVERED_S - time.monotonic()
            if left_s <= 0:
                return _ready(applied, verdicts)
            wake.wait(left_s)


class _Wait:
    """One wait: what it waits for, since when each failure lasts, which stuck pods it has deleted."""

    def __init__(self, scope: Scope, cluster: Cluster, store: PodStore, applied: Applied) -> None:
        self._scope, self._cluster, self._store, self._applied = scope, cluster, store, applied
        self._workloads = tuple(each for each in applied.objects if is_workload(each.live))
        self._changed_at = max((_written_at(each.live) for each in applied.objects if each.is_changed), default="")
        self._failing_since: dict[ObjectRef, float] = {}
        self._ready_since: float | None = None
        self._running_since: dict[str, float] = {}
        self._deleted: set[str] = set()

    def run(self, deadline: float, deadline_s: float, on_progress: Callable[[str], None], *, settle_s: float) -> Ready:
        at_once = [verdict(each.live) for each in self._workloads]
        if all(each.state == "ready" for each in at_once):
            return _ready(self._applied, at_once)
        told = ""
        with self._store.changes(self._scope, *self.sources()) as wake:
            while True:
                verdicts = self.verdicts()
                now = time.monotonic()
                settling_s = self._settling(verdicts, now, settle_s)
                is_ready = self._ready_since is not None
                if is_ready and (settling_s <= 0 or now >= deadline):
                    return _ready(self._applied, [each for _, each in verdicts])
                sleep_s = min(deadline - now, self.patience(verdicts, now), settling_s or float("inf"))
                if now >= deadline:
                    raise self._overdue(verdicts, deadline_s)
                text = _progress(verdicts)
                if text != told:
                    on_progress(text)
                    told = text
                self._unstick(verdicts)
                wake.wait(sleep_s)

    def sources(self) -> list[Source]:
        """All that has to be watched; each is shared with whoever else watches it."""
        found: dict[Source, None] = {}
        for each in self._workloads:
            found[_source(each.ref)] = None
            found[pods_of(each.ref.namespace)] = None
            found[_warnings(each.ref.namespace)] = None
            if each.ref.kind == "Deployment":
                found[_replica_sets(each.ref.namespace)] = None
        return list(found)

    def verdicts(self) -> list[tuple[AppliedObject, Verdict]]:
        return [(each, self._judge(each)) for each in self._workloads]

    def _judge(self, each: AppliedObject) -> Verdict:
        mirror = self._store.mirror(_source(each.ref))
        if mirror.refusal:
            raise StepFailed(
                f"{each.ref} cannot be watched: {mirror.refusal}",
                hint="give the user of this context the right to list and watch it",
                where=str(each.ref),
            )
        namespace = each.ref.namespace
        gone = mirror.gone(namespace, each.ref.name)
        if gone is not None and _uid(gone) == _uid(each.live):
            last = verdict(gone)
            # A finished Job may delete itself (ttlSecondsAfterFinished) before its end was looked at.
            return last if last.state == "ready" and each.ref.kind == "Job" else _vanished()
        return verdict(self._live(each), self._around(each))

    def _live(self, each: AppliedObject) -> Object:
        return _newer(each.live, self._store.mirror(_source(each.ref)).get(each.ref.namespace, each.ref.name))

    def _around(self, each: AppliedObject) -> Around:
        namespace = each.ref.namespace
        return Around(
            pods=self._store.pods(namespace),
            owned=self._store.objects(_replica_sets(namespace)) if each.ref.kind == "Deployment" else (),
            warnings=self._store.objects(_warnings(namespace)),
            since="" if each.is_changed else self._changed_at,
        )

    def patience(self, verdicts: Iterable[tuple[AppliedObject, Verdict]], now: float) -> float:
        """Seconds until a failure counts. Raises: StepFailed for one that does."""
        left_s = float("inf")
        failing: dict[ObjectRef, float] = {}
        for each, found in verdicts:
            if found.finding is not None:
                since = failing[each.ref] = self._failing_since.get(each.ref, now)
                left_s = min(left_s, since + found.finding.grace_s - now)
                if since + found.finding.grace_s <= now:
                    raise self._failed(each, found.finding)
        self._failing_since = failing
        return left_s

    def _settling(self, verdicts: Sequence[tuple[AppliedObject, Verdict]], now: float, settle_s: float) -> float:
        """Seconds until every new container without a probe has been up long enough.

        Where the mirror of pods does not (yet) show what the workloads count, that long since they were all ready.
        """
        if any(found.state != "ready" for _, found in verdicts):
            self._ready_since = None
            return 0.0
        self._ready_since = ready_since = now if self._ready_since is None else self._ready_since
        left_s = 0.0
        running_since: dict[str, float] = {}
        for each, found in verdicts:
            pods = pods_of_revision(self._live(each), self._around(each))
            serving = [pod for pod in pods if containers.is_ready(pod)]
            if len(serving) < found.pods_ready or len(serving) < len([pod for pod in pods if _is_active(pod)]):
                left_s = max(left_s, ready_since + settle_s - now)
            for container_id, started_at in (pair for pod in serving for pair in containers.unproven(pod)):
                if time.time() - _seconds(started_at) <= settle_s + _CLOCK_SKEW_S:
                    running_since[container_id] = self._running_since.get(container_id, now)
                    left_s = max(left_s, running_since[container_id] + settle_s - now)
        self._running_since = running_since
        return left_s

    def _failed(self, each: AppliedObject, finding: containers.Finding) -> StepFailed:
        namespace = each.ref.namespace
        pod = self._store.mirror(pods_of(namespace)).get(namespace, finding.pod)
        evidence = self._log(namespace, finding.pod, finding.container) if finding.has_log else ()
        if not finding.has_log and finding.detail and finding.detail not in finding.message:
            evidence = (finding.detail,)
        return StepFailed(
            f"{each.ref}: {finding.message}",
            hint=finding.hint or None,
            where=str(each.ref),
            evidence=(*(self._events(pod) if pod else ()), *evidence),
        )

    def _overdue(self, verdicts: Sequence[tuple[AppliedObject, Verdict]], deadline_s: float) -> StepFailed:
        missing = [(each, found) for each, found in verdicts if found.state != "ready"]
        first, found = missing[0]
        others = "".join(f"; {each.ref}: {other.message}" for each, other in missing[1:])
        evidence: tuple[str, ...] = ()
        for pod in self._store.pods(first.ref.namespace):
            if belongs(pod, first.live) and not containers.is_ready(pod) and "deletionTimestamp" not in pod["metadata"]:
                name = containers.unready(pod)
                log = self._log(first.ref.namespace, pod["metadata"]["name"], name) if name else ()
                evidence = (*self._events(pod), *log)
                break
        return StepFailed(
            f"{first.ref}: not ready after {deadline_s:g} s: {found.message}{others}",
            hint="see what it waits for; if it just takes longer, raise the unit's readyDeadlineSeconds",
            where=str(first.ref),
            evidence=evidence,
        )

    def _events(self, pod: Object) -> tuple[str, ...]:
        """The pod's last warnings, those that only repeat the finding excepted."""
        found = [
            event
            for event in self._store.objects(_warnings(pod["metadata"].get("namespace", "")))
            if event.get("involvedObject", {}).get("uid") == _uid(pod) and event.get("reason") not in _NOISE
        ]
        found.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
        return tuple(f"{event['reason']}: {' '.join(event.get('message', '').split())}" for event in found[-3:])

    def _log(self, namespace: str, pod: str, container: str) -> tuple[str, ...]:
        """The last lines of the container: of the instance that the API server calls current, else of the one before."""
        for is_previous in (False, True):
            try:
                chunks = self._cluster.logs(
                    self._scope, namespace, pod, container, previous=is_previous, tail_lines=EVIDENCE_LINES
                )
                lines = b"".join(chunks).decode(errors="replace").splitlines()
            except (ApiRefusal, DevloopError, ConnectionError):
                continue  # the failure itself matters more than its log, which may be gone with the pod
            if lines:
                return tuple(lines[-EVIDENCE_LINES:])
        return ()

    def _unstick(self, verdicts: Iterable[tuple[AppliedObject, Verdict]]) -> None:
        for each, found in verdicts:
            pod = found.stuck_pod and self._store.mirror(pods_of(each.ref.namespace)).get(
                each.ref.namespace, found.stuck_pod
            )
            if pod and _uid(pod) not in self._deleted:
                ref = ObjectRef("v1", "Pod", each.ref.namespace, found.stuck_pod)
                # Where it may not be deleted, or not now, the deadline names it.
                with contextlib.suppress(ApiRefusal, Unavailable):
                    self._cluster.delete(self._scope, ref, uid=_uid(pod))
                    self._deleted.add(_uid(pod))


def _source(ref: ObjectRef) -> Source:
    return Source(ref.api_version, ref.kind, ref.namespace)


def _replica_sets(namespace: str) -> Source:
    return Source("apps/v1", "ReplicaSet", namespace)


def _warnings(namespace: str) -> Source:
    return Source("v1", "Event", namespace, "type=Warning")


def _newer(live: Object, seen: Object | None) -> Object:
    """What the apply returned, or what the watch has seen since; a watch may lag behind the apply."""
    if seen is None:
        return live
    if _uid(seen) != _uid(live):
        return max(live, seen, key=lambda each: each["metadata"].get("creationTimestamp", ""))
    return seen if _version(seen) >= _version(live) else live


def _version(obj: Object) -> int:
    """Comparable since KEP-5504, and in fact long before; whatever else a server invents counts as old."""
    text = obj["metadata"].get("resourceVersion", "")
    return int(text) if text.isdigit() else 0


def _is_active(pod: Object) -> bool:
    phase = pod.get("status", {}).get("phase", "")
    return "deletionTimestamp" not in pod["metadata"] and phase not in ("Succeeded", "Failed")


def _seconds(stamp: str) -> float:
    try:
        return datetime.fromisoformat(stamp).timestamp()
    except ValueError:
        return float("inf")


def _uid(obj: Object) -> str:
    return str(obj["metadata"].get("uid", ""))


def _written_at(live: Object) -> str:
    """When devloop last changed the object, by the API server's clock; "" when that is not recorded."""
    entries = live["metadata"].get("managedFields") or []
    return max((each.get("time", "") for each in entries if each.get("manager") == "devloop"), default="")


def _vanished() -> Verdict:
    message = "was deleted while devloop waited for it"
    return Verdict("failed", message, containers.Finding(message, "Deleted", "start devloop again to have it back"))


def _progress(verdicts: Sequence[tuple[AppliedObject, Verdict]]) -> str:
    waiting = [f"{each.ref}: {found.message}" for each, found in verdicts if found.state != "ready"]
    if not waiting:
        return "all pods are ready; do they stay up?"
    return waiting[0] + (f" (and {len(waiting) - 1} more)" if waiting[1:] else "")


def _ready(applied: Applied, verdicts: Sequence[Verdict]) -> Ready:
    pods = sum(each.pods_ready for each in verdicts)
    done = sum(each.message == "completed" for each in verdicts)
    parts = [f"{pods} pod{'' if pods == 1 else 's'} ready"] if pods else []
    parts += [f"{done} completed"] if done else []
    return Ready(applied.unit, ", ".join(parts))
