"""The docker builder: what it reads, and what it leaves, on the real engine."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from devloop.build.docker import DockerBuilder
from devloop.config import model
from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed
from devloop.products import Inputs
from devloop.scope import Cancelled, Scope
from devloop.stages import BuildJob, Tools
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import FakeProcesses


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def inputs(folder: Path, spec: model.Docker | None = None) -> Inputs:
    tools = Tools(FakeProcesses(), FakeEngine())
    return DockerBuilder().inputs(Scope(), model.Artifact("a/b", docker=spec), folder, tools)


def names(found: Inputs) -> set[str]:
    return {path.relative_to(found.base).as_posix() for path in found.files}


def test_the_inputs_are_what_is_copied_the_dockerfile_and_the_ignore_file(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "Dockerfile": "FROM a\nCOPY src req.txt /app/\n",
            ".dockerignore": "**/*.pyc\nsrc/skip\n",
            "src/a.py": "",
            "src/a.pyc": "",
            "src/skip/b.py": "",
            "req.txt": "",
            "other.txt": "",
        },
    )
    found = inputs(tmp_path)
    assert names(found) == {"Dockerfile", ".dockerignore", "src/a.py", "req.txt"}
    assert found.matches(tmp_path / "src/new/file.py")
    assert not found.matches(tmp_path / "src/new.pyc")
    assert not found.matches(tmp_path / "other.txt")
    assert not found.matches(tmp_path.parent / "outside")
    assert found.matches(tmp_path / "Dockerfile.dockerignore")


def test_an_ignore_file_of_its_own_replaces_the_contexts(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "Dockerfile": "FROM a\nCOPY . /\n",
            ".dockerignore": "a.txt",
            "Dockerfile.dockerignore": "b.txt",
            "a.txt": "",
            "b.txt": "",
        },
    )
    assert names(inputs(tmp_path)) == {"Dockerfile", "Dockerfile.dockerignore", ".dockerignore", "a.txt"}


def test_other_options_are_other_values(tmp_path: Path) -> None:
    write(tmp_path, {"Dockerfile": "FROM a AS one\nFROM b\n"})
    assert inputs(tmp_path).values != inputs(tmp_path, model.Docker(target="one")).values


def test_a_missing_dockerfile_names_those_that_are_there(tmp_path: Path) -> None:
    write(tmp_path, {"api.Dockerfile": "FROM a\n"})
    with pytest.raises(StepFailed) as raised:
        inputs(tmp_path)
    assert raised.value.hint
    assert "api.Dockerfile" in raised.value.hint


def test_a_link_counts_and_so_does_what_it_leads_to(tmp_path: Path) -> None:
    write(tmp_path, {"Dockerfile": "FROM a\nCOPY link /\n", "real/x": ""})
    (tmp_path / "link").symlink_to("real")
    assert {"link", "real/x"} <= names(inputs(tmp_path))


# On the real engine


@pytest.fixture
def tools(engine: str) -> Tools:
    processes = RealProcesses()
    return Tools(processes, docker.connect(None, processes))


@pytest.fixture
def job(tmp_path: Path, tools: Tools) -> Iterator[BuildJob]:
    ref = f"devloop-test/{uuid.uuid4().hex[:8]}:1"
    yield BuildJob(model.Artifact("a/b"), tmp_path, ref, {})
    tools.engine.untag(ref)


def test_it_builds_an_image_without_a_name(job: BuildJob, tools: Tools) -> None:
    write(job.context, {"Dockerfile": "FROM busybox:1.37\nARG BASE_IMAGE=none\nRUN echo $BASE_IMAGE > /base\n"})
    image_id = DockerBuilder().build(
        Scope(), BuildJob(job.artifact, job.context, job.ref, {"BASE_IMAGE": "x:1"}), tools
    )
    found = tools.engine.inspect(image_id)
    assert found is not None
    assert found.tags == ()
    assert tools.engine.inspect(job.ref) is None


@pytest.mark.parametrize(
    ("text", "message", "evidence"),
    [
        ("FROM busybox:1.37\nRUN echo because; exit 4\n", "exit code 4", "because"),
        ("FROM busybox:1.37\nCOPY nothing.txt /\n", "nothing.txt", ""),
        ("FROM busybox:1.37\nRUNN x\n", "RUNN", ""),
    ],
)
def test_a_failure_names_the_line_and_shows_the_output(
    text: str, message: str, evidence: str, job: BuildJob, tools: Tools
) -> None:
    write(job.context, {"Dockerfile": text})
    with pytest.raises(StepFailed) as raised:
        DockerBuilder().build(Scope(), job, tools)
    assert message in raised.value.message
    assert raised.value.where == f"{job.context / 'Dockerfile'}:2"
    assert evidence in "\n".join(raised.value.evidence)
    assert raised.value.hint


def test_cancelling_stops_the_build(job: BuildJob, tools: Tools) -> None:
    write(job.context, {"Dockerfile": "FROM busybox:1.37\nRUN sleep 97\n"})
    scope, running = Scope(), threading.Event()
    told = Tools(tools.processes, tools.engine, lambda line: running.set() if "sleep 97" in line else None)
    with Scope() as outer:

        def stop() -> None:
            running.wait()
            scope.cancel()

        outer.spawn("stop", stop)
        with pytest.raises(Cancelled):
            DockerBuilder().build(scope, job, told)


# Against BuildKit itself: what we call inputs has to hold everything that the build receives.

PARTS = ("a", "b", "lib", "x.py", "y.txt", "z.md", ".hidden")
PATTERNS = (
    "*.py",
    "**/*.txt",
    "lib",
    "lib/*",
    "a/**",
    "!lib/x.py",
    "b/?.py",
    "/a",
    "*/z.md",
    "!b",
    "**/lib",
    "a/b/",
    ".hidden",
    "!**/z.md",
)
COPIES = (
    ".",
    "a",
    "b lib",
    "*.py",
    "a/*.py lib",
    "l*b",
    "a/b",
    "./a/",
    "[a-b]",
    "x.py y.txt",
    "lib/x.py",
    "a/lib b/..",
)
SEEDS = 40


def random_case(rng: random.Random, folder: Path) -> list[str]:
    """Writes a tree whose files hold their own paths, and an ignore file; returns COPY sources."""
    paths = {"a/x.py", "b/y.txt", "lib/x.py", "x.py", "y.txt", "a/b/z.md", "a/lib/x.py"}
    paths |= {"/".join([*rng.choices(PARTS[:3], k=rng.randint(0, 2)), rng.choice(PARTS[3:])]) for _ in range(8)}
    write(folder, {path: f"{path}\n" for path in paths})
    if rng.random() < 0.8:
        (folder / ".dockerignore").write_text("\n".join(rng.sample(PATTERNS, rng.randint(1, 3))) + "\n")
    return rng.sample(COPIES, rng.randint(1, 2))


def received(folder: Path, copies: list[str], tools: Tools) -> set[str] | None:
    """The files that BuildKit got, by what they hold; None where it refuses (a source that is ignored or matches nothing)."""
    lines = [f"COPY {sources} /got/{number}/" for number, sources in enumerate(copies)]
    probe = f"RUN echo {uuid.uuid4().hex}; find /got -type f ! -name Dockerfile ! -name .dockerignore -exec sed 's/^/GOT /' {{}} +"
    (folder / "Dockerfile").write_text("\n".join(["FROM busybox:1.37", *lines, probe]))
    told: list[str] = []
    try:
        job = BuildJob(model.Artifact("a/b"), folder, "x", {})
        DockerBuilder().build(Scope(), job, Tools(tools.processes, tools.engine, told.append))
    except StepFailed:
        return None
    return {line.partition("GOT ")[2] for line in told if "GOT " in line and "RUN echo" not in line}


def test_the_inputs_hold_whatever_buildkit_receives(tools: Tools, tmp_path: Path) -> None:
    exact = tried = 0
    for seed in range(SEEDS):
        folder = tmp_path / str(seed)
        got = received(folder, random_case(random.Random(seed), folder), tools)
        if got is None:
            continue
        tried += 1
        called = names(inputs(folder)) - {"Dockerfile", ".dockerignore"}
        assert got <= called, f"seed {seed}: {(folder / 'Dockerfile').read_text()}"
        exact += got == called
    assert tried >= SEEDS / 2
    assert exact >= tried * 0.95
