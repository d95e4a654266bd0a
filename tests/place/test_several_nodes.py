"""Several real nodes: all get the image at once, from one stream, each only what it lacks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO

import pytest

from devloop.place.nodes import NodesPlacer
from devloop.place.oci import Content
from devloop.place.saved import from_save
from devloop.products import Image
from devloop.refs import full_name
from devloop.scope import Scope
from devloop.stages import Container, Engine, EngineImage
from tests.e2e.kube import Kubectl
from tests.e2e.web import eventually
from tests.place.spare import file_on, spare_node
from tests.place.test_real_node import Shop, shop

__all__ = ["shop"]

pytestmark = pytest.mark.timeout(300)


class Stream:
    """The layers out of `docker save`. `wanted`: what each reading of it was asked for."""

    def __init__(self) -> None:
        self.wanted: list[frozenset[str]] = []

    def __call__(
        self, scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]
    ) -> Content:
        self.wanted.append(wanted)
        return from_save(scope, engine, image, wanted, spool)


@pytest.fixture
def spare(shop: Shop) -> Iterator[Container]:
    with spare_node(shop.nodes[0]) as node:
        yield node


def shown(shop: Shop, image: Image, nodes: tuple[Container, ...]) -> set[str]:
    return {file_on(node, full_name(image.ref), "app/version") for node in nodes}


def test_all_nodes_get_a_new_image_and_its_change_from_one_stream(shop: Shop, spare: Container) -> None:
    nodes, stream = (*shop.nodes, spare), Stream()
    placer = NodesPlacer(nodes, stream)
    first, second = (shop.build(version, base="busybox:1.37") for version in ("v1", "v2"))
    with Scope("place") as scope:
        placed, _ = placer.place(scope, first, shop.tools)
        assert f"→ {len(nodes)} nodes" in placed.way
        assert len(stream.wanted) == 1
        assert shown(shop, first, nodes) == {f"{shop.repository} v1\n"}

        placed, was_sent = placer.place(scope, second, shop.tools)
    assert was_sent
    assert "delta" in placed.way
    assert f"→ {len(nodes)} nodes" in placed.way
    assert stream.wanted[1:] == [frozenset(shop.diff_ids(second)[-1:])]
    assert placed.sent_bytes < 10_000 * len(nodes)
    assert shown(shop, second, nodes) == {f"{shop.repository} v2\n"}


def test_a_node_that_joins_gets_all_while_the_others_get_the_change(shop: Shop, spare: Container) -> None:
    first, second = (shop.build(version, base="busybox:1.37") for version in ("v1", "v2"))
    shop.place(first)
    nodes, stream = (*shop.nodes, spare), Stream()
    with Scope("place") as scope:
        placed, _ = NodesPlacer(nodes, stream).place(scope, second, shop.tools)
    assert stream.wanted == [frozenset(shop.diff_ids(second))]
    found = shop.engine.inspect(second.image_id)
    assert found is not None
    assert placed.sent_bytes < 1.1 * found.size_bytes + 20_000 * len(shop.nodes)
    assert shown(shop, second, nodes) == {f"{shop.repository} v2\n"}


def test_a_pod_runs_the_image_on_every_node_of_the_cluster(shop: Shop, kubectl: Kubectl) -> None:
    image = shop.build("v1", base="busybox:1.37")
    shop.place(image)
    for number, node in enumerate(shop.nodes):
        container = {"name": "main", "image": image.ref, "imagePullPolicy": "Never"}
        spec = {"nodeName": node.name, "restartPolicy": "Never", "containers": [container]}
        kubectl.apply(
            json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"on-{number}"}, "spec": spec})
        )

    def ended() -> bool:
        return all(pod["status"].get("phase") == "Succeeded" for pod in kubectl.list("pods"))

    eventually(ended, timeout_s=60, what="pods on all nodes")
    logs = {kubectl.run("logs", f"on-{number}") for number in range(len(shop.nodes))}
    assert logs == {f"{shop.repository} v1\n"}
