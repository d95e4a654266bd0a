"""The door to a cluster keeps its word when the server, the network or kubeconfig does not; and logs and ports of real pods."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from devloop.effects import cluster as cluster_door
from devloop.errors import Unavailable, UsageError
from devloop.products import Object, ObjectRef
from devloop.scope import Cancelled, Scope
from devloop.stages import ApiRefusal, Cluster, PortStream, WatchEvent

DISCOVERY = {
    "kind": "APIResourceList",
    "resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": True, "verbs": []}],
}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") == "true"


Answer = Callable[["Handler"], None]


@dataclass
class Script:
    """What the server answers to lists and watches of ConfigMaps, in order; the last one for ever. `seen`: what it was asked."""

    lists: list[Answer] = field(default_factory=list)
    watches: list[Answer] = field(default_factory=list)
    writes: list[Answer] = field(default_factory=list)
    seen: list[Request] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, request: Request) -> Answer:
        with self.lock:
            self.seen.append(request)
            if request.path == "/api/v1":
                return reply(DISCOVERY)
            answers = self.writes if request.method != "GET" else self.watches if request.is_watch else self.lists
            return answers.pop(0) if len(answers) > 1 else answers[0]

    @property
    def watched_from(self) -> list[str]:
        return [each.query["resourceVersion"] for each in self.seen if each.is_watch]


class Server(ThreadingHTTPServer):
    daemon_threads = True
    script: Script


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.script.next(
            Request(
                self.command, parts.path, query, {name.lower(): value for name, value in self.headers.items()}, body
            )
        )(self)

    do_GET = do_PATCH = do_DELETE = handle_any  # noqa: N815 - names that the base class looks for

    def chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def log_message(self, *_args: Any) -> None:
        """Says nothing."""


def reply(body: object, code: int = 200, headers: dict[str, str] | None = None) -> Answer:
    def answer(handler: Handler) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        handler.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def refuse(code: int, reason: str, message: str = "no") -> Answer:
    return reply({"kind": "Status", "status": "Failure", "reason": reason, "message": message, "code": code}, code)


def listing(version: int, *items: Object, proceed: str = "") -> Answer:
    metadata = {"resourceVersion": str(version), **({"continue": proceed} if proceed else {})}
    return reply({"kind": "ConfigMapList", "metadata": metadata, "items": list(items)})


def stream(*events: tuple[str, Object], then: str = "end", tail: bytes = b"") -> Answer:
    """Sends the events; `then`: "end" properly, "cut" the connection after `tail`, "stay" until the test is over."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for change, obj in events:
            handler.chunk(json.dumps({"type": change, "object": obj}).encode() + b"\n")
        if tail:
            handler.chunk(tail)
        if then == "stay":
            handler.server.script.is_over.wait()
        if then == "end":
            handler.wfile.write(b"0\r\n\r\n")
        else:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)

    return answer


def thing(name: str, version: int) -> Object:
    return {"metadata": {"name": name, "namespace": "ns", "uid": f"uid-{name}", "resourceVersion": str(version)}}


def bookmark(version: int) -> tuple[str, Object]:
    return "BOOKMARK", {"kind": "ConfigMap", "metadata": {"resourceVersion": str(version)}}


def told(event: WatchEvent) -> tuple[str, str]:
    return event.type, event.object.get("metadata", {}).get("name", "")


@pytest.fixture
def scope() -> Iterator[Scope]:
    with Scope("test") as made:
        yield made


@pytest.fixture
def script() -> Script:
    return Script(lists=[listing(10)], watches=[stream(then="stay")])


@pytest.fixture
def server(script: Script, scope: Scope) -> Iterator[str]:
    made = Server(("127.0.0.1", 0), Handler)
    made.script = script
    scope.spawn("server", lambda: made.serve_forever(0.02))
    yield f"http://127.0.0.1:{made.server_port}"
    script.is_over.set()
    made.shutdown()
    made.server_close()


def kubeconfig(server: str, *contexts: str, current: str | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": contexts[0] if current is None else current,
        "contexts": [
            {"name": each, "context": {"cluster": "c", "user": "u", "namespace": f"ns-of-{each}"}} for each in contexts
        ],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "secret-token"}}],
    }


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[object], Path]:
    def write(content: object) -> Path:
        path = tmp_path / "kubeconfig"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        monkeypatch.setenv("KUBECONFIG", str(path))
        return path

    return write


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def door(server: str, configure: Callable[[object], Path], warnings: list[str]) -> Cluster:
    configure(kubeconfig(server, "tiny"))
    return cluster_door.connect(None, None, on_warning=warnings.append)


