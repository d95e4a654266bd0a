"""A spare node: the containerd of a cluster's node in a container of its own, without Kubernetes, for what no cluster should feel.

Comes in: a node of the cluster, whose image it takes. Goes out: a container that images can be placed on, gone with the body.
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from devloop.stages import Container
from tests.e2e.web import eventually

CTR = """
ctr() { command ctr "$@"; }
if [ -S /run/k3s/containerd/containerd.sock ]; then ctr() { k3s ctr --address /run/k3s/containerd/containerd.sock "$@"; }; fi
"""
READ = f"""{CTR}
folder=$(mktemp -d)
ctr -n k8s.io images mount --snapshotter "$3" "$1" "$folder" >/dev/null && cat "$folder/$2"
code=$?
ctr -n k8s.io images unmount --rm "$folder" >/dev/null 2>&1
exit $code
"""
READY = f"{CTR}[ -S /run/containerd/containerd.sock ] || [ -S /run/k3s/containerd/containerd.sock ] && ctr version"


@contextmanager
def spare_node(
    like: Container, setup: str = "", command: Sequence[str] = ("containerd",), image: str = ""
) -> Iterator[Container]:
    """Runs one while the body does. `setup`: a shell script that is run there before `command`, which has to serve containerd.

    `image`: one that is built on the node's.
    """
    image = image or image_of(like)
    name = f"devloop-test-node-{uuid.uuid4().hex[:8]}"
    shell = ["--entrypoint", "sh", image, "-c", f'{setup}\nexec "$@"', "node", *command]
    volumes = ["--privileged", "--cgroupns", "private", "--tmpfs", "/run", "--tmpfs", "/tmp:exec", "--volume", "/var"]
    container_id = docker("run", "--detach", "--name", name, "--hostname", name, *volumes, *shell).strip()
    try:
        await_containerd(name)
        yield Container(container_id, name)
    finally:
        docker("rm", "--force", "--volumes", name)


def image_of(node: Container) -> str:
    return docker("inspect", "--format", "{{.Config.Image}}", node.container_id).strip()


def await_containerd(name: str) -> None:
    eventually(lambda: _succeeds("exec", name, "sh", "-c", READY), timeout_s=30, what=f"containerd in {name}")


def file_on(node: Container, name: str, path: str, snapshotter: str = "overlayfs") -> str:
    """A file of an image by its full name, as the node has it unpacked."""
    return docker("exec", node.container_id, "sh", "-c", READ, "read", name, path, snapshotter)


def docker(*args: str) -> str:
    done = subprocess.run(["docker", *args], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {' '.join(args)}: {done.stderr.strip()}"
    return done.stdout


def _succeeds(*args: str) -> bool:
    return subprocess.run(["docker", *args], capture_output=True, check=False).returncode == 0
