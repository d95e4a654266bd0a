"""`devloop cluster`: a cluster that is made, used, described and deleted, on the test bed.

kind cannot make clusters there, for its node image cannot be pulled; the bed can, and kind knows them as its own. So `kind` here is
the real one, but for `create cluster`, which has the bed make the nodes. It deletes nothing but what a test made.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.engine import remove_images
from tests.e2e.kube import Cluster, Kubectl
from tests.e2e.project import Project
from tests.e2e.web import eventually

pytestmark = pytest.mark.timeout(600)

TESTBED = Path(__file__).parent.parent / "testbed"
KIND = """#!/usr/bin/env bash
set -euo pipefail
echo "$*" >> {folder}/calls
name=$(printf '%s\\n' "$*" | sed -n 's/.*--name \\([^ ]*\\).*/\\1/p')
case "$1 $2" in
  "create cluster")
    cat > {folder}/config
    DEVLOOP_TESTBED_NAME=$name {testbed}/up --workers "$(grep -c 'role: worker' {folder}/config || true)" > /dev/null
    exec {kind} export kubeconfig --name "$name";;
  "delete cluster")
    [ "$name" = {name} ] || {{ echo "not made by this test: $name" >&2; exit 1; }}
    {kind} "$@"
    DEVLOOP_TESTBED_NAME=$name {testbed}/down;;
  *) exec {kind} "$@";;
