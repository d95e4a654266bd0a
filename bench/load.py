"""From an image in the engine to the nodes: what devloop's placing takes and sends, against `kind load docker-image` in the same run.

Run: .venv/bin/python bench/load.py [ROUNDS [SIZE…]], with DEVLOOP_TEST_CONTEXT or the current context naming a kind cluster of any size.
For images of 10 MB, 225 MB and 1 GB, or the sizes named: the first load (the nodes have nothing of it, not even its base), one file of
1 MB (100 kB for the smallest) changed, and nothing changed. Both get images of the same shape with other random content, so that neither
profits from the other. Prints medians of ROUNDS (3), bytes sent to a node, and the ratio.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.place.choose import own_nodes
from devloop.place.nodes import NodesPlacer
from devloop.place.pushed import PushedSource, is_near
from devloop.place.saved import from_save
from devloop.products import Image, Object
from devloop.scope import Scope
from devloop.stages import Container, Tools

SIZES_MB = {"10 MB": 10, "225 MB": 225, "1 GB": 1000}
LAYERS = 8
MB = 1_000_000


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    context = os.environ.get("DEVLOOP_TEST_CONTEXT") or run("kubectl", "config", "current-context")
    engine = docker.connect()
    nodes = own_nodes(_nodes(context), engine)
    if not nodes or not context.startswith("kind-"):
        raise SystemExit(f"the nodes of {context} are no containers of this engine: this compares with kind")
    bench = Bench(engine, nodes, context.removeprefix("kind-"))
    print(f"{len(nodes)} node{'s' if len(nodes) > 1 else ''}, medians of {rounds}")
    print(f"{'image':8}{'change':12}{'devloop':>10}{'kind load':>11}{'ratio':>7}  sent")
    try:
        for name, size_mb in SIZES_MB.items():
            if len(sys.argv) > 2 and name not in sys.argv[2:]:
                continue
            bench.measure(name, size_mb, rounds)
    finally:
        bench.clean()
        engine.close()


class Bench:
    """Images of one shape, and two ways to the nodes."""

    def __init__(self, engine: docker.DockerEngine, nodes: tuple[Container, ...], cluster: str) -> None:
        self._engine = engine
        self._nodes = nodes
        self._cluster = cluster
        self._tools = Tools(RealProcesses(), engine)
        self._refs: list[str] = []

    def measure(self, name: str, size_mb: int, rounds: int) -> None:
        ours: dict[str, list[float]] = {}
        theirs: dict[str, list[float]] = {}
        ways: dict[str, str] = {}
        changed = min(MB, size_mb * MB // 100)
        for number in range(rounds):
            placer = NodesPlacer(self._nodes, PushedSource() if is_near(self._engine) else from_save)
            with tempfile.TemporaryDirectory() as folder:
                project = Project(Path(folder), size_mb * MB, changed)
                image = self._build(project, f"{name}-{number}-ours")
                self._time(ours, ways, "first", partial(self._place, placer, image))
                for edit in range(2):
                    project.edit()
                    image = self._build(project, f"{name}-{number}-ours-{edit}")
                    self._time(ours, ways, "one file", partial(self._place, placer, image))
                self._time(ours, ways, "nothing", partial(self._place, placer, image))
            with tempfile.TemporaryDirectory() as folder:
                project = Project(Path(folder), size_mb * MB, changed)
                image = self._build(project, f"{name}-{number}-kind")
                self._time(theirs, {}, "first", partial(self._kind, image))
                project.edit()
                image = self._build(project, f"{name}-{number}-kind-0")
                self._time(theirs, {}, "one file", partial(self._kind, image))
                self._time(theirs, {}, "nothing", partial(self._kind, image))
            self.clean()
        for change, seconds in ours.items():
            mine, kinds = statistics.median(seconds), statistics.median(theirs[change])
            print(f"{name:8}{change:12}{mine:8.2f} s{kinds:9.2f} s{kinds / mine:6.1f}×  {ways[change]}", flush=True)

    def _place(self, placer: NodesPlacer, image: Image) -> str:
        with Scope("bench") as scope:
            placed, _ = placer.place(scope, image, self._tools)
        return placed.way

    def _kind(self, image: Image) -> str:
        return run("kind", "load", "docker-image", image.ref, "--name", self._cluster)

    def _time(
        self, seconds: dict[str, list[float]], ways: dict[str, str], change: str, work: Callable[[], str]
    ) -> None:
        began = time.perf_counter()
        ways[change] = work()
        seconds.setdefault(change, []).append(time.perf_counter() - began)

    def _build(self, project: Project, tag: str) -> Image:
        ref = f"devloop-bench/load:{tag.replace(' ', '')}"
        run("docker", "buildx", "build", "--load", "--provenance=false", "--quiet", "--tag", ref, str(project.folder))
        self._refs.append(ref)
        found = self._engine.inspect(ref)
        assert found is not None
        return Image("devloop-bench/load", ref, found.image_id)

    def clean(self) -> None:
        for ref in self._refs:
            self._engine.untag(ref)
        for node in self._nodes:
            ctr = ("docker", "exec", node.container_id, "ctr", "-n", "k8s.io", "images")
            rows = [row.split() for row in run(*ctr, "ls").splitlines()[1:]]
            # kind names its archives after the day; the CRI plugin keeps a second name, sha256:…, for each image.
            targets = {row[2] for row in rows if "/devloop-bench/" in row[0] or "/import-" in row[0]}
            gone = [row[0] for row in rows if row[2] in targets]
            if gone:
                run(*ctr, "rm", "--sync", *gone)
        self._refs.clear()


class Project:
    """A build context whose image has a few big layers and a small one on top."""

    def __init__(self, folder: Path, size_bytes: int, changed_bytes: int) -> None:
        self.folder = folder
        self._changed_bytes = changed_bytes
        lines = ["FROM scratch"]
        for number in range(LAYERS):
            with (folder / f"layer{number}").open("wb") as file:
                for _ in range(16):
                    file.write(os.urandom((size_bytes - changed_bytes) // LAYERS // 16))
            lines.append(f"COPY layer{number} /{number}")
        (folder / "Dockerfile").write_text("\n".join([*lines, "COPY app /app", 'CMD ["/app"]', ""]))
        self.edit()

    def edit(self) -> None:
        (self.folder / "app").write_bytes(os.urandom(self._changed_bytes))


def run(*argv: str) -> str:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout.strip()


def _nodes(context: str) -> list[Object]:
    listed: list[Object] = json.loads(run("kubectl", "--context", context, "get", "nodes", "--output=json"))["items"]
    return listed


if __name__ == "__main__":
    if shutil.which("kind") is None:
        raise SystemExit("kind is not installed: there is nothing to compare with")
    main()