def follow(door: Cluster, scope: Scope, count: int) -> list[tuple[str, str]]:
    """The first events of a watch."""
    watch = door.watch(scope, "v1", "ConfigMap", namespace="ns")
    return [told(next(watch)) for _ in range(count)]


class TestWatch:
    def test_a_connection_cut_in_the_middle_is_resumed_without_loss(
        self, door: Cluster, script: Script, scope: Scope
    ) -> None:
        script.lists = [listing(10, thing("a", 5))]
        half = json.dumps({"type": "ADDED", "object": thing("c", 12)}).encode()[:30]
        script.watches = [
            stream(("ADDED", thing("b", 11)), then="cut", tail=half),
            stream(("ADDED", thing("c", 12)), ("DELETED", thing("b", 13)), then="stay"),
        ]
        assert follow(door, scope, 5) == [
            ("ADDED", "a"),
            ("SYNCED", ""),
            ("ADDED", "b"),
            ("ADDED", "c"),
            ("DELETED", "b"),
        ]
        assert script.watched_from == ["10", "11"]

    def test_a_bookmark_is_where_it_resumes_and_is_told_to_nobody(
        self, door: Cluster, script: Script, scope: Scope
    ) -> None:
        script.watches = [stream(bookmark(40)), stream(("ADDED", thing("a", 41)), then="stay")]
        assert follow(door, scope, 2) == [("SYNCED", ""), ("ADDED", "a")]
        assert script.watched_from == ["10", "40"]

    @pytest.mark.parametrize(
        "gone",
        [
            stream(("ERROR", {"kind": "Status", "code": 410, "reason": "Expired"}), then="stay"),
            refuse(410, "Expired"),
        ],
        ids=["in the stream", "as the answer"],
    )
    def test_after_a_version_that_is_gone_it_lists_again_and_tells_what_vanished(
        self, door: Cluster, script: Script, scope: Scope, gone: Answer
    ) -> None:
        script.lists = [
            listing(10, thing("a", 5), thing("b", 6), thing("same", 7)),
            listing(90, thing("b", 80), thing("c", 81), thing("same", 7)),
        ]
        script.watches = [gone, stream(("MODIFIED", thing("c", 91)), then="stay")]
        assert follow(door, scope, 9) == [
            ("ADDED", "a"),
            ("ADDED", "b"),
            ("ADDED", "same"),
            ("SYNCED", ""),
            ("DELETED", "a"),
            ("MODIFIED", "b"),
            ("ADDED", "c"),
            ("SYNCED", ""),
            ("MODIFIED", "c"),
        ]
        assert script.watched_from == ["10", "90"]

    @pytest.mark.parametrize(
        "trouble",
        [
            refuse(429, "TooManyRequests"),
            refuse(500, "InternalError"),
            reply("upstream connect error", 503),
            reply("<html>a captive portal</html>"),
            stream(("ERROR", {"kind": "Status", "code": 500, "reason": "InternalError"})),
            stream(then="cut", tail=b"<html>\n"),
        ],
        ids=["429", "500", "503", "no JSON", "error event", "stream of no JSON"],
    )
    def test_trouble_is_outlived(self, door: Cluster, script: Script, scope: Scope, trouble: Answer) -> None:
        script.watches = [trouble, trouble, stream(("ADDED", thing("a", 11)), then="stay")]
        assert follow(door, scope, 2) == [("SYNCED", ""), ("ADDED", "a")]
        assert script.watched_from == ["10", "10", "10"]

    @pytest.mark.parametrize("trouble", [refuse(500, "InternalError"), reply("<html>"), stream(then="cut")])
    def test_a_list_that_fails_is_asked_for_again(
        self, door: Cluster, script: Script, scope: Scope, trouble: Answer
    ) -> None:
        script.lists = [trouble, trouble, listing(10, thing("a", 5))]
        assert follow(door, scope, 2) == [("ADDED", "a"), ("SYNCED", "")]

    def test_what_is_forbidden_is_raised(self, door: Cluster, script: Script, scope: Scope) -> None:
        script.lists = [refuse(403, "Forbidden", "configmaps is forbidden")]
        with pytest.raises(ApiRefusal, match="configmaps is forbidden"):
            follow(door, scope, 1)

    @pytest.mark.parametrize(
        "ending",
        [stream(), refuse(410, "Expired"), stream(("ERROR", {"code": 410})), stream(bookmark(11))],
        ids=["empty", "410", "410 in the stream", "bookmarks"],
    )
    def test_a_server_that_ends_each_watch_at_once_is_asked_with_pauses(
        self, door: Cluster, script: Script, scope: Scope, ending: Answer
    ) -> None:
        script.watches = [ending]
        with scope.child("watch") as watching:

            def follow_on() -> None:
                for _ in door.watch(watching, "v1", "ConfigMap"):
                    pass

            watching.spawn("watch", follow_on)
            scope.wait(0.5)
            watching.cancel()
        assert 1 <= len(script.watched_from) <= 8

    def test_a_list_in_pages_is_one_list(self, door: Cluster, script: Script, scope: Scope) -> None:
        script.lists = [listing(10, thing("a", 5), proceed="more"), listing(10, thing("b", 6))]
        assert follow(door, scope, 3) == [("ADDED", "a"), ("ADDED", "b"), ("SYNCED", "")]
        lists = [each.query for each in script.seen if each.path.endswith("configmaps") and not each.is_watch]
        assert [each.get("continue") for each in lists] == [None, "more"]

    def test_pages_that_expire_are_asked_for_in_one(self, door: Cluster, script: Script, scope: Scope) -> None:
        script.lists = [
            listing(10, thing("a", 5), proceed="more"),
            refuse(410, "Expired"),
            listing(20, thing("a", 5), thing("b", 15)),
        ]
        found = door.list(scope, "v1", "ConfigMap")
        assert [each["metadata"]["name"] for each in found] == ["a", "b"]
        assert "limit" not in script.seen[-1].query

    def test_cancelling_ends_it_while_it_waits_out_an_outage(self, door: Cluster, script: Script) -> None:
        script.lists = [refuse(500, "InternalError")]
        with Scope("test") as scope:

            def follow_on() -> None:
                follow(door, scope, 1)

            scope.spawn("watch", follow_on)
            scope.wait(0.2)
            scope.cancel()