esac
"""


@dataclass(frozen=True)
class Bed:
    """What a test makes: a cluster of this name, seen through this kubeconfig. `folder`: what the stand-in for kind was told."""

    name: str
    folder: Path
    kubeconfig: Path

    @property
    def calls(self) -> str:
        path = self.folder / "calls"
        return path.read_text() if path.exists() else ""

    def containers(self) -> list[str]:
        return _docker("ps", "-aq", "--filter", f"label=io.x-k8s.kind.cluster={self.name}").split()


@pytest.fixture
def bed(engine: str, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    home = Path(os.environ.get("DEVLOOP_TESTBED_HOME", Path.home() / ".cache" / "devloop-testbed"))
    kind = shutil.which("kind")
    if not (home / "stamps" / "image-node").exists() or kind is None:
        pytest.skip("this is not the test bed, and a real kind pulls its images")
    if _docker("ps", "-aq", "--filter", "name=^devloop-registry$"):
        pytest.skip("somebody uses devloop's registry on this engine")
    name = f"made-{uuid.uuid4().hex[:6]}"
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "kind").write_text(KIND.format(folder=folder, testbed=TESTBED, kind=kind, name=name))
    (folder / "kind").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    made = Bed(name, folder, tmp_path / "kubeconfig")
    yield made
    subprocess.run([str(folder / "kind"), "delete", "cluster", "--name", name], capture_output=True, check=False)
    subprocess.run(["docker", "rm", "--force", "--volumes", "devloop-registry"], capture_output=True, check=False)
    assert made.containers() == []


def test_a_cluster_from_making_it_to_its_end(bed: Bed, bare_devloop: Devloop, tmp_path: Path) -> None:
    made = bare_devloop.run("cluster", "create", bed.name, "--workers", "1", "--output", "json", timeout_s=300)
    assert made.code == 0, made.stdout
    (ready,) = [each for each in made.of(kind="notice") if "is ready" in each["message"]]
    host = ready["message"].rpartition("registry ")[2]
    assert host.startswith("localhost:")
    assert f"context kind-{bed.name}" in ready["message"]
    assert "config_path" in (bed.folder / "config").read_text()
    again = bare_devloop.run("cluster", "create", bed.name, "--output", "json")
    assert again.code == 2
    assert "already" in again.of(kind="error")[0]["message"]

    # What is pushed to the registry is what nodes pull from it, and what devloop loads is what status shows.
    public = Kubectl(f"kind-{bed.name}", "kube-public").get("configmap", "local-registry-hosting")
    assert public
    assert host in public["data"]["localRegistryHosting.v1"]
    kubectl = Kubectl(f"kind-{bed.name}", "default")
    all_nodes_pull(kubectl, f"{host}/cluster-commands/busybox:1")
    project = Project(tmp_path / "cluster-commands")
    ran = bare_devloop.at(project.folder).run("run", "--context", f"kind-{bed.name}", "--output", "json")
    assert ran.code == 0, ran.stdout

    told = bare_devloop.run("cluster", "status", bed.name, "--output", "json")
    assert told.code == 0
    (found,) = told.of(kind="cluster")
    assert (found["tool"], found["state"], found["registry"]) == ("kind", "running", host)
    assert found["is_made_by_devloop"] is True
    assert found["version"].startswith("v1.")
    nodes = told.of(kind="node")
    assert sorted(each["role"] for each in nodes) == ["control-plane", "worker"]
    for node in nodes:
        assert node["is_ready"] is True
        assert node["runtime"].startswith("containerd://")
        assert node["disk_free_bytes"] > 0
        (built,) = node["images"]
        assert project.image("web") in built
    text = bare_devloop.run("cluster", "status", bed.name, as_json=False).stdout
    assert f"kind-{bed.name}  kind, v1." in text
    assert "made by devloop" in text
    assert "1 image of devloop, disk" in text
    remove_images("e2e-cluster-commands")

    gone = bare_devloop.run("cluster", "delete", bed.name, as_json=False)
    assert gone.code == 0, gone.stdout
    assert "and the registry" in gone.stdout
    assert bed.containers() == []
    assert _docker("ps", "-aq", "--filter", "name=^devloop-registry$") == ""
    assert bed.name not in bed.kubeconfig.read_text()
    assert bare_devloop.run("cluster", "delete", bed.name).code == 2


def test_what_devloop_did_not_make_it_deletes_only_when_told_to(bed: Bed, bare_devloop: Devloop) -> None:
    made = bare_devloop.run("cluster", "create", bed.name, "--no-registry", timeout_s=300)
    assert made.code == 0, made.stdout
    assert _docker("ps", "-aq", "--filter", "name=^devloop-registry$") == ""
    Kubectl(f"kind-{bed.name}", "kube-system").run("delete", "configmap", "devloop-cluster")
    refused = bare_devloop.run("cluster", "delete", bed.name, as_json=False)
    assert refused.code == 2
    assert "did not make" in refused.stdout
    assert "--force" in refused.stdout
    _docker("stop", "--time", "0", *bed.containers())
    unknown = bare_devloop.run("cluster", "delete", bed.name, as_json=False)
    assert unknown.code == 2
    assert "cannot be told" in unknown.stdout
    told = bare_devloop.run("cluster", "status", bed.name, "--output", "json")
    assert told.code == 1
    assert told.of(kind="cluster")[0]["state"] == "unreachable"
    assert bed.containers()
    assert "delete cluster" not in bed.calls
    assert bare_devloop.run("cluster", "delete", bed.name, "--force").code == 0
    assert bed.containers() == []


def test_an_interrupted_creation_leaves_nothing(bed: Bed, bare_devloop: Devloop) -> None:
    creating = bare_devloop.start("cluster", "create", bed.name, as_json=False)
    eventually(bed.containers, timeout_s=60, what="the first node")
    creating.send(signal.SIGINT)
    done = creating.wait(120)
    assert done.code == 130, done.stdout
    assert bed.containers() == []
    assert _docker("ps", "-aq", "--filter", "name=^devloop-registry$") == ""
    assert f"removed cluster {bed.name} again" in done.stdout
    assert "removed the registry again" in done.stdout


def all_nodes_pull(kubectl: Kubectl, image: str) -> None:
    _docker("tag", "busybox:1.37", image)
    _docker("push", image)
    _docker("rmi", image)
    for number, node in enumerate(kubectl.list("nodes")):
        container = {"name": "main", "image": image, "command": ["true"], "imagePullPolicy": "Always"}
        spec = {"nodeName": node["metadata"]["name"], "restartPolicy": "Never", "containers": [container]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"pulls-{number}"}, "spec": spec}
        kubectl.apply(json.dumps(pod))

    def have_run() -> bool:
        return all(each["status"].get("phase") == "Succeeded" for each in kubectl.list("pods"))

    eventually(have_run, timeout_s=60, what="pods that pull from the registry on every node")


def _docker(*args: str) -> str:
    done = subprocess.run(["docker", *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {args[0]}: {done.stderr.strip()}"
    return done.stdout.strip()
