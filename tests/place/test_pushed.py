"""Layers by letting the engine push to us: with an engine that pushes as dockerd does, over real connections."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import IO

import pytest

from devloop.errors import StepFailed, Unavailable
from devloop.place.oci import Content, digest_of
from devloop.place.pushed import PushedSource, is_near
from devloop.scope import Cancelled, Scope
from devloop.stages import Engine, EngineImage, EngineInfo
from devloop.testing.engine import FakeEngine

LAYERS = [{"base": b"b" * 50_000}, {"deps": b"d" * 9000}, {"app": b"v1"}]


class PushingEngine(FakeEngine):
    """Pushes as dockerd does: asks for the layers it knows a digest of, uploads the others zipped, then config and manifest.

    `known`: diff ID → digest, from earlier pushes and pulls. `endless`: layers whose upload never ends. `refs`: what was pushed.
    `uploaded`: digests of blobs whose whole body was sent.
    """

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, str] = {}
        self.endless: set[str] = set()
        self.uploaded: list[str] = []
        self.refs: list[str] = []
        self.is_elsewhere = False

    def push(self, scope: Scope, ref: str, on_line: Callable[[str], None] | None = None) -> str:
        image = self.stored(ref)
        self.refs.append(ref)
        if self.is_elsewhere:
            raise StepFailed("connection refused")
        address, _, rest = ref.partition("/")
        with scope.child("push") as inner:
            for diff_id, layer in reversed(list(zip(image.diff_ids, image.layers, strict=True))):
                inner.spawn("layer", _Conversation(inner, self, address, rest.partition(":")[0]).layer(diff_id, layer))
        conversation = _Conversation(scope, self, address, rest.partition(":")[0])
        if conversation.ask("HEAD", f"blobs/{image.image_id}") != 200:
            conversation.upload(image.config)
        status = conversation.ask("PUT", "manifests/push", b"{}")
        raise StepFailed(f"unexpected status {status}")


class _Conversation:
    """The engine's side of one blob."""

    def __init__(self, scope: Scope, engine: PushingEngine, address: str, name: str) -> None:
        self._scope = scope
        self._engine = engine
        self._address = address
        self._name = name

    def layer(self, diff_id: str, layer: bytes) -> Callable[[], None]:
        def push() -> None:
            digest = self._engine.known.get(diff_id)
            if digest is not None and self.ask("HEAD", f"blobs/{digest}") == 200:
                return
            if diff_id in self._engine.endless:
                self.upload(gzip.compress(layer), is_endless=True)
            self._engine.known[diff_id] = self.upload(gzip.compress(layer, mtime=0))

        return push

    def upload(self, data: bytes, *, is_endless: bool = False) -> str:
        """Notes it once the whole body is there; after the last step would be too late, for the push may be over by then."""
        digest = digest_of(data)
        with closing(self._connect()) as connection, self._scope.on_cancel(lambda: _shut(connection)):
            try:
                location = self._request(connection, "POST", "blobs/uploads/", b"")[1]
                self._request(connection, "PATCH", location, self._chunks(data, is_endless=is_endless))
                self._engine.uploaded.append(digest)
                assert self._request(connection, "PUT", f"{location}?digest={digest}", b"")[0] == 201
                assert self._request(connection, "HEAD", f"blobs/{digest}", None)[0] == 200
            except (OSError, http.client.HTTPException) as exc:
                self._scope.check()
                raise StepFailed(f"push broke off: {exc}") from exc
        return digest

    def ask(self, method: str, what: str, body: bytes | None = None) -> int:
        with closing(self._connect()) as connection, self._scope.on_cancel(lambda: _shut(connection)):
            try:
                return self._request(connection, method, what, body)[0]
            except (OSError, http.client.HTTPException) as exc:
                self._scope.check()
                raise StepFailed(f"push broke off: {exc}") from exc

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address, timeout=20)

    def _chunks(self, data: bytes, *, is_endless: bool) -> Iterator[bytes]:
        yield data[:100]
        if is_endless:
            self._scope.wait(None)
        yield data[100:]

    def _request(
        self, connection: http.client.HTTPConnection, method: str, what: str, body: bytes | Iterator[bytes] | None
    ) -> tuple[int, str]:
        path = what if what.startswith("/") else f"/v2/{self._name}/{what}"
        is_chunked = body is not None and not isinstance(body, bytes)
        connection.request(method, path, body=body, encode_chunked=is_chunked, headers=_chunked(is_chunked))
        with closing(connection.getresponse()) as response:
            response.read()
            return response.status, response.headers.get("Location", "")


