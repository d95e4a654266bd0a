"""A podman of the tests' own: its Docker-compatible socket, with nothing shared with the user's.

Comes in: a folder. Goes out: the socket's address while the body runs. Its containers use this machine's network, and the runtime of
the Docker engine: podman's default one does not do everywhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STARTS_S = 20.0
IMAGE = "busybox:1.37"


class NoPodman(Exception):
    """Why there can be none."""


@contextmanager
def podman_service(folder: Path) -> Iterator[str]:
    """Raises: NoPodman."""
    program = shutil.which("podman")
    if program is None or os.geteuid() != 0:
        raise NoPodman("there is no podman that root can run; tests/testbed/up --all installs it")
    runtime = _output("docker", "info", "--format", "{{(index .Runtimes .DefaultRuntime).Path}}")
    config = folder / "containers.conf"
    config.write_text(
        '[containers]\nnetns = "host"\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\nruntime = "ours"\n'
        f'[engine.runtimes]\nours = ["{shutil.which(runtime) or "runc"}"]\n'
    )
    socket, log = folder / "podman.sock", folder / "log"
    argv = [program, "--root", str(folder / "root"), "--runroot", str(folder / "run"), "system", "service", "--time=0"]
    environment = {**os.environ, "CONTAINERS_CONF": str(config)}
    with (
        log.open("wb") as output,
        subprocess.Popen([*argv, f"unix://{socket}"], env=environment, stdout=output, stderr=output) as service,
    ):
        try:
            _wait_for(socket, service, log)
            _load(f"unix://{socket}", IMAGE)
            yield f"unix://{socket}"
        finally:
            service.terminate()
            service.wait()
            subprocess.run(["umount", "--quiet", "--recursive", folder / "root/overlay"], check=False)


def _load(address: str, image: str) -> None:
    """From the engine, under the name that it has there."""
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving:
        subprocess.run(["docker", "--host", address, "load"], stdin=saving.stdout, check=True, capture_output=True)


def _wait_for(socket: Path, service: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTS_S
    while not socket.exists():
        if service.poll() is not None or time.monotonic() > until:
            raise NoPodman(f"podman does not start: {log.read_text()[-1000:]}")
        time.sleep(0.05)


def _output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
