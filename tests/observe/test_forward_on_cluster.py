"""Forwarded ports on the real cluster: nobody is refused while pods are replaced, and every reply comes whole."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable

import pytest

from devloop import events, stages
from devloop.config import model
from devloop.observe.forward import Forwarder
from devloop.observe.pods import PodStore
from devloop.products import Applied, Object
from devloop.scope import Scope
from tests.e2e.web import eventually, get_once
from tests.observe.conftest import workload

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("busybox")]

Apply = Callable[..., Applied]
SERVE = (
    "mkdir /www; echo v{version} > /www/index.html; head -c {size} /dev/zero > /www/big; exec httpd -f -p 8080 -h /www"
)


def web(version: int, *, start_s: float = 0, size: int = 1000) -> Object:
    script = f"sleep {start_s}; " + SERVE.format(version=version, size=size)
    ports = [{"name": "http", "containerPort": 8080}]
    return workload(script, name="web", ports=ports)


class Told:
    def __init__(self) -> None:
        self.events: list[events.Forward] = []

    def emit(self, event: events.AnyEvent) -> None:
        if isinstance(event, events.Forward):
            self.events.append(event)

    def states(self) -> list[str]:
        return [each.state for each in self.events]


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def forwarder(session: Scope, door: stages.Cluster, store: PodStore, told: Told) -> Forwarder:
    return Forwarder(session, door, store, told.emit)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def listening(told: Told, count: int = 1) -> None:
    eventually(lambda: told.states().count("listening") >= count, every_s=0.01)


def test_no_request_fails_over_five_rollouts(apply: Apply, forwarder: Forwarder, told: Told, namespace: str) -> None:
    port = free_port()
    forwarder.listen([model.PortForward("deployment/web", 8080, port)], namespace)
    listening(told)
    apply(web(0))
    stop = threading.Event()
    answers: list[str] = []
    problems: list[str] = []

    def ask() -> None:
        while not stop.is_set():
            try:
                answers.append(get_once(port, "/").text.strip())
            except (OSError, http.client.HTTPException) as problem:
                problems.append(repr(problem))
            time.sleep(0.01)

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        for version in range(6):
            apply(web(version, start_s=0.3))
            eventually(lambda v=version: answers[-1:] == [f"v{v}"], what=f"v{version}")  # type: ignore[misc]
            time.sleep(0.5)
    finally:
        stop.set()
        for client in clients:
            client.join()
    assert problems == []
    assert len(answers) > 100
    seen = list(dict.fromkeys(answers))
    assert seen == [f"v{version}" for version in range(6)]


def test_a_client_is_held_until_a_pod_serves(apply: Apply, forwarder: Forwarder, told: Told, namespace: str) -> None:
    port = free_port()
    forwarder.listen([model.PortForward("service/web", "www", port)], namespace)
    listening(told)
    got: list[str] = []
    client = threading.Thread(target=lambda: got.append(get_once(port, "/").text.strip()))
    client.start()
    time.sleep(0.3)
    assert not got
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "www", "port": 80, "targetPort": "http"}]},
    }
    apply(service, web(1, start_s=2))
    client.join(timeout=60)
    assert got == ["v1"]
    assert told.states()[:2] == ["listening", "waiting"]
    eventually(lambda: told.states()[-1] == "connected", what=str(told.states()))


def test_big_replies_and_big_requests_come_whole(
    apply: Apply, forwarder: Forwarder, told: Told, namespace: str
) -> None:
    port, echo_port = free_port(), free_port()
    size = 8_000_000
    apply(web(1, size=size), workload("exec nc -ll -p 9000 -e cat", name="echo"))
    forwarder.listen(
        [model.PortForward("deployment/web", "http", port), model.PortForward("deployment/echo", 9000, echo_port)],
        namespace,
    )
    listening(told, 2)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/big")
    assert len(connection.getresponse().read()) == size
    connection.close()
    sent = bytes(range(256)) * 8000
    with socket.create_connection(("127.0.0.1", echo_port), timeout=60) as client:
        threading.Thread(target=lambda: client.sendall(sent)).start()
        got = bytearray()
        while len(got) < len(sent) and (data := client.recv(65536)):
            got += data
    assert bytes(got) == sent


def test_closing_a_forward_frees_its_port_and_leaves_the_others(
    apply: Apply, forwarder: Forwarder, told: Told, namespace: str
) -> None:
    apply(web(1))
    first, second = (model.PortForward("deployment/web", 8080, free_port()) for _ in range(2))
    forwarder.listen([first, second], namespace)
    listening(told, 2)
    forwarder.listen([second], namespace)
    eventually(lambda: "closed" in told.states())
    with pytest.raises(ConnectionRefusedError):
        get_once(first.local_port or 0, "/")
    assert get_once(second.local_port or 0, "/").text.strip() == "v1"


def test_a_client_that_ended_its_side_gets_the_whole_reply(
    apply: Apply, forwarder: Forwarder, told: Told, namespace: str
) -> None:
    port = free_port()
    apply(workload("exec nc -ll -p 9000 -e sh -c 'read line; sleep 1; echo got $line; sleep 1; echo end'", name="slow"))
    forwarder.listen([model.PortForward("deployment/slow", 9000, port)], namespace)
    listening(told)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(b"hello\n")
        client.shutdown(socket.SHUT_WR)
        got = bytearray()
        while data := client.recv(65536):
            got += data
    assert got == b"got hello\nend\n"