class TestRequests:
    def test_credentials_and_the_manager_are_sent(self, door: Cluster, script: Script, scope: Scope) -> None:
        script.writes = [reply({"metadata": {}})]
        door.apply(scope, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a/../b"}}, is_dry_run=True)
        sent = script.seen[-1]
        assert sent.headers["authorization"] == "Bearer secret-token"
        assert sent.headers["content-type"] == "application/apply-patch+yaml"
        assert sent.query == {"fieldManager": "devloop", "force": "true", "fieldValidation": "Warn", "dryRun": "All"}
        assert sent.path == "/api/v1/namespaces/ns-of-tiny/configmaps/a%2F..%2Fb"

    def test_warnings_are_passed_on(self, door: Cluster, script: Script, scope: Scope, warnings: list[str]) -> None:
        script.writes = [reply({"metadata": {}}, headers={"Warning": '299 - "unknown field \\"spec.x\\""'})]
        door.apply(scope, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
        assert warnings == ['unknown field "spec.x"']

    def test_a_connection_that_was_closed_meanwhile_is_made_again(
        self, door: Cluster, script: Script, scope: Scope
    ) -> None:
        script.writes = [stream(then="cut"), reply({"metadata": {"uid": "u"}})]
        assert door.apply(scope, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})

    def test_refused_credentials_are_the_users_to_mend(self, door: Cluster, script: Script, scope: Scope) -> None:
        script.lists = [refuse(401, "Unauthorized", "Unauthorized")]
        with pytest.raises(UsageError, match="the cluster of context tiny refuses the credentials") as caught:
            door.list(scope, "v1", "ConfigMap")
        assert "secret-token" not in str(caught.value)
        with pytest.raises(UsageError):
            follow(door, scope, 1)

    def test_a_gateways_error_is_an_outage(self, door: Cluster, script: Script, scope: Scope) -> None:
        script.lists = [reply("no healthy upstream", 503)]
        with pytest.raises(Unavailable, match="answers 503: no healthy upstream"):
            door.list(scope, "v1", "ConfigMap")

    def test_an_answer_that_is_no_json_is_an_outage(self, door: Cluster, script: Script, scope: Scope) -> None:
        script.lists = [reply("<html>log in to the hotel</html>")]
        with pytest.raises(Unavailable, match="something that is not JSON"):
            door.list(scope, "v1", "ConfigMap")

    def test_a_refusal_keeps_the_servers_words(self, door: Cluster, script: Script, scope: Scope) -> None:
        details = {"causes": [{"field": "data"}]}
        script.writes = [reply({"reason": "Invalid", "message": "data is no good", "details": details}, 422)]
        with pytest.raises(ApiRefusal) as caught:
            door.apply(scope, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})
        refusal = caught.value
        assert (refusal.code, refusal.reason, refusal.message, refusal.details) == (
            422,
            "Invalid",
            "data is no good",
            details,
        )

    def test_deleting_what_became_another_is_not_done(self, door: Cluster, script: Script, scope: Scope) -> None:
        script.writes = [refuse(409, "Conflict")]
        ref = ObjectRef("v1", "ConfigMap", "ns", "a")
        assert door.delete(scope, ref, uid="other") is False
        sent = next(each for each in script.seen if each.method == "DELETE")
        assert json.loads(sent.body)["preconditions"] == {"uid": "other"}
        with pytest.raises(ApiRefusal):
            door.delete(scope, ref)

    def test_kinds_are_asked_for_once_and_unknown_ones_again(self, door: Cluster, script: Script, scope: Scope) -> None:
        for _ in range(2):
            assert door.resource(scope, "v1", "ConfigMap")
        assert len(script.seen) == 1
        for _ in range(2):
            assert door.resource(scope, "v1", "Foo") is None
        assert len(script.seen) == 3


