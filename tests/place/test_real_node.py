"""Placing on a real node: what BuildKit builds, dockerd saves, containerd imports and the kubelet runs."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed
from devloop.place.choose import own_nodes
from devloop.place.nodes import NodesPlacer
from devloop.place.oci import Blob, Content
from devloop.place.pushed import PushedSource
from devloop.place.saved import from_save
from devloop.place.source import LayerSource
from devloop.products import Image, Placed
from devloop.refs import full_name
from devloop.scope import Scope
from devloop.stages import Container, Engine, EngineImage, Tools
from tests.e2e.kube import Cluster, Kubectl
from tests.e2e.web import eventually

pytestmark = pytest.mark.timeout(300)

DOCKERFILE = """FROM {base}
COPY deps /app/deps
COPY settings /app/settings
COPY version /app/version
CMD ["cat", "/app/version"]
"""


class Shop:
    """A small image in many versions, and the nodes it is placed on."""

    def __init__(self, folder: Path, engine: docker.DockerEngine, nodes: tuple[Container, ...]) -> None:
        self.repository = f"devloop-test/{uuid.uuid4().hex[:12]}"
        self.engine = engine
        self.nodes = nodes
        self.lines: list[str] = []
        self.tools = Tools(RealProcesses(), engine, self.lines.append)
        self._folder = folder
        self._refs: set[str] = set()

    def build(
        self,
        version: str,
        *,
        base: str = "python:3.11-slim",
        deps: str = "",
        repository: str = "",
        flags: tuple[str, ...] = (),
    ) -> Image:
        for name, content in {
            "Dockerfile": DOCKERFILE.format(base=base),
            "deps": f"{deps or self.repository}\n" * 5000,
            "settings": f"{self.repository}\n" * 3000,
            "version": f"{self.repository} {version}\n",
        }.items():
            (self._folder / name).write_text(content)
        ref = f"{repository or self.repository}:{version}"
        self._refs.add(ref)
        self.run("docker", "build", "-q", *flags, "-t", ref, str(self._folder))
        found = self.engine.inspect(ref)
        assert found is not None
        return Image(self.repository, ref, found.image_id)

    def place(self, image: Image, source: LayerSource = from_save) -> tuple[Placed, bool]:
        placer = NodesPlacer(self.nodes, source)
        with Scope("place") as scope:
            return placer.place(scope, image, self.tools)

    def diff_ids(self, image: Image) -> tuple[str, ...]:
        found = self.engine.inspect(image.image_id)
        assert found is not None
        return found.layers

    def own_names(self, image: Image) -> list[str]:
        """All names, also by digest, that the engine has for the image."""
        facts = json.loads(self.run("docker", "image", "inspect", image.image_id))[0]
        return [*facts["RepoTags"], *facts["RepoDigests"]]

    def ctr(self, *words: str) -> list[str]:
        """What the first node's containerd says, the other nodes are not asked."""
        node = self.nodes[0].container_id
        return self.run("docker", "exec", node, "ctr", "-n", "k8s.io", *words).splitlines()

    def forget_blobs(self, digests: tuple[str, ...]) -> None:
        present = [digest for digest in self.ctr("content", "ls", "-q") if digest in digests]
        if present:
            self.ctr("content", "rm", *present)

    def clean(self) -> None:
        for ref in self._refs:
            self.engine.untag(ref)
            for node in self.nodes:
                name = full_name(ref)
                self.run("docker", "exec", node.container_id, "ctr", "-n", "k8s.io", "images", "rm", name)

    def run(self, *argv: str) -> str:
        with Scope("run") as scope:
            return RealProcesses().run(scope, argv, env={"DOCKER_BUILDKIT": "1"}).stdout


@pytest.fixture
def shop(engine: str, cluster: Cluster, tmp_path: Path) -> Iterator[Shop]:
    made = docker.connect()
    nodes = own_nodes(Kubectl(cluster.context, "default").list("nodes"), made)
    if not nodes:
        pytest.skip(f"the nodes of {cluster.context} are no containers of this engine")
    shop = Shop(tmp_path, made, nodes)
    yield shop
    shop.clean()
    made.close()