def _chunked(is_chunked: bool) -> Mapping[str, str]:
    return {"Transfer-Encoding": "chunked"} if is_chunked else {}


def _shut(connection: http.client.HTTPConnection) -> None:
    connection.close()


class StoringEngine(PushingEngine):
    """Pushes as dockerd does with containerd's store: tries TLS, asks for every blob by its digest, base first, and sends manifests last.

    `attests`: the image's manifest is in an index, beside one of attestations.
    """

    attests = False

    def inspect(self, ref: str) -> EngineImage | None:
        found = super().inspect("shop/api:v1" if ref.startswith("sha256:") else ref)
        return None if found is None else replace(found, image_id=digest_of(f"manifest of {found.layers}".encode()))

    def tag(self, image_id: str, ref: str) -> None:
        super().tag("shop/api:v1", ref)

    def push(self, scope: Scope, ref: str, on_line: Callable[[str], None] | None = None) -> str:
        image = self.stored(ref)
        self.refs.append(ref)
        address, _, rest = ref.partition("/")
        host, _, port = address.partition(":")
        with closing(socket.create_connection((host, int(port)))) as secured:
            secured.sendall(b"\x16\x03\x01" + bytes(500))
            assert secured.recv(5) == b"HTTP/"
        layers = [gzip.compress(layer, mtime=0) for layer in image.layers]
        manifest = {"config": {"digest": image.image_id}, "layers": [{"digest": digest_of(layer)} for layer in layers]}
        conversation = _Conversation(scope, self, address, rest.partition(":")[0])
        for blob in (image.config, *layers):
            if conversation.ask("HEAD", f"blobs/{digest_of(blob)}") != 200:
                conversation.upload(blob)
        parts = [{"config": {"digest": digest_of(b"")}, "layers": [{"digest": digest_of(b"")}]}] if self.attests else []
        for number, each in enumerate([*parts, manifest]):
            name = digest_of(f"{number}".encode()) if self.attests else "push"
            status = conversation.ask("PUT", f"manifests/{name}", json.dumps(each).encode())
        if self.attests:
            assert status == 201
            status = conversation.ask("PUT", "manifests/push", json.dumps({"manifests": []}).encode())
        raise StepFailed(f"unexpected status {status}")


