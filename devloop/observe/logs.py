"""Follows the logs of all that was deployed: every container from its first line, over restarts, rollouts and lost connections.

Comes in: units as they were applied, the mirror of pods. Goes out: one `events.Log` a line, each exactly once. A thread per container that
has something to tell, started when its containerID shows (not when it is ready: a crash before that has a log too). What a container
wrote before it was restarted is asked for with `previous` whenever a stream does not join on to what was read.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from devloop import events
from devloop.config import model
from devloop.errors import DevloopError
from devloop.products import Applied, Object
from devloop.scope import Cancelled, Scope
from devloop.stages import ApiRefusal, Cluster

from .lines import Line, Stream, Tape
from .pods import PodStore, Source, Wake, belongs, pods_of

OLD_POD_LINES = 10
_CLOCK_SKEW_S = 5.0
_REOPEN_S = 1.0
_BACKOFF_S, _MAX_BACKOFF_S = 0.1, 2.0
_REFUSALS_OF_A_DEAD_CONTAINER = 5


@dataclass(frozen=True)
class _Instance:
    """A container's current run, or its last one: `is_over` when it ended, `restarts` the ones before it."""

    container_id: str
    is_over: bool
    restarts: int


@dataclass
class _Followed:
    """One container of one pod, and how far its log was read."""

    unit: str
    namespace: str
    pod: str
    uid: str
    container: str
    is_old: bool
    tape: Tape = field(default_factory=Tape)
    read_id: str = ""  # the instance that was read to its end
    opened_id: str = ""
    scope: Scope | None = None  # of its thread, while it has one
    pending: list[Line] = field(default_factory=list)


