"""The mirrors of a session, on a cluster in memory; and whose a pod is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from devloop.observe.pods import PodStore, Source, Wake, belongs, pods_of, selects
from devloop.products import Object, ObjectRef
from devloop.scope import Cancelled, Scope
from devloop.stages import ApiRefusal, Cluster, WatchEvent
from devloop.testing.cluster import FakeCluster
from tests.e2e.web import eventually


def pod(name: str, **metadata: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", **metadata}}


def ref(name: str) -> ObjectRef:
    return ObjectRef("v1", "Pod", "default", name)


@pytest.fixture
def session() -> Iterator[Scope]:
    with Scope("session") as scope:
        yield scope
        scope.cancel()


def names(store: PodStore) -> list[str]:
    return sorted(each["metadata"]["name"] for each in store.pods("default"))


def test_the_mirror_follows_the_cluster(session: Scope) -> None:
    cluster = FakeCluster()
    cluster.put(pod("a"))
    store = PodStore(session, cluster)
    eventually(lambda: names(store) == ["a"], every_s=0.01)
    cluster.put(pod("b"))
    cluster.take(ref("a"))
    eventually(lambda: names(store) == ["b"], every_s=0.01)


def test_one_watch_serves_everyone(session: Scope) -> None:
    watches: list[Source] = []

    class Counting(FakeCluster):
        def watch(
            self, scope: Scope, api_version: str, kind: str, *, namespace: str = "", labels: str = "", fields: str = ""
        ) -> Iterator[WatchEvent]:
            watches.append(Source(api_version, kind, namespace, fields))
            return super().watch(scope, api_version, kind, namespace=namespace, labels=labels, fields=fields)

    store = PodStore(session, Counting())
    for _ in range(3):
        store.pods("default")
    eventually(lambda: store.mirror(pods_of("default")).is_synced, every_s=0.01)
    assert watches == [pods_of("default")]


def test_an_outage_leaves_the_mirror_as_it_was_and_then_goes_on(session: Scope) -> None:
    cluster = FakeCluster()
    cluster.put(pod("a"))
    store = PodStore(session, cluster)
    eventually(lambda: names(store) == ["a"], every_s=0.01)
    cluster.down()
    assert names(store) == ["a"]
    cluster.up()
    cluster.put(pod("b"))
    eventually(lambda: names(store) == ["a", "b"], every_s=0.01)


def test_a_change_wakes_whoever_waits_for_it(session: Scope) -> None:
    cluster = FakeCluster()
    store = PodStore(session, cluster)
    with store.changes(session, pods_of("default")) as wake:
        session.spawn("world", lambda: _put(cluster, pod("a")))
        while names(store) != ["a"]:
            wake.wait()


def _put(cluster: FakeCluster, obj: Object) -> None:
    cluster.put(obj)


def test_cancelling_wakes_whoever_waits(session: Scope) -> None:
    store = PodStore(session, FakeCluster())
    with Scope("step") as step, store.changes(step, pods_of("default")) as wake:
        step.spawn("canceller", step.cancel)
        with pytest.raises(Cancelled):
            _sleep(wake)


def _sleep(wake: Wake) -> None:
    while True:
        wake.wait()


def test_the_last_state_of_what_was_deleted_is_kept_but_for_pods(session: Scope) -> None:
    cluster = FakeCluster()
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "load", "namespace": "default"}, "spec": {}}
    cluster.put({**job, "status": {"succeeded": 1}})
    mirror = PodStore(session, cluster).mirror(Source("batch/v1", "Job", "default"))
    eventually(lambda: mirror.get("default", "load"), every_s=0.01)
    cluster.take(ObjectRef("batch/v1", "Job", "default", "load"))
    eventually(lambda: mirror.gone("default", "load"), every_s=0.01)
    gone = mirror.gone("default", "load")
    assert gone is not None
    assert gone["status"] == {"succeeded": 1}


def test_a_refused_watch_says_why(session: Scope) -> None:
    class Strict(FakeCluster):
        def watch(
            self, scope: Scope, api_version: str, kind: str, *, namespace: str = "", labels: str = "", fields: str = ""
        ) -> Iterator[WatchEvent]:
            raise ApiRefusal(403, "Forbidden", 'pods is forbidden: User "dev" cannot watch')

    cluster: Cluster = Strict()
    mirror = PodStore(session, cluster).mirror(pods_of("default"))
    eventually(lambda: mirror.refusal, every_s=0.01)
    assert mirror.refusal == 'pods is forbidden: User "dev" cannot watch'


def owned(kind: str, name: str, **labels: str) -> Object:
    owner = {"kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}
    return pod("x", uid="uid-x", labels=labels, ownerReferences=[owner])


def live(kind: str, name: str = "api", **spec: Any) -> Object:
    return {"kind": kind, "metadata": {"name": name, "uid": f"uid-{name}"}, "spec": spec}


API = {"matchLabels": {"app": "api"}}


@pytest.mark.parametrize(
    ("made", "workload", "is_its"),
    [
        (owned("StatefulSet", "db"), live("StatefulSet", "db"), True),
        (owned("StatefulSet", "db"), live("StatefulSet", "other"), False),
        (owned("Job", "load"), live("Job", "load"), True),
        (pod("x", uid="uid-x"), live("Pod", "x"), True),
        (pod("x", uid="uid-other"), live("Pod", "x"), False),
        (
            owned("ReplicaSet", "api-1", **{"app": "api", "pod-template-hash": "1"}),
            live("Deployment", selector=API),
            True,
        ),
        (
            owned("ReplicaSet", "api-db-1", **{"app": "api", "pod-template-hash": "1"}),
            live("Deployment", selector=API),
            False,
        ),
        (
            owned("ReplicaSet", "api-1", **{"app": "web", "pod-template-hash": "1"}),
            live("Deployment", selector=API),
            False,
        ),
        (pod("x", labels={"app": "api"}), live("Deployment", selector=API), False),
    ],
)
def test_a_pod_belongs_to_the_workload_that_it_was_made_for(made: Object, workload: Object, is_its: bool) -> None:
    assert belongs(made, workload) is is_its


def test_a_cron_jobs_pods_are_known_by_its_jobs() -> None:
    job = owned("CronJob", "nightly")
    job["metadata"] |= {"name": "nightly-1", "uid": "uid-nightly-1"}
    made = owned("Job", "nightly-1")
    assert belongs(made, live("CronJob", "nightly"), [job])
    assert not belongs(made, live("CronJob", "nightly"))
    assert not belongs(made, live("CronJob", "hourly"), [job])


@pytest.mark.parametrize(
    ("expression", "is_selected"),
    [
        ({"key": "app", "operator": "In", "values": ["api", "web"]}, True),
        ({"key": "app", "operator": "NotIn", "values": ["api"]}, False),
        ({"key": "tier", "operator": "NotIn", "values": ["db"]}, True),
        ({"key": "app", "operator": "Exists"}, True),
        ({"key": "app", "operator": "DoesNotExist"}, False),
    ],
)
def test_selectors_select_as_kubernetes_does(expression: dict[str, Any], is_selected: bool) -> None:
    assert selects({"matchExpressions": [expression]}, pod("x", labels={"app": "api"})) is is_selected