class Other:
    """The other source; `asked`: what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[frozenset[str]] = []

    def __call__(
        self, scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]
    ) -> Content:
        assert spool.tell() == 0
        assert os.fstat(spool.fileno()).st_size == 0
        self.asked.append(wanted)
        return Content(b"from the other", {}, spool.fileno())


@pytest.fixture
def engine() -> PushingEngine:
    made = PushingEngine()
    made.add("shop/api:v1", LAYERS)
    return made


@pytest.fixture
def other() -> Other:
    return Other()


def inspect(engine: FakeEngine) -> EngineImage:
    found = engine.inspect("shop/api:v1")
    assert found is not None
    return found


def fetch(
    engine: FakeEngine, other: Other, wanted: Sequence[str], source: PushedSource | None = None
) -> dict[str, bytes]:
    with tempfile.TemporaryFile() as spool, Scope("test") as scope:
        content = (source or PushedSource(other))(scope, engine, inspect(engine), frozenset(wanted), spool)
        data = {"config": content.config}
        for diff_id, blob in content.blobs.items():
            data[diff_id] = os.pread(content.fd, blob.size_bytes, blob.offset)
            assert blob.digest == digest_of(data[diff_id])
            if blob.is_gzip:
                data[diff_id] = gzip.decompress(data[diff_id])
        return data


def test_the_wanted_layers_come_by_a_push(engine: PushingEngine, other: Other) -> None:
    stored, image = engine.stored("shop/api:v1"), inspect(engine)
    data = fetch(engine, other, image.layers[1:])
    assert data == {"config": stored.config, image.layers[1]: stored.layers[1], image.layers[2]: stored.layers[2]}
    assert other.asked == []


def test_layers_that_the_engine_knows_are_not_sent(engine: PushingEngine, other: Other) -> None:
    image = inspect(engine)
    engine.known = {diff_id: digest_of(diff_id.encode()) for diff_id in image.layers[:2]}
    assert set(fetch(engine, other, image.layers[2:])) == {"config", image.layers[2]}
    layer = digest_of(gzip.compress(engine.stored("shop/api:v1").layers[2], mtime=0))
    assert [each for each in engine.uploaded if each != image.image_id] == [layer]


def test_a_wanted_layer_that_the_engine_sent_elsewhere_before_is_sent_again(
    engine: PushingEngine, other: Other
) -> None:
    image = inspect(engine)
    engine.known = {diff_id: digest_of(diff_id.encode()) for diff_id in image.layers}
    assert image.layers[2] in fetch(engine, other, image.layers[2:])
    assert len(engine.refs) == 2
    assert other.asked == []


def test_a_layer_that_nobody_wants_is_not_waited_for(engine: PushingEngine, other: Other) -> None:
    image = inspect(engine)
    engine.endless = {image.layers[0]}
    data = fetch(engine, other, image.layers[2:])
    assert set(data) == {"config", image.layers[2]}
    assert data["config"] == image.config


def test_a_claimed_layer_behind_one_that_takes_for_ever_is_found_out(engine: PushingEngine, other: Other) -> None:
    image = inspect(engine)
    engine.known = {image.layers[2]: digest_of(b"from elsewhere")}
    engine.endless = {image.layers[0]}
    assert image.layers[2] in fetch(engine, other, image.layers[2:])
    assert len(engine.refs) == 2


def test_a_wanted_layer_that_takes_too_long_is_had_the_other_way(engine: PushingEngine, other: Other) -> None:
    image = inspect(engine)
    engine.endless = {image.layers[1]}
    assert fetch(engine, other, image.layers[1:]) == {"config": b"from the other"}
    assert other.asked == [frozenset(image.layers[1:])]


@pytest.mark.parametrize("attests", [False, True])
def test_an_engine_that_asks_for_all_is_asked_for_its_manifest_first_and_then_sends_no_more_than_is_wanted(
    other: Other, *, attests: bool
) -> None:
    engine, source = StoringEngine(), PushedSource(other)
    engine.attests = attests
    for version, pushes in ((b"v1", 2), (b"v2", 3)):  # what is known of the base is remembered
        engine.add("shop/api:v1", [*LAYERS[:2], {"app": version}])
        stored, image = engine.stored("shop/api:v1"), inspect(engine)
        engine.uploaded.clear()
        data = fetch(engine, other, image.layers[2:], source)
        assert data == {"config": stored.config, image.layers[2]: stored.layers[2]}
        sent = [stored.image_id, digest_of(gzip.compress(stored.layers[2], mtime=0))]
        assert engine.uploaded == sent
        assert len(engine.refs) == pushes
    assert other.asked == []


def test_what_an_engine_that_asks_for_all_has_of_no_layer_is_its_config(other: Other) -> None:
    engine = StoringEngine()
    engine.add("shop/api:v1", LAYERS)
    assert fetch(engine, other, ()) == {"config": engine.stored("shop/api:v1").config}


def test_when_no_layer_is_wanted_the_config_comes(engine: PushingEngine, other: Other) -> None:
    assert fetch(engine, other, ()) == {"config": engine.stored("shop/api:v1").config}


def test_an_image_whose_base_is_wanted_is_had_the_other_way(engine: PushingEngine, other: Other) -> None:
    fetch(engine, other, inspect(engine).layers)
    assert (len(other.asked), engine.refs) == (1, [])


def test_an_engine_that_cannot_reach_us_is_asked_once(engine: PushingEngine, other: Other) -> None:
    engine.is_elsewhere = True
    source = PushedSource(other)
    for _ in range(2):
        fetch(engine, other, inspect(engine).layers[2:], source)
    assert (len(other.asked), len(engine.refs)) == (2, 1)


def test_no_name_stays_in_the_engine(engine: PushingEngine, other: Other) -> None:
    fetch(engine, other, inspect(engine).layers[2:])
    assert inspect(engine).tags == ("shop/api:v1",)


def test_an_image_without_another_name_is_not_given_one(engine: PushingEngine, other: Other) -> None:
    image = inspect(engine)
    nameless = EngineImage(image.image_id, (), image.layers, image.size_bytes, config=image.config)
    with tempfile.TemporaryFile() as spool, Scope("test") as scope:
        PushedSource(other)(scope, engine, nameless, frozenset(image.layers[2:]), spool)
    assert (len(other.asked), engine.refs) == (1, [])


def test_cancelling_ends_the_push_and_everything_with_it(engine: PushingEngine, other: Other) -> None:
    image = inspect(engine)
    engine.endless = set(image.layers)
    threads = threading.active_count()
    with tempfile.TemporaryFile() as spool, Scope("test") as scope:
        timer = threading.Timer(0.1, scope.cancel)
        timer.start()
        with pytest.raises(Cancelled):
            PushedSource(other)(scope, engine, image, frozenset(image.layers[2:]), spool)
    timer.join()
    assert threading.active_count() == threads
    assert image.tags == inspect(engine).tags
    assert other.asked == []


def test_an_engine_that_goes_away_is_an_outage(engine: PushingEngine, other: Other) -> None:
    class Leaving(PushingEngine):
        def push(self, scope: Scope, ref: str, on_line: Callable[[str], None] | None = None) -> str:
            raise Unavailable("gone")

    leaving = Leaving()
    leaving.add("shop/api:v1", LAYERS)
    with pytest.raises(Unavailable, match="gone"):
        fetch(leaving, other, inspect(leaving).layers[2:])


def test_strangers_can_bring_nothing_that_was_not_wanted(engine: PushingEngine, other: Other) -> None:
    answers: list[int] = []

    class Intruded(PushingEngine):
        def push(self, scope: Scope, ref: str, on_line: Callable[[str], None] | None = None) -> str:
            address, _, rest = ref.partition("/")
            stranger = _Conversation(scope, self, address, rest.partition(":")[0])
            stranger.upload(b"a config of mine")
            stranger.upload(b"a layer of mine")
            lost = _Conversation(scope, self, address, "another-name")
            answers.append(lost.ask("POST", "blobs/uploads/", b""))
            answers.append(lost.ask("HEAD", f"blobs/{digest_of(b'x')}"))
            answers.append(stranger.ask("GET", "blobs/anything"))
            answers.append(stranger.ask("PATCH", "blobs/uploads/none", b"x"))
            answers.append(stranger.ask("PUT", f"blobs/uploads/none?digest={digest_of(b'x')}", b"x"))
            return super().push(scope, ref, on_line)

    intruded = Intruded()
    intruded.add("shop/api:v1", LAYERS)
    stored, image = intruded.stored("shop/api:v1"), inspect(intruded)
    assert fetch(intruded, other, image.layers[2:]) == {"config": stored.config, image.layers[2]: stored.layers[2]}
    assert answers == [404, 404, 404, 404, 400]


def test_nothing_is_left_open(engine: PushingEngine, other: Other) -> None:
    image = inspect(engine)
    fetch(engine, other, image.layers[2:])
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    engine.endless = {image.layers[0]}
    for _ in range(5):
        fetch(engine, other, image.layers[2:])
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


@pytest.mark.parametrize(
    ("where", "system", "is_one"),
    [
        ({"DOCKER_CONTEXT": "default"}, "Debian GNU/Linux 12", True),
        ({"DOCKER_HOST": "unix:///var/run/docker.sock"}, "Ubuntu", True),
        ({"DOCKER_HOST": "tcp://192.168.49.2:2376"}, "Buildroot", False),
        ({"DOCKER_HOST": "ssh://build-box"}, "Ubuntu", False),
        ({"DOCKER_CONTEXT": "colima"}, "Ubuntu", False),
        ({"DOCKER_CONTEXT": "default"}, "Docker Desktop", False),
    ],
)
def test_an_engine_is_near_when_its_loopback_is_ours(where: Mapping[str, str], system: str, is_one: bool) -> None:
    class Placed(FakeEngine):
        def environment(self) -> Mapping[str, str]:
            return where

    assert is_near(Placed(info=EngineInfo("1", "x", system))) is is_one
