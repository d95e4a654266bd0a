"""Manifests behind URLs are pinned, fetched once from a real server, kept, and never taken for others."""

from __future__ import annotations

import hashlib
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devloop.config import model
from devloop.errors import StepFailed, Unavailable
from devloop.products import Manifest
from devloop.render import fetched
from devloop.render.manifests import ManifestsRenderer
from devloop.scope import Cancelled, Scope
from devloop.store.folders import cache_folder
from devloop.testing.processes import FakeProcesses
from tests.render.conftest import tools_with

TEXT = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
PIN = hashlib.sha256(TEXT).hexdigest()


class Server:
    """A web server. `asked`: paths (or, as a proxy, URLs) in order. `answers`: path → status, headers, body."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {"/a.yaml": (200, {}, TEXT)}
        self.hanging = threading.Event()
        self.release = threading.Event()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                if self.path == "/hangs":
                    server.hanging.set()
                    server.release.wait(30)
                status, headers, body = server.answers.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    found = Server()
    thread = threading.Thread(target=found.http.serve_forever, daemon=True)
    thread.start()
    yield found
    found.release.set()
    found.http.shutdown()
    found.http.server_close()
    thread.join()


def render(scope: Scope, base: Path, *entries: str) -> tuple[Manifest, ...]:
    unit = model.Unit(name="u", manifests=entries)
    return ManifestsRenderer().render(scope, unit, base, "default", tools_with(FakeProcesses()))


def test_it_is_fetched_once_and_needs_no_network_afterwards(scope: Scope, tmp_path: Path, server: Server) -> None:
    entry = f"{server.url}/a.yaml#sha256={PIN}"
    (found,) = render(scope, tmp_path, entry)
    assert found.object["metadata"] == {"name": "a"}
    assert found.source == f"{server.url}/a.yaml:1"
    assert render(scope, tmp_path, entry) == (found,)
    assert server.asked == ["/a.yaml"]


def test_it_stands_beside_files_and_is_watched_by_its_name_only(
    scope: Scope, write: Callable[[dict[str, str]], Path], server: Server
) -> None:
    base = write({"k8s/b.yaml": TEXT.decode().replace("name: a", "name: b")})
    entries = (f"{server.url}/a.yaml#sha256={PIN}", "k8s")
    assert [each.object["metadata"]["name"] for each in render(scope, base, *entries)] == ["b", "a"]
    unit = model.Unit(name="u", manifests=entries)
    inputs = ManifestsRenderer().inputs(scope, unit, base, tools_with(FakeProcesses()))
    assert inputs.roots == (base / "k8s",)
    assert PIN in dict(inputs.values)["manifests"]


def test_without_a_digest_the_one_to_write_is_told(scope: Scope, tmp_path: Path, server: Server) -> None:
    with pytest.raises(StepFailed, match="a URL has to be pinned") as told:
        render(scope, tmp_path, f"{server.url}/a.yaml")
    assert told.value.hint
    assert told.value.hint.endswith(f"write: {server.url}/a.yaml#sha256={PIN}")


def test_what_is_not_what_was_pinned_is_refused_and_not_kept(scope: Scope, tmp_path: Path, server: Server) -> None:
    with pytest.raises(StepFailed, match="is not what was pinned") as told:
        render(scope, tmp_path, f"{server.url}/a.yaml#sha256={'0' * 64}")
    assert told.value.hint
    assert told.value.hint.endswith(PIN)
    assert not (cache_folder() / "manifests").exists()


def test_a_copy_that_was_spoilt_is_fetched_again(scope: Scope, tmp_path: Path, server: Server) -> None:
    entry = f"{server.url}/a.yaml#sha256={PIN}"
    render(scope, tmp_path, entry)
    (cache_folder() / "manifests" / PIN).write_text("kind: Evil\n")
    (found,) = render(scope, tmp_path, entry)
    assert found.object["kind"] == "ConfigMap"
    assert server.asked == ["/a.yaml"] * 2


def test_redirects_are_followed_but_not_for_ever(scope: Scope, tmp_path: Path, server: Server) -> None:
    server.answers["/moved"] = (302, {"Location": "a.yaml"}, b"")
    server.answers["/circle"] = (307, {"Location": "/circle"}, b"")
    server.answers["/file"] = (301, {"Location": "file:///etc/passwd"}, b"")
    assert render(scope, tmp_path, f"{server.url}/moved#sha256={PIN}")
    with pytest.raises(StepFailed, match="more than 5 redirects"):
        render(scope, tmp_path, f"{server.url}/circle#sha256={'1' * 64}")
    with pytest.raises(StepFailed, match="neither http nor https"):
        render(scope, tmp_path, f"{server.url}/file#sha256={'2' * 64}")


def test_the_proxy_of_the_environment_is_asked(
    scope: Scope, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    server.answers["http://elsewhere.invalid/a.yaml"] = (200, {}, TEXT)
    assert render(scope, tmp_path, f"http://elsewhere.invalid/a.yaml#sha256={PIN}")
    assert server.asked == ["http://elsewhere.invalid/a.yaml"]


@pytest.mark.parametrize(("status", "error"), [(404, StepFailed), (401, StepFailed), (503, Unavailable)])
def test_a_refusal_is_told(scope: Scope, tmp_path: Path, server: Server, status: int, error: type[Exception]) -> None:
    server.answers["/a.yaml"] = (status, {}, b"")
    with pytest.raises(error, match=f"answers {status}"):
        render(scope, tmp_path, f"{server.url}/a.yaml#sha256={PIN}")


def test_a_server_that_is_not_there_is_told_shortly(scope: Scope, tmp_path: Path, server: Server) -> None:
    with pytest.raises(Unavailable) as told:
        render(scope, tmp_path, f"http://127.0.0.1:1/a.yaml#sha256={PIN}")
    assert told.value.message == "127.0.0.1:1 does not answer: Connection refused"


def test_too_large_an_answer_is_refused(scope: Scope, tmp_path: Path, server: Server) -> None:
    server.answers["/a.yaml"] = (200, {}, b"#" * (fetched.MOST_BYTES + 1))
    with pytest.raises(StepFailed, match="larger than 32 MB"):
        render(scope, tmp_path, f"{server.url}/a.yaml#sha256={PIN}")


def test_cancelling_ends_the_wait_for_a_silent_server(tmp_path: Path, server: Server) -> None:
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            render(scope, tmp_path, f"{server.url}/hangs#sha256={PIN}")
        except Cancelled as exc:
            ended.append(exc)

    with Scope() as scope:
        scope.spawn("render", wait)
        assert server.hanging.wait(10)
        began = time.monotonic()
        scope.cancel()
    assert ended
    assert time.monotonic() - began < 5
