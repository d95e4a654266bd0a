"""Forwarded ports on a cluster in memory: what is held, tried again, ended and told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from devloop import events
from devloop.config.model import PortForward
from devloop.observe.forward import Forwarder
from devloop.observe.pods import PodStore
from devloop.products import ObjectRef
from devloop.scope import Scope
from devloop.stages import PortStream
from devloop.testing.cluster import FakeCluster
from tests.e2e.web import eventually

POD = ObjectRef("v1", "Pod", "default", "api")


class World:
    def __init__(self, session: Scope, cluster: FakeCluster | None = None) -> None:
        self.cluster = cluster or FakeCluster()
        self.events: list[events.AnyEvent] = []
        self.session = session
        self.forwarder = Forwarder(session, self.cluster, PodStore(session, self.cluster), self.events.append)

    def listen(self, *specs: PortForward) -> list[int]:
        """Forwards, and returns the local ports once they are open."""
        self.forwarder.listen(specs, "default")
        return [self.opened(spec) for spec in specs]

    def opened(self, spec: PortForward) -> int:
        def port() -> int | None:
            found = [each for each in self.forwards() if each.resource == spec.resource and each.state == "listening"]
            return found[-1].local_port if found else None

        opened = eventually(port, every_s=0.01)
        assert opened is not None
        return opened

    def forwards(self) -> list[events.Forward]:
        return [each for each in self.events if isinstance(each, events.Forward)]

    def told(self, state: str, text: str = "") -> None:
        """Blocks until the last word on a forward is this state."""
        eventually(
            lambda: any(each.state == state and text in each.pod + each.error for each in self.forwards()[-1:]),
            every_s=0.01,
            what=f"{state} {text}: {self.forwards()}",
        )

    def pod(self, name: str = "api", *, ready: bool = True) -> None:
        self.cluster.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": "default", "labels": {"app": "api"}},
                "spec": {"containers": [{"name": "api", "ports": [{"name": "http", "containerPort": 8080}]}]},
                "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
            }
        )

    def serve(self, handler: Callable[[socket.socket], None], pod: str = "api", port: int = 8080) -> None:
        self.cluster.listen("default", pod, port, handler)


@pytest.fixture
def world() -> Iterator[World]:
    with Scope("session") as session:
        yield World(session)
        session.cancel()


def free_ports(count: int = 1) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(server.getsockname()[1]) for server in servers]
    for server in servers:
        server.close()
    return ports


def spec(local_port: int | None = None, *, port: int | str = 8080, resource: str = "pod/api") -> PortForward:
    return PortForward(resource, port, local_port if local_port is not None else free_ports()[0])


def echo(far: socket.socket) -> None:
    while data := far.recv(65536):
        far.sendall(data)


def talk(port: int, *messages: bytes, ends: bool = True) -> bytes:
    """Sends, ends its side if it `ends`, and reads to the end of the reply."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        for message in messages:
            client.sendall(message)
        if ends:
            client.shutdown(socket.SHUT_WR)
        got = b""
        while data := client.recv(65536):
            got += data
        return got


def once(reply: bytes) -> Callable[[socket.socket], None]:
    """A server that reads something, replies and closes."""

    def handler(far: socket.socket) -> None:
        far.recv(65536)
        far.sendall(reply)

    return handler


def test_bytes_go_both_ways(world: World) -> None:
    world.pod()
    world.serve(once(b"pong"))
    (port,) = world.listen(spec())
    assert talk(port, b"ping", ends=False) == b"pong"
    world.told("connected", "api")


def test_a_server_may_speak_first(world: World) -> None:
    world.pod()
    world.serve(lambda far: far.sendall(b"220 ready"))
    (port,) = world.listen(spec())
    assert talk(port) == b"220 ready"


def test_a_client_that_comes_early_is_held(world: World) -> None:
    (port,) = world.listen(spec())
    world.told("waiting", "there is no pod/api")
    got: list[bytes] = []
    client = threading.Thread(target=lambda: got.append(talk(port, b"ping", ends=False)))
    client.start()
    world.pod(ready=False)
    world.told("waiting", "no pod of pod/api is ready")
    world.serve(once(b"pong"))
    world.pod()
    client.join(timeout=30)
    assert got == [b"pong"]


def test_a_port_that_does_not_answer_yet_is_tried_until_it_does(world: World) -> None:
    world.pod()
    (port,) = world.listen(spec())
    world.told("connected")
    got: list[bytes] = []
    client = threading.Thread(target=lambda: got.append(talk(port, b"ping", ends=False)))
    client.start()
    world.told("waiting", "nothing listens on port 8080")
    world.serve(once(b"pong"))
    client.join(timeout=30)
    assert got == [b"pong"]
    world.told("connected", "api")


class Refused:
    """A connection as the API server opens it to a port on which nothing listens: that shows only when something is read."""

    def __init__(self) -> None:
        self.heard = b""
        self._spoken_to = threading.Event()

    def send(self, data: bytes) -> None:
        self.heard += data
        self._spoken_to.set()

    def receive(self) -> bytes:
        self._spoken_to.wait(30)
        raise ConnectionError("failed to connect to localhost:8080 inside namespace: connect: connection refused")

    def close(self) -> None:
        self._spoken_to.set()

    def fileno(self) -> int:
        return -1


