"""Placing out of an engine with containerd's store: an image's id is that of a manifest, and layers are stored as they travel."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Callable
from typing import IO

import pytest

from devloop.place.nodes import NodesPlacer
from devloop.place.oci import Content, digest_of, is_config_of
from devloop.place.pushed import PushedSource
from devloop.refs import full_name
from devloop.scope import Scope
from devloop.stages import Container, Engine, EngineImage
from tests.place.spare import file_on
from tests.place.test_real_node import (
    Shop,
    run,
    shop,
    test_a_config_made_from_what_inspect_says_keeps_the_settings,
    test_a_delta_that_the_node_refuses_is_followed_by_the_whole_image,
    test_images_that_share_new_layers_are_placed_at_once,
    test_of_a_change_only_the_top_layer_travels_and_the_pod_shows_it,
    test_superseded_images_leave_the_node_but_for_what_a_pod_uses,
)
from tests.place.test_several_nodes import spare, test_all_nodes_get_a_new_image_and_its_change_from_one_stream

__all__ = [
    "run",
    "shop",
    "spare",
    "test_a_config_made_from_what_inspect_says_keeps_the_settings",
    "test_a_delta_that_the_node_refuses_is_followed_by_the_whole_image",
    "test_all_nodes_get_a_new_image_and_its_change_from_one_stream",
    "test_images_that_share_new_layers_are_placed_at_once",
    "test_of_a_change_only_the_top_layer_travels_and_the_pod_shows_it",
    "test_superseded_images_leave_the_node_but_for_what_a_pod_uses",
]

pytestmark = pytest.mark.timeout(300)


def never(scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]) -> Content:
    raise AssertionError("another source was asked")


def test_from_the_second_change_on_one_push_brings_the_new_layer_and_the_config_alone(shop: Shop) -> None:
    source = PushedSource(never)
    pushes: list[str] = []

    class Counting(type(shop.engine)):  # type: ignore[misc]
        def push(self, scope: Scope, ref: str, on_line: Callable[[str], None] | None = None) -> str:
            pushes.append(ref)
            return str(super().push(scope, ref, on_line))

    engine = Counting(shop.engine.environment(), shop.tools.processes)
    counts = []
    for version in ("v1", "v2", "v3"):
        found = engine.inspect(shop.build(version).image_id)
        with tempfile.TemporaryFile() as spool, Scope("fetch") as scope:
            content = source(scope, engine, found, frozenset(found.layers[-1:]), spool)
            assert is_config_of(found, content.config)
            (blob,) = content.blobs.values()
            data = os.pread(content.fd, blob.size_bytes, blob.offset)
            assert digest_of(gzip.decompress(data)) == found.layers[-1]
            assert os.fstat(content.fd).st_size == blob.size_bytes
        counts.append(len(pushes))
    assert counts == [2, 3, 4]


def test_an_image_with_attestations_is_placed_too(shop: Shop, spare: Container) -> None:
    placer = NodesPlacer([spare], PushedSource(never))
    for version, way in (("v1", "all new"), ("v2", "delta")):
        image = shop.build(version, base="busybox:1.37", flags=("--provenance=true",))
        with Scope("place") as scope:
            placed, _ = placer.place(scope, image, shop.tools)
        assert way in placed.way, placed
        assert file_on(spare, full_name(image.ref), "app/version") == f"{shop.repository} {version}\n"
