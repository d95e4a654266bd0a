"""A warning where no node has the platform that an image was built for."""

from __future__ import annotations

import pytest

from devloop.place.platforms import NodePlatforms
from devloop.products import Image, Object
from devloop.scope import Scope
from devloop.stages import Tools
from devloop.testing.cluster import FakeCluster
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import FakeProcesses


def node(name: str, architecture: str) -> Object:
    info = {"operatingSystem": "linux", "architecture": architecture} if architecture else {}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"nodeInfo": info}}


def warned(*architectures: str, times: int = 1) -> list[str]:
    """What is said of an image for linux/amd64."""
    cluster, engine = FakeCluster(), FakeEngine()
    for number, architecture in enumerate(architectures):
        cluster.apply(Scope(), node(f"node-{number}", architecture))
    image = Image("shop/api", "shop/api:1", engine.add("shop/api:1", [{"a": b"1"}]))
    platforms = NodePlatforms(cluster)
    found = [platforms.warning(Scope(), image, Tools(FakeProcesses(), engine)) for _ in range(times)]
    return [f"{each.message}; {each.hint}" for each in found if each]


@pytest.mark.parametrize("architectures", [("amd64",), ("arm64", "amd64"), (), ("",)])
def test_nothing_is_said_where_a_node_has_it_or_none_says(architectures: tuple[str, ...]) -> None:
    assert warned(*architectures) == []


def test_both_platforms_are_named_once() -> None:
    (said,) = warned("arm64", "arm64", times=3)
    assert "shop/api was built for linux/amd64, and the nodes of" in said
    assert "are linux/arm64; " in said
    assert "`docker.platforms: [linux/arm64]`" in said


def test_what_is_not_in_the_engine_is_nobodys_platform() -> None:
    cluster = FakeCluster()
    cluster.apply(Scope(), node("one", "arm64"))
    image = Image("shop/api", "shop/api:1", "")
    assert NodePlatforms(cluster).warning(Scope(), image, Tools(FakeProcesses(), FakeEngine())) is None
