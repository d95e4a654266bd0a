"""A registry beside a kind cluster, wired as kind's guide says; it shares no code with devloop.

Comes in: the name that the kind command knows the cluster by. Goes out: an address to push to, and another by which the nodes pull.
https://kind.sigs.k8s.io/docs/user/local-registry/
"""

from __future__ import annotations

import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.e2e.web import eventually

IMAGE = "registry:2"
CERTS = "/etc/containerd/certs.d"


class NoRegistry(Exception):
    """Why there can be none."""


@dataclass(frozen=True)
class LocalRegistry:
    """`host`: as this machine knows it. `runtime_host`: as the nodes do, which also pull by `host`."""

    host: str
    runtime_host: str

    def tags(self, name: str) -> str:
        """What it says of the tags of a name, as JSON; "" when it has none."""
        try:
            with urllib.request.urlopen(f"http://{self.host}/v2/{name}/tags/list", timeout=10) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError:
            return ""


@contextmanager
def local_registry(kind_name: str) -> Iterator[LocalRegistry]:
    """Runs one while the body does. Raises: NoRegistry."""
    listed = _docker("ps", "--filter", f"label=io.x-k8s.kind.cluster={kind_name}", "--format", "{{.Names}}")
    nodes = listed.split() if kind_name else []
    if not nodes:
        raise NoRegistry("the cluster's nodes are no containers of this engine")
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True, check=False).returncode:
        raise NoRegistry(f"the engine has no {IMAGE}; tests/testbed/up makes one")
    for node in nodes:
        if f"'{CERTS}" not in _docker("exec", node, "containerd", "config", "dump"):
            raise NoRegistry(f"{node} does not read {CERTS}; a test bed that is made anew does")
    name = f"devloop-test-registry-{uuid.uuid4().hex[:8]}"
    _docker("run", "--detach", "--network", "kind", "--publish", "127.0.0.1:0:5000", "--name", name, IMAGE)
    try:
        port = _docker("port", name, "5000/tcp").split(":")[-1].strip()
        found = LocalRegistry(f"localhost:{port}", f"{name}:5000")
        eventually(lambda: _answers(found.host), timeout_s=30, what="the registry's answer")
        for node in nodes:
            for host in (found.host, found.runtime_host):
                script = f'mkdir -p "{CERTS}/{host}" && cat > "{CERTS}/{host}/hosts.toml"'
                _docker("exec", "-i", node, "sh", "-c", script, stdin=f'[host."http://{name}:5000"]\n')
        try:
            yield found
        finally:
            for node in nodes:
                _docker("exec", node, "rm", "-r", f"{CERTS}/{found.host}", f"{CERTS}/{found.runtime_host}")
    finally:
        _docker("rm", "--force", "--volumes", name)


def _answers(host: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{host}/v2/", timeout=2) as answer:
            return int(answer.status) == 200
    except OSError:
        return False


def _docker(*args: str, stdin: str = "") -> str:
    done = subprocess.run(["docker", *args], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"docker {args[0]}: {done.stderr.strip()}"
    return done.stdout
