"""The real door to the Docker engine, at addresses where no engine, or a bad one, listens."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from devloop.effects import docker, docker_events
from devloop.effects.docker_address import familiar, local_address, podman_sockets
from devloop.errors import StepFailed, Unavailable, UsageError
from devloop.refs import split_ref
from devloop.scope import Cancelled, Scope
from devloop.testing.processes import FakeProcesses

VERSION = {"ApiVersion": "1.41", "Version": "20.10.24"}


class BadEngine:
    """Answers `/version`, and what else it was told, on a unix socket; anything else hangs until it is closed."""

    def __init__(self, path: Path) -> None:
        self.url = f"unix://{path}"
        self.asked: list[str] = []
        self.hangs = threading.Event()
        self._answers: dict[str, bytes] = {}
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self.answer("/version", json.dumps(VERSION).encode())

    def answer(self, path: str, body: bytes, *, status: str = "200 OK", length: int | None = None) -> None:
        head = f"HTTP/1.1 {status}\r\nDate: Tue, 24 Nov 2026 00:00:00 GMT\r\nContent-Type: application/json\r\n"
        self._answers[path] = f"{head}Content-Length: {length or len(body)}\r\n\r\n".encode() + body

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with closing(connection):
                connection.shutdown(socket.SHUT_RDWR) if connection.fileno() >= 0 else None
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reader:
            try:
                while request := reader.readline().decode():
                    while reader.readline().strip():
                        pass
                    target = request.split()[1]
                    self.asked.append(target)
                    for path, answer in self._answers.items():
                        if path in target:
                            connection.sendall(answer)
                            if "/events" in target:
                                connection.recv(1)
                                return
                            break
                    else:
                        self.hangs.set()
                        connection.recv(1)
                        return
                    if "images/get" in target:
                        return
            except OSError:
                return


@pytest.fixture
def bad(tmp_path: Path) -> Iterator[BadEngine]:
    with closing(BadEngine(tmp_path / "docker.sock")) as engine:
        yield engine


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker configuration folder of one's own."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text("{}")
    return tmp_path / "docker"


def add_context(config: Path, name: str, host: str) -> None:
    import hashlib

    folder = config / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    meta = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    (folder / "meta.json").write_text(json.dumps(meta))


def at(url: str) -> docker.DockerEngine:
    return docker.connect({"DOCKER_HOST": url}, FakeProcesses())


def test_connecting_asks_nothing() -> None:
    at("unix:///no/such/docker.sock")


def test_a_missing_socket_is_said_with_its_address_and_what_to_try(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=f"unix://{tmp_path}/docker.sock is not there") as caught:
        at(f"unix://{tmp_path}/docker.sock").info()
    assert caught.value.hint is not None
    assert "docker info" in caught.value.hint


@pytest.mark.parametrize("path", ["unix", "tcp"])
def test_a_port_or_socket_where_nobody_listens_refuses(tmp_path: Path, path: str) -> None:
    family = socket.AF_UNIX if path == "unix" else socket.AF_INET
    with closing(socket.socket(family)) as taken:
        if path == "unix":
            taken.bind(str(tmp_path / "sock"))
            url = f"unix://{tmp_path}/sock"
        else:
            taken.bind(("127.0.0.1", 0))
            url = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unavailable, match="refuses connections"):
            at(url).inspect("busybox")
        with Scope("test") as scope, pytest.raises(Unavailable, match="refuses connections"):
            next(at(url).save(scope, ["busybox"]))


def test_an_engine_that_says_nothing_is_given_up_after_some_seconds(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX)) as silent:
        silent.bind(str(tmp_path / "sock"))
        silent.listen()
        with pytest.raises(Unavailable, match="does not answer within 5 s"):
            at(f"unix://{tmp_path}/sock").info()


def test_an_address_that_makes_no_sense_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="address of the Docker engine"):
        at("gopher://engine").info()


def test_an_engine_that_comes_back_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    engine = at(f"unix://{path}")
    with pytest.raises(Unavailable):
        engine.inspect("shop/api")
    for _ in range(2):
        with closing(BadEngine(path)) as bad:
            bad.answer("/images/shop/api/json", b'{"message": "no such image"}', status="404 Not Found")
            assert engine.inspect("shop/api") is None
        path.unlink()
    engine.close()


def test_a_refusal_carries_the_engines_words(bad: BadEngine) -> None:
    bad.answer("/images/shop/api/json", b'{"message": "disk full"}', status="500 Internal Server Error")
    engine = at(bad.url)
    with pytest.raises(StepFailed, match="disk full"):
        engine.inspect("shop/api")
    engine.close()


def test_a_save_is_cancelled_before_its_first_byte(bad: BadEngine) -> None:
    engine = at(bad.url)
    with Scope("test") as scope:
        chunks = engine.save(scope, ["shop/api:v1"])

        def cancel() -> None:
            bad.hangs.wait(10)
            scope.cancel()

        scope.spawn("cancel", cancel)
        with pytest.raises(Cancelled):
            next(chunks)
    engine.close()


def test_a_save_that_breaks_off_is_no_end(bad: BadEngine) -> None:
    bad.answer("/images/get", b"half", length=1000)
    engine = at(bad.url)
    with Scope("test") as scope, pytest.raises(Unavailable, match="broke off"):
        b"".join(engine.save(scope, ["shop/api:v1"]))
    engine.close()


def test_a_save_asks_for_all_images_at_once(bad: BadEngine) -> None:
    bad.answer("/images/get", b"tar")
    engine = at(bad.url)
    with Scope("test") as scope:
        assert b"".join(engine.save(scope, ["a:1", "b:2"])) == b"tar"
    assert bad.asked[-1] == "/v1.41/images/get?names=a%3A1&names=b%3A2"
    engine.close()


def test_the_host_in_the_environment_wins(config: Path) -> None:
    engine = docker.connect({"DOCKER_HOST": "unix:///a.sock", "DOCKER_CONTEXT": "other"})
    assert engine.environment() == {"DOCKER_HOST": "unix:///a.sock"}


def test_without_anything_said_it_is_the_local_socket(config: Path) -> None:
    assert docker.connect().environment() == {"DOCKER_CONTEXT": "default"}


def test_the_current_context_is_used_and_pinned(config: Path, bad: BadEngine) -> None:
    add_context(config, "colima", bad.url)
    (config / "config.json").write_text('{"currentContext": "colima"}')
    engine = docker.connect()
    assert engine.environment() == {"DOCKER_CONTEXT": "colima"}
    bad.answer("/images/x/json", b'{"message": "no"}', status="404 Not Found")
    assert engine.inspect("x") is None
    engine.close()


def test_the_context_in_the_environment_wins_over_the_current_one(config: Path, bad: BadEngine) -> None:
    add_context(config, "colima", bad.url)
    assert docker.connect({"DOCKER_CONTEXT": "colima"}).environment() == {"DOCKER_CONTEXT": "colima"}


def test_a_context_that_does_not_exist_is_the_users_mistake(config: Path) -> None:
    with pytest.raises(UsageError, match="no docker context gone"):
        docker.connect({"DOCKER_CONTEXT": "gone"}).info()


def test_a_push_returns_the_digest_that_the_cli_names() -> None:
    digest = f"sha256:{'ab' * 32}"
    processes = FakeProcesses()
    processes.when("docker", "push", stdout=f"1234: Pushed\nv1: digest: {digest} size: 527\n")
    lines: list[str] = []
    engine = docker.connect({"DOCKER_HOST": "unix:///a.sock"}, processes)
    with Scope("test") as scope:
        assert engine.push(scope, "localhost:5001/api:v1", lines.append) == digest
    assert lines[0] == "1234: Pushed"
    assert processes.calls[0].env == {"DOCKER_HOST": "unix:///a.sock"}


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("denied: requested access to the resource is denied", "docker login reg.example"),
        ("unauthorized: authentication required", "docker login reg.example"),
        ("dial tcp 127.0.0.1:5001: connect: connection refused", "registry reg.example running"),
    ],
)
def test_a_refused_push_says_what_to_do(said: str, hint: str) -> None:
    processes = FakeProcesses()
    processes.when("docker", "push", stderr=f"{said}\n", code=1)
    with Scope("test") as scope, pytest.raises(StepFailed) as caught:
        docker.connect({"DOCKER_HOST": "unix:///a.sock"}, processes).push(scope, "reg.example/api:v1")
    assert hint in (caught.value.hint or "")
    assert caught.value.evidence == (said,)


@pytest.mark.parametrize(
    ("ref", "said", "hint"),
    [
        (
            "base",
            "pull access denied for base, repository does not exist",
            "docker login docker.io`, and check the name",
        ),
        ("shop/base:1", "manifest for shop/base:1 not found: manifest unknown", "docker.io has no such image"),
        ("reg.example/base", "dial tcp: lookup reg.example: no such host", "registry reg.example running"),
        ("localhost:5001/base", "connection refused", "registry localhost:5001 running"),
    ],
)
def test_a_refused_pull_says_what_to_do(ref: str, said: str, hint: str) -> None:
    processes = FakeProcesses()
    processes.when("docker", "pull", stderr=f"{said}\n", code=1)
    with Scope("test") as scope, pytest.raises(StepFailed) as caught:
        docker.connect({"DOCKER_HOST": "unix:///a.sock"}, processes).pull(scope, ref)
    assert hint in (caught.value.hint or "")
    assert caught.value.where == ref
    assert processes.calls[0].env == {"DOCKER_HOST": "unix:///a.sock"}


def event(action: str, image_id: str, name: str) -> bytes:
    told = {"Type": "image", "Action": action, "Actor": {"ID": image_id, "Attributes": {"name": name}}}
    return json.dumps(told).encode() + b"\n"


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (event("tag", "sha256:1", "base:latest"), "base:latest"),
        (event("pull", "busybox:1.37", "busybox"), "busybox:1.37"),
        (event("untag", "sha256:1", "sha256:1"), ""),
        (event("load", "sha256:2", "sha256:2"), ""),
        (b"{}", ""),
        (b'{"Action": "tag", "Actor": {"Attributes": null}}', ""),
    ],
)
def test_an_event_has_a_name_or_means_any(said: bytes, name: str) -> None:
    assert docker_events.told(json.loads(said)) == name


def test_what_the_engine_tells_of_is_passed_on(bad: BadEngine) -> None:
    bad.answer("/version", json.dumps({"ApiVersion": "1.49"}).encode())
    names = [f"base:{number}" for number in range(3)]
    bad.answer("/events", b"".join(event("tag", "sha256:1", name) for name in names), length=10_000)
    with Scope("test") as scope:
        events = at(bad.url).image_events(scope)
        assert [next(events) for _ in range(4)] == ["", *names]
    (asked,) = (target for target in bad.asked if "/events" in target)
    assert asked.startswith("/v1.49/events?since=")


def test_many_events_without_a_name_are_one_question() -> None:
    stream = docker_events.Stream()
    for name in [*[""] * 1000, "base:1", ""]:
        stream.tell(name)
    assert [stream.next(1), stream.next(1)] == ["", "base:1"]
    for name in ("base:2", ""):
        stream.tell(name)
    assert [stream.next(1), stream.next(1)] == ["base:2", ""]


@pytest.mark.parametrize(("spent_s", "pause_s"), [(0, 2), (0.001, 2), (0.01, 4), (10, 60)])
def test_dear_looks_are_rarer(spent_s: float, pause_s: float) -> None:
    assert docker_events.pause_s(spent_s) == pytest.approx(pause_s)


def test_after_an_outage_any_name_may_have_moved(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with Scope("test") as scope:
        events = at(f"unix://{path}").image_events(scope)
        for name in ("one:1", "two:2"):
            with closing(BadEngine(path)) as bad:
                bad.answer("/version", json.dumps({"ApiVersion": "1.49"}).encode())
                bad.answer("/events", event("tag", "sha256:1", name), length=10_000)
                while (told := next(events)) != name:
                    assert told == ""
            path.unlink()


def test_an_engine_that_says_little_is_looked_at(bad: BadEngine) -> None:
    bad.answer("/events", b"", length=10_000)
    with Scope("test") as scope:
        events = at(bad.url).image_events(scope)
        assert [next(events) for _ in range(2)] == ["", ""]
        scope.spawn("cancel", scope.cancel)
        with pytest.raises(Cancelled):
            for _ in events:
                pass


def test_an_engine_behind_ssh_is_looked_at() -> None:
    with Scope("test") as scope:
        events = at("ssh://nowhere").image_events(scope)
        assert next(events) == ""


@pytest.mark.parametrize(
    ("ref", "parts"),
    [
        ("shop/api:v1", ("shop/api", "v1")),
        ("shop/api", ("shop/api", "latest")),
        ("localhost:5001/api", ("localhost:5001/api", "latest")),
        ("localhost:5001/api:v1", ("localhost:5001/api", "v1")),
    ],
)
def test_a_ref_is_a_name_and_a_tag(ref: str, parts: tuple[str, str]) -> None:
    assert split_ref(ref) == parts


# Docker's socket, or podman's


def listening(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(str(path))
    sock.listen()
    return sock


def test_podman_is_taken_where_nobody_listens_on_dockers_socket(tmp_path: Path) -> None:
    ours, podman = f"{tmp_path}/docker.sock", f"{tmp_path}/podman.sock"
    with listening(tmp_path / "podman.sock"):
        found = local_address(ours, (f"{tmp_path}/none.sock", podman))
        assert (found.url, found.variables) == (f"unix://{podman}", {"DOCKER_HOST": f"unix://{podman}"})
        with listening(tmp_path / "docker.sock"):
            assert local_address(ours, (podman,)).variables == {"DOCKER_CONTEXT": "default"}
        # The file of a socket that nobody listens on any more.
        assert local_address(ours, (podman,)).url == f"unix://{podman}"
    assert local_address(ours, (podman,)).variables == {"DOCKER_CONTEXT": "default"}


def test_podman_is_looked_for_where_it_listens_for_users_first() -> None:
    assert podman_sockets({"XDG_RUNTIME_DIR": "/run/user/7"})[:2] == (
        "/run/user/7/podman/podman.sock",
        "/run/podman/podman.sock",
    )


@pytest.mark.parametrize(
    ("installed", "words"),
    [
        (("docker",), ("docker",)),
        (("docker", "podman"), ("docker",)),
        (("podman",), ("podman", "--url", "unix:///x.sock")),
        ((), ("docker",)),
    ],
)
def test_podmans_words_do_where_only_podman_is_installed(installed: tuple[str, ...], words: tuple[str, ...]) -> None:
    processes = FakeProcesses()
    for program in installed:
        processes.when(program)
    assert docker.connect({"DOCKER_HOST": "unix:///x.sock"}, processes).cli() == words


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("docker.io/library/busybox:1", "busybox:1"),
        ("docker.io/shop/api:1", "shop/api:1"),
        ("localhost/shop/api:1", "localhost/shop/api:1"),
        ("shop/api:1", "shop/api:1"),
    ],
)
def test_names_are_those_that_docker_says(name: str, shown: str) -> None:
    assert familiar(name) == shown