@pytest.fixture
def run(kubectl: Kubectl) -> Callable[[Image], str]:
    """A function: runs the image in a pod that may not pull, and returns what it printed."""

    def run_pod(image: Image) -> str:
        name = f"pod-{uuid.uuid4().hex[:6]}"
        container = {"name": "main", "image": image.ref, "imagePullPolicy": "Never"}
        spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]}
        kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}))

        def is_over() -> bool:
            pod = kubectl.get("pod", name)
            return pod is not None and pod["status"].get("phase") in ("Succeeded", "Failed")

        eventually(is_over, timeout_s=60, what=f"the end of {name}")
        return kubectl.run("logs", name)

    return run_pod


@pytest.mark.parametrize("source", [from_save, PushedSource()], ids=["saved", "pushed"])
def test_of_a_change_only_the_top_layer_travels_and_the_pod_shows_it(
    shop: Shop, run: Callable[[Image], str], source: LayerSource
) -> None:
    first, second = shop.build("v1"), shop.build("v2")
    placed, was_sent = shop.place(first)
    assert was_sent, placed
    assert run(first) == f"{shop.repository} v1\n"

    placed, was_sent = shop.place(second, source)
    assert was_sent
    assert "delta" in placed.way
    # The top layer is one small file; the two below it are over 100 kB each, and the base is 190 MB.
    assert placed.sent_bytes < 20_000, placed
    assert shop.diff_ids(first)[:-1] == shop.diff_ids(second)[:-1]
    assert run(second) == f"{shop.repository} v2\n"
    assert shop.place(second) == (
        Placed(second.artifact, second.ref, second.image_id, "on the node already"),
        False,
    )
    # None with the address that it was pushed to; some engines have one by digest for each.
    assert {name.partition("@")[0] for name in shop.own_names(second)} <= {second.ref, shop.repository}


def test_a_change_in_the_middle_sends_that_layer_and_those_above(shop: Shop, run: Callable[[Image], str]) -> None:
    shop.place(shop.build("v1", base="busybox:1.37"))
    changed = shop.build("v2", base="busybox:1.37", deps="other deps")
    placed, _ = shop.place(changed)
    assert 50_000 < placed.sent_bytes < 400_000
    assert run(changed) == f"{shop.repository} v2\n"


def test_parents_whose_blobs_are_gone_are_not_sent_again(shop: Shop, run: Callable[[Image], str]) -> None:
    first = shop.build("v1", base="busybox:1.37")
    shop.place(first)
    shop.forget_blobs(shop.diff_ids(first))
    second = shop.build("v2", base="busybox:1.37")
    placed, _ = shop.place(second)
    assert placed.sent_bytes < 20_000, placed
    assert "delta" in placed.way
    assert run(second) == f"{shop.repository} v2\n"


def test_a_config_made_from_what_inspect_says_keeps_the_settings(shop: Shop, run: Callable[[Image], str]) -> None:
    def made(scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]) -> Content:
        content = from_save(scope, engine, image, wanted, spool)
        stored, config = json.loads(content.config), json.loads(image.config)
        assert {**stored, **config, "config": {}} == {**stored, "config": {}}
        settings = {key: value for key, value in config["config"].items() if value}
        assert settings == {key: value for key, value in stored["config"].items() if value}
        return Content(image.config, content.blobs, content.fd)

    shop.place(shop.build("v1", base="busybox:1.37"))
    image = shop.build("v2", base="busybox:1.37")
    placed, _ = shop.place(image, made)
    assert "delta" in placed.way
    assert run(image) == f"{shop.repository} v2\n"


def test_a_delta_that_the_node_refuses_is_followed_by_the_whole_image(shop: Shop, run: Callable[[Image], str]) -> None:
    def lossy(scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]) -> Content:
        content = from_save(scope, engine, image, wanted, spool)
        return Content(content.config, {}, content.fd)

    image = shop.build("v1", base="busybox:1.37")
    placed, was_sent = shop.place(image, lossy)
    assert was_sent
    assert "in full" in placed.way
    assert "not found" in placed.way
    assert run(image) == f"{shop.repository} v1\n"


