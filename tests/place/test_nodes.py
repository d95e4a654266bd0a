"""Placing on nodes: what is sent, what is believed, and what happens when a node refuses."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO

import pytest

from devloop.errors import StepFailed, Unavailable
from devloop.place.nodes import NodesPlacer
from devloop.place.oci import Content, chain_ids
from devloop.place.saved import from_save
from devloop.products import Image, Placed
from devloop.scope import Cancelled, Scope
from devloop.stages import Engine, EngineImage, Tools
from devloop.testing.engine import FakeEngine, Layout, digest_of, layer_tar
from devloop.testing.processes import FakeProcesses
from tests.place.containerd import FakeNode

BASE = {"base": b"b" * 100_000}
DEPS = {"deps": b"d" * 20_000}
NAME = "docker.io/shop/api"


class World:
    """An engine, a cluster of nodes, and the placer between them."""

    def __init__(self, *, layout: Layout = "docker", nodes: int = 1) -> None:
        self.engine = FakeEngine(layout=layout)
        self.processes = FakeProcesses()
        self.lines: list[str] = []
        self.tools = Tools(self.processes, self.engine, self.lines.append)
        self.nodes = [FakeNode(f"devloop-{i}", self.engine, self.processes) for i in range(nodes)]
        self.placer = NodesPlacer([node.container for node in self.nodes])

    def build(self, tag: str, *, repository: str = "shop/api") -> Image:
        ref = f"{repository}:{tag}"
        return Image(repository, ref, self.engine.add(ref, [BASE, DEPS, {"app": ref.encode()}]))

    def place(self, image: Image) -> tuple[Placed, bool]:
        with Scope("place") as scope:
            return self.placer.place(scope, image, self.tools)


@pytest.mark.parametrize("layout", ["docker", "oci"])
def test_a_new_image_is_sent_with_all_its_layers(layout: Layout) -> None:
    world = World(layout=layout)
    placed, was_sent = world.place(world.build("v1"))
    assert was_sent
    assert world.nodes[0].names == {f"{NAME}:v1": "whole"}
    assert placed.sent_bytes > 120_000
    assert placed.ref == "shop/api:v1"


def test_a_new_image_that_is_refused_whole_is_sent_layer_by_layer() -> None:
    world = World()
    world.nodes[0].refuses = 1
    placed, _ = world.place(world.build("v1"))
    assert placed.way.endswith("→ 1 node")
    assert world.nodes[0].names == {f"{NAME}:v1": "whole"}
    assert any("layer by layer" in line for line in world.lines)


@pytest.mark.parametrize("layout", ["docker", "oci"])
def test_of_a_changed_image_only_the_changed_layer_is_sent(layout: Layout) -> None:
    world = World(layout=layout)
    world.place(world.build("v1"))
    second = world.build("v2")
    placed, was_sent = world.place(second)
    assert was_sent
    top = world.engine.stored("shop/api:v2").diff_ids[-1]
    assert list(world.nodes[0].imports[-1]) == [top]
    assert placed.sent_bytes < 20_000
    assert placed.way == f"{placed.sent_bytes / 1000:.0f} kB of 143 kB, delta → 1 node"
    assert world.nodes[0].names[f"{NAME}:v2"] == "whole"


def test_an_image_that_is_there_is_not_sent_again() -> None:
    world = World()
    image = world.build("v1")
    world.place(image)
    placed, was_sent = world.place(image)
    assert (was_sent, placed.sent_bytes, placed.way) == (False, 0, "on the node already")
    world.placer = NodesPlacer([world.nodes[0].container])
    assert world.place(image) == (placed, False)
    assert len(world.nodes[0].imports) == 1


def test_an_image_that_only_has_other_settings_sends_no_layer() -> None:
    world = World()
    world.place(world.build("v1"))
    layers = [BASE, DEPS, {"app": b"shop/api:v1"}]
    image = Image("shop/api", "shop/api:v2", world.engine.add("shop/api:v2", layers, config={"Env": "X=1"}))
    _, was_sent = world.place(image)
    assert was_sent
    assert world.nodes[0].imports[-1] == {}


def test_a_name_without_its_layers_is_not_believed() -> None:
    world = World()
    image = world.build("v1")
    world.nodes[0].names[f"{NAME}:v1"] = "incomplete"
    _, was_sent = world.place(image)
    assert was_sent
    assert world.nodes[0].names[f"{NAME}:v1"] == "whole"


def test_only_nodes_that_lack_the_image_get_it_each_what_it_lacks() -> None:
    world = World(nodes=3)
    image = world.build("v1")
    stored = world.engine.stored("shop/api:v1")
    chain = chain_ids(stored.diff_ids)
    world.nodes[0].snapshots |= set(chain)
    world.nodes[0].names[f"{NAME}:v1"] = "whole"
    world.nodes[1].snapshots |= set(chain[:2])
    placed, _ = world.place(image)
    assert [len(node.imports) for node in world.nodes] == [0, 1, 1]
    assert list(world.nodes[1].imports[0]) == [stored.diff_ids[2]]
    assert set(world.nodes[2].imports[0]) == set(stored.diff_ids)
    assert placed.way.endswith("→ 2 nodes")
    assert len(world.engine.saved) == 1


def test_a_refused_delta_is_followed_by_the_whole_image_and_said() -> None:
    world = World()
    world.nodes[0].snapshots |= set(chain_ids([digest_of(layer_tar(BASE))]))
    world.nodes[0].refuses = 1
    placed, was_sent = world.place(world.build("v2"))
    assert was_sent
    assert world.nodes[0].names[f"{NAME}:v2"] == "whole"
    assert "in full → 1 node, because the delta failed: ctr: content digest sha256:123: not found" in placed.way
    assert placed.sent_bytes > 120_000
    assert any("loading the whole image" in line for line in world.lines)


def test_an_image_that_no_way_brings_leaves_no_name_behind() -> None:
    world = World()
    world.nodes[0].refuses = 2
    with pytest.raises(StepFailed, match="node devloop-0 did not load the image") as caught:
        world.place(world.build("v1"))
    assert caught.value.evidence == ("ctr: content digest sha256:123: not found",)
    assert world.nodes[0].names == {}


def test_a_snapshot_that_vanishes_after_it_was_asked_for_is_mended() -> None:
    world = World()
    world.nodes[0].snapshots |= set(chain_ids([digest_of(layer_tar(BASE))]))
    second = world.build("v2")
    node = world.nodes[0]

    def forgetful(
        scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]
    ) -> Content:
        node.snapshots.clear()
        return from_save(scope, engine, image, wanted, spool)

    world.placer = NodesPlacer([node.container], forgetful)
    placed, _ = world.place(second)
    assert node.names[f"{NAME}:v2"] == "whole"
    assert "in full" in placed.way


def test_snapshots_that_vanished_since_the_last_image_are_sent_again() -> None:
    world = World()
    world.place(world.build("v1"))
    world.nodes[0].names.clear()
    world.nodes[0].snapshots.clear()
    placed, _ = world.place(world.build("v2"))
    assert "because" not in placed.way
    assert len(world.nodes[0].imports[-1]) == 3


def test_the_next_image_needs_one_question_less() -> None:
    world = World()
    for version in ("v1", "v2", "v3"):
        world.place(world.build(version))
    what = [call.argv[call.argv.index("-c") + 2] for call in world.processes.called("docker", "exec")]
    assert what == ["look", "load", "load", "load"]


def test_an_image_that_was_taken_off_the_node_is_sent_again() -> None:
    world = World()
    image = world.build("v1")
    world.place(image)
    world.nodes[0].names.clear()
    assert world.place(image)[1] is True
    assert world.nodes[0].names == {f"{NAME}:v1": "whole"}


def test_a_source_that_cannot_is_followed_by_the_whole_image() -> None:
    world = World()

    def unable(scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]) -> Content:
        raise StepFailed("layers in an unknown form")

    world.placer = NodesPlacer([world.nodes[0].container], unable)
    world.nodes[0].snapshots |= set(chain_ids([digest_of(layer_tar(BASE))]))
    placed, _ = world.place(world.build("v1"))
    assert placed.way.endswith("in full → 1 node, because the delta failed: layers in an unknown form")
    assert world.nodes[0].names[f"{NAME}:v1"] == "whole"


def test_an_image_that_the_engine_lost_must_be_built_again() -> None:
    world = World()
    image = world.build("v1")
    world.engine.untag("shop/api:v1")
    with pytest.raises(StepFailed, match="has no image") as caught:
        world.place(image)
    assert caught.value.hint == "build it again"


def test_an_image_that_the_engine_lost_but_the_node_has_is_there() -> None:
    world = World()
    image = world.build("v1")
    world.place(image)
    world.engine.untag("shop/api:v1")
    assert world.place(image)[1] is False


def test_a_node_that_is_not_running_is_named() -> None:
    world = World()
    world.nodes[0].is_gone = True
    with pytest.raises(StepFailed, match="node devloop-0") as caught:
        world.place(world.build("v1"))
    assert "is not running" in caught.value.evidence[-1]


def test_an_engine_that_is_away_is_an_outage() -> None:
    world = World()
    image = world.build("v1")
    world.engine.is_down = True
    with pytest.raises(Unavailable):
        world.place(image)


def test_cancelling_while_the_engine_saves_leaves_nothing_on_the_node() -> None:
    world = World()
    image = world.build("v1")
    world.engine.blocked.add("save")
    with Scope("place") as scope:
        scope.spawn("place", lambda: world.placer.place(scope, image, world.tools) and None)
        world.processes.wait_for("docker", "exec")
        scope.cancel()
    assert world.nodes[0].names == {}


def test_a_cancelled_scope_places_nothing() -> None:
    world = World(nodes=2)
    image = world.build("v1")
    with Scope("place") as scope:
        scope.cancel()
        with pytest.raises(Cancelled):
            world.placer.place(scope, image, world.tools)


def test_two_images_are_placed_at_once() -> None:
    world = World(nodes=2)
    images = [world.build("v1"), world.build("v1", repository="shop/web")]
    ways: list[str] = []
    with Scope("place") as scope:
        for image in images:
            scope.spawn(image.ref, lambda image=image: ways.append(world.place(image)[0].way))  # type: ignore[misc]
    assert len(ways) == 2
    for node in world.nodes:
        assert node.names == {f"{NAME}:v1": "whole", "docker.io/shop/web:v1": "whole"}


@pytest.fixture(autouse=True)
def _spool_is_gone(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No placing leaves a file behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    from pathlib import Path

    assert list(Path(str(tmp_path)).iterdir()) == []
