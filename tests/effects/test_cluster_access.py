"""Getting to an API server: credentials, certificates, proxies, and servers that are slow, busy or silent."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from devloop.effects import cluster as cluster_door
from devloop.effects import kubeconfig
from devloop.effects.cluster import KubeCluster
from devloop.effects.kube_http import Http
from devloop.errors import Unavailable, UsageError
from devloop.products import Object, ObjectRef
from devloop.scope import Cancelled, Scope
from devloop.stages import ApiRefusal
from tests.effects.relay import Relay

Answer = Callable[[BaseHTTPRequestHandler], None]
KINDS = {"resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": True}]}
EMPTY_LIST = {"metadata": {"resourceVersion": "10"}, "items": []}
CONFIG_MAP: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "1"}}


@pytest.fixture
def scope() -> Iterator[Scope]:
    with Scope("test") as made:
        yield made


class Server(ThreadingHTTPServer):
    """Answers discovery itself and everything else as the test says, in order, the last answer for ever."""

    daemon_threads = True
    answers: list[Answer]
    seen: list[BaseHTTPRequestHandler]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def handle_any(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if urlsplit(self.path).path == "/api/v1":
            reply(KINDS)(self)
            return
        self.server.seen.append(self)
        answers = self.server.answers
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    do_GET = do_PATCH = do_DELETE = handle_any  # noqa: N815 - the names that http.server looks for

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


def reply(body: object, code: int = 200, end: bytes = b"", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        data = json.dumps(body).encode() + end
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return answer


@pytest.fixture
def server(scope: Scope) -> Iterator[Server]:
    made = Server(("127.0.0.1", 0), Handler)
    made.answers, made.seen = [reply({"gitVersion": "v1.2.3"})], []
    scope.spawn("server", lambda: made.serve_forever(0.02))
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., KubeCluster]:
    """A function: a server's URL, what else kubeconfig has about it and about the user → the door."""

    def made(server: str, user: object = None, **cluster: object) -> KubeCluster:
        content = {
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me", "namespace": "ns"}}],
            "clusters": [{"name": "here", "cluster": {"server": server, **cluster}}],
            "users": [{"name": "me", "user": user or {}}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(content))
        monkeypatch.setenv("KUBECONFIG", str(path))
        return cluster_door.connect(None, None)

    return made


def plugin(script: str) -> dict[str, Any]:
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": "sh",
            "args": ["-c", script, "--client-secret=hush"],
            "interactiveMode": "Never",
        }
    }


def credential(token: str, expiry: str) -> str:
    status = {"token": token, "expirationTimestamp": expiry}
    return json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})