class TestKubeconfig:
    def test_the_contexts_namespace_is_the_default_one_and_an_own_one_goes_before(
        self, configure: Callable[[object], Path]
    ) -> None:
        configure(kubeconfig("http://127.0.0.1:9/", "one", "two"))
        assert (cluster_door.connect(None, None).context, cluster_door.connect(None, None).namespace) == (
            "one",
            "ns-of-one",
        )
        door = cluster_door.connect("two", "mine")
        assert (door.context, door.namespace, door.server) == ("two", "mine", "http://127.0.0.1:9")

    def test_an_unknown_context_is_answered_with_those_there_are(self, configure: Callable[[object], Path]) -> None:
        path = configure(kubeconfig("http://127.0.0.1:9", "kind-dev", "prod"))
        with pytest.raises(
            UsageError, match="there is no context kind-dv in kubeconfig; there are: kind-dev, prod"
        ) as e:
            cluster_door.connect("kind-dv", None)
        assert (e.value.hint, e.value.where) == ("did you mean kind-dev?", str(path))

    def test_no_current_context_is_told(self, configure: Callable[[object], Path]) -> None:
        configure(kubeconfig("http://127.0.0.1:9", "one", current=""))
        with pytest.raises(UsageError, match="no current context; there are: one"):
            cluster_door.connect(None, None)
        assert cluster_door.connect("one", None).context == "one"

    def test_the_first_file_that_names_a_current_context_decides(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paths = [tmp_path / "one", tmp_path / "never", tmp_path / "two"]
        for path in (paths[0], paths[2]):
            path.write_text(json.dumps(kubeconfig("http://127.0.0.1:9", path.name)))
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, paths)))
        assert cluster_door.connect(None, None).context == "one"
        assert cluster_door.connect("two", None).context == "two"

    def test_no_kubeconfig_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "never"))
        with pytest.raises(UsageError, match="there is no usable kubeconfig") as caught:
            cluster_door.connect(None, None)
        assert caught.value.where == str(tmp_path / "never")
        assert "devloop cluster create" in (caught.value.hint or "")

    @pytest.mark.parametrize(
        "content",
        [
            "",
            "a: [b",
            "just words",
            "[1, 2]",
            "current-context: a",
            "{current-context: a, contexts: 5, clusters: [], users: []}",
            "{current-context: a, contexts: [{name: a}], clusters: [], users: []}",
            "{current-context: a, contexts: [{name: a, context: {cluster: c, user: u}}], clusters: [], users: []}",
        ],
    )
    def test_a_broken_kubeconfig_is_told_with_its_place(
        self, configure: Callable[[object], Path], content: str
    ) -> None:
        path = configure(content)
        with pytest.raises(UsageError) as caught:
            cluster_door.connect(None, None)
        assert caught.value.where == str(path)


POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "box"},
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "web",
                "image": "busybox:1.37",
                "command": [
                    "sh",
                    "-c",
                    "mkdir /www; yes 0123456789abcde | head -c 3000000 > /www/big; echo one; echo two;"
                    " nc -ll -p 8081 -e cat & exec httpd -f -p 8080 -h /www",
                ],
            },
            {"name": "quiet", "image": "busybox:1.37", "command": ["sleep", "600"]},
            {"name": "brief", "image": "busybox:1.37", "command": ["sh", "-c", "echo said; sleep 600"]},
        ],
    },
}


