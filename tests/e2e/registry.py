"""A registry of one image, on a free port of 127.0.0.1, for what pulls; it shares no code with devloop.

Comes in: the content of the image's only file. Goes out: the image under any tag, over plain HTTP, which engines allow on this host.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import socket
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
TLS_HANDSHAKE = b"\x16"  # which containerd tries first


class Registry:
    """`serve` sets what it has; `asked` are the paths that it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._blobs: dict[str, bytes] = {}
        self._manifest = b""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def serve(self, content: str) -> str:
        """The image has one file, `base`, of this content. Returns the id of its layer."""
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as tar:
            entry = tarfile.TarInfo("base")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content.encode()))
        diff_id = _digest(raw.getvalue())
        layer = gzip.compress(raw.getvalue(), mtime=0)
        config = json.dumps(
            {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}}
        ).encode()
        for blob in (layer, config):
            self._blobs[_digest(blob)] = blob
        image, tar_gz = (
            "application/vnd.docker." + kind for kind in ("container.image.v1+json", "image.rootfs.diff.tar.gzip")
        )
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": image, "size": len(config), "digest": _digest(config)},
            "layers": [{"mediaType": tar_gz, "size": len(layer), "digest": _digest(layer)}],
        }
        self._manifest = json.dumps(manifest).encode()
        self._blobs[_digest(self._manifest)] = self._manifest
        return diff_id

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                if self.connection.recv(1, socket.MSG_PEEK) != TLS_HANDSHAKE:
                    super().handle()
                    return
                self.connection.recv(1 << 16)
                self.wfile.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")

            def do_GET(self) -> None:
                registry.asked.append(self.path)
                _, _, last = self.path.rpartition("/")
                is_manifest = "/manifests/" in self.path
                body = registry._blobs.get(last) if last.startswith("sha256:") else registry._manifest
                body = b"{}" if self.path == "/v2/" else body
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Type", MANIFEST if is_manifest else "application/octet-stream")
                self.send_header("Content-Length", str(len(body or b"")))
                if body:
                    self.send_header("Docker-Content-Digest", _digest(body))
                self.end_headers()
                if body and self.command == "GET":
                    self.wfile.write(body)

            def do_HEAD(self) -> None:
                self.do_GET()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                """Says nothing."""

        return Handler


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
