"""Images of a podman on a real node: what it saves, containerd imports and the kubelet runs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from devloop.build.docker import DockerBuilder
from devloop.config import model
from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.place.choose import own_nodes
from devloop.place.nodes import NodesPlacer
from devloop.place.pushed import is_near
from devloop.place.saved import from_save
from devloop.products import Image
from devloop.refs import full_name
from devloop.scope import Scope
from devloop.stages import BuildJob, Container, Tools
from tests.e2e.kube import Cluster, Kubectl
from tests.e2e.web import eventually

pytestmark = pytest.mark.timeout(300)


class Between:
    """An engine whose images are podman's, and whose containers, the nodes among them, are Docker's: the test bed has no others."""

    def __init__(self, images: docker.DockerEngine, containers: docker.DockerEngine) -> None:
        self._images, self._containers = images, containers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._images, name)

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        return self._containers.containers(labels)

    def environment(self) -> Mapping[str, str]:
        return self._containers.environment()


@pytest.fixture
def engines(podman: str, cluster: Cluster) -> Iterator[tuple[docker.DockerEngine, docker.DockerEngine]]:
    found = docker.connect({"DOCKER_HOST": podman}), docker.connect()
    yield found
    for each in found:
        each.close()


def test_a_pod_runs_what_podman_built(
    engines: tuple[docker.DockerEngine, docker.DockerEngine], kubectl: Kubectl, tmp_path: Path
) -> None:
    images, containers = engines
    assert images.info().is_podman
    assert not is_near(images)
    nodes = own_nodes(kubectl.list("nodes"), containers)
    if not nodes:
        pytest.skip("the cluster's nodes are no containers of this engine")
    tools = Tools(RealProcesses(), Between(images, containers))
    artifact = model.Artifact(f"devloop-test/{uuid.uuid4().hex[:12]}")
    sent: dict[str, int] = {}
    for version in ("one", "two"):
        ref = f"{artifact.image}:{version}"
        (tmp_path / "version").write_text(f"{artifact.image} {version}\n")
        (tmp_path / "Dockerfile").write_text('FROM busybox:1.37\nCOPY version /version\nCMD ["cat", "/version"]\n')
        built = DockerBuilder({}).build(
            Scope(), BuildJob(artifact, tmp_path, ref, {}), Tools(tools.processes, images, tools.line)
        )
        images.tag(built, ref)
        placed, is_sent = NodesPlacer(nodes, from_save).place(Scope(), Image(artifact.image, ref, built), tools)
        assert is_sent
        sent[version] = placed.sent_bytes
        assert _printed(kubectl, ref) == f"{artifact.image} {version}"
        images.untag(ref)
        _forget(nodes, ref)
    assert 0 < sent["two"] < 100_000  # busybox was there by then


def _printed(kubectl: Kubectl, ref: str) -> str:
    name = f"pod-{uuid.uuid4().hex[:6]}"
    container = {"name": "main", "image": ref, "imagePullPolicy": "Never"}
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]}
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}))

    def is_over() -> bool:
        pod = kubectl.get("pod", name)
        return pod is not None and pod["status"].get("phase") in ("Succeeded", "Failed")

    eventually(is_over, timeout_s=60, what=f"the end of {name}")
    return kubectl.run("logs", name).strip()


def _forget(nodes: tuple[Container, ...], ref: str) -> None:
    for node in nodes:
        argv = ["docker", "exec", node.container_id, "ctr", "-n", "k8s.io", "images", "rm", full_name(ref)]
        RealProcesses().run(Scope(), argv)
