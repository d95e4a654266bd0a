"""Is the Docker engine fit to build for this cluster?

Comes in: the engine and the docker CLI. Goes out: findings.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Iterator

from devloop import events
from devloop.diagnosis.checks import doubtful, ill, well
from devloop.scope import Scope
from devloop.stages import Engine, EngineInfo, Processes

FULL_BYTES, TIGHT_BYTES = 1e9, 10e9


def ask(engine: Engine) -> Iterator[events.Check]:
    """What the engine is. Blocks for some seconds. Raises: Unavailable, UsageError."""
    yield verdict(engine.info())


def verdict(info: EngineInfo) -> events.Check:
    """Whether it is one that devloop can build with."""
    store = "containerd's image store" if info.is_containerd else "the classic image store"
    name = "podman" if info.is_podman else "Docker"
    said = f"{name} {info.version} on {info.operating_system}, {info.platform}, {store} ({info.storage})"
    if not info.platform.startswith("linux/"):
        return ill("engine", said, "switch it to Linux containers: clusters run those")
    return well("engine", said)


def builder(scope: Scope, engine: Engine, processes: Processes) -> Iterator[events.Check]:
    """What builds Dockerfiles. Blocks for three processes; cancelled by the scope. Raises: UsageError without the engine's CLI."""
    if engine.info().is_podman:
        yield podman_verdict(processes.find("podman"))
        return
    environment = engine.environment()
    asked = processes.run(scope, ["docker", "buildx", "version"], env=environment, check=False)
    usage = processes.run(scope, ["docker", "buildx", "build", "--help"], env=environment, check=False)
    is_there = usage.code == 0 and "--load" in usage.stdout  # without the plugin, some CLIs print their own usage
    version = processes.run(scope, ["docker", "--version"], check=False).stdout
    yield buildx_verdict(asked.stdout if is_there and asked.code == 0 else "", version)


def podman_verdict(path: str | None) -> events.Check:
    """`path`: of the podman command, where there is one."""
    if path:
        return well("builder", "podman builds")
    return doubtful("builder", "podman builds as Docker's classic builder does", "install the podman command")


def buildx_verdict(buildx: str, cli: str) -> events.Check:
    """`buildx`: what it says of its version, "" when it is not there; `cli`: the same of the docker CLI."""
    if buildx:
        return well("builder", f"BuildKit, through {' '.join(buildx.split()[:2])}")
    fix = "install the buildx plugin: https://docs.docker.com/go/buildx/"
    found = re.match(r"Docker version (\d+)\.(\d+)", cli)
    if found and (18, 9) <= (int(found[1]), int(found[2])) < (23, 0):
        return doubtful(
            "builder", "the docker CLI's own BuildKit, with fewer options, for buildx is not installed", fix
        )
    return doubtful("builder", "the slow classic one, with far fewer options, for buildx is not installed", fix)


def disk(engine: Engine) -> Iterator[events.Check]:
    """Room for images, where the engine's folder is on this machine. Blocks for a question."""
    info = engine.info()
    if info.name != platform.node() or not os.path.isdir(info.root):
        yield well("engine disk", "it is not on this machine, so it was not looked at")
        return
    usage = shutil.disk_usage(info.root)
    yield disk_verdict("engine disk", usage.free, usage.total, "docker system prune makes room", info.root)


def disk_verdict(subject: str, free: int, total: int, fix: str, where: str) -> events.Check:
    """Whether so many bytes are enough for images."""
    said = f"{free / 1e9:.1f} GB of {total / 1e9:.1f} GB are free"
    if free < FULL_BYTES:
        return ill(subject, said, fix, where)
    # A kubelet removes images and pods when a tenth or so is left.
    return (
        doubtful(subject, said, fix, where) if free < TIGHT_BYTES and free < total / 10 else well(subject, said, where)
    )
