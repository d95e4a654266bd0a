"""One image for several platforms: built and pushed by a builder that can, never in an engine."""

from __future__ import annotations

import json
import subprocess
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl
from tests.e2e.local_registry import LocalRegistry

PLATFORMS = ("linux/amd64", "linux/arm64")


class Shop:
    """A project whose one image is for several platforms."""

    def __init__(self, folder: Path, builder: str | None = None) -> None:
        self.folder = folder
        self.image = f"devloop-test/{uuid.uuid4().hex[:12]}"
        self.docker: dict[str, Any] = {"platforms": list(PLATFORMS), "buildContexts": {"busybox": "busybox"}}
        self.docker |= {"builder": builder} if builder else {}
        self.config: dict[str, Any] = {
            "apiVersion": "devloop/v1",
            "build": {"artifacts": [{"image": self.image, "docker": self.docker}]},
        }
        (folder / "busybox").mkdir()
        (folder / "version").write_text(f"{self.image}\n")
        lines = ["FROM scratch", "ARG TARGETARCH", "COPY --from=busybox / /", "COPY version /of-$TARGETARCH"]
        lines.append('CMD ["sh", "-c", "cat /of-*; sleep 600"]')
        (folder / "Dockerfile").write_text("\n".join(lines))
        self.write()

    def write(self, **more: Any) -> None:
        (self.folder / "devloop.yaml").write_text(json.dumps({**self.config, **more}))


def manifest(registry: LocalRegistry, name: str, reference: str) -> Any:
    request = urllib.request.Request(f"http://{registry.host}/v2/{name}/manifests/{reference}")
    request.add_header("Accept", "application/vnd.oci.image.index.v1+json")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def test_it_is_pushed_whole_and_found_again(
    devloop: Devloop, buildkit: str, registry: LocalRegistry, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, buildkit)
    shop.write(cluster={"registry": registry.host})
    built = devloop.at(tmp_path).run("build", "--push", "--tag", "v1")
    assert built.code == 0, built.stdout
    ref = built.events[-1]["images"][shop.image]
    name, _, digest = ref.partition("@")
    tag = name.rpartition(":")[2]
    found = manifest(registry, shop.image, digest)
    assert [f"{each['platform']['os']}/{each['platform']['architecture']}" for each in found["manifests"]] == [
        *PLATFORMS
    ]
    assert manifest(registry, shop.image, tag) == manifest(registry, shop.image, "v1") == found
    again = devloop.at(tmp_path).run("build", "--push")
    assert again.code == 0
    assert again.events[-1]["images"] == {shop.image: ref}
    assert f"in {registry.host} already" in again.stdout


def test_a_cluster_with_a_registry_runs_it(
    devloop: Devloop, buildkit: str, registry: LocalRegistry, kubectl: Kubectl, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, buildkit)
    script = 'set -e; id=$(docker create busybox:1.37); docker export "$id" | tar -x -C "$1"; docker rm "$id"'
    subprocess.run(["sh", "-c", script, "-", str(tmp_path / "busybox")], check=True, capture_output=True)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "shop"},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": shop.image}]},
    }
    (tmp_path / "pod.json").write_text(json.dumps(pod))
    shop.write(cluster={"registry": registry.host}, deploy=[{"manifests": ["pod.json"]}])
    ran = devloop.at(tmp_path).run("run", "-n", kubectl.namespace)
    assert ran.code == 0, ran.stdout
    assert kubectl.run("logs", "shop").strip() == shop.image


def test_without_a_registry_the_fix_is_named(devloop: Devloop, engine: str, tmp_path: Path) -> None:
    Shop(tmp_path)
    done = devloop.at(tmp_path).run("build", as_json=False)
    assert done.code == 1
    said = done.stdout + done.stderr
    assert "an image for several platforms can only be pushed" in said
    assert "devloop build --push" in said


def test_a_builder_that_cannot_is_told(devloop: Devloop, engine: str, tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    del shop.docker["buildContexts"]
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY version /\n")
    shop.write(cluster={"registry": "localhost:9"})
    done = devloop.at(tmp_path).run("build", "--push", as_json=False)
    if int(engine.partition(".")[0]) >= 29:
        pytest.skip("this engine's own builder can")
    assert done.code == 1
    said = done.stdout + done.stderr
    assert "the engine's own BuildKit does not build for several platforms" in said
    assert "docker buildx create" in said


def test_an_image_that_no_node_can_run_is_told_with_both_platforms(
    devloop: Devloop, engine: str, kubectl: Kubectl, tmp_path: Path
) -> None:
    image = f"devloop-test/{uuid.uuid4().hex[:12]}"
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    (tmp_path / "map.json").write_text('{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}')
    artifact = {"image": image, "docker": {"platforms": ["linux/s390x"]}}
    config = {
        "apiVersion": "devloop/v1",
        "build": {"artifacts": [artifact]},
        "deploy": [{"manifests": ["map.json"]}],
    }
    (tmp_path / "devloop.yaml").write_text(json.dumps(config))
    ran = devloop.at(tmp_path).run("run", "-n", kubectl.namespace)
    assert ran.code == 0, ran.stdout
    said = [each["message"] for each in ran.of(kind="notice") if "was built for linux/s390x" in each["message"]]
    assert len(said) == 1
    assert "are linux/" in said[0]
