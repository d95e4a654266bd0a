"""A registry on this machine's loopback that an engine pushes to, so that single layers can be had from it.

Comes in: the engine's connections, for the time of one push. Goes out: the blobs that were wanted, in a spool file, known by what
they hash to, and manifests, for what they tell. It serves nothing, keeps nothing else, gives no name to what came, and takes no
blob for what it did not compute the digest of. The protocol: https://distribution.github.io/distribution/spec/api/
"""

from __future__ import annotations

import hashlib
import shutil
import socket
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import IO, Any
from urllib.parse import parse_qs, urlsplit

from devloop.place.oci import MAX_CONFIG_BYTES, Blob, is_config_of
from devloop.scope import Scope
from devloop.stages import EngineImage

_CHUNK_BYTES = 1 << 18
_MAX_MANIFEST_BYTES = 4 << 20  # what registries take
_TLS_HANDSHAKE = b"\x16"


class Receiver:
    """What one push brought so far. Safe from many threads; whoever waits for more takes `news`.

    The engine asks before it sends a blob. Of a blob whose diff ID is `known` (by its digest) it is said to be here unless it is
    wanted; of any other but the config the same when `guesses`, so that the engine does not send what it once sent elsewhere.

    `blobs`: the wanted ones, by diff ID. `config`: the image's own. `manifests`: what the engine sent of these. `guessed`: blobs
    that were said to be here without being known. `begun`, `finished`: how many uploads. `was_reached`: whether the engine ever
    connected.
    """

    def __init__(
        self, spool: IO[bytes], image: EngineImage, wanted: frozenset[str], known: Mapping[str, str], *, guesses: bool
    ) -> None:
        self.news = threading.Condition()
        self.wanted = wanted
        self.blobs: dict[str, Blob] = {}
        self.config: bytes | None = None
        self.manifests: list[bytes] = []
        self.guessed: set[str] = set()
        self.begun = 0
        self.finished = 0
        self.changed_at = time.monotonic()
        self.was_reached = False
        self._image = image
        self._known = known
        self._guesses = guesses
        self._spool = spool
        self._sizes: dict[str, int] = {}

    @property
    def has_wanted(self) -> bool:
        return self.wanted <= self.blobs.keys()

    def size_of(self, digest: str) -> int | None:
        """The size of a blob that came, 0 for one that is said to be here, None for one that has to be sent."""
        with self.news:
            if digest in self._sizes:
                return self._sizes[digest]
            if digest in self._known:
                return None if self._known[digest] in self.wanted else 0
            if (
                not self._guesses or digest == self._image.image_id
            ):  # in some engines the config's digest is the image's id
                return None
            self.guessed.add(digest)
            self._changed()
            return 0

    def begin(self) -> None:
        with self.news:
            self.begun += 1
            self._changed()

    def finish(self, upload: Upload) -> None:
        with self.news:
            self.finished += 1
            self._sizes[upload.digest] = upload.size_bytes
            if upload.diff_id in self.wanted and upload.diff_id not in self.blobs:
                offset = upload.copy_to(self._spool)
                self.blobs[upload.diff_id] = Blob(upload.digest, offset, upload.size_bytes, upload.is_gzip)
            elif upload.size_bytes <= MAX_CONFIG_BYTES and is_config_of(self._image, data := upload.read()):
                self.config = data
            self._changed()

    def hear(self, manifest: bytes) -> None:
        with self.news:
            self.manifests.append(manifest)
            self._changed()

    def _changed(self) -> None:
        self.changed_at = time.monotonic()
        self.news.notify_all()


