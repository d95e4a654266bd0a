"""What happens to nodes between and during loads: restarts, removals, full disks, spoilt streams; and an old containerd."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

import pytest

from devloop.errors import StepFailed
from devloop.place import node
from devloop.place.node import NodeFull
from devloop.place.nodes import NodesPlacer
from devloop.place.oci import Content, chain_ids
from devloop.place.saved import from_save
from devloop.products import Image, Placed
from devloop.refs import full_name
from devloop.scope import Scope
from devloop.stages import Container, Engine, EngineImage
from tests.e2e.web import eventually
from tests.place.spare import await_containerd, docker, file_on, image_of, spare_node
from tests.place.test_real_node import Shop, shop

__all__ = ["shop"]

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def spare(shop: Shop) -> Iterator[Container]:
    with spare_node(shop.nodes[0]) as node:
        yield node


def place(placer: NodesPlacer, shop: Shop, image: Image) -> tuple[Placed, bool]:
    with Scope("place") as scope:
        return placer.place(scope, image, shop.tools)


def _place(placer: NodesPlacer, shop: Shop, image: Image) -> None:
    place(placer, shop, image)


def names(node: Container) -> list[str]:
    return docker("exec", node.name, "ctr", "-n", "k8s.io", "images", "ls", "-q").split()


def test_a_node_that_was_restarted_gets_the_next_change_as_a_delta(shop: Shop, spare: Container) -> None:
    placer = NodesPlacer([spare])
    first, second = (shop.build(version, base="busybox:1.37") for version in ("v1", "v2"))
    place(placer, shop, first)
    docker("restart", "--time", "5", spare.name)
    await_containerd(spare.name)
    placed, was_sent = place(placer, shop, second)
    assert was_sent
    assert "delta" in placed.way
    assert file_on(spare, full_name(second.ref), "app/version") == f"{shop.repository} v2\n"


def test_an_image_that_was_removed_behind_our_back_comes_again(shop: Shop, spare: Container) -> None:
    placer = NodesPlacer([spare])
    image = shop.build("v1", base="busybox:1.37")
    place(placer, shop, image)
    assert not place(placer, shop, image)[1]
    for _ in range(2):  # once with its layers, which the second name of the CRI plugin keeps, once without
        docker("exec", spare.name, "ctr", "-n", "k8s.io", "images", "rm", "--sync", *names(spare))
        assert place(placer, shop, image)[1]
        assert file_on(spare, full_name(image.ref), "app/version") == f"{shop.repository} v1\n"


def test_two_sessions_place_the_same_and_each_other_s_images_at_once(shop: Shop, spare: Container) -> None:
    images = [shop.build(f"v{number}", base="busybox:1.37") for number in range(3)]
    placers = [NodesPlacer([spare]), NodesPlacer([spare])]
    with Scope("sessions") as scope:
        for placer in placers:
            for image in images:
                scope.spawn(image.ref, partial(_place, placer, shop, image))
    for number, image in enumerate(images):
        assert file_on(spare, full_name(image.ref), "app/version") == f"{shop.repository} v{number}\n"
        assert [place(placer, shop, image)[1] for placer in placers] == [False, False]


def test_a_load_that_breaks_off_leaves_what_another_session_placed_meanwhile(shop: Shop, spare: Container) -> None:
    place(NodesPlacer([spare]), shop, shop.build("v1", base="busybox:1.37"))
    image = shop.build("v2", base="busybox:1.37")
    top = chain_ids(shop.diff_ids(image))[-1]

    def broken_off() -> Iterator[bytes]:
        eventually(lambda: "images import" in docker("top", spare.name), timeout_s=30, what="the import")
        assert place(NodesPlacer([spare]), shop, image)[1]
        yield b"not a tar" * 100

    with Scope("load") as scope:
        name = full_name(image.ref)
        was_sent = node.load(
            scope, shop.tools, spare, name=name, snapshotter="overlayfs", top=top, archive=broken_off()
        )
    assert not was_sent
    assert file_on(spare, name, "app/version") == f"{shop.repository} v2\n"


def test_a_full_disk_on_the_node_is_said_and_leaves_no_name(shop: Shop) -> None:
    room = "mkdir -p /var/lib/containerd && mount -t tmpfs -o size=24m tmpfs /var/lib/containerd"
    with spare_node(shop.nodes[0], setup=room) as spare:
        placer = NodesPlacer([spare])
        small = shop.build("v1", base="busybox:1.37")
        place(placer, shop, small)
        big = shop.build("v2", base="busybox:1.37", deps=os.urandom(2000).hex())  # 5,000 times that
        for _ in range(2):
            with pytest.raises(NodeFull, match=f"the disk of node {spare.name} is full") as failed:
                place(placer, shop, big)
            assert "crictl rmi --prune" in (failed.value.hint or "")
            assert any("no space left on device" in line for line in failed.value.evidence)
            assert full_name(big.ref) not in names(spare)
        docker("exec", spare.name, "mount", "-o", "remount,size=200m", "/var/lib/containerd")
        assert place(placer, shop, big)[1]
        assert file_on(spare, full_name(big.ref), "app/version") == f"{shop.repository} v2\n"
        assert file_on(spare, full_name(small.ref), "app/version") == f"{shop.repository} v1\n"


def test_spoilt_layers_are_noticed_by_the_node_and_followed_by_the_whole_image(shop: Shop, spare: Container) -> None:
    def spoilt(scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]) -> Content:
        content = from_save(scope, engine, image, wanted, spool)
        for blob in content.blobs.values():
            os.pwrite(content.fd, b"\xff", blob.offset + blob.size_bytes // 2)
        return content

    place(NodesPlacer([spare]), shop, shop.build("v1", base="busybox:1.37"))
    image = shop.build("v2", base="busybox:1.37")
    placed, _ = place(NodesPlacer([spare], spoilt), shop, image)
    assert "in full" in placed.way
    assert file_on(spare, full_name(image.ref), "app/version") == f"{shop.repository} v2\n"


def test_a_source_that_ends_early_is_no_image(shop: Shop, spare: Container) -> None:
    def short(scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]) -> Content:
        content = from_save(scope, engine, image, wanted, spool)
        os.ftruncate(content.fd, spool.tell() // 2)
        return content

    place(NodesPlacer([spare]), shop, shop.build("v1", base="busybox:1.37"))
    image = shop.build("v2", base="busybox:1.37")
    placed, _ = place(NodesPlacer([spare], short), shop, image)
    assert "in full" in placed.way
    assert file_on(spare, full_name(image.ref), "app/version") == f"{shop.repository} v2\n"


@pytest.fixture
def old_containerd(shop: Shop, tmp_path: Path) -> Iterator[Container]:
    """A node with the containerd 1.6 that Debian's engine runs on."""
    programs = [each for each in map(shutil.which, ("containerd", "ctr")) if each]
    if len(programs) != 2:
        pytest.skip("there is no containerd on this machine")
    said = [subprocess.run([each, "--version"], check=True, capture_output=True, text=True).stdout for each in programs]
    if not all(" 1.6." in each for each in said):
        pytest.skip("this machine's containerd is not 1.6")
    for each in programs:
        shutil.copy(each, tmp_path)
    (tmp_path / "Dockerfile").write_text(
        f"FROM {image_of(shop.nodes[0])}\nCOPY containerd ctr /usr/local/sbin/\nENV PATH=/usr/local/sbin:$PATH\n"
    )
    image = f"{shop.repository}-node:1"
    docker("build", "--quiet", "--tag", image, str(tmp_path))
    try:
        with spare_node(shop.nodes[0], image=image, setup="echo version = 2 > /etc/containerd/config.toml") as node:
            yield node
    finally:
        docker("rmi", image)


