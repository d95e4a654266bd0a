"""What the fake cluster can besides its contract: rollouts, scripted logs, ports, outages and other people's edits."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from devloop.errors import Unavailable
from devloop.products import Object, ObjectRef
from devloop.scope import Scope
from devloop.testing.cluster import FakeCluster

DEPLOYMENT = ObjectRef("apps/v1", "Deployment", "default", "d")


def deployment(image: str, replicas: int) -> Object:
    template = {"metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "d"}}, "template": template},
    }


@pytest.fixture
def scope() -> Iterator[Scope]:
    with Scope("test") as made:
        yield made


@pytest.fixture
def fake(scope: Scope) -> FakeCluster:
    made = FakeCluster()
    made.apply(scope, deployment("one", 2))
    made.settle()
    return made


def images(fake: FakeCluster) -> list[str]:
    return [each["spec"]["containers"][0]["image"] for each in fake.all("v1", "Pod")]


def test_a_deployment_settles_to_ready_pods_and_stays_so(fake: FakeCluster) -> None:
    before = fake.all("v1", "Pod"), fake.all("apps/v1", "Deployment")
    assert images(fake) == ["one", "one"]
    assert before[1][0]["status"]["availableReplicas"] == 2
    fake.settle()
    assert (fake.all("v1", "Pod"), fake.all("apps/v1", "Deployment")) == before


def test_a_new_image_replaces_the_pods_and_an_old_one_comes_back(fake: FakeCluster, scope: Scope) -> None:
    fake.apply(scope, deployment("two", 3))
    assert images(fake) == ["one", "one"]
    fake.settle()
    assert images(fake) == ["two"] * 3
    fake.apply(scope, deployment("one", 1))
    fake.settle()
    assert images(fake) == ["one"]
    assert len(fake.all("apps/v1", "ReplicaSet")) == 2


def test_deleting_a_deployment_takes_its_pods(fake: FakeCluster, scope: Scope) -> None:
    fake.delete(scope, DEPLOYMENT)
    assert fake.all("v1", "Pod") == fake.all("apps/v1", "ReplicaSet") == []
    assert fake.writes == ["apply deployment/d", "delete deployment/d"]


def test_what_others_changed_stays_where_it_is_not_ours(fake: FakeCluster, scope: Scope) -> None:
    def inject(obj: Object) -> None:
        obj["metadata"]["labels"] = {"theirs": "1"}
        obj["spec"]["template"]["spec"]["containers"].insert(0, {"name": "sidecar", "image": "mesh"})

    fake.change(DEPLOYMENT, inject)
    made = fake.apply(scope, deployment("two", 2))
    assert made["metadata"]["labels"] == {"theirs": "1"}
    found = made["spec"]["template"]["spec"]["containers"]
    assert [(each["name"], each["image"]) for each in found] == [("c", "two"), ("sidecar", "mesh")]


def test_a_followed_log_goes_on_until_its_pod_is_gone(fake: FakeCluster, scope: Scope) -> None:
    pod = fake.all("v1", "Pod")[0]["metadata"]["name"]
    fake.set_log("default", pod, "c", b"a\nb\n")
    log = fake.logs(scope, "default", pod, "c", follow=True, tail_lines=1)
    assert next(log) == b"b\n"
    fake.set_log("default", pod, "c", b"a\nb\nc\n")
    assert next(log) == b"c\n"
    fake.take(ObjectRef("v1", "Pod", "default", pod))
    assert list(log) == []


def test_a_port_is_answered_by_its_handler_or_by_nobody(fake: FakeCluster, scope: Scope) -> None:
    def shout(far: socket.socket) -> None:
        while data := far.recv(100):
            far.sendall(data.upper())

    fake.listen("default", "p", 80, shout)
    stream = fake.connect(scope, "default", "p", 80)
    stream.send(b"hello")
    assert stream.receive() == b"HELLO"
    stream.close()
    with pytest.raises(ConnectionError, match="port 81"):
        fake.connect(scope, "default", "p", 81)


def test_a_watch_sees_after_an_outage_what_happened_in_it(fake: FakeCluster, scope: Scope) -> None:
    watch = fake.watch(scope, "v1", "Namespace")
    assert [next(watch).type for _ in range(3)] == ["ADDED", "ADDED", "SYNCED"]
    fake.down()
    with pytest.raises(Unavailable):
        fake.version(scope)
    fake.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}})
    fake.up()
    assert next(watch).object["metadata"]["name"] == "new"