class TestCredentials:
    def test_a_plugin_that_fails_is_told_in_its_words(
        self, server: Server, connect: Callable[..., KubeCluster], capfd: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(UsageError, match=r"its credential plug-in failed: process returned 3\. log in first") as e:
            connect(server.url, plugin("echo log in first >&2; exit 3"))
        assert "hush" not in f"{e.value} {e.value.hint}"
        with pytest.raises(UsageError, match=r"neither a token nor a certificate|missing token"):
            connect(
                server.url, plugin(f"echo '{credential('', '2000-01-01T00:00:00Z')}' | sed 's/\"token\": \"\", //'")
            )
        assert capfd.readouterr() == ("", "")

    def test_a_plugin_that_is_not_installed_is_named(self, connect: Callable[..., KubeCluster]) -> None:
        user = plugin("")
        user["exec"]["command"] = "aws-iam-never"
        with pytest.raises(UsageError, match="aws-iam-never"):
            connect("http://127.0.0.1:9", user)

    def test_a_token_is_renewed_once_it_expires_and_kept_until_then(
        self, server: Server, connect: Callable[..., KubeCluster], scope: Scope, tmp_path: Path
    ) -> None:
        count = tmp_path / "count"
        script = f"echo x >> {count}; cat {tmp_path}/credential"
        for expiry, runs in (("2000-01-01T00:00:00Z", 3), ("2999-01-01T00:00:00Z", 1)):
            count.write_text("")
            (tmp_path / "credential").write_text(credential("first", expiry))
            door = connect(server.url, plugin(script))
            (tmp_path / "credential").write_text(credential("second", expiry))
            for _ in range(2):
                door.version(scope)
            assert count.read_text().count("x") == runs
            expected = "second" if runs == 3 else "first"
            assert server.seen[-1].headers["Authorization"] == f"Bearer {expected}"

    def test_why_it_could_not_be_renewed_is_kept_for_when_the_server_refuses_it(
        self,
        server: Server,
        connect: Callable[..., KubeCluster],
        scope: Scope,
        tmp_path: Path,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        (tmp_path / "credential").write_text(credential("old", "2000-01-01T00:00:00Z"))
        door = connect(server.url, plugin(f"cat {tmp_path}/credential || exit 4"))
        (tmp_path / "credential").unlink()
        server.answers = [reply({"message": "Unauthorized"}, 401)]
        with pytest.raises(UsageError, match="refuses the credentials") as told:
            door.version(scope)
        assert "process returned 4" in "".join(told.value.evidence)
        assert server.seen[-1].headers["Authorization"] == "Bearer old"
        assert capfd.readouterr() == ("", "")

    def test_a_user_who_is_not_there_is_not_taken_for_nobody(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "kubeconfig").write_text(
            "{current-context: a, contexts: [{name: a, context: {cluster: c, user: ghost}}],"
            " clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}], users: []}"
        )
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        with pytest.raises(UsageError, match="ghost"):
            cluster_door.connect(None, None)

    @pytest.mark.parametrize("url", ["", "foo bar", "10.0.0.1:6443", "ftp://10.0.0.1"])
    def test_a_server_that_is_no_url_is_told(self, connect: Callable[..., KubeCluster], url: str) -> None:
        with pytest.raises(UsageError, match="context here cannot be used: its server is no URL"):
            connect(url)

    def test_certificates_that_cannot_be_read_are_told(self, connect: Callable[..., KubeCluster]) -> None:
        garbage = {"client-certificate-data": "aGVsbG8=", "client-key-data": "aGVsbG8="}
        with pytest.raises(UsageError, match="its certificates cannot be read"):
            connect("https://127.0.0.1:9", garbage)
        with pytest.raises(UsageError, match=r"/never/ca\.pem"):
            connect("https://127.0.0.1:9", **{"certificate-authority": "/never/ca.pem"})


class TestServers:
    def test_one_that_is_busy_is_asked_again_when_it_says_so(
        self, server: Server, connect: Callable[..., KubeCluster], scope: Scope
    ) -> None:
        busy = reply({"reason": "TooManyRequests", "message": "busy"}, 429, Retry_After="0")
        server.answers = [busy, reply({"message": "starting"}, 500, Retry_After="0"), reply({"gitVersion": "v1"})]
        assert connect(server.url).version(scope) == "v1"
        assert len(server.seen) == 3
        server.answers = [busy]
        with pytest.raises(ApiRefusal, match="busy"):
            connect(server.url).apply(scope, CONFIG_MAP)
        server.answers = [reply({"message": "busy"}, 429)]
        asked = len(server.seen)
        with pytest.raises(ApiRefusal, match="busy"):
            connect(server.url).version(scope)
        assert len(server.seen) == asked + 1

    def test_one_that_accepts_and_says_nothing_is_unavailable(
        self, connect: Callable[..., KubeCluster], scope: Scope
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            connect(f"http://127.0.0.1:{silent.getsockname()[1]}")
            http = Http(kubeconfig.load(None, None), lambda _text: None)
            with pytest.raises(Unavailable, match=r"does not answer: .*timed out"):
                http.json(scope, "GET", "/version", read_s=0.2)

    def test_cancelling_ends_a_read_that_is_not_answered(self, connect: Callable[..., KubeCluster]) -> None:
        ended: list[str] = []
        with socket.create_server(("127.0.0.1", 0)) as silent, Scope("reading") as scope:
            door = connect(f"http://127.0.0.1:{silent.getsockname()[1]}")

            def read() -> None:
                try:
                    door.version(scope)
                except Cancelled:
                    ended.append("cancelled")

            scope.spawn("read", read)
            scope.wait(0.3)
            scope.cancel()
        assert ended == ["cancelled"]

    def test_cancelling_does_not_end_a_write_that_was_sent(
        self, server: Server, connect: Callable[..., KubeCluster]
    ) -> None:
        is_sent, may_answer = threading.Event(), threading.Event()

        def late(handler: BaseHTTPRequestHandler) -> None:
            is_sent.set()
            may_answer.wait()
            reply({"metadata": {"uid": "u"}})(handler)

        server.answers = [late]
        written: list[Object] = []
        with Scope("writing") as scope:
            scope.spawn("write", lambda: written.append(connect(server.url).apply(scope, CONFIG_MAP)))
            assert is_sent.wait(30)
            scope.cancel()
            may_answer.set()
        assert written == [{"metadata": {"uid": "u"}}]

    def test_a_stream_without_chunks_is_read_as_it_comes_and_cut_short(
        self, server: Server, connect: Callable[..., KubeCluster]
    ) -> None:
        is_over = threading.Event()

        def unchunked(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Connection", "close")
            handler.end_headers()
            handler.wfile.write(b"first\n")
            is_over.wait()

        server.answers = [unchunked]
        read: list[bytes] = []
        with Scope("reading") as scope:
            chunks = connect(server.url).logs(scope, "ns", "pod", "c", follow=True)
            scope.spawn("read", lambda: read.extend(chunks))
            while not read:
                scope.wait(0.01)
            scope.cancel()
        assert read == [b"first\n"]
        is_over.set()

    @pytest.mark.parametrize("name", ["", ".", ".."])
    def test_a_name_that_would_lead_elsewhere_is_never_asked_for(
        self, server: Server, connect: Callable[..., KubeCluster], scope: Scope, name: str
    ) -> None:
        door = connect(server.url)
        there = [ObjectRef("v1", "ConfigMap", "ns", name)] + ([ObjectRef("v1", "ConfigMap", name, "a")] if name else [])
        for ref in there:
            assert door.get(scope, ref) is None
            assert door.delete(scope, ref) is False
        with pytest.raises(ApiRefusal, match="is invalid"):
            door.apply(scope, {**CONFIG_MAP, "metadata": {"name": name}})
        assert server.seen == []


class TestWatch:
    def events(self, door: KubeCluster, scope: Scope, count: int) -> list[str]:
        watch = door.watch(scope, "v1", "ConfigMap")
        return [next(watch).type for _ in range(count)]

    @pytest.mark.parametrize("code", [401, 403, 404])
    def test_what_is_refused_later_does_not_end_it(
        self, server: Server, connect: Callable[..., KubeCluster], scope: Scope, code: int
    ) -> None:
        refused = reply({"message": "not yet"}, code)
        added = {"type": "ADDED", "object": {"metadata": {"name": "a", "resourceVersion": "11"}}}
        server.answers = [reply(EMPTY_LIST), refused, refused, reply(added, end=b"\n")]
        assert self.events(connect(server.url), scope, 2) == ["SYNCED", "ADDED"]

    def test_a_version_that_is_refused_again_and_again_is_given_up(
        self, server: Server, connect: Callable[..., KubeCluster], scope: Scope
    ) -> None:
        from_the_future = reply({"reason": "InternalError", "message": "too large resource version"}, 500)
        server.answers = [reply(EMPTY_LIST), from_the_future, from_the_future, from_the_future, reply(EMPTY_LIST)]
        assert self.events(connect(server.url), scope, 2) == ["SYNCED", "SYNCED"]


@pytest.fixture
def real(cluster: Any, namespace: str) -> dict[str, Any]:
    """The real cluster's kubeconfig, for its one context; `namespace` is the test's own."""
    asked = subprocess.run(
        ["kubectl", "--context", cluster.context, "config", "view", "--minify", "--raw", "-o", "json"],
        capture_output=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(asked.stdout)
    found["contexts"][0]["context"]["namespace"] = namespace
    return found


@pytest.fixture
def reach(tmp_path: Path, real: dict[str, Any]) -> Callable[..., KubeCluster]:
    """A function: what to change about the real cluster's entry in kubeconfig (None: remove) → the door."""

    def made(**changes: object) -> KubeCluster:
        entry = real["clusters"][0]["cluster"]
        for name, value in changes.items():
            entry.pop(name.replace("_", "-"), None)
            entry |= {} if value is None else {name.replace("_", "-"): value}
        path = tmp_path / "kubeconfig"
        path.write_text(json.dumps(real))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("KUBECONFIG", str(path))
            return cluster_door.connect(None, None)

    return made


def target(real: dict[str, Any]) -> tuple[str, int]:
    parts = urlsplit(real["clusters"][0]["cluster"]["server"])
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


@pytest.mark.cluster
class TestRealServer:
    def test_a_certificate_of_another_authority_is_not_accepted(
        self, reach: Callable[..., KubeCluster], real: dict[str, Any], scope: Scope
    ) -> None:
        door = reach(certificate_authority_data=real["users"][0]["user"]["client-certificate-data"])
        with pytest.raises(Unavailable, match="its certificate is not accepted") as told:
            door.version(scope)
        assert "kubeconfig" in (told.value.hint or "")
        with pytest.raises(Unavailable, match="its certificate is not accepted"):
            door.connect(scope, door.namespace, "pod", 80)

    def test_it_is_when_kubeconfig_says_that_any_will_do(self, reach: Callable[..., KubeCluster], scope: Scope) -> None:
        door = reach(certificate_authority_data=None, insecure_skip_tls_verify=True)
        assert door.version(scope).startswith("v1.")
        with pytest.raises(ConnectionError, match="never"):
            door.connect(scope, door.namespace, "never", 80)

    def test_the_name_on_the_certificate_is_that_of_kubeconfig(
        self, reach: Callable[..., KubeCluster], scope: Scope
    ) -> None:
        assert reach(tls_server_name="kubernetes").version(scope)
        with pytest.raises(Unavailable, match=r"its certificate is not accepted: .*never"):
            reach(tls_server_name="never.example.com").version(scope)

    def test_requests_and_ports_go_through_a_proxy(
        self, reach: Callable[..., KubeCluster], real: dict[str, Any], scope: Scope
    ) -> None:
        relay = Relay(scope, None)
        try:
            door = reach(proxy_url=f"http://me:secret@127.0.0.1:{relay.port}")
            assert door.apply(scope, CONFIG_MAP)["metadata"]["namespace"] == door.namespace
            with pytest.raises(ConnectionError, match="never"):
                door.connect(scope, door.namespace, "never", 80)
        finally:
            relay.close()
        host, port = target(real)
        asked = [each for each in relay.seen if each.startswith("CONNECT")]
        assert len(asked) == 2
        assert all(each.startswith(f"CONNECT {host}:{port} ") for each in asked)

    def test_a_connection_that_is_cut_loses_and_doubles_nothing(
        self, reach: Callable[..., KubeCluster], real: dict[str, Any], scope: Scope
    ) -> None:
        direct = reach()
        relay = Relay(scope, target(real))
        door = reach(server=f"https://127.0.0.1:{relay.port}")
        told: list[tuple[str, str, str]] = []

        def write(name: str, value: str) -> None:
            direct.apply(scope, {**CONFIG_MAP, "metadata": {"name": name, "labels": {"t": "1"}}, "data": {"v": value}})

        def seen(count: int) -> None:
            while len(told) < count:
                scope.wait(0.02)

        with scope.child("watch") as watching:

            def follow() -> None:
                for event in door.watch(watching, "v1", "ConfigMap", namespace=door.namespace, labels="t=1"):
                    obj = event.object
                    told.append((event.type, obj.get("metadata", {}).get("name", ""), obj.get("data", {}).get("v", "")))

            watching.spawn("watch", follow)
            write("a", "1")
            seen(2)
            for round_ in range(3):
                relay.cut()
                write("a", f"{round_}-cut")
                write(f"b{round_}", "new")
                relay.mend()
                seen(4 + 3 * round_)
                write("a", f"{round_}-mended")
                seen(5 + 3 * round_)
            direct.delete(scope, ObjectRef("v1", "ConfigMap", direct.namespace, "a"))
            seen(12)
            watching.cancel()
        relay.close()
        assert sorted(told[:2]) == [("ADDED", "a", "1"), ("SYNCED", "", "")]
        expected = [
            each
            for round_ in range(3)
            for each in (
                ("MODIFIED", "a", f"{round_}-cut"),
                ("ADDED", f"b{round_}", "new"),
                ("MODIFIED", "a", f"{round_}-mended"),
            )
        ]
        assert told[2:] == [*expected, ("DELETED", "a", "2-mended")]

    def test_a_namespace_may_be_deleted_while_it_is_being_emptied(
        self, reach: Callable[..., KubeCluster], scope: Scope
    ) -> None:
        door = reach()
        held = {**CONFIG_MAP, "metadata": {"name": "held", "finalizers": ["devloop.dev/test"]}}
        door.apply(scope, held)
        ref = ObjectRef("v1", "Namespace", "", door.namespace)
        live = door.get(scope, ref)
        assert live is not None
        assert door.delete(scope, ref, uid=live["metadata"]["uid"]) is True
        while not ((door.get(scope, ref) or {}).get("status", {}).get("conditions")):
            scope.wait(0.05)
        assert door.delete(scope, ref, uid=live["metadata"]["uid"]) is True
        assert door.delete(scope, ref) is True
        assert door.delete(scope, ref, uid="another") is False
        door.apply(scope, {**CONFIG_MAP, "metadata": {"name": "held"}})

    def test_a_pod_reaches_its_cluster_by_its_service_account(
        self, real: dict[str, Any], scope: Scope, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kubectl: Any
    ) -> None:
        host, port = target(real)
        authority = real["clusters"][0]["cluster"]["certificate-authority-data"]
        (tmp_path / "ca.crt").write_bytes(base64.b64decode(authority))
        (tmp_path / "namespace").write_text(kubectl.namespace)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(port))
        with pytest.raises(UsageError, match="the service account cannot be used: Service token file does not exist"):
            kubeconfig.in_cluster(tmp_path, None)
        (tmp_path / "token").write_text(kubectl.run("create", "token", "default"))
        settings = kubeconfig.in_cluster(tmp_path, None)
        assert (settings.context, settings.namespace) == ("in-cluster", kubectl.namespace)
        door = KubeCluster(settings, lambda _text: None)
        assert door.version(scope).startswith("v1.")
        with pytest.raises(ApiRefusal, match=f"system:serviceaccount:{kubectl.namespace}:default") as told:
            door.list(scope, "v1", "Secret")
        assert told.value.code == 403
