"""From a save to the image in the engine and on the nodes, by kind of build; and eight builds at once against one after the other.

Run: .venv/bin/python bench/build.py [ROUNDS], with DEVLOOP_TEST_CONTEXT or the current context naming a cluster.
Each round edits a file and runs `devloop run`; the figures are what its events say that the steps took, medians of ROUNDS (5). Beside them:
`docker buildx build` of a change like that by itself, as the ratio that users of it know.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

NAMESPACE = "devloop-bench"
BASE = "busybox:1.37"
DOCKERFILE = f"""\
FROM {BASE}
COPY deps /deps
RUN cat /deps/* > /all && sleep 1
COPY app /app
CMD ["sleep", "3600"]
"""
POD = """\
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data: {{image: "{image}"}}
"""
AT_ONCE = 8


@dataclass
class Project:
    """A folder with an image of each kind and a manifest that needs no pod, so that only builds and loads are measured."""

    folder: Path
    context: str

    def write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def edit(self, path: str) -> None:
        self.write(path, f"{time.time_ns()}\n")

    def devloop(self, *words: str) -> list[dict[str, Any]]:
        program = str(Path(sys.executable).with_name("devloop"))
        argv = [program, *words, "--context", self.context, "-n", NAMESPACE, "--output", "json"]
        done = subprocess.run(argv, cwd=self.folder, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    context = os.environ.get("DEVLOOP_TEST_CONTEXT") or kubectl("config", "current-context")
    kubectl("--context", context, "create", "namespace", NAMESPACE)
    try:
        print(f"{'change':26}{'build':>9}{'place':>9}{'buildx':>9}{'ratio':>7}   medians of {rounds}")
        kinds(context, rounds)
        at_once(context, rounds)
    finally:
        kubectl("--context", context, "delete", "namespace", NAMESPACE, "--wait=false")
        refs = run("docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "devloop-bench/*").split()
        if refs:
            run("docker", "rmi", *refs)


def kinds(context: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder), context)
        for kind in ("docker", "custom"):
            project.write(f"{kind}/Dockerfile", DOCKERFILE)
            project.edit(f"{kind}/app")
            project.edit(f"{kind}/deps/list")
        command = "docker buildx build --load --quiet --tag $IMAGE ."
        project.write(
            "devloop.yaml",
            "apiVersion: devloop/v1\nmetadata: {name: bench-build}\nbuild:\n  artifacts:\n"
            "    - {image: devloop-bench/docker, context: docker}\n"
            f"    - {{image: devloop-bench/custom, context: custom, custom: {{command: '{command}'}}}}\n"
            "deploy: [{manifests: [all.yaml]}]\n",
        )
        project.write("all.yaml", POD.format(name="bench", image="none"))
        project.devloop("run")
        for name, kind, path in (
            ("docker, a copied file", "docker", "docker/app"),
            ("docker, a dependency", "docker", "docker/deps/list"),
            ("custom, a copied file", "custom", "custom/app"),
        ):
            build, place, alone = [], [], []
            for _ in range(rounds):
                project.edit(path)
                events = project.devloop("run")
                took = {each["step"]: each["duration_s"] for each in ended(events, f"image/devloop-bench/{kind}")}
                build.append(took["build"])
                place.append(took["place"])
                project.edit(path)
                alone.append(timed(partial(buildx, project.folder / kind)))
            ratio = statistics.median(build) / statistics.median(alone)
            line = "".join(f"{statistics.median(each):8.2f} s"[:9].rjust(9) for each in (build, place, alone))
            print(f"{name:26}{line}{ratio:6.1f}×", flush=True)
        project.devloop("delete")


def at_once(context: str, rounds: int) -> None:
    """Each build waits for a second, as a compiler would keep a core busy that others do not need."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder), context)
        names = [f"many{number}" for number in range(AT_ONCE)]
        for name in names:
            project.write(f"{name}/Dockerfile", DOCKERFILE)
        took: dict[int, list[float]] = {0: [], 1: []}
        for _ in range(rounds):
            for concurrency, seconds in took.items():
                for name in names:
                    project.edit(f"{name}/deps/list")
                    project.edit(f"{name}/app")
                artifacts = "".join(f"    - {{image: devloop-bench/{name}, context: {name}}}\n" for name in names)
                project.write(
                    "devloop.yaml",
                    "apiVersion: devloop/v1\nmetadata: {name: bench-build}\nbuild:\n"
                    f"  concurrency: {concurrency}\n  artifacts:\n{artifacts}",
                )
                seconds.append(timed(lambda: project.devloop("build")))
        together, alone = statistics.median(took[0]), statistics.median(took[1])
        print(f"{AT_ONCE} builds at once {together:.2f} s, one after the other {alone:.2f} s, {alone / together:.1f}×")


def ended(events: list[dict[str, Any]], target: str) -> list[dict[str, Any]]:
    return [each for each in events if each.get("target") == target and each.get("state") == "finished"]


def buildx(folder: Path) -> None:
    run("docker", "buildx", "build", "--load", "--quiet", "--tag", "devloop-bench/alone:1", str(folder))


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def kubectl(*args: str) -> str:
    return subprocess.run(["kubectl", *args], check=False, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
