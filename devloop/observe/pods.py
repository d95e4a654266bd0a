"""What the cluster holds, mirrored: one watch for each kind and namespace, shared by readiness, logs and forwards.

Comes in: the cluster's door. Goes out: snapshots in memory, a wake-up at each change, and the rule which pod belongs to which workload.
It never polls, and never calls out while it holds a lock. Watches start on first use and live as long as the session's scope.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from devloop.products import Object
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster

_RETRY_REFUSED_S = 5.0


@dataclass(frozen=True)
class Source:
    """What one watch delivers: a kind in a namespace, narrowed by a field selector."""

    api_version: str
    kind: str
    namespace: str
    fields: str = ""


def pods_of(namespace: str) -> Source:
    """The source of a namespace's pods."""
    return Source("v1", "Pod", namespace)


class Mirror:
    """The objects of one source, as last seen. Safe to read from any thread."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.refusal = ""  # why the API server does not let us watch; "" while it does
        self._lock = threading.Lock()
        self._objects: dict[tuple[str, str], Object] = {}
        self._snapshot: tuple[Object, ...] | None = ()
        self._gone: dict[tuple[str, str], Object] = {}
        self._callbacks: dict[object, Callable[[], None]] = {}
        self._is_synced = False

    @property
    def is_synced(self) -> bool:
        """Whether the first list is complete."""
        return self._is_synced

    def objects(self) -> tuple[Object, ...]:
        """All objects, as last seen; never to be changed by the caller."""
        with self._lock:
            if self._snapshot is None:
                self._snapshot = tuple(self._objects.values())
            return self._snapshot

    def get(self, namespace: str, name: str) -> Object | None:
        with self._lock:
            return self._objects.get((namespace, name))

    def gone(self, namespace: str, name: str) -> Object | None:
        """The last state of an object that was deleted while it was watched; pods are not kept."""
        with self._lock:
            return self._gone.get((namespace, name))

    def follow(self, scope: Scope, cluster: Cluster) -> None:
        """Keeps the mirror equal to the cluster. Blocks until the scope is cancelled (Cancelled)."""
        source = self.source
        while True:
            try:
                for event in cluster.watch(
                    scope, source.api_version, source.kind, namespace=source.namespace, fields=source.fields
                ):
                    self._take(event.type, event.object)
                    self._tell()
            except ApiRefusal as refusal:
                self.refusal = refusal.message or refusal.reason
                self._tell()
            scope.wait(_RETRY_REFUSED_S)

    def subscribe(self, key: object, callback: Callable[[], None]) -> None:
        """Calls back after each change, in the watch's thread; the callback must not block. Ends with `unsubscribe`."""
        with self._lock:
            self._callbacks[key] = callback

    def unsubscribe(self, key: object) -> None:
        with self._lock:
            self._callbacks.pop(key, None)

    def _take(self, kind: str, obj: Object) -> None:
        with self._lock:
            self.refusal = ""
            if kind == "SYNCED":
                self._is_synced = True
                return
            metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
            obj = {**obj, "metadata": metadata}
            key = (metadata.get("namespace", ""), metadata["name"])
            self._snapshot = None
            if kind != "DELETED":
                self._objects[key] = obj
                self._gone.pop(key, None)
            else:
                self._objects.pop(key, None)
                if self.source.kind not in ("Pod", "Event"):
                    self._gone[key] = obj

    def _tell(self) -> None:
        with self._lock:
            callbacks = tuple(self._callbacks.values())
        for callback in callbacks:
            callback()


