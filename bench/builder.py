"""A change of one small layer, built by a BuildKit apart from the engine: until the engine has the image, against `buildx build --load`.

Run: .venv/bin/python bench/builder.py [ROUNDS [MB…]], as root where a `buildkitd` is (tests/testbed/up --all), and with the engine's own
`docker`. Prints medians of ROUNDS (5) for images of 10, 225 and 1000 MB, and the ratio. Both ways build the same context with another
small file each time; the builder has all the rest in its cache.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from devloop.build.docker import DockerBuilder
from devloop.config import model
from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.scope import Scope
from devloop.stages import BuildJob, Tools
from tests.buildkit import buildkit_builder

SIZES_MB = (10, 225, 1000)
MB = 1_000_000


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    sizes = [int(each) for each in sys.argv[2:]] or SIZES_MB
    print(f"{'image':>8}{'devloop':>10}{'--load':>10}{'ratio':>7}")
    with tempfile.TemporaryDirectory(prefix="devloop-bench-") as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        home = Path(folder, "buildkit")
        home.mkdir()
        with buildkit_builder(home) as builder:
            for size in sizes:
                ours, theirs = measure(Path(folder, str(size)), builder, size, rounds)
                print(f"{size:>5} MB{ours:>8.2f} s{theirs:>8.2f} s{theirs / ours:>6.0f}×", flush=True)


def measure(folder: Path, builder: str, size_mb: int, rounds: int) -> tuple[float, float]:
    """Medians, in seconds."""
    folder.mkdir()
    for number in range(10):
        (folder / f"base-{number}").write_bytes(os.urandom(size_mb * MB // 10))
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY base-* /base/\nCOPY app /app\n")
    processes = RealProcesses()
    tools = Tools(processes, docker.connect(None, processes))
    artifact = model.Artifact(f"devloop-bench/builder-{size_mb}", docker=model.Docker(builder=builder))
    ours = DockerBuilder({})
    images: list[str] = []

    def load() -> str:
        command = ["docker", "buildx", "build", "--builder", builder, "--provenance=false", "--load"]
        subprocess.run([*command, "--iidfile", f"{folder}/.id", folder], check=True, capture_output=True)
        return Path(folder, ".id").read_text()

    def build() -> str:
        return ours.build(Scope(), BuildJob(artifact, folder, "a:1", {}), tools)

    def timed(run: Callable[[], str], text: str) -> float:
        (folder / "app").write_text(text)
        began = time.monotonic()
        images.append(run())
        return time.monotonic() - began

    try:
        for run in (load, build):
            timed(run, "first")
        times = [(timed(build, f"ours {each}"), timed(load, f"theirs {each}")) for each in range(rounds)]
    finally:
        subprocess.run(["docker", "rmi", "--force", *dict.fromkeys(images)], check=False, capture_output=True)
    return statistics.median(one for one, _ in times), statistics.median(other for _, other in times)


if __name__ == "__main__":
    main()
