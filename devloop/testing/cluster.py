"""A Kubernetes API server in memory, for tests of stages.

Comes in: objects, as `stages.Cluster` takes them, and what the world does to them: other people's edits, rollouts, logs, outages. Goes
out: the same through the methods of `stages.Cluster`. It starts nothing by itself: pods appear when a test calls `settle`.
"""

from __future__ import annotations

import builtins
import copy
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial

from devloop.errors import Unavailable
from devloop.products import Access, Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Resource, WatchEvent
from devloop.testing import kinds, rollout
from devloop.testing.applying import applied, patched, refuse_invalid, refuse_outdated, refuse_unchangeable, specified
from devloop.testing.insides import Insides
from devloop.testing.selectors import is_of, is_selected

_EPOCH = "2026-01-01T00:00:00Z"
_WITHOUT_GENERATION = frozenset({"", "rbac.authorization.k8s.io", "storage.k8s.io", "discovery.k8s.io", "autoscaling"})

_Key = tuple[str, str, str, str]  # group, kind, namespace, name


class FakeCluster(Insides):
    """A cluster with the namespaces `default` and `kube-system`. See stages.Cluster; safe to use from many threads.

    Apply is `applying.applied`: maps are merged, lists replaced, except lists of objects with a `name`, which are merged by it; fields
    that are no longer sent go. Every list merges by `name` alone, where a real server knows each list's own key (ports: port and
    protocol). It knows one field manager, so nothing ever conflicts. Nothing is defaulted but a Service's clusterIP.
    Deleting is done at once unless an object has finalizers.
    `forbids`: what `allows` denies. `writes`: what was written through apply, merge and delete, in order
    (`apply configmap/a`), dry runs left out.
    """

    def __init__(self, namespace: str = "default", *, context: str = "fake") -> None:
        self.context = context
        self.namespace = namespace
        self.server = "https://fake.invalid"
        self.writes: builtins.list[str] = []
        self.clock_ahead_s = 0.0
        self.forbids: Callable[[Access], bool] = lambda _access: False
        super().__init__()
        self._is_down = False
        self._version = 100
        self._objects: dict[_Key, Object] = {}
        self._last: dict[_Key, Object] = {}
        self._history: builtins.list[tuple[str, Object]] = []
        self._kinds = kinds.built_in()
        for name in {"default", "kube-system", namespace}:
            self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    # stages.Cluster

    def version(self, scope: Scope) -> str:
        self._check(scope)
        return "v1.36.3"

    def clock(self, scope: Scope) -> float:
        """This machine's, and `clock_ahead_s`."""
        self._check(scope)
        return float(int(time.time() + self.clock_ahead_s))

    def allows(self, scope: Scope, access: Access) -> bool:
        """Everything that no test forbade. The other methods do not care."""
        self._check(scope)
        return not self.forbids(access)

    def resource(self, scope: Scope, api_version: str, kind: str) -> Resource | None:
        self._check(scope)
        with self._changed:
            return self._kinds.get((api_version, kind))

    def get(self, scope: Scope, ref: ObjectRef) -> Object | None:
        self._check(scope)
        with self._changed:
            found = self._objects.get(self._key(ref))
            return copy.deepcopy(found) if found else None

    def list(
        self, scope: Scope, api_version: str, kind: str, *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> builtins.list[Object]:
        self._check(scope)
        self._known(api_version, kind)
        with self._changed:
            return self._found(api_version, kind, namespace, labels, fields)

    def apply(self, scope: Scope, obj: Object, *, is_forced: bool = True, is_dry_run: bool = False) -> Object:
        self._check(scope)
        with self._changed:
            ref = self._ref(obj)
            self._known(ref.api_version, ref.kind)
            refuse_invalid(obj)
            self._require_namespace(ref)
            key = self._key(ref)
            live = self._objects.get(key)
            sent = copy.deepcopy(obj)
            asked = sent["metadata"].pop("resourceVersion", "")
            if live:
                refuse_outdated(live, asked)
            if ref.namespace:
                sent["metadata"]["namespace"] = ref.namespace
            made = applied(live, self._last.get(key, {}), sent)
            if live:
                refuse_unchangeable(live, made)
            if is_dry_run:
                return made
            self.writes.append(f"apply {ref}")
            self._last[key] = sent
            self._store(key, made)
            return copy.deepcopy(made)

    def merge(self, scope: Scope, ref: ObjectRef, patch: Object) -> Object:
        self._check(scope)
        with self._changed:
            key = self._key(ref)
            live = self._objects.get(key)
            if live is None:
                raise ApiRefusal(404, "NotFound", f'"{ref.name}" not found')
            made = patched(live, patch)
            self.writes.append(f"merge {ref}")
            self._store(key, made)
            return copy.deepcopy(made)

    def delete(
        self, scope: Scope, ref: ObjectRef, *, uid: str | None = None, resource_version: str | None = None
    ) -> bool:
        self._check(scope)
        with self._changed:
            live = self._objects.get(self._key(ref))
            if live is None or uid not in (None, "", live["metadata"]["uid"]):
                return False
            if resource_version not in (None, "", live["metadata"]["resourceVersion"]):
                return False
            self.writes.append(f"delete {ref}")
            self._delete(live)
            return True

    def watch(
        self, scope: Scope, api_version: str, kind: str, *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> Iterator[WatchEvent]:
        with scope.on_cancel(self._wake):
            with self._changed:
                self._wait_until(scope, lambda: not self._is_down)
                self._known(api_version, kind)
                position = len(self._history)
                present = self._found(api_version, kind, namespace, labels, fields)
            uids = {each["metadata"]["uid"] for each in present}
            yield from (WatchEvent("ADDED", each) for each in present)
            yield WatchEvent("SYNCED", {})
            while True:
                with self._changed:
                    self._wait_until(scope, partial(self._has_news, position))
                    news = self._history[position:]
                    position += len(news)
                for change, obj in news:
                    if not is_of(obj, api_version, kind, namespace):
                        continue
                    uid = obj["metadata"]["uid"]
                    is_wanted = change != "DELETED" and is_selected(obj, labels, fields)
                    if is_wanted:
                        scope.check()
                        yield WatchEvent("MODIFIED" if uid in uids else "ADDED", _as(obj, api_version))
                        uids.add(uid)
                    elif uid in uids:
                        uids.remove(uid)
                        scope.check()
                        yield WatchEvent("DELETED", _as(obj, api_version))

    # What the world does

    def put(self, obj: Object) -> Object:
        """Creates or replaces the object as a controller would, status included; returns it as stored. Not in `writes`."""
        with self._changed:
            ref = self._ref(obj)
            self._require_namespace(ref)
            key = self._key(ref)
            made = copy.deepcopy(obj)
            live = self._objects.get(key)
            if live:
                names = ("uid", "creationTimestamp", "resourceVersion", "generation", "managedFields")
                kept = {name: live["metadata"][name] for name in names if name in live["metadata"]}
                made["metadata"] = {**made["metadata"], **kept}
            if ref.namespace:
                made["metadata"]["namespace"] = ref.namespace
            self._store(key, made)
            return copy.deepcopy(made)

    def change(self, ref: ObjectRef, edit: Callable[[Object], None]) -> Object:
        """Lets `edit` alter a copy of the object and stores that, as somebody else's update would. Raises: KeyError."""
        with self._changed:
            obj = copy.deepcopy(self._objects[self._key(ref)])
            edit(obj)
            return self.put(obj)

    def take(self, ref: ObjectRef) -> None:
        """Deletes the object as somebody else would; nothing when it is not there. Not in `writes`."""
        with self._changed:
            live = self._objects.get(self._key(ref))
            if live:
                self._delete(live)

    def settle(self, namespace: str = "") -> None:
        """Makes every Deployment (of the namespace) what its controllers would: a ReplicaSet, ready pods, a status."""
        with self._changed:
            for each in self._found("apps/v1", "Deployment", namespace, "", ""):
                rollout.settle(self, each)

    def all(self, api_version: str, kind: str, *, namespace: str = "", labels: str = "") -> builtins.list[Object]:
        """Objects of a kind, also while the cluster is down."""
        with self._changed:
            return self._found(api_version, kind, namespace, labels, "")

    def down(self) -> None:
        """From now on nothing answers: Unavailable. Watches wait."""
        self._set_down(True)

    def up(self) -> None:
        """It answers again; watches go on with what happened meanwhile."""
        self._set_down(False)

    # State; all of these are called with the lock held

    def _store(self, key: _Key, made: Object) -> None:
        """Gives what only the server gives, and tells the watches; nothing at all when nothing changed."""
        live, metadata = self._objects.get(key), made["metadata"]
        if live == made:
            return
        self._version += 1
        if live is None:
            metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": _EPOCH}
        metadata["resourceVersion"] = str(self._version)
        if key[0] not in _WITHOUT_GENERATION or key[1] == "Pod":
            is_other = live is not None and specified(live) != specified(made)
            metadata["generation"] = (live["metadata"].get("generation", 1) if live else 1) + is_other
        self._complete(key, made)
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            self._remove(key)
            return
        self._objects[key] = copy.deepcopy(made)
        self._tell("ADDED" if live is None else "MODIFIED", made)

    def _complete(self, key: _Key, made: Object) -> None:
        match key[:2]:
            case ("", "Namespace"):
                made.setdefault("status", {"phase": "Active"})
            case ("", "Service"):
                made.setdefault("spec", {}).setdefault(
                    "clusterIP", f"10.96.{self._version // 250}.{self._version % 250}"
                )
            case ("apiextensions.k8s.io", "CustomResourceDefinition"):
                made.setdefault("status", {"conditions": [{"type": "Established", "status": "True"}]})
                for resource in kinds.defined(made):
                    self._kinds[resource.api_version, resource.kind] = resource

    def _delete(self, live: Object) -> None:
        if live["metadata"].get("finalizers"):
            if not live["metadata"].get("deletionTimestamp"):
                going = copy.deepcopy(live)
                going["metadata"]["deletionTimestamp"] = _EPOCH
                self._store(self._key(self._ref(live)), going)
        else:
            self._remove(self._key(self._ref(live)))

    def _remove(self, key: _Key) -> None:
        gone = self._objects.pop(key)
        self._last.pop(key, None)
        self._version += 1
        self._tell("DELETED", {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self._version)}})
        uid = gone["metadata"]["uid"]
        resources = kinds.defined(gone) if key[1] == "CustomResourceDefinition" else []
        for other, each in list(self._objects.items()):
            owners = each["metadata"].get("ownerReferences") or ()
            is_inside = key[:2] == ("", "Namespace") and other[2] == key[3]
            is_owned = bool(owners) and all(owner["uid"] == uid for owner in owners)
            is_instance = (each["apiVersion"], each["kind"]) in {(one.api_version, one.kind) for one in resources}
            if (is_inside or is_owned or is_instance) and other in self._objects:
                self._delete(each)
        for resource in resources:
            self._kinds.pop((resource.api_version, resource.kind), None)

    def _tell(self, change: str, obj: Object) -> None:
        self._history.append((change, copy.deepcopy(obj)))
        self._changed.notify_all()

    def _found(self, api_version: str, kind: str, namespace: str, labels: str, fields: str) -> builtins.list[Object]:
        return [
            _as(each, api_version)
            for _, each in sorted(self._objects.items())
            if is_of(each, api_version, kind, namespace) and is_selected(each, labels, fields)
        ]

    def _known(self, api_version: str, kind: str) -> Resource:
        found = self._kinds.get((api_version, kind))
        if found is None:
            raise ApiRefusal(404, "NotFound", f"no matches for kind {kind} in version {api_version}")
        return found

    def _require_namespace(self, ref: ObjectRef) -> None:
        if ref.namespace and ("", "Namespace", "", ref.namespace) not in self._objects:
            raise ApiRefusal(404, "NotFound", f'namespaces "{ref.namespace}" not found', {"kind": "namespaces"})

    def _ref(self, obj: Object) -> ObjectRef:
        metadata = obj["metadata"]
        return self._settled(
            ObjectRef(obj["apiVersion"], obj["kind"], metadata.get("namespace") or "", metadata.get("name") or "")
        )

    def _settled(self, ref: ObjectRef) -> ObjectRef:
        known = self._kinds.get((ref.api_version, ref.kind))
        namespace = (ref.namespace or self.namespace) if known is None or known.is_namespaced else ""
        return ObjectRef(ref.api_version, ref.kind, namespace, ref.name)

    def _key(self, ref: ObjectRef) -> _Key:
        settled = self._settled(ref)
        return settled.group, settled.kind, settled.namespace, settled.name

    def _check(self, scope: Scope) -> None:
        scope.check()
        if self._is_down:
            raise Unavailable(
                f"the API server of context {self.context} does not answer: Connection refused", where=self.server
            )

    def _set_down(self, is_down: bool) -> None:
        with self._changed:
            self._is_down = is_down
            self._changed.notify_all()

    def _has_news(self, position: int) -> bool:
        return not self._is_down and len(self._history) > position

    def _is_pod(self, namespace: str, pod: str) -> bool:
        return ("", "Pod", namespace, pod) in self._objects

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _wait_until(self, scope: Scope, is_so: Callable[[], bool]) -> None:
        self._changed.wait_for(lambda: scope.is_cancelled or is_so())
        scope.check()


def _as(obj: Object, api_version: str) -> Object:
    return {**copy.deepcopy(obj), "apiVersion": api_version}
