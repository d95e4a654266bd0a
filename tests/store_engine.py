"""A recent Docker engine that keeps its images in containerd's store, with a cluster in it: the test bed's second one.

Comes in: what `tests/testbed/up --all` has compiled. Goes out: the variables of a shell in which `docker` and `kubectl` mean this engine
and this cluster. It is brought up when it is asked for, and stays.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

SCRIPT = Path(__file__).parent / "testbed" / "store"


class NoStoreEngine(Exception):
    """Why there is none."""


def store_engine() -> Mapping[str, str]:
    """Blocks for a second, or for half a minute when it has to be made. Raises: NoStoreEngine."""
    home = Path(os.environ.get("DEVLOOP_TESTBED_HOME", Path.home() / ".cache" / "devloop-testbed"))
    if not (home / "store" / "bin" / "dockerd-store").exists():
        raise NoStoreEngine("no engine with containerd's store: run tests/testbed/up --all")
    script = f'lines=$({shlex.quote(str(SCRIPT))} up) && eval "$lines" && exec env -0'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoStoreEngine(f"the engine with containerd's store does not come up: {done.stderr.strip()[-300:]}")
    found = dict(line.partition("=")[::2] for line in done.stdout.split("\0") if line)
    return {name: found[name] for name in ("DOCKER_HOST", "KUBECONFIG", "PATH")}


def context() -> str:
    return f"kind-{os.environ.get('DEVLOOP_TESTBED_NAME', 'devloop')}-store"
