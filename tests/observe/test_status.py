"""Waiting for readiness on a cluster in memory: what ends the wait, and what does not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from devloop.errors import StepFailed
from devloop.observe import status
from devloop.observe.pods import PodStore, pods_of
from devloop.products import Applied, AppliedObject, Object, ObjectRef, Ready
from devloop.scope import Scope
from devloop.stages import ApiRefusal, WatchEvent
from devloop.testing.cluster import FakeCluster

API = ObjectRef("apps/v1", "Deployment", "default", "api")
SETTINGS = ObjectRef("v1", "ConfigMap", "default", "settings")


def deployment(image: str = "shop/api:1") -> Object:
    labels = {"app": "api"}
    container = {"name": "api", "image": image, "readinessProbe": {"tcpSocket": {"port": 8080}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api", "namespace": "default"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


class World:
    def __init__(self, session: Scope, cluster: FakeCluster) -> None:
        self.session, self.cluster = session, cluster
        self.store = PodStore(session, cluster)
        self.progress: list[str] = []
        self.on_progress: Callable[[str], None] = self.progress.append

    def apply(self, image: str = "shop/api:1", *, is_changed: bool = True, beside: Object | None = None) -> Applied:
        found = [AppliedObject(API, self.cluster.apply(self.session, deployment(image)), "api.yaml", is_changed)]
        if beside is not None:
            found.append(AppliedObject(SETTINGS, beside, "api.yaml", True))
        return Applied("shop", "default", tuple(found))

    def wait(self, applied: Applied, deadline_s: float = 30) -> Ready:
        return status.wait_ready(
            self.session, self.cluster, self.store, applied, deadline_s=deadline_s, on_progress=self.on_progress
        )

    def break_pod(self, status: dict[str, Any]) -> str:
        """Rolls out, then makes the pod and the counts what a container in this state makes of them; returns the pod's name."""
        self.cluster.settle()
        pod = self.cluster.all("v1", "Pod")[0]
        name = str(pod["metadata"]["name"])

        def edit_pod(obj: Object) -> None:
            obj["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
            obj["status"]["containerStatuses"] = [{"name": "api", "ready": False, "restartCount": 1, **status}]

        def edit_counts(obj: Object) -> None:
            obj["status"].update(availableReplicas=0, readyReplicas=0)

        self.cluster.change(API, edit_counts)
        self.cluster.change(ObjectRef("v1", "Pod", "default", name), edit_pod)
        return name


@pytest.fixture
def world() -> Iterator[World]:
    with Scope("session") as session:
        yield World(session, FakeCluster())
        session.cancel()


CRASHED_AT = "2026-11-23T16:00:00Z"
CRASHED = {
    "exitCode": 3,
    "reason": "Error",
    "startedAt": CRASHED_AT,
    "finishedAt": CRASHED_AT,
    "containerID": "containerd://1",
}
CRASH_LOOP = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": CRASHED}}


def test_a_rollout_ends_the_wait(world: World) -> None:
    applied = world.apply()
    threading.Thread(target=world.cluster.settle).start()
    assert world.wait(applied) == Ready("shop", "1 pod ready")


def test_what_the_unit_still_lacks_is_told_when_it_changes(world: World) -> None:
    def on_progress(text: str) -> None:
        world.progress.append(text)
        world.cluster.settle()

    world.on_progress = on_progress
    world.wait(world.apply())
    assert world.progress[0].startswith("deployment/api: ")


def test_a_crash_ends_the_wait_with_the_log(world: World) -> None:
    applied = world.apply()
    name = world.break_pod(CRASH_LOOP)
    world.cluster.set_log("default", name, "api", b"starting\nno DATABASE_URL\n")
    with pytest.raises(StepFailed) as caught:
        world.wait(applied)
    assert caught.value.message == "deployment/api: container api crashed at start (exit 3)"
    assert caught.value.where == "deployment/api"
    assert caught.value.evidence == ("starting", "no DATABASE_URL")


def test_a_crash_from_before_a_neighbours_change_is_waited_out(world: World) -> None:
    world.apply()
    world.break_pod(CRASH_LOOP)
    written = {"manager": "devloop", "time": "2026-11-23T17:00:00Z"}
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "managedFields": [written]}}
    applied = world.apply(is_changed=False, beside=settings)

    def on_progress(text: str) -> None:
        world.progress.append(text)
        world.cluster.settle()

    world.on_progress = on_progress
    assert world.wait(applied).summary == "1 pod ready"
    assert "is started again" in world.progress[0]


def test_what_vanishes_while_it_is_waited_for_is_told(world: World) -> None:
    applied = world.apply()
    world.on_progress = lambda text: world.cluster.take(API)
    with pytest.raises(StepFailed, match="deployment/api: was deleted while devloop waited for it"):
        world.wait(applied)


def test_the_deadline_names_all_that_is_missing(world: World) -> None:
    with pytest.raises(StepFailed, match=r"deployment/api: not ready after 0\.2 s: "):
        world.wait(world.apply(), deadline_s=0.2)


def test_a_forbidden_watch_is_told_as_such() -> None:
    class Strict(FakeCluster):
        def watch(
            self, scope: Scope, api_version: str, kind: str, *, namespace: str = "", labels: str = "", fields: str = ""
        ) -> Iterator[WatchEvent]:
            raise ApiRefusal(403, "Forbidden", "deployments.apps is forbidden")

    with Scope("session") as session:
        world = World(session, Strict())
        with pytest.raises(StepFailed, match=r"deployment/api cannot be watched: deployments\.apps is forbidden"):
            world.wait(world.apply())
        session.cancel()


def test_an_outage_is_outlasted(world: World) -> None:
    applied = world.apply()
    world.store.mirror(pods_of("default"))

    def on_progress(text: str) -> None:
        if not world.progress:
            world.cluster.down()
            world.cluster.settle()
            threading.Timer(0.3, world.cluster.up).start()
        world.progress.append(text)

    world.on_progress = on_progress
    assert world.wait(applied).summary == "1 pod ready"


def test_what_breaks_later_and_what_recovers_is_seen(world: World) -> None:
    applied = world.apply()
    world.cluster.settle()
    world.wait(applied)
    world.break_pod(CRASH_LOOP)
    failure = status.broke(world.session, world.cluster, world.store, applied)
    assert failure.message == "deployment/api: container api crashed at start (exit 3)"
    world.cluster.settle()
    assert status.recovered(world.session, world.cluster, world.store, applied).summary == "1 pod ready"


def test_a_unit_without_workloads_is_ready_when_applied(world: World) -> None:
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    applied = Applied("shop", "default", (AppliedObject(SETTINGS, settings, "api.yaml", True),))
    assert world.wait(applied) == Ready("shop", "")
