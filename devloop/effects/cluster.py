"""The door to one Kubernetes API server: `stages.Cluster` for real.

Comes in: plain objects and references. Goes out: plain objects, watches, logs, connections. kubectl is never started. It neither
caches objects nor decides what to write.
"""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote

from devloop.effects import kube_exec, kube_http, kube_socket, kube_stream, kube_watch, kubeconfig
from devloop.products import Access, Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Inside, PortStream, Resource, WatchEvent

MANAGER = "devloop"
WRITE_S = 60.0  # admission webhooks may take up to 30 s each


def connect(
    context: str | None, namespace: str | None, *, on_warning: Callable[[str], None] = lambda _text: None
) -> KubeCluster:
    """The cluster of a context (None: the current one), with `namespace` (None: the context's) as the default one.

    Asks no server anything. `on_warning` gets what the API server warns of, in any thread. Raises: UsageError.
    """
    return KubeCluster(kubeconfig.load(context, namespace), on_warning)


class KubeCluster:
    """See stages.Cluster for what each method does."""

    def __init__(self, settings: kubeconfig.Settings, on_warning: Callable[[str], None]) -> None:
        self._settings = settings
        self._http = kube_http.Http(settings, on_warning)
        self.context = settings.context
        self.namespace = settings.namespace
        self.server = self._http.server
        self._lock = threading.Lock()
        self._resources: dict[tuple[str, str], Resource] = {}

    def version(self, scope: Scope) -> str:
        """The server's version, `v1.36.3`."""
        scope.check()
        version: str = self._http.json(scope, "GET", "/version")["gitVersion"]
        return version

    def clock(self, scope: Scope) -> float:
        scope.check()
        return self._http.date(scope)

    def allows(self, scope: Scope, access: Access) -> bool:
        scope.check()
        asked = {
            "verb": access.verb,
            "resource": access.resource,
            "group": access.group,
            "subresource": access.subresource,
            "namespace": access.namespace,
        }
        root = "authorization.k8s.io/v1"
        body = {"apiVersion": root, "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": asked}}
        review = self._http.json(scope, "POST", f"{_root(root)}/selfsubjectaccessreviews", body=body)
        return review["status"]["allowed"] is True

    def resource(self, scope: Scope, api_version: str, kind: str) -> Resource | None:
        scope.check()
        with self._lock:
            known = self._resources.get((api_version, kind))
        if known:
            return known
        try:
            answer = self._http.json(scope, "GET", _root(api_version))
        except ApiRefusal as exc:
            if exc.code == 404:
                return None
            raise
        found = {
            (api_version, each["kind"]): Resource(api_version, each["kind"], each["name"], each["namespaced"])
            for each in answer["resources"]
            if "/" not in each["name"]
        }
        with self._lock:
            self._resources |= found
        return found.get((api_version, kind))

    def get(self, scope: Scope, ref: ObjectRef) -> Object | None:
        scope.check()
        path = self._object_path(scope, ref)
        if path is None:
            return None
        try:
            live: Object = self._http.json(scope, "GET", path)
            return live
        except ApiRefusal as exc:
            if exc.code == 404:
                return None
            raise

    def list(
        self, scope: Scope, api_version: str, kind: str, *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> builtins.list[Object]:
        path = self._collection_path(scope, api_version, kind, namespace)
        items, _ = kube_watch.list_all(scope, self._http, path, _selectors(labels, fields))
        return [{"apiVersion": api_version, "kind": kind, **each} for each in items]

    def apply(self, scope: Scope, obj: Object, *, is_forced: bool = True, is_dry_run: bool = False) -> Object:
        metadata = obj["metadata"]
        ref = ObjectRef(obj["apiVersion"], obj["kind"], metadata.get("namespace") or "", metadata.get("name") or "")
        if self.resource(scope, ref.api_version, ref.kind) is None:
            raise ApiRefusal(404, "NotFound", f"no matches for kind {ref.kind} in version {ref.api_version}")
        path = self._object_path(scope, ref)
        if path is None:
            raise ApiRefusal(422, "Invalid", f'{ref.kind} "{ref.name}" is invalid: metadata.name: Invalid value')
        query = {"fieldManager": MANAGER, "force": "true" if is_forced else "false", "fieldValidation": "Warn"}
        if is_dry_run:
            query["dryRun"] = "All"
        live: Object = self._http.json(
            scope, "PATCH", path, query, body=obj, content_type="application/apply-patch+yaml", read_s=WRITE_S
        )
        return live

    def merge(self, scope: Scope, ref: ObjectRef, patch: Object) -> Object:
        path = self._object_path(scope, ref)
        if path is None:
            raise ApiRefusal(404, "NotFound", f"there is no {ref}")
        query = {"fieldManager": MANAGER}
        kind = "application/merge-patch+json"
        live: Object = self._http.json(scope, "PATCH", path, query, body=patch, content_type=kind, read_s=WRITE_S)
        return live

    def delete(
        self, scope: Scope, ref: ObjectRef, *, uid: str | None = None, resource_version: str | None = None
    ) -> bool:
        path = self._object_path(scope, ref)
        if path is None:
            return False
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        wanted = {"uid": uid, "resourceVersion": resource_version}
        body["preconditions"] = {name: value for name, value in wanted.items() if value}
        try:
            self._http.json(scope, "DELETE", path, body=body, read_s=WRITE_S)
            return True
        except ApiRefusal as exc:
            if exc.code == 404:
                return False
            if exc.code != 409:
                raise
            # Not as wanted; or a namespace that is being emptied already, which cannot be deleted twice.
            metadata = (self.get(scope, ref) or {}).get("metadata", {})
            if any(value and metadata.get(name) != value for name, value in wanted.items()):
                return False
            if not metadata.get("deletionTimestamp"):
                raise
            return True

    def watch(
        self, scope: Scope, api_version: str, kind: str, *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> Iterator[WatchEvent]:
        def locate() -> str:
            return self._collection_path(scope, api_version, kind, namespace)

        identity = {"apiVersion": api_version, "kind": kind}
        return kube_watch.watch(scope, self._http, locate, _selectors(labels, fields), identity)

    def logs(
        self,
        scope: Scope,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool = False,
        previous: bool = False,
        since: str = "",
        tail_lines: int | None = None,
        timestamps: bool = False,
    ) -> Iterator[bytes]:
        query = {"container": container}
        query |= {
            name: "true"
            for name, value in (("follow", follow), ("previous", previous), ("timestamps", timestamps))
            if value
        }
        query |= {"sinceTime": since} if since else {}
        query |= {"tailLines": str(tail_lines)} if tail_lines is not None else {}
        path = f"/api/v1/namespaces/{_segment(namespace)}/pods/{_segment(pod)}/log"
        # A quiet container's log is silent for as long as it likes; a dead peer shows by TCP keep-alive.
        with self._http.stream(scope, path, query, read_s=None if follow else kube_http.READ_S) as chunks:
            yield from chunks

    def connect(self, scope: Scope, namespace: str, pod: str, port: int) -> PortStream:
        path = f"/api/v1/namespaces/{_segment(namespace)}/pods/{_segment(pod)}/portforward"
        return kube_stream.open_port(scope, self._settings, self._http, path, port)

    def execute(self, scope: Scope, inside: Inside, argv: Sequence[str], on_output: Callable[[bytes], None]) -> int:
        path = f"/api/v1/namespaces/{_segment(inside.namespace)}/pods/{_segment(inside.pod)}/exec"
        return kube_exec.execute(
            scope,
            lambda query: kube_socket.connect(
                scope, self._settings, self._http, f"{path}?{query}", [kube_exec.PROTOCOL]
            ),
            inside.container,
            argv,
            on_output,
        )

    def _object_path(self, scope: Scope, ref: ObjectRef) -> str | None:
        """None for what cannot be there: an unknown kind, an impossible name."""
        resource = self.resource(scope, ref.api_version, ref.kind)
        if resource is None:
            return None
        parts = ["namespaces", ref.namespace or self.namespace] if resource.is_namespaced else []
        parts += [resource.plural, ref.name]
        # In a path these would mean the collection, or the namespace itself: a delete must never end up there.
        if any(each in ("", ".", "..") for each in parts):
            return None
        return "/".join([_root(ref.api_version), *map(_segment, parts)])

    def _collection_path(self, scope: Scope, api_version: str, kind: str, namespace: str) -> str:
        resource = self.resource(scope, api_version, kind)
        if resource is None:
            raise ApiRefusal(404, "NotFound", f"no matches for kind {kind} in version {api_version}")
        space = f"/namespaces/{_segment(namespace)}" if resource.is_namespaced and namespace else ""
        return f"{_root(api_version)}{space}/{resource.plural}"


def _root(api_version: str) -> str:
    return f"/{'apis' if '/' in api_version else 'api'}/{quote(api_version)}"


def _segment(name: str) -> str:
    """A name as one part of a path: a slash in it must not lead elsewhere."""
    return quote(name, safe="")


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {name: value for name, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}