class RefusingTwice(FakeCluster):
    def __init__(self) -> None:
        super().__init__()
        self.refused: list[Refused] = []

    def connect(self, scope: Scope, namespace: str, pod: str, port: int) -> PortStream:
        if len(self.refused) < 2:
            self.refused.append(Refused())
            return self.refused[-1]
        return super().connect(scope, namespace, pod, port)


def test_what_was_said_to_a_port_that_refused_is_said_again() -> None:
    cluster = RefusingTwice()
    with Scope("session") as session:
        world = World(session, cluster)
        world.pod()
        world.serve(lambda far: far.sendall(far.recv(65536).upper()))
        (port,) = world.listen(spec())
        assert talk(port, b"ping", ends=False) == b"PING"
        assert [each.heard for each in cluster.refused] == [b"ping", b"ping"]
        session.cancel()


def test_a_request_that_may_have_been_read_is_never_sent_twice(world: World) -> None:
    heard: list[bytes] = []

    def handler(far: socket.socket) -> None:
        heard.append(far.recv(65536))

    world.pod()
    world.serve(handler)
    (port,) = world.listen(spec())
    assert talk(port, b"buy one", ends=False) == b""
    assert heard == [b"buy one"]


def test_a_connection_outlives_its_silent_pod(world: World) -> None:
    leave = threading.Event()

    def leaving(far: socket.socket) -> None:
        leave.wait(30)

    world.pod()
    world.serve(leaving)
    (port,) = world.listen(spec())
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        world.told("connected")
        world.cluster.take(POD)
        world.told("waiting")
        leave.set()
        world.serve(once(b"pong"))
        world.pod()
        client.sendall(b"ping")
        assert client.recv(65536) == b"pong"


def test_big_replies_are_not_cut(world: World) -> None:
    size = 3_000_000
    world.pod()
    world.serve(lambda far: far.sendall(b"x" * size))
    (port,) = world.listen(spec())
    assert len(talk(port, b"go", ends=False)) == size


def test_big_requests_arrive_whole_even_from_a_client_that_came_early(world: World) -> None:
    size = 1_000_000
    heard = threading.Event()
    got = bytearray()

    def handler(far: socket.socket) -> None:
        while len(got) < size:
            got.extend(far.recv(65536))
        heard.set()
        far.sendall(b"thanks")

    (port,) = world.listen(spec())
    sent = bytes(range(250)) * (size // 250)
    replies: list[bytes] = []
    client = threading.Thread(target=lambda: replies.append(talk(port, sent, ends=False)))
    client.start()
    world.serve(handler)
    world.pod()
    assert heard.wait(30)
    client.join(timeout=30)
    assert bytes(got) == sent
    assert replies == [b"thanks"]


def test_a_port_that_the_config_names_is_taken_or_failed_and_comes_back(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = int(other.getsockname()[1])
        world.forwarder.listen([spec(port)], "default")
        world.told("failed", f"port {port} is taken")
    assert world.opened(spec(port)) == port


def test_a_port_that_is_only_usual_gives_way(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = int(other.getsockname()[1])
        (found,) = world.listen(PortForward("pod/api", port))
        assert port < found <= port + 10
        notices = [each.message for each in world.events if isinstance(each, events.Notice)]
        assert notices
        assert notices[0].endswith(f"pod/api is on port {found} instead")


def test_a_named_port_opens_when_it_is_known(world: World) -> None:
    world.forwarder.listen([PortForward("pod/api", "http")], "default")
    world.told("waiting", "port http of pod/api is not known yet")
    world.serve(once(b"pong"))
    world.pod()
    assert talk(world.opened(spec()), b"ping", ends=False) == b"pong"


def test_listening_again_changes_only_the_difference(world: World) -> None:
    kept, left_out, added = (spec(port) for port in free_ports(3))
    world.pod()
    world.serve(echo)
    ports = world.listen(kept, left_out)
    with socket.create_connection(("127.0.0.1", kept.local_port or 0), timeout=30) as client:
        client.sendall(b"a")
        assert client.recv(10) == b"a"
        world.forwarder.listen([kept, added], "default")
        eventually(lambda: _states(world, "closed") == [left_out.local_port], every_s=0.01)
        client.sendall(b"b")
        assert client.recv(10) == b"b"
    with pytest.raises(ConnectionRefusedError):
        talk(left_out.local_port or 0)
    eventually(lambda: added.local_port in _states(world, "listening"), every_s=0.01)
    assert _states(world, "listening").count(kept.local_port or 0) == 1
    assert len(ports) == 2


def _states(world: World, state: str) -> Sequence[int]:
    return [each.local_port for each in world.forwards() if each.state == state]


def test_the_end_of_the_session_closes_ports_and_connections(world: World) -> None:
    world.pod()
    world.serve(echo)
    (port,) = world.listen(spec())
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(b"a")
        assert client.recv(10) == b"a"
        world.session.cancel()
        assert client.recv(10) == b""
    world.told("closed")
    with pytest.raises(ConnectionRefusedError):
        talk(port)
