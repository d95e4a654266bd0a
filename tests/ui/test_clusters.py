"""Local clusters as people see them."""

from __future__ import annotations

from devloop.events import LocalCluster, LocalNode
from devloop.ui import clusters

CLUSTER = LocalCluster(name="shop", tool="kind", context="kind-shop", state="running", version="v1.36.3")
NODE = LocalNode(
    cluster="shop",
    name="shop-worker",
    role="worker",
    is_ready=True,
    version="v1.36.3",
    runtime="containerd://2.4.2",
    images=("docker.io/shop/api:0123456789abcdef",),
    disk_used_bytes=20_500_000_000,
    disk_free_bytes=1_000_000_000,
)


def plain(_style: str, text: str) -> str:
    return text


def test_a_cluster_is_one_line() -> None:
    assert list(clusters.cluster(CLUSTER, plain)) == ["kind-shop  kind, v1.36.3, no registry"]


def test_one_that_does_not_answer_says_why() -> None:
    away = LocalCluster(name="shop", tool="k3d", context="k3d-shop", state="unreachable", why="connection refused")
    assert list(clusters.cluster(away, plain)) == ["k3d-shop: unreachable  k3d", "  connection refused"]


def test_a_node_says_what_is_on_it_and_verbosely_which_images() -> None:
    line = "  shop-worker  worker, ready, v1.36.3, containerd 2.4.2, 1 image of devloop, disk 20.5 GB used, 1.0 GB free"
    assert list(clusters.node(NODE, plain, is_verbose=False)) == [line]
    assert list(clusters.node(NODE, plain, is_verbose=True)) == [line, "    docker.io/shop/api:0123456789abcdef"]


def test_a_node_without_a_container_says_so() -> None:
    lost = LocalNode(cluster="shop", name="shop-worker", is_ready=False, why="its container does not run")
    assert list(clusters.node(lost, plain, is_verbose=False)) == [
        "  shop-worker  not ready",
        "    its container does not run",
    ]
