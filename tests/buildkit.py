"""A BuildKit of today, run by the tests beside the one of the engine.

Comes in: a folder. Goes out: the name of a builder for `docker buildx build --builder`, while the body runs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

STARTS_S = 20.0


class NoBuildKit(Exception):
    """Why there can be none."""


@contextmanager
def buildkit_builder(folder: Path) -> Iterator[str]:
    """Raises: NoBuildKit."""
    program = shutil.which("buildkitd")
    if program is None or os.geteuid() != 0:
        raise NoBuildKit("there is no buildkitd that root can run; tests/testbed/up --all makes one")
    name = f"devloop-test-{uuid.uuid4().hex[:8]}"
    address = f"unix://{folder}/buildkitd.sock"
    argv = [program, "--root", str(folder / "root"), "--addr", address, "--containerd-worker=false"]
    argv += ["--oci-worker-net=host", "--oci-worker-binary", _runtime()]
    log = folder / "log"
    with log.open("wb") as output, subprocess.Popen(argv, stdout=output, stderr=output) as daemon:
        try:
            _wait_for(folder / "buildkitd.sock", daemon, log)
            _docker("buildx", "create", "--driver", "remote", "--name", name, address)
            yield name
            _docker("buildx", "rm", name)
        finally:
            daemon.terminate()
            daemon.wait()
            subprocess.run(["umount", "--quiet", "--recursive", folder / "root"], check=False)


def builder_or_skip(folder: Path) -> Iterator[str]:
    """The body of a fixture: the name of a builder, or no test."""
    try:
        with buildkit_builder(folder) as name:
            yield name
    except NoBuildKit as why:
        pytest.skip(str(why))


def _runtime() -> str:
    """What the engine runs containers with: another one may not do on this machine."""
    found = _docker("info", "--format", "{{(index .Runtimes .DefaultRuntime).Path}}")
    return shutil.which(found) or "runc"


def _wait_for(socket: Path, daemon: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTS_S
    while not socket.exists():
        if daemon.poll() is not None or time.monotonic() > until:
            raise NoBuildKit(f"buildkitd does not start: {log.read_text()[-1000:]}")
        time.sleep(0.05)


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.strip()