class LogFollower:
    """The logs of a session. `scope`: the session's. Threads end with it, or with their container."""

    def __init__(self, scope: Scope, cluster: Cluster, store: PodStore, spec: model.Logs, emit: events.Emit) -> None:
        self._scope, self._cluster, self._store, self._spec, self._emit = scope, cluster, store, spec, emit
        self._began_at = time.time()
        self._lock = threading.Lock()
        self._units: dict[str, Applied] = {}
        self._followed: dict[tuple[str, str], _Followed] = {}
        self._refused: set[Source] = set()
        self._wake: Wake | None = None

    def follow(self, applied: Applied) -> None:
        """Follows what the unit consists of now, instead of what it consisted of before. Does not block."""
        with self._lock:
            self._units[applied.unit] = applied
        self._look()

    def configure(self, spec: model.Logs) -> None:
        """Follows by other rules from now on. What is wanted again goes on where it was left. Does not block."""
        with self._lock:
            self._spec = spec
        self._look()

    def forget(self, unit: str) -> None:
        """Stops following a unit; pods on their way out are still read to their end. Does not block."""
        with self._lock:
            self._units.pop(unit, None)
        self._look()

    def _look(self) -> None:
        with self._lock:
            is_first = self._wake is None and self._spec.enabled and bool(self._units)
            if is_first:
                self._wake = Wake(self._store, self._scope)
            wake = self._wake
        if wake is not None:
            wake.set()
            if is_first:
                self._scope.spawn("logs", lambda: self._run(wake))

    def _run(self, wake: Wake) -> None:
        with self._scope.on_cancel(wake.set):
            try:
                while True:
                    with self._lock:
                        units = tuple(self._units.values())
                        exclude = self._spec.exclude if self._spec.enabled else ("*",)
                    wake.watch(_sources(units))
                    self._keep_up(units, exclude, wake)
                    wake.wait()
            finally:
                wake.close()

    def _keep_up(self, units: Sequence[Applied], exclude: Sequence[str], wake: Wake) -> None:
        """Starts a thread for each container with something unread, stops those that are no longer anyone's."""
        alive: set[tuple[str, str]] = set()
        for unit, pod in self._pods(units):
            for name, instance in _instances(pod):
                if any(fnmatchcase(name, pattern) for pattern in exclude):
                    continue
                key = (pod["metadata"]["uid"], name)
                alive.add(key)
                each = self._followed.get(key)
                if each is None:
                    each = self._followed[key] = self._begin(unit, pod, name)
                if each.scope is None and instance.container_id != each.read_id:
                    self._start(each, wake)
        for key in [key for key in self._followed if key not in alive]:
            self._leave(key)
        for source in _sources(units):
            refusal = self._store.mirror(source).refusal
            if refusal and source not in self._refused:
                self._emit(events.Notice(message=f"logs in namespace {source.namespace} cannot be followed: {refusal}"))
                self._refused.add(source)

    def _pods(self, units: Sequence[Applied]) -> Iterator[tuple[str, Object]]:
        for namespace in sorted({each.ref.namespace for unit in units for each in unit.objects if each.ref.namespace}):
            jobs = [
                job
                for source in _job_sources(units)
                if source.namespace == namespace
                for job in self._store.objects(source)
            ]
            pods = self._store.pods(namespace)
            for unit in units:
                workloads = [each.live for each in unit.objects if each.ref.namespace == namespace]
                for pod in pods:
                    if any(belongs(pod, live, jobs) for live in workloads):
                        yield unit.unit, pod

    def _begin(self, unit: str, pod: Object, container: str) -> _Followed:
        metadata = pod["metadata"]
        created_at = datetime.fromisoformat(metadata["creationTimestamp"]).timestamp()
        is_old = created_at < self._began_at - _CLOCK_SKEW_S
        return _Followed(unit, metadata["namespace"], metadata["name"], metadata["uid"], container, is_old)

    def _start(self, each: _Followed, wake: Wake) -> None:
        each.scope = Scope(f"log {each.pod}/{each.container}")

        def body() -> None:
            scope = each.scope
            if scope is None:
                return
            try:
                with self._scope.on_cancel(scope.cancel), scope:
                    _Reading(scope, self._cluster, self._store, each, self._emit).run()
            except Cancelled:
                pass  # forgotten, or the session ends
            finally:
                each.scope = None
                wake.set()

        self._scope.spawn(each.scope.name, body)

    def _leave(self, key: tuple[str, str]) -> None:
        """Keeps what is known of a pod that is still there: followed again, its log goes on where it was left."""
        each = self._followed[key]
        scope = each.scope
        pod = self._store.mirror(pods_of(each.namespace)).get(each.namespace, each.pod)
        if pod is None or pod["metadata"]["uid"] != each.uid:
            if scope is None:
                del self._followed[key]
        elif scope is not None and "deletionTimestamp" not in pod["metadata"]:
            scope.cancel()