class Wake:
    """Lets one thread sleep until one of its sources changes, or anyone calls `set`."""

    def __init__(self, store: PodStore, scope: Scope) -> None:
        self._store, self._scope = store, scope
        self._event = threading.Event()
        self._mirrors: dict[Source, Mirror] = {}

    def set(self) -> None:
        """Wakes the thread; from any thread, never blocks."""
        self._event.set()

    def watch(self, sources: Iterable[Source]) -> None:
        """Adds sources, those it has already excepted."""
        for source in sources:
            if source not in self._mirrors:
                self._mirrors[source] = self._store.mirror(source)
                self._mirrors[source].subscribe(self, self.set)

    def close(self) -> None:
        for mirror in self._mirrors.values():
            mirror.unsubscribe(self)

    def wait(self, timeout_s: float | None = None) -> None:
        """Blocks until a change since the last wait, at most `timeout_s`. Raises: Cancelled."""
        self._event.wait(timeout_s)
        self._event.clear()
        self._scope.check()


class PodStore:
    """The mirrors of a session. `scope`: the session's; the watches live in it."""

    def __init__(self, scope: Scope, cluster: Cluster) -> None:
        self._scope, self._cluster = scope, cluster
        self._lock = threading.Lock()
        self._mirrors: dict[Source, Mirror] = {}

    def mirror(self, source: Source) -> Mirror:
        """The mirror of a source; its watch starts on first use. Does not wait for its first list."""
        with self._lock:
            mirror = self._mirrors.get(source)
            is_new = mirror is None
            if mirror is None:
                mirror = self._mirrors[source] = Mirror(source)
        if is_new:
            name = f"watch {source.kind} {source.namespace}".rstrip().lower()
            self._scope.spawn(name, lambda: mirror.follow(self._scope, self._cluster))
        return mirror

    def objects(self, source: Source) -> tuple[Object, ...]:
        """What is known of a source; () until its first list came."""
        return self.mirror(source).objects()

    def pods(self, namespace: str) -> tuple[Object, ...]:
        """The pods of a namespace, as last seen."""
        return self.objects(pods_of(namespace))

    @contextmanager
    def changes(self, scope: Scope, *sources: Source) -> Iterator[Wake]:
        """A wake-up for the calling thread at each change of the sources. Cancelling `scope` wakes it too."""
        wake = Wake(self, scope)
        with scope.on_cancel(wake.set):
            try:
                wake.watch(sources)
                yield wake
            finally:
                wake.close()


def belongs(pod: Object, live: Object, owned: Iterable[Object] = ()) -> bool:
    """Whether the pod was made for this workload, of whatever revision. `owned`: a CronJob's Jobs, which own its pods."""
    metadata, kind = live["metadata"], live.get("kind")
    if kind == "Pod":
        return bool(pod["metadata"].get("uid") == metadata.get("uid"))
    owner = controller(pod)
    if kind == "Deployment":
        template_hash = pod["metadata"].get("labels", {}).get("pod-template-hash", "")
        is_named = owner.get("name", "").startswith(metadata["name"][:200]) and (
            owner.get("name") == f"{metadata['name']}-{template_hash}" or len(metadata["name"]) > 200
        )
        return owner.get("kind") == "ReplicaSet" and is_named and selects(live["spec"]["selector"], pod)
    if kind == "CronJob":
        jobs = {job["metadata"]["uid"] for job in owned if controller(job).get("uid") == metadata.get("uid")}
        return owner.get("uid") in jobs
    return bool(owner) and owner.get("uid") == metadata.get("uid")


def selects(selector: Mapping[str, Any], pod: Object) -> bool:
    """Whether a label selector (`matchLabels`, `matchExpressions`) selects the pod."""
    labels = pod["metadata"].get("labels", {})
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    return all(_expression(labels, each) for each in selector.get("matchExpressions") or [])


def _expression(labels: Mapping[str, str], each: Mapping[str, Any]) -> bool:
    key, values = each["key"], each.get("values") or []
    match each["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def controller(obj: Object) -> Mapping[str, Any]:
    """The owner that made the object; {} when it was made by hand."""
    owners: Iterable[Mapping[str, Any]] = obj["metadata"].get("ownerReferences") or []
    return next((each for each in owners if each.get("controller")), {})