class Upload:
    """One blob on its way in, in a file of its own: several come at once, and most are not wanted."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self.is_gzip = False
        self._file = tempfile.TemporaryFile(prefix="devloop-")  # noqa: SIM115 - open until `close`
        self._sent, self._plain = hashlib.sha256(), hashlib.sha256()
        self._unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)

    @property
    def digest(self) -> str:
        return f"sha256:{self._sent.hexdigest()}"

    @property
    def diff_id(self) -> str:
        return f"sha256:{self._plain.hexdigest()}" if self.is_gzip else self.digest

    def add(self, chunk: bytes) -> None:
        """Raises: zlib.error when it began like a compressed one and is none."""
        if self.size_bytes == 0:
            self.is_gzip = chunk.startswith(b"\x1f\x8b")
        self.size_bytes += len(chunk)
        self._file.write(chunk)
        self._sent.update(chunk)
        if self.is_gzip:
            self._plain.update(self._unzip.decompress(chunk))

    def read(self) -> bytes:
        self._file.seek(0)
        return self._file.read()

    def copy_to(self, spool: IO[bytes]) -> int:
        """Appends it; returns where it begins."""
        offset = spool.seek(0, 2)
        self._file.seek(0)
        shutil.copyfileobj(self._file, spool, _CHUNK_BYTES)
        spool.flush()
        return offset

    def close(self) -> None:
        self._file.close()


@contextmanager
def listening(scope: Scope, receiver: Receiver, name: str) -> Iterator[int]:
    """Serves the repository `name` on a free port of 127.0.0.1, which it yields, until the block is left.

    Its threads are the scope's: leave the block before the scope. Raises: OSError when there is no port.
    """
    server = _Server(scope, receiver, name)
    try:
        with scope.on_cancel(server.close):
            scope.spawn("loopback registry", server.accept)
            yield server.port
    finally:
        server.close()


class _Server:
    """Accepts connections, gives each a thread, and knows the uploads: an engine may use a connection for each step of one."""

    def __init__(self, scope: Scope, receiver: Receiver, name: str) -> None:
        self.receiver = receiver
        self.prefix = f"/v2/{name}/"
        self._scope = scope
        self._lock = threading.Lock()
        self._is_closed = False
        self._connections: set[socket.socket] = set()
        self._uploads: dict[str, Upload] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def accept(self) -> None:
        """Blocks until the server is closed."""
        while True:
            try:
                connection, address = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._is_closed:
                    connection.close()
                    return
                self._connections.add(connection)
            self.receiver.was_reached = True
            self._scope.spawn("loopback connection", self._conversation(connection, address))

    def begin(self) -> str:
        upload = Upload()
        with self._lock:
            key = f"{len(self._uploads)}-{id(upload)}"
            self._uploads[key] = upload
        self.receiver.begin()
        return key

    def upload(self, key: str) -> Upload | None:
        with self._lock:
            return self._uploads.get(key)

    def close(self) -> None:
        """Ends all conversations. Does not block."""
        with self._lock:
            self._is_closed = True
            for each in (self._listener, *self._connections):
                with suppress(OSError):  # not connected any more
                    each.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits on it, which closing would not
            self._listener.close()
            if not self._connections:
                self._forget()

    def _conversation(self, connection: socket.socket, address: Any) -> Callable[[], None]:
        def converse() -> None:
            answer()
            with self._lock:
                self._connections.discard(connection)
                if self._is_closed and not self._connections:
                    self._forget()

        def answer() -> None:
            with connection, suppress(OSError, ValueError, zlib.error):  # shut, or not what it said it was
                if connection.recv(1, socket.MSG_PEEK) == _TLS_HANDSHAKE:
                    # containerd tries TLS first, and goes on without only when it is answered in plain HTTP.
                    connection.recv(_CHUNK_BYTES)  # with something unread, the answer would not arrive
                    connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")
                    return
                _Handler(connection, address, self)  # type: ignore[arg-type]

        return converse

    def _forget(self) -> None:
        for upload in self._uploads.values():
            upload.close()
        self._uploads.clear()


class _Handler(BaseHTTPRequestHandler):
    """One connection of the engine."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server  # type: ignore[assignment]

    def do_GET(self) -> None:
        self._answer(HTTPStatus.OK if self.path == "/v2/" else HTTPStatus.NOT_FOUND)

    def do_HEAD(self) -> None:
        kind, _, digest = self.path.removeprefix(self.server.prefix).partition("/")
        size_bytes = self.server.receiver.size_of(digest) if kind == "blobs" else None
        if size_bytes is None:
            self._answer(HTTPStatus.NOT_FOUND)
        else:
            self._answer(HTTPStatus.OK, {"Docker-Content-Digest": digest}, size_bytes)

    def do_POST(self) -> None:
        if self._place() != "blobs/uploads/":
            self._answer(HTTPStatus.NOT_FOUND)
            return
        for _ in self._body():
            pass
        self._accepted(self.server.begin())

    def do_PATCH(self) -> None:
        key, upload = self._upload()
        if upload is None:
            self._answer(HTTPStatus.NOT_FOUND)
            return
        for chunk in self._body():
            upload.add(chunk)
        self._accepted(key, upload.size_bytes)

    def do_PUT(self) -> None:
        _, upload = self._upload()
        if upload is not None:
            for chunk in self._body():
                upload.add(chunk)
            if parse_qs(urlsplit(self.path).query).get("digest") != [upload.digest]:
                self._answer(HTTPStatus.BAD_REQUEST)
                return
            self.server.receiver.finish(upload)
            self._answer(HTTPStatus.CREATED, {"Docker-Content-Digest": upload.digest, "Location": self.path})
            return
        kind, _, name = self._place().partition("/")
        manifest = b""
        for chunk in self._body():
            manifest += chunk[: _MAX_MANIFEST_BYTES - len(manifest)]
        if kind == "manifests":
            self.server.receiver.hear(manifest)
        # Those that an index names come before it. Of the last one, had it been taken, the engine would keep a name with our address.
        is_part = kind == "manifests" and name.startswith("sha256:")
        self._answer(HTTPStatus.CREATED if is_part else HTTPStatus.BAD_REQUEST, {"Docker-Content-Digest": name})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Nothing is logged."""

    def _place(self) -> str:
        return urlsplit(self.path).path.removeprefix(self.server.prefix)

    def _upload(self) -> tuple[str, Upload | None]:
        key = self._place().removeprefix("blobs/uploads/")
        return key, self.server.upload(key)

    def _accepted(self, key: str, size_bytes: int = 0) -> None:
        location = f"{self.server.prefix}blobs/uploads/{key}"
        self._answer(
            HTTPStatus.ACCEPTED,
            {"Location": location, "Range": f"0-{max(0, size_bytes - 1)}", "Docker-Upload-UUID": key},
        )

    def _answer(self, status: HTTPStatus, headers: dict[str, str] | None = None, size_bytes: int = 0) -> None:
        self.send_response(status)
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(size_bytes))  # with a body only in answer to GET, and there it is 0
        self.end_headers()

    def _body(self) -> Iterator[bytes]:
        """Raises: ValueError when it is not as it should be."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                yield from self._read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            yield from self._read(int(self.headers.get("Content-Length") or 0))

    def _read(self, size: int) -> Iterator[bytes]:
        while size:
            chunk = self.rfile.read(min(size, _CHUNK_BYTES))
            if not chunk:
                raise ValueError("broken off")
            size -= len(chunk)
            yield chunk