def test_an_old_containerd_takes_deltas_too(shop: Shop, old_containerd: Container) -> None:
    assert "1.6." in docker("exec", old_containerd.name, "ctr", "version").partition("Server")[2]
    placer = NodesPlacer([old_containerd])
    first, second = (shop.build(version, base="busybox:1.37") for version in ("v1", "v2"))
    assert "all new" in place(placer, shop, first)[0].way
    placed, was_sent = place(placer, shop, second)
    assert was_sent
    assert "delta" in placed.way
    assert placed.sent_bytes < 20_000
    assert file_on(old_containerd, full_name(second.ref), "app/version") == f"{shop.repository} v2\n"


def test_an_old_containerd_keeps_no_name_of_what_failed(shop: Shop, old_containerd: Container) -> None:
    def lossy(scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]) -> Content:
        content = from_save(scope, engine, image, wanted, spool)
        return Content(content.config, {}, content.fd)

    placer = NodesPlacer([old_containerd])
    place(placer, shop, shop.build("v1", base="busybox:1.37"))
    lost = NodesPlacer([old_containerd], lossy)
    image = shop.build("v2", base="busybox:1.37")
    placed, _ = place(lost, shop, image)
    assert "in full" in placed.way
    assert file_on(old_containerd, full_name(image.ref), "app/version") == f"{shop.repository} v2\n"
    with pytest.raises(StepFailed):
        place(lost, shop, Image(image.artifact, f"{shop.repository}:gone", f"sha256:{'0' * 64}"))
    assert full_name(f"{shop.repository}:gone") not in names(old_containerd)