class _Reading:
    """One thread's work: a container's log, to the end of its current instance."""

    def __init__(self, scope: Scope, cluster: Cluster, store: PodStore, each: _Followed, emit: events.Emit) -> None:
        self._scope, self._cluster, self._store, self._each = scope, cluster, store, each
        self._emit = emit
        self._event = functools.partial(
            events.Log,
            target=f"deploy/{each.unit}",
            namespace=each.namespace,
            pod=each.pod,
            container=each.container,
        )

    def run(self) -> None:
        """Blocks until the instance has ended and was read, or its pod is gone. Cancelled by the scope."""
        backoff_s, refusals = _BACKOFF_S, 0
        while True:
            instance = self._instance()
            if instance is None or instance.container_id == self._each.read_id:
                self._write(self._each.pending)
                return
            before = self._each.tape.last
            try:
                self._read_instance(instance)
            except ApiRefusal as refusal:
                refusals += 1
                if refusal.code == 404 or (instance.is_over and refusals > _REFUSALS_OF_A_DEAD_CONTAINER):
                    self._write(self._each.pending)
                    self._each.read_id = instance.container_id
                    return
            except (DevloopError, ConnectionError):
                pass  # a lost connection: go on from the last line
            else:
                if not instance.is_over:
                    self._await_change(instance)
                continue
            backoff_s = _BACKOFF_S if self._each.tape.last != before else min(backoff_s * 2, _MAX_BACKOFF_S)
            self._scope.wait(backoff_s)

    def _read_instance(self, instance: _Instance) -> None:
        each = self._each
        if each.opened_id != instance.container_id and instance.restarts and not each.is_old:
            self._read(is_previous=True, is_final=True)
        each.opened_id = instance.container_id
        self._read(is_previous=False, is_final=instance.is_over)
        each.is_old = False
        if instance.is_over:
            each.read_id = instance.container_id

    def _read(self, *, is_previous: bool, is_final: bool) -> None:
        """Reads one stream to its end. `is_final`: the instance had ended before, so a last line without an end is complete."""
        each = self._each
        if not is_previous:
            each.pending = []
        stream = Stream(each.tape)
        tail_lines = OLD_POD_LINES if each.is_old and not each.tape.last else None
        chunks = self._cluster.logs(
            self._scope,
            each.namespace,
            each.pod,
            each.container,
            follow=not is_previous,
            previous=is_previous,
            since=each.tape.since,
            tail_lines=tail_lines,
            timestamps=True,
        )
        is_joined = is_previous or tail_lines is not None
        try:
            for chunk in chunks:
                lines = stream.feed(chunk)
                if not lines:
                    continue
                if not is_joined and not stream.is_joined:
                    self._read(is_previous=True, is_final=True)
                is_joined = True
                self._write(lines)
        except ApiRefusal as refusal:
            if is_previous and refusal.code != 404:
                return  # there is no instance before, or its log is gone
            raise
        rest = stream.end()
        if is_final:
            self._write(rest)
        elif not is_previous:
            each.pending = rest

    def _write(self, lines: Sequence[Line]) -> None:
        if not lines:
            return
        self._each.tape.take(lines)
        emit, event = self._emit, self._event
        for _, text in lines:
            emit(event(line=text.decode(errors="replace").removesuffix("\r")))

    def _instance(self) -> _Instance | None:
        """The container as the mirror shows it now; None when its pod is gone."""
        each = self._each
        pod = self._store.mirror(pods_of(each.namespace)).get(each.namespace, each.pod)
        if pod is None or pod["metadata"]["uid"] != each.uid:
            return None
        return dict(_instances(pod)).get(each.container)

    def _await_change(self, instance: _Instance) -> None:
        """The stream ended though the container seems to run: the mirror lags, or a proxy cut the stream."""
        deadline = time.monotonic() + _REOPEN_S
        with self._store.changes(self._scope, pods_of(self._each.namespace)) as wake:
            while self._instance() == instance and (left_s := deadline - time.monotonic()) > 0:
                wake.wait(left_s)


def _sources(units: Sequence[Applied]) -> list[Source]:
    namespaces = {each.ref.namespace for unit in units for each in unit.objects if each.ref.namespace}
    return [*(pods_of(namespace) for namespace in sorted(namespaces)), *_job_sources(units)]


def _job_sources(units: Sequence[Applied]) -> list[Source]:
    """A CronJob's pods are known by the Jobs between them."""
    namespaces = {each.ref.namespace for unit in units for each in unit.objects if each.ref.kind == "CronJob"}
    return [Source("batch/v1", "Job", namespace) for namespace in sorted(namespaces)]


def _instances(pod: Object) -> Iterator[tuple[str, _Instance]]:
    """Each container that has started, by name, init containers first."""
    status: Mapping[str, Any] = pod.get("status", {})
    for key in ("initContainerStatuses", "containerStatuses"):
        for each in status.get(key) or []:
            state = each.get("state", {})
            ended = state.get("terminated") or (
                not state.get("running") and each.get("lastState", {}).get("terminated")
            )
            container_id = (ended or {}).get("containerID") or each.get("containerID", "")
            if container_id:
                yield each["name"], _Instance(container_id, bool(ended), each.get("restartCount", 0))
