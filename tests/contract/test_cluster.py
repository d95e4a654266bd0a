"""What every door to a cluster promises: the same tests for the shipped fake and for the real one."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from devloop.effects import cluster as cluster_door
from devloop.errors import Unavailable
from devloop.products import Access, Object, ObjectRef
from devloop.scope import Cancelled, Scope
from devloop.stages import ApiRefusal, Cluster, Inside, Resource, WatchEvent
from devloop.testing.cluster import FakeCluster
from tests.e2e.kube import Kubectl

UNREACHABLE = """
apiVersion: v1
kind: Config
current-context: nowhere
contexts: [{name: nowhere, context: {cluster: nowhere, user: nobody}}]
clusters: [{name: nowhere, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: nobody, user: {}}]
"""


class World(Protocol):
    """A door, a namespace of the test's own behind it, and a way to find nobody behind it."""

    door: Cluster
    namespace: str

    def unreachable(self) -> Cluster: ...

    def stranger(self) -> Cluster:
        """The same cluster for a user who may do nothing."""
        ...

    def pod(self) -> Inside:
        """A container that runs, with a shell."""
        ...


class Fake:
    def __init__(self) -> None:
        self.fake = FakeCluster("test")
        self.door: Cluster = self.fake
        self.namespace = "test"

    def pod(self) -> Inside:
        self.fake.put({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {}})
        inside = Inside("test", "p", "c")
        self.fake.run_with(inside, _shell)
        return inside

    def unreachable(self) -> Cluster:
        self.fake.down()
        return self.fake

    def stranger(self) -> Cluster:
        self.fake.forbids = lambda _access: True
        return self.fake


class Real:
    def __init__(self, context: str, namespace: str, tmp_path: Path) -> None:
        self.door: Cluster = cluster_door.connect(context, namespace)
        self.namespace = namespace
        self._tmp_path = tmp_path

    def pod(self) -> Inside:
        container = {"name": "c", "image": "busybox:1.37", "command": ["sleep", "600"]}
        spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}
        with Scope("pod") as scope:
            self.door.apply(scope, pod)
            for event in self.door.watch(scope, "v1", "Pod", namespace=self.namespace, fields="metadata.name=p"):
                if event.object.get("status", {}).get("phase") == "Running":
                    break
            scope.cancel()
        return Inside(self.namespace, "p", "c")

    def unreachable(self) -> Cluster:
        path = self._tmp_path / "kubeconfig"
        path.write_text(UNREACHABLE)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KUBECONFIG", str(path))
            return cluster_door.connect(None, None)

    def stranger(self) -> Cluster:
        path = Kubectl(self.door.context, self.namespace).stranger(self._tmp_path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KUBECONFIG", str(path))
            return cluster_door.connect(None, None)


def _shell(argv: Sequence[str], write: Callable[[bytes], None]) -> int:
    """What the tests ask of a container."""
    if argv[0] == "no-such-program":
        raise ApiRefusal(500, "InternalError", 'exec: "no-such-program": executable file not found in $PATH')
    if argv[0] == "sh":
        for word in ("out", "err") if "exit 3" in argv[2] else ("begun",):
            write(word.encode() + b"\n")
        return 3
    return 0


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.cluster)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    if request.param == "fake":
        return Fake()
    cluster, namespace = request.getfixturevalue("cluster"), request.getfixturevalue("namespace")
    request.getfixturevalue("busybox")
    return Real(cluster.context, namespace, tmp_path)


@pytest.fixture
def scope() -> Iterator[Scope]:
    with Scope("test") as made:
        yield made


def config_map(name: str, data: dict[str, str] | None = None, **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data or {"k": "1"}}


def ref(world: World, name: str, kind: str = "ConfigMap", api_version: str = "v1") -> ObjectRef:
    return ObjectRef(api_version, kind, world.namespace, name)


def version_of(obj: Object | None) -> str:
    assert obj is not None
    return str(obj["metadata"]["resourceVersion"])


