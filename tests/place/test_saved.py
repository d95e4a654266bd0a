"""Layers out of `docker save`, in every layout that an engine writes."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
from collections.abc import Iterator, Sequence

import pytest

from devloop.errors import StepFailed, Unavailable
from devloop.place.oci import MAX_CONFIG_BYTES, Content
from devloop.place.saved import from_save
from devloop.scope import Scope
from devloop.stages import EngineImage
from devloop.testing.engine import FakeEngine, Layout, digest_of, pack

LAYERS = [{"base": b"b" * 50_000}, {"deps": b"d" * 9000}, {"app": b"v1"}]


class OtherEngine(FakeEngine):
    """An engine that saves what it is told to."""

    def __init__(self, archive: bytes, *, breaks_off: bool = False) -> None:
        super().__init__()
        self._archive = archive
        self._breaks_off = breaks_off

    def save(self, scope: Scope, refs: Sequence[str]) -> Iterator[bytes]:
        for start in range(0, len(self._archive), 1000):
            yield self._archive[start : start + 1000]
        if self._breaks_off:
            raise Unavailable("the engine broke off")


def fetch(engine: FakeEngine, image: EngineImage, wanted: Sequence[str]) -> tuple[Content, dict[str, bytes], int]:
    with tempfile.TemporaryFile() as spool, Scope("test") as scope:
        content = from_save(scope, engine, image, frozenset(wanted), spool)
        data = {key: os.pread(content.fd, blob.size_bytes, blob.offset) for key, blob in content.blobs.items()}
        return content, data, os.fstat(content.fd).st_size


def inspect(engine: FakeEngine, ref: str) -> EngineImage:
    found = engine.inspect(ref)
    assert found is not None
    return found


@pytest.mark.parametrize("layout", ["docker", "oci"])
def test_the_wanted_layers_and_the_config_are_found_in_both_layouts(layout: Layout) -> None:
    engine = FakeEngine(layout=layout)
    engine.add("shop/api:v1", LAYERS)
    image = inspect(engine, "shop/api:v1")
    for wanted in (image.layers, image.layers[2:], image.layers[:1], ()):
        content, data, spooled = fetch(engine, image, wanted)
        assert digest_of(content.config) == image.image_id
        assert set(data) == set(wanted)
        assert all(digest_of(layer) == diff_id for diff_id, layer in data.items())
        assert spooled == sum(map(len, data.values()))


@pytest.mark.parametrize("layout", ["docker", "oci"])
def test_a_layer_that_an_image_has_twice_is_found(layout: Layout) -> None:
    engine = FakeEngine(layout=layout)
    engine.add("shop/api:v1", [*LAYERS, LAYERS[0]])
    image = inspect(engine, "shop/api:v1")
    _, data, _ = fetch(engine, image, image.layers)
    assert len(data) == 3


def test_compressed_layers_are_known_by_what_they_hold() -> None:
    plain = FakeEngine()
    plain.add("shop/api:v1", LAYERS)
    image, stored = inspect(plain, "shop/api:v1"), plain.stored("shop/api:v1")
    zipped = [gzip.compress(layer) for layer in stored.layers]
    entries = {f"blobs/sha256/{digest_of(blob)[7:]}": blob for blob in (*zipped, stored.config)}
    content, data, _ = fetch(OtherEngine(pack(dict(entries))), image, image.layers[1:])
    assert [data[diff_id] for diff_id in image.layers[1:]] == zipped[1:]
    assert all(blob.is_gzip and blob.digest == digest_of(data[key]) for key, blob in content.blobs.items())


def test_the_config_of_another_platform_is_not_taken() -> None:
    engine = FakeEngine()
    engine.add("shop/api:v1", LAYERS)
    image, stored = inspect(engine, "shop/api:v1"), engine.stored("shop/api:v1")
    other = json.dumps({"rootfs": {"diff_ids": [digest_of(b"x")]}}).encode()
    entries = {"a.json": other, "b.json": b"{broken", "c.json": stored.config}
    content, _, _ = fetch(OtherEngine(pack(dict(entries))), image, ())
    assert content.config == stored.config


def test_large_blobs_that_are_not_wanted_are_not_spooled() -> None:
    engine = FakeEngine(layout="oci")
    engine.add("shop/api:v1", [{"big": os.urandom(MAX_CONFIG_BYTES + 1)}, {"app": b"v1"}])
    image = inspect(engine, "shop/api:v1")
    _, data, _ = fetch(engine, image, image.layers[1:])
    assert set(data) == {image.layers[1]}


def test_a_layer_in_an_unknown_form_is_said() -> None:
    engine = FakeEngine()
    engine.add("shop/api:v1", LAYERS)
    image, stored = inspect(engine, "shop/api:v1"), engine.stored("shop/api:v1")
    entries = {"blobs/sha256/123": b"\x28\xb5\x2f\xfdzstd", "config.json": stored.config}
    with pytest.raises(StepFailed, match=f"lacks layer {min(image.layers)}"):
        fetch(OtherEngine(pack(dict(entries))), image, image.layers)


def test_an_archive_without_the_config_is_said() -> None:
    engine = FakeEngine()
    engine.add("shop/api:v1", LAYERS)
    with pytest.raises(StepFailed, match="lacks its config"):
        fetch(OtherEngine(pack({"x": b"y"})), inspect(engine, "shop/api:v1"), ())


def test_a_broken_archive_is_a_failure_and_an_engine_that_goes_away_an_outage() -> None:
    engine = FakeEngine()
    engine.add("shop/api:v1", LAYERS)
    image = inspect(engine, "shop/api:v1")
    with Scope("test") as scope:
        archive = b"".join(engine.save(scope, [image.image_id]))[:20_000]
    with pytest.raises(StepFailed, match="cannot be read"):
        fetch(OtherEngine(archive), image, image.layers)
    with pytest.raises(Unavailable, match="broke off"):
        fetch(OtherEngine(archive, breaks_off=True), image, image.layers)


def test_the_rest_of_a_save_is_not_waited_for() -> None:
    closed: list[bool] = []
    engine = FakeEngine(layout="oci")
    engine.add("shop/api:v1", LAYERS)
    image = inspect(engine, "shop/api:v1")

    class Endless(FakeEngine):
        def save(self, scope: Scope, refs: Sequence[str]) -> Iterator[bytes]:
            try:
                yield from engine.save(scope, refs)
                while True:
                    yield bytes(512)
            finally:
                closed.append(True)

    fetch(Endless(), image, ())
    assert closed == [True]