def test_a_node_that_refuses_everything_keeps_no_name(shop: Shop) -> None:
    def garbled(scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]) -> Content:
        content = from_save(scope, engine, image, wanted, spool)
        spool.seek(0)
        spool.write(b"not a tar" * 100)
        spool.flush()
        return content

    class Unsaving(docker.DockerEngine):
        """An engine whose save of a name (the whole image) breaks off."""

        def save(self, scope: Scope, refs: object) -> Iterator[bytes]:
            chunks = super().save(scope, refs)  # type: ignore[arg-type]
            return chunks if str(refs).startswith("['sha256:") else iter([next(chunks)[:2000]])

    image = shop.build("v1", base="busybox:1.37")
    tools = Tools(RealProcesses(), Unsaving(shop.engine.environment(), RealProcesses()))
    with Scope("place") as scope, pytest.raises(StepFailed, match="did not load"):
        NodesPlacer(shop.nodes, garbled).place(scope, image, tools)
    assert full_name(image.ref) not in shop.ctr("images", "ls", "-q")
    shop.place(image)


def test_compressed_layers_are_taken_too(shop: Shop, run: Callable[[Image], str]) -> None:
    def zipped(scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]) -> Content:
        content = from_save(scope, engine, image, wanted, spool)
        blobs = {}
        for diff_id, blob in content.blobs.items():
            data = gzip.compress(os.pread(content.fd, blob.size_bytes, blob.offset))
            offset = spool.seek(0, os.SEEK_END)
            spool.write(data)
            blobs[diff_id] = Blob(f"sha256:{hashlib.sha256(data).hexdigest()}", offset, len(data), is_gzip=True)
        spool.flush()
        return Content(content.config, blobs, content.fd)

    image = shop.build("v1", base="busybox:1.37")
    placed, _ = shop.place(image, zipped)
    assert "delta" in placed.way
    assert run(image) == f"{shop.repository} v1\n"


def test_images_that_share_new_layers_are_placed_at_once(shop: Shop, run: Callable[[Image], str]) -> None:
    images = [shop.build(f"v{i}", base="busybox:1.37") for i in range(4)]
    ways: list[str] = []
    with Scope("all") as scope:
        for image in images:
            scope.spawn(image.ref, lambda image=image: ways.append(shop.place(image)[0].way))  # type: ignore[misc]
    assert len(ways) == 4
    assert all("delta" in way for way in ways), ways
    assert [run(image) for image in images] == [f"{shop.repository} v{i}\n" for i in range(4)]


def test_superseded_images_leave_the_node_but_for_what_a_pod_uses(shop: Shop, kubectl: Kubectl) -> None:
    images = [shop.build(f"{number:016x}", base="busybox:1.37") for number in range(4)]
    for image in images:
        shop.place(image)
    container = {"name": "main", "image": images[0].ref, "imagePullPolicy": "Never", "command": ["sleep", "600"]}
    spec = {"nodeName": shop.nodes[0].name, "terminationGracePeriodSeconds": 0, "containers": [container]}
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "old"}, "spec": spec}))
    eventually(lambda: (kubectl.get("pod", "old") or {}).get("status", {}).get("phase") == "Running", timeout_s=60)
    second_names = {row.split()[0] for row in shop.ctr("images", "ls") if row.startswith("sha256:")}

    placer = NodesPlacer(shop.nodes)
    with Scope("tidy") as scope:
        assert placer.tidy(scope, [image.ref for image in images[:3]], shop.tools) == {images[0].ref}
    left = shop.ctr("images", "ls", "-q")
    assert [full_name(image.ref) in left for image in images] == [True, False, False, True]
    assert len(second_names - set(left)) == 2
    # What is left works, and what went can come back.
    assert shop.place(images[1])[1]
    assert not shop.place(images[3])[1]