@pytest.fixture
def pod(cluster: Any, busybox: str, namespace: str, scope: Scope) -> Cluster:
    """A door to the real cluster, with a pod `box` that runs in its namespace."""
    found = cluster_door.connect(cluster.context, namespace)
    found.apply(scope, POD)
    for event in found.watch(scope, "v1", "Pod", namespace=namespace, fields="metadata.name=box"):
        states = event.object.get("status", {}).get("containerStatuses") or ()
        if len(states) == 3 and all(each["ready"] for each in states):
            break
    return found


def connect_to_echo(pod: Cluster, scope: Scope) -> PortStream:
    """A connection to the pod's echo, which begins to listen a moment after the pod is ready."""
    while True:
        stream = pod.connect(scope, pod.namespace, "box", 8081)
        try:
            stream.send(b"!")
            if stream.receive() == b"!":
                return stream
        except ConnectionError:
            stream.close()
            scope.wait(0.1)


@pytest.mark.cluster
class TestPods:
    def test_a_log_is_read_followed_and_cut(self, pod: Cluster, scope: Scope) -> None:
        def read(**options: Any) -> bytes:
            return b"".join(pod.logs(scope, pod.namespace, "box", "web", **options))

        assert read() == b"one\ntwo\n"
        assert read(tail_lines=1) == b"two\n"
        assert read(tail_lines=0) == b""
        stamped = read(timestamps=True).decode().splitlines()
        assert [line.partition(" ")[2] for line in stamped] == ["one", "two"]
        assert read(since=stamped[1].partition(" ")[0]).endswith(b"two\n")
        with pytest.raises(ApiRefusal, match="previous terminated container"):
            read(previous=True)
        with pytest.raises(ApiRefusal, match="never"):
            b"".join(pod.logs(scope, pod.namespace, "box", "never"))

    @pytest.mark.parametrize("container", ["quiet", "brief"])
    def test_cancelling_ends_a_log_that_says_nothing(self, pod: Cluster, container: str) -> None:
        read: list[bytes] = []
        ended: list[str] = []
        with Scope("test") as scope:

            def follow_log() -> None:
                try:
                    read.extend(pod.logs(scope, pod.namespace, "box", container, follow=True))
                except Cancelled:
                    ended.append("cancelled")

            scope.spawn("log", follow_log)
            scope.wait(1)
            scope.cancel()
        assert ended == ["cancelled"]
        assert b"".join(read) == (b"" if container == "quiet" else b"said\n")

    def test_a_followed_log_ends_with_its_pod(self, pod: Cluster, scope: Scope) -> None:
        chunks = pod.logs(scope, pod.namespace, "box", "web", follow=True)
        first = next(chunks)
        pod.delete(scope, ObjectRef("v1", "Pod", pod.namespace, "box"))
        assert first + b"".join(chunks) == b"one\ntwo\n"

    def test_a_port_carries_megabytes_to_the_end_of_the_stream(self, pod: Cluster, scope: Scope) -> None:
        stream = pod.connect(scope, pod.namespace, "box", 8080)
        try:
            assert stream.fileno() >= 0
            stream.send(b"GET /big HTTP/1.0\r\n\r\n")
            received = b"".join(iter(stream.receive, b""))
        finally:
            stream.close()
        head, _, body = received.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.")
        assert body == b"0123456789abcde\n" * (3_000_000 // 16)

    def test_one_thread_reads_what_another_writes(self, pod: Cluster, scope: Scope) -> None:
        stream = connect_to_echo(pod, scope)
        sent = bytes(range(256)) * 4096

        def write() -> None:
            for start in range(0, len(sent), 100_000):
                stream.send(sent[start : start + 100_000])

        received = bytearray()
        try:
            scope.spawn("write", write)
            while len(received) < len(sent):
                received += stream.receive()
        finally:
            stream.close()
        assert bytes(received) == sent

    def test_closing_ends_a_receive_that_waits(self, pod: Cluster) -> None:
        with Scope("test") as scope:
            stream = connect_to_echo(pod, scope)
            ended: list[bytes] = []
            scope.spawn("read", lambda: ended.append(stream.receive()))
            scope.wait(0.3)
            stream.close()
            stream.close()
        assert ended == [b""]
        with pytest.raises(ConnectionError):
            stream.send(b"x")

    def test_a_port_where_nobody_listens_breaks(self, pod: Cluster, scope: Scope) -> None:
        stream = pod.connect(scope, pod.namespace, "box", 9999)
        try:
            with pytest.raises(ConnectionError, match="refused"):
                stream.receive()
        finally:
            stream.close()

    def test_a_pod_that_is_not_there_refuses(self, pod: Cluster, scope: Scope) -> None:
        with pytest.raises(ConnectionError, match="port 80"):
            pod.connect(scope, pod.namespace, "never", 80)
