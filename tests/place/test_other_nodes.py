"""Nodes that are not kind's: one that is laid out as k3d's are, and minikube's own way.

Neither tool can be had here. The node is real, with programs and files where k3s has them; `minikube` is a stand-in that loads into a
real node.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devloop import events
from devloop.config import model
from devloop.place import node
from devloop.place.choose import choose
from devloop.place.nodes import NodesPlacer
from devloop.place.pushed import PushedSource
from devloop.place.saved import from_save
from devloop.place.source import LayerSource
from devloop.refs import full_name
from devloop.scope import Scope
from devloop.stages import Container
from devloop.testing.cluster import FakeCluster
from tests.place.spare import docker, file_on, spare_node
from tests.place.test_real_node import Shop, shop

__all__ = ["shop"]

pytestmark = pytest.mark.timeout(300)

# https://github.com/k3s-io/k3s: ctr is a word of k3s, containerd one of its parts, and both their places are k3s' own.
K3S = """
parts=/var/lib/rancher/k3s/data/current/bin etc=/var/lib/rancher/k3s/agent/etc/containerd
mkdir -p "$parts" "$etc" /run/k3s/containerd
for each in ctr containerd; do mv "$(command -v $each)" "$parts/"; done
printf '#!/bin/sh\\n[ "$1" = ctr ] || exit 1\\nshift\\nexec %s/ctr "$@"\\n' "$parts" > /usr/local/bin/k3s
chmod +x /usr/local/bin/k3s
cat > "$etc/config.toml" << END
version = 3
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "native"
END
rm -rf /etc/containerd
"""
K3S_CONTAINERD = (
    "/var/lib/rancher/k3s/data/current/bin/containerd",
    "--config=/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
    "--address=/run/k3s/containerd/containerd.sock",
)
MINIKUBE = """#!/usr/bin/env bash
set -euo pipefail
echo "$*" >> {folder}/calls
case "$*" in
  "profile list "*) cat {folder}/profiles;;
  "--profile vm image ls") docker exec {node} ctr -n k8s.io images ls -q;;
  "--profile vm image load --daemon "*) docker save "${{@: -1}}" | docker exec -i {node} ctr -n k8s.io images import - > /dev/null;;
  *) echo "unknown: $*" >&2; exit 1;;
esac
"""


@pytest.fixture
def k3s(shop: Shop) -> Iterator[Container]:
    with spare_node(shop.nodes[0], K3S, K3S_CONTAINERD) as made:
        assert subprocess.run(
            ["docker", "exec", made.name, "ctr", "version"], check=False, capture_output=True
        ).returncode
        yield made


@pytest.mark.parametrize("source", [from_save, PushedSource()], ids=["saved", "pushed"])
def test_a_node_laid_out_as_k3ds_gets_what_it_lacks(shop: Shop, k3s: Container, source: LayerSource) -> None:
    placer = NodesPlacer([k3s], source)
    first, second = (shop.build(version, base="busybox:1.37") for version in ("v1", "v2"))
    with Scope("place") as scope:
        assert "all new" in placer.place(scope, first, shop.tools)[0].way
        placed, was_sent = placer.place(scope, second, shop.tools)
        assert was_sent
        assert "delta" in placed.way
        assert placed.sent_bytes < 20_000
        assert not NodesPlacer([k3s]).place(scope, second, shop.tools)[1]
        assert node.look(scope, shop.tools, k3s, full_name(second.ref)).snapshotter == "native"
        assert file_on(k3s, full_name(second.ref), "app/version", "native") == f"{shop.repository} v2\n"

        used = node.use(scope, shop.tools, k3s)
        assert {full_name(first.ref), full_name(second.ref)} <= set(used.images)
        assert 0 < used.free_bytes < used.total_bytes
        assert used.collected_percent == 85
        assert placer.tidy(scope, [first.ref], shop.tools) == frozenset()
        assert full_name(first.ref) not in node.use(scope, shop.tools, k3s).images


def test_a_kubelet_that_is_told_to_keep_images_is_known(shop: Shop) -> None:
    with Scope("use") as scope:
        assert node.use(scope, shop.tools, shop.nodes[0]).collected_percent == 100  # as kind tells it


def test_minikube_loads_whole_images_where_its_nodes_are_out_of_reach(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with spare_node(shop.nodes[0]) as machine:
        folder = tmp_path / "bin"
        folder.mkdir()
        (folder / "minikube").write_text(MINIKUBE.format(folder=folder, node=machine.name))
        (folder / "minikube").chmod(0o755)
        profile = {"Name": "vm", "Config": {"KubernetesConfig": {"ContainerRuntime": "containerd"}}}
        (folder / "profiles").write_text(json.dumps({"invalid": [], "valid": [profile]}))
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        image, told = shop.build("v1", base="busybox:1.37"), list[events.AnyEvent]()
        cluster = FakeCluster(context="vm")
        cluster.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "vm"}})
        with Scope("place") as scope:
            placer = choose(scope, model.Cluster(), cluster, shop.engine, shop.tools.processes, emit=told.append)
            assert placer.place(scope, image, shop.tools)[0].way == "in full, by minikube image load"
            assert placer.place(scope, image, shop.tools)[0].way == "on the node already"
        assert file_on(machine, full_name(image.ref), "app/version") == f"{shop.repository} v1\n"
    (notice,) = told
    assert isinstance(notice, events.Notice)
    assert "minikube image load" in notice.message
    assert (folder / "calls").read_text().count("image load") == 1
    assert docker("ps", "-aq", "--filter", f"name={machine.name}") == ""
