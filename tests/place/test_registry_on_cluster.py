"""A registry that a real cluster names: pushed to under one name, pulled by its nodes under another."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from devloop import events
from devloop.config import model
from devloop.effects import cluster as cluster_door
from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.place.choose import choose
from devloop.products import Image, ObjectRef
from devloop.scope import Scope
from devloop.stages import Container, Tools
from tests.e2e.engine import remove_images
from tests.e2e.kube import Cluster, Kubectl
from tests.e2e.local_registry import LocalRegistry
from tests.e2e.web import eventually

pytestmark = pytest.mark.timeout(300)

CONFIG_MAP = ObjectRef("v1", "ConfigMap", "kube-public", "local-registry-hosting")


class Elsewhere(docker.DockerEngine):
    """The real engine, but for the cluster's nodes, which it does not run: their missing layers would be the quicker way."""

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        return ()


@pytest.fixture
def named(registry: LocalRegistry, cluster: Cluster) -> Iterator[LocalRegistry]:
    """The registry, and the cluster says so."""
    public = Kubectl(cluster.context, "kube-public")
    public.run("create", "namespace", "kube-public", check=False)
    if public.get("configmap", CONFIG_MAP.name):
        pytest.skip("the cluster names a registry of its own")
    text = f"host: {registry.host}\nhostFromContainerRuntime: {registry.runtime_host}\nhelp: https://kind.sigs.k8s.io\n"
    metadata = {"name": CONFIG_MAP.name, "namespace": "kube-public"}
    data = {"localRegistryHosting.v1": text}
    public.apply(json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}))
    yield registry
    public.run("delete", "configmap", CONFIG_MAP.name)


def test_a_pod_pulls_by_digest_what_was_pushed(
    named: LocalRegistry, cluster: Cluster, kubectl: Kubectl, tmp_path: Path
) -> None:
    processes, told = RealProcesses(), list[events.AnyEvent]()
    engine = Elsewhere(docker.connect().environment(), processes)
    name = f"hosting-test-{uuid.uuid4().hex[:12]}/api"
    (tmp_path / "Dockerfile").write_text('FROM busybox:1.37\nCOPY text /text\nCMD ["cat", "/text"]\n')
    (tmp_path / "text").write_text(name)
    with Scope("test") as scope:
        processes.run(scope, ["docker", "build", "--quiet", "--tag", f"{name}:1", str(tmp_path)])
        found = engine.inspect(f"{name}:1")
        assert found is not None
        real = cluster_door.connect(cluster.context, kubectl.namespace)
        placer = choose(scope, model.Cluster(), real, engine, processes, emit=told.append)
        placed, was_sent = placer.place(scope, Image(name, f"{name}:1", found.image_id), Tools(processes, engine))
        again, was_sent_again = placer.place(scope, Image(name, f"{name}:1", found.image_id), Tools(processes, engine))
    assert (was_sent, was_sent_again, again.ref) == (True, False, placed.ref)
    assert placed.ref.startswith(f"{named.runtime_host}/{name}:1@sha256:")
    assert '"1"' in named.tags(name)
    (notice,) = told
    assert isinstance(notice, events.Notice)
    assert named.host in notice.message

    container = {"name": "main", "image": placed.ref, "imagePullPolicy": "Always"}
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]}
    kubectl.apply(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": spec}))
    eventually(lambda: (kubectl.get("pod", "one") or {}).get("status", {}).get("phase") == "Succeeded", timeout_s=60)
    assert kubectl.run("logs", "one") == name
    engine.close()
    remove_images(name.partition("/")[0])