class TestCluster:
    def test_it_says_what_it_is(self, world: World, scope: Scope) -> None:
        assert world.door.version(scope).startswith("v1.")
        assert world.door.namespace == world.namespace
        assert world.door.context
        assert world.door.server.startswith("https://")

    def test_its_clock_is_that_of_a_machine_that_keeps_time(self, world: World, scope: Scope) -> None:
        assert abs(world.door.clock(scope) - time.time()) < 60

    def test_it_says_what_one_may_do(self, world: World, scope: Scope) -> None:
        deploy = Access("patch", "deployments", "apps", namespace=world.namespace)
        read_logs = Access("get", "pods", subresource="log", namespace=world.namespace)
        assert world.door.allows(scope, deploy)
        assert world.door.allows(scope, read_logs)
        stranger = world.stranger()
        assert not stranger.allows(scope, deploy)
        assert not stranger.allows(scope, read_logs)

    def test_kinds_are_found_where_they_live_and_unknown_ones_are_none(self, world: World, scope: Scope) -> None:
        door = world.door
        assert door.resource(scope, "v1", "ConfigMap") == Resource("v1", "ConfigMap", "configmaps", True)
        assert door.resource(scope, "v1", "Namespace") == Resource("v1", "Namespace", "namespaces", False)
        assert door.resource(scope, "apps/v1", "Deployment") == Resource("apps/v1", "Deployment", "deployments", True)
        assert door.resource(scope, "v1", "Nonsense") is None
        assert door.resource(scope, "example.com/v1", "Foo") is None

    def test_a_kind_is_known_once_its_definition_is_there(self, world: World, scope: Scope) -> None:
        group = f"{uuid.uuid4().hex[:8]}.example.com"
        definition = {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"widgets.{group}", "labels": {"devloop-test": "true"}},
            "spec": {
                "group": group,
                "scope": "Namespaced",
                "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                ],
            },
        }
        assert world.door.resource(scope, f"{group}/v1", "Widget") is None
        crd = ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"widgets.{group}")
        world.door.apply(scope, definition)
        try:
            while (found := world.door.resource(scope, f"{group}/v1", "Widget")) is None:
                scope.wait(0.05)
            assert found == Resource(f"{group}/v1", "Widget", "widgets", True)
            widget = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"a": [1]}}
            assert world.door.apply(scope, widget)["spec"] == {"a": [1]}
        finally:
            assert world.door.delete(scope, crd)

    def test_what_is_not_there_is_none(self, world: World, scope: Scope) -> None:
        assert world.door.get(scope, ref(world, "never")) is None
        assert world.door.get(scope, ref(world, "never", "Foo", "example.com/v1")) is None
        assert world.door.delete(scope, ref(world, "never")) is False

    def test_what_is_applied_is_there_in_the_default_namespace(self, world: World, scope: Scope) -> None:
        made = world.door.apply(scope, config_map("a"))
        assert made["metadata"]["namespace"] == world.namespace
        assert made["metadata"]["uid"]
        live = world.door.get(scope, ref(world, "a"))
        assert live is not None
        assert (live["apiVersion"], live["kind"], live["data"]) == ("v1", "ConfigMap", {"k": "1"})
        assert live == made

    def test_applying_the_same_twice_writes_nothing(self, world: World, scope: Scope) -> None:
        first = world.door.apply(scope, config_map("a"))
        assert world.door.apply(scope, config_map("a")) == first

    def test_what_is_applied_no_longer_goes(self, world: World, scope: Scope) -> None:
        first = world.door.apply(scope, config_map("a", {"x": "1", "y": "2"}, labels={"l": "1"}))
        second = world.door.apply(scope, config_map("a", {"x": "3"}))
        assert second["data"] == {"x": "3"}
        assert "labels" not in second["metadata"]
        assert second["metadata"]["uid"] == first["metadata"]["uid"]
        assert version_of(second) != version_of(first)

    def test_containers_are_merged_by_name_and_generations_are_counted(self, world: World, scope: Scope) -> None:
        def deployment(*images: str) -> Object:
            labels = {"app": "a"}
            containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
            template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
            return {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "a"},
                "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
            }

        made = world.door.apply(scope, deployment("one", "two"))
        assert made["metadata"]["generation"] == 1
        made = world.door.apply(scope, deployment("three"))
        found = made["spec"]["template"]["spec"]["containers"]
        assert [(each["name"], each["image"]) for each in found] == [("c0", "three")]
        assert made["metadata"]["generation"] == 2

    def test_a_dry_run_answers_and_leaves_nothing(self, world: World, scope: Scope) -> None:
        assert world.door.apply(scope, config_map("a"), is_dry_run=True)["data"] == {"k": "1"}
        assert world.door.get(scope, ref(world, "a")) is None
        before = world.door.apply(scope, config_map("a"))
        assert world.door.apply(scope, config_map("a", {"k": "2"}), is_dry_run=True)["data"] == {"k": "2"}
        assert world.door.get(scope, ref(world, "a")) == before

    def test_an_old_version_is_a_conflict(self, world: World, scope: Scope) -> None:
        first = world.door.apply(scope, config_map("a", resourceVersion="1"))
        world.door.apply(scope, config_map("a", {"k": "2"}))
        for version in ("1", version_of(first)):
            with pytest.raises(ApiRefusal) as told:
                world.door.apply(scope, config_map("a", {"k": "3"}, resourceVersion=version))
            assert (told.value.code, told.value.reason) == (409, "Conflict")

    def test_a_merge_changes_what_it_names_and_nothing_else(self, world: World, scope: Scope) -> None:
        first = world.door.apply(scope, config_map("a", {"x": "1", "y": "2"}, labels={"l": "1"}))
        made = world.door.merge(scope, ref(world, "a"), {"data": {"y": None, "z": "3"}})
        assert made["data"] == {"x": "1", "z": "3"}
        assert made["metadata"]["labels"] == {"l": "1"}
        assert world.door.get(scope, ref(world, "a")) == made
        assert version_of(first) != version_of(made)

    def test_a_merge_into_an_old_version_is_a_conflict(self, world: World, scope: Scope) -> None:
        first = world.door.apply(scope, config_map("a"))
        at = {"metadata": {"resourceVersion": version_of(first)}}
        world.door.merge(scope, ref(world, "a"), {**at, "data": {"k": "2"}})
        with pytest.raises(ApiRefusal) as told:
            world.door.merge(scope, ref(world, "a"), {**at, "data": {"k": "3"}})
        assert (told.value.code, told.value.reason) == (409, "Conflict")

    def test_a_merge_into_nothing_is_refused(self, world: World, scope: Scope) -> None:
        with pytest.raises(ApiRefusal) as told:
            world.door.merge(scope, ref(world, "a"), {"data": {"k": "2"}})
        assert told.value.code == 404

    def test_a_name_that_cannot_be_is_refused(self, world: World, scope: Scope) -> None:
        with pytest.raises(ApiRefusal, match=r"metadata\.name: Invalid value") as told:
            world.door.apply(scope, config_map("Not_Valid"))
        assert (told.value.code, told.value.reason) == (422, "Invalid")

    def test_an_unknown_kind_is_refused(self, world: World, scope: Scope) -> None:
        foo = {"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {"name": "a"}}
        with pytest.raises(ApiRefusal) as told:
            world.door.apply(scope, foo)
        assert told.value.code == 404
        with pytest.raises(ApiRefusal):
            world.door.list(scope, "example.com/v1", "Foo")
        with pytest.raises(ApiRefusal):
            next(iter(world.door.watch(scope, "example.com/v1", "Foo")))

    def test_a_namespace_that_is_not_there_is_named(self, world: World, scope: Scope) -> None:
        with pytest.raises(ApiRefusal, match='namespaces "never-there" not found') as told:
            world.door.apply(scope, config_map("a", namespace="never-there"))
        assert (told.value.code, told.value.reason) == (404, "NotFound")

    def test_the_template_of_a_job_is_fixed(self, world: World, scope: Scope) -> None:
        def job(image: str) -> Object:
            containers = [{"name": "c", "image": image}]
            spec = {"suspend": True, "template": {"spec": {"restartPolicy": "Never", "containers": containers}}}
            return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec}

        world.door.apply(scope, {**job("one"), "spec": {**job("one")["spec"], "suspend": False}})
        with pytest.raises(ApiRefusal, match=r"spec\.template.*field is immutable") as told:
            world.door.apply(scope, {**job("two"), "spec": {**job("two")["spec"], "suspend": False}})
        assert (told.value.code, told.value.reason) == (422, "Invalid")

    def test_the_address_of_a_service_is_fixed(self, world: World, scope: Scope) -> None:
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
        made = world.door.apply(scope, service)
        assert made["spec"]["clusterIP"]
        with pytest.raises(ApiRefusal, match="may not change once set") as told:
            world.door.apply(scope, {**service, "spec": {**service["spec"], "clusterIP": "None"}})  # type: ignore[dict-item]
        assert (told.value.code, told.value.reason) == (422, "Invalid")

    def test_objects_are_listed_by_namespace_label_and_field(self, world: World, scope: Scope) -> None:
        for name, labels in (("a", {"l": "1", "m": "x"}), ("b", {"l": "2"}), ("c", {"l": "1"})):
            world.door.apply(scope, config_map(name, labels=labels))

        def names(labels: str = "", fields: str = "") -> list[str]:
            found = world.door.list(scope, "v1", "ConfigMap", namespace=world.namespace, labels=labels, fields=fields)
            assert all((each["apiVersion"], each["kind"]) == ("v1", "ConfigMap") for each in found)
            return sorted({each["metadata"]["name"] for each in found} - {"kube-root-ca.crt"})

        assert names() == ["a", "b", "c"]
        assert names("l=1") == ["a", "c"]
        assert names("l=1,m=x") == ["a"]
        assert names("l=1,!m") == ["c"]
        assert names("l in (1,2),m") == ["a"]
        assert names("l notin (2),l") == ["a", "c"]
        assert names("l,l!=1") == ["b"]
        assert names("l=3") == []
        assert names(fields="metadata.name=b") == ["b"]
        assert names("l", "metadata.name!=b") == ["a", "c"]
        everywhere = world.door.list(scope, "v1", "ConfigMap", labels="l=1,m=x")
        assert world.namespace in {each["metadata"]["namespace"] for each in everywhere}

    def test_deleting_deletes_only_the_one_that_is_meant(self, world: World, scope: Scope) -> None:
        made = world.door.apply(scope, config_map("a"))
        assert world.door.delete(scope, ref(world, "a"), uid=str(uuid.uuid4())) is False
        assert world.door.get(scope, ref(world, "a")) is not None
        version = made["metadata"]["resourceVersion"]
        world.door.apply(scope, {**config_map("a"), "data": {"moved": "on"}})
        assert world.door.delete(scope, ref(world, "a"), resource_version=version) is False
        assert world.door.get(scope, ref(world, "a")) is not None
        assert world.door.delete(scope, ref(world, "a"), uid=made["metadata"]["uid"]) is True
        assert world.door.get(scope, ref(world, "a")) is None
        assert world.door.apply(scope, config_map("a"))["metadata"]["uid"] != made["metadata"]["uid"]

    def test_a_finalizer_keeps_what_is_being_deleted(self, world: World, scope: Scope) -> None:
        world.door.apply(scope, config_map("a", finalizers=["devloop.dev/test"]))
        assert world.door.delete(scope, ref(world, "a")) is True
        live = world.door.get(scope, ref(world, "a"))
        assert live is not None
        assert live["metadata"]["deletionTimestamp"]
        world.door.apply(scope, config_map("a"))
        assert world.door.get(scope, ref(world, "a")) is None

    def test_a_watch_tells_what_is_there_then_what_happens(self, world: World, scope: Scope) -> None:
        world.door.apply(scope, config_map("a", labels={"w": "1"}))
        world.door.apply(scope, config_map("other"))
        watch = world.door.watch(scope, "v1", "ConfigMap", namespace=world.namespace, labels="w=1")
        assert told(next(watch)) == ("ADDED", "a")
        assert told(next(watch)) == ("SYNCED", "")
        world.door.apply(scope, config_map("b", labels={"w": "1"}))
        world.door.apply(scope, config_map("b", {"k": "2"}, labels={"w": "1"}))
        world.door.apply(scope, config_map("b", {"k": "2"}, labels={"w": "1"}))
        world.door.delete(scope, ref(world, "b"))
        assert told(next(watch)) == ("ADDED", "b")
        event = next(watch)
        assert told(event) == ("MODIFIED", "b")
        assert event.object["data"] == {"k": "2"}
        assert (event.object["apiVersion"], event.object["kind"]) == ("v1", "ConfigMap")
        assert told(next(watch)) == ("DELETED", "b")

    def test_what_a_selector_selects_no_longer_is_deleted_for_its_watch(self, world: World, scope: Scope) -> None:
        world.door.apply(scope, config_map("a", labels={"w": "1"}))
        watch = world.door.watch(scope, "v1", "ConfigMap", namespace=world.namespace, labels="w=1")
        assert [told(next(watch)) for _ in range(2)] == [("ADDED", "a"), ("SYNCED", "")]
        world.door.apply(scope, config_map("a"))
        world.door.apply(scope, config_map("a", labels={"w": "1"}))
        assert [told(next(watch)) for _ in range(2)] == [("DELETED", "a"), ("ADDED", "a")]

    def test_a_watch_of_one_object_sees_no_other(self, world: World, scope: Scope) -> None:
        watch = world.door.watch(scope, "v1", "ConfigMap", namespace=world.namespace, fields="metadata.name=a")
        assert told(next(watch)) == ("SYNCED", "")
        world.door.apply(scope, config_map("b"))
        world.door.apply(scope, config_map("a"))
        assert told(next(watch)) == ("ADDED", "a")

    def test_cancelling_ends_a_watch_that_waits(self, world: World) -> None:
        is_synced = threading.Event()
        ended: list[str] = []
        with Scope("test") as scope:

            def follow() -> None:
                try:
                    for event in world.door.watch(scope, "v1", "ConfigMap", namespace=world.namespace):
                        if event.type == "SYNCED":
                            is_synced.set()
                except Cancelled:
                    ended.append("cancelled")

            scope.spawn("watch", follow)
            assert is_synced.wait(30)
            scope.cancel()
        assert ended == ["cancelled"]

    def test_a_cancelled_scope_asks_nothing(self, world: World) -> None:
        scope = Scope("test")
        scope.cancel()
        with pytest.raises(Cancelled):
            world.door.get(scope, ref(world, "a"))
        with pytest.raises(Cancelled):
            next(iter(world.door.watch(scope, "v1", "ConfigMap")))

    def test_the_log_of_a_pod_that_is_not_there_is_refused(self, world: World, scope: Scope) -> None:
        with pytest.raises(ApiRefusal, match='pods "never" not found') as told:
            next(iter(world.door.logs(scope, world.namespace, "never", "c")))
        assert told.value.code == 404

    def test_a_command_in_a_pod_that_is_not_there_is_refused(self, world: World, scope: Scope) -> None:
        with pytest.raises(ConnectionError, match='pods "never" not found'):
            world.door.execute(scope, Inside(world.namespace, "never", "c"), ["true"], lambda _: None)

    def test_a_command_runs_in_a_container(self, world: World, scope: Scope) -> None:
        inside = world.pod()
        said: list[bytes] = []
        assert world.door.execute(scope, inside, ["sh", "-c", "echo out; echo err >&2; exit 3"], said.append) == 3
        assert sorted(b"".join(said).split()) == [b"err", b"out"]
        assert world.door.execute(scope, inside, ["true"], said.append) == 0
        with pytest.raises(ConnectionError, match="container other is not valid for pod"):
            world.door.execute(scope, Inside(inside.namespace, inside.pod, "other"), ["true"], said.append)
        with pytest.raises(ApiRefusal, match="no-such-program"):
            world.door.execute(scope, inside, ["no-such-program"], said.append)

    def test_cancelling_lets_go_of_a_command(self, world: World) -> None:
        inside = world.pod()
        with Scope("test") as outer:
            inner = Scope("command")

            def give_up(_: bytes) -> None:
                inner.cancel()

            with pytest.raises(Cancelled):
                world.door.execute(inner, inside, ["sh", "-c", "echo begun; sleep 30"], give_up)
            outer.check()

    def test_nobody_there_is_unavailable(self, world: World, scope: Scope) -> None:
        door = world.unreachable()
        with pytest.raises(Unavailable, match="does not answer: Connection refused"):
            door.version(scope)
        with pytest.raises(Unavailable):
            door.get(scope, ref(world, "a"))
        with pytest.raises(Unavailable):
            door.list(scope, "v1", "ConfigMap")
        with pytest.raises(Unavailable):
            door.apply(scope, config_map("a"))

    def test_a_watch_outlives_that_nobody_is_there(self, world: World) -> None:
        door = world.unreachable()
        ended: list[str] = []
        with Scope("test") as scope:

            def follow() -> None:
                try:
                    next(iter(door.watch(scope, "v1", "ConfigMap")))
                except Cancelled:
                    ended.append("cancelled")

            scope.spawn("watch", follow)
            scope.wait(0.3)
            assert ended == []
            scope.cancel()
        assert ended == ["cancelled"]

    def test_many_threads_may_use_it_at_once(self, world: World, scope: Scope) -> None:
        names = [f"n{number}" for number in range(8)]
        seen: set[str] = set()
        with scope.child("threads") as threads:

            def follow() -> None:
                for event in world.door.watch(threads, "v1", "ConfigMap", namespace=world.namespace, labels="t=1"):
                    if event.type == "ADDED":
                        seen.add(event.object["metadata"]["name"])
                    if seen == set(names):
                        return

            def write(name: str) -> None:
                for value in ("1", "2", "3"):
                    world.door.apply(threads, config_map(name, {"k": value}, labels={"t": "1"}))

            threads.spawn("watch", follow)
            for name in names:
                threads.spawn(name, lambda name=name: write(name))  # type: ignore[misc]
        found = world.door.list(scope, "v1", "ConfigMap", namespace=world.namespace, labels="t=1")
        assert {each["metadata"]["name"]: each["data"]["k"] for each in found} == dict.fromkeys(names, "3")


def told(event: WatchEvent) -> tuple[str, str]:
    return event.type, event.object.get("metadata", {}).get("name", "")
