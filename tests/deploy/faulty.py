"""A proxy in front of the API server that breaks off at one write, before or after the server got it.

Comes in: plain HTTP on 127.0.0.1. Goes out: the same to the API server of a kubeconfig, with that one's credentials. Once it broke off,
nothing passes until `mend`: to devloop the server is gone, or devloop is (`on_break` may kill it).
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import json
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

WRITES = frozenset({"PATCH", "POST", "PUT", "DELETE"})
HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "host"})


class Faulty(http.server.ThreadingHTTPServer):
    """`writes`: the writes that arrived since `arm`. `kubeconfig`: a file whose context, of the same name, leads here."""

    daemon_threads = True

    def __init__(self, config: Any, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._lock = threading.Lock()
        self._breaks_at = 0
        self._is_after = False
        self._is_broken = False
        self.on_break: Callable[[], None] = lambda: None
        self.writes: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.upstream = urlsplit(cluster["server"])
        self.tls = _tls(cluster, user, folder)
        self.headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        self.kubeconfig = folder / "faulty.kubeconfig"
        near = {**config, "clusters": [{**config["clusters"][0], "cluster": {"server": self.url}}]}
        self.kubeconfig.write_text(json.dumps({**near, "users": [{**config["users"][0], "user": {}}]}))

    def arm(self, at: int, *, is_after: bool = False) -> None:
        """From now on all passes, but for the write of this number, from 1; 0: all of them."""
        with self._lock:
            self.writes.clear()
            self._breaks_at, self._is_after, self._is_broken = at, is_after, False

    def mend(self) -> None:
        self.arm(0)

    @property
    def is_broken(self) -> bool:
        return self._is_broken

    def passes(self, method: str, path: str) -> tuple[bool, bool]:
        """Whether the request may pass, and its answer."""
        with self._lock:
            if self._is_broken:
                return False, False
            if method not in WRITES:
                return True, True
            self.writes.append(f"{method} {urlsplit(path).path}")
            return (True, True) if len(self.writes) != self._breaks_at else (self._is_after, False)

    def break_off(self) -> None:
        with self._lock:
            is_first, self._is_broken = not self._is_broken, True
        if is_first:
            self.on_break()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up is right to."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Faulty

    def do_GET(self) -> None:
        self.close_connection = True
        is_passed, is_answered = self.server.passes(self.command, self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not is_passed:
            self.server.break_off()
            return
        far = self._far()
        with contextlib.closing(far):
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            far.request(self.command, self.path, data or None, {**headers, **self.server.headers})
            answer = far.getresponse()
            if not is_answered:
                answer.read()
                self.server.break_off()
                return
            self._answer(answer)

    do_PATCH = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the server looks for these names

    def _far(self) -> http.client.HTTPConnection:
        to = self.server.upstream
        host, port = to.hostname or "", to.port
        return http.client.HTTPSConnection(host, port, context=self.server.tls, timeout=60)

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        """As it comes, until the end of the connection: a watch has no length."""
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        while data := answer.read1(1 << 16):
            if self.server.is_broken:
                return
            self.wfile.write(data)

    def log_message(self, *_args: object) -> None:
        pass


def _tls(cluster: Any, user: Any, folder: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    context.check_hostname = "tls-server-name" not in cluster
    if "client-certificate-data" in user:
        pair = folder / "client.pem"
        both = [base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")]
        pair.touch(0o600)
        pair.write_bytes(b"\n".join(both))
        context.load_cert_chain(pair)
    return context
