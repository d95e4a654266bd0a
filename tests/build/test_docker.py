"""The docker builder: what it reads, how it runs the CLI, and what it leaves on the real engine."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from devloop.build.docker import DockerBuilder
from devloop.config import model
from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed, Unavailable
from devloop.products import Inputs
from devloop.scope import Cancelled, Scope
from devloop.stages import BuildJob, Processes, Tools
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import Call, FakeProcesses, Reply

BUILDX_HELP = "Usage:  docker buildx build\n      --load      Shorthand\n      --provenance string\n"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def inputs(folder: Path, spec: model.Docker | None = None, **options: object) -> Inputs:
    artifact = model.Artifact("a/b", docker=spec, **options)  # type: ignore[arg-type]
    return DockerBuilder().inputs(Scope(), artifact, folder, Tools(FakeProcesses(), FakeEngine()))


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
    assert found.matches(tmp_path / "Dockerfile")
    assert not found.matches(tmp_path / "src/new.pyc")
    assert not found.matches(tmp_path / "other.txt")
    assert not found.matches(tmp_path.parent / "outside")
    assert found.definitions == {tmp_path / name for name in ("Dockerfile", ".dockerignore", "Dockerfile.dockerignore")}
    assert {tmp_path / "src", tmp_path / "req.txt", *found.definitions} == set(found.roots)


def test_an_ignore_file_of_its_own_replaces_the_contexts(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "build/Dockerfile": "FROM a\nCOPY . /\n",
            ".dockerignore": "a.txt",
            "build/Dockerfile.dockerignore": "b.txt",
            "a.txt": "",
            "b.txt": "",
        },
    )
    assert names(inputs(tmp_path, model.Docker("build/Dockerfile"))) == {
        "build/Dockerfile",
        "build/Dockerfile.dockerignore",
        ".dockerignore",
        "a.txt",
    }


def test_the_dockerfile_counts_even_when_it_is_ignored_or_lies_outside(tmp_path: Path) -> None:
    write(tmp_path, {"Dockerfile": "FROM a\nCOPY . /\n", "api/.dockerignore": "*", "api/x": ""})
    found = inputs(tmp_path, model.Docker("../Dockerfile"), context="api")
    assert set(found.files) == {tmp_path / "Dockerfile", tmp_path / "api/.dockerignore"}
    assert found.matches(tmp_path / "Dockerfile")
    assert tmp_path / "Dockerfile" in found.roots


def test_a_source_that_is_a_link_is_listed_anew_when_it_changes(tmp_path: Path) -> None:
    write(tmp_path, {"Dockerfile": "FROM a\nCOPY link /\n", "real/x": ""})
    (tmp_path / "link").symlink_to("real")
    found = inputs(tmp_path)
    assert names(found) == {"Dockerfile", "link", "real/x"}
    assert tmp_path / "link" in found.definitions
    assert found.matches(tmp_path / "real/new")


@pytest.mark.parametrize(
    "spec",
    [
        model.Docker(target="one"),
        model.Docker(build_args={"A": "1"}),
        model.Docker("Other"),
        model.Docker("./Dockerfile"),
    ],
)
def test_other_options_are_other_values(spec: model.Docker, tmp_path: Path) -> None:
    write(tmp_path, {"Dockerfile": "FROM a AS one\nFROM b\n", "Other": "FROM a\n"})
    assert inputs(tmp_path, spec).values != inputs(tmp_path).values


def test_a_required_image_may_be_copied_from_whatever_its_name(tmp_path: Path) -> None:
    write(tmp_path, {"Dockerfile": "ARG BASE=x\nFROM $BASE\nARG BASE\nCOPY $BASE /\n", "any": ""})
    assert names(inputs(tmp_path, requires=(model.Require("shop/base"),))) == {"Dockerfile", "any"}


def test_it_stands_on_the_images_that_the_target_needs(tmp_path: Path) -> None:
    text = "ARG TAG=1\nFROM base:$TAG AS one\nCOPY --from=tools /x /\nFROM other AS two\nFROM one\nRUN --mount=from=cache,target=/c true\n"
    write(tmp_path, {"Dockerfile": text})
    assert set(inputs(tmp_path).images) == {"base:1", "tools", "cache"}
    assert set(inputs(tmp_path, model.Docker(target="two", build_args={"TAG": "2"})).images) == {"other"}
    assert inputs(tmp_path, requires=(model.Require("shop/x", alias="TAG"),)).images == ("cache", "tools")


def test_a_missing_dockerfile_names_those_that_are_there(tmp_path: Path) -> None:
    write(tmp_path, {"api/api.Dockerfile": "FROM a\n"})
    with pytest.raises(StepFailed, match="no Dockerfile") as raised:
        inputs(tmp_path, context="api")
    assert raised.value.where == "api/Dockerfile"
    assert raised.value.hint
    assert "api.Dockerfile" in raised.value.hint


def test_a_missing_context_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="context is not a folder") as raised:
        inputs(tmp_path, context="gone")
    assert raised.value.where == str(tmp_path / "gone")


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({"Dockerfile": "FROM a\nCOPY x\n"}, "api/Dockerfile:2"),
        ({"Dockerfile": "FROM a\n", ".dockerignore": "a\n[\n"}, "api/.dockerignore:2"),
        ({"Dockerfile": "FROM a\n", "Dockerfile.dockerignore": "["}, "api/Dockerfile.dockerignore:1"),
    ],
)
def test_what_cannot_be_understood_is_named_from_the_configs_folder(
    files: dict[str, str], where: str, tmp_path: Path
) -> None:
    write(tmp_path / "api", files)
    with pytest.raises(StepFailed) as raised:
        inputs(tmp_path, context="./api")
    assert raised.value.where == where


# How the CLI is run


class Cli:
    """A docker CLI that can build: leaves an id in its --iidfile."""

    def __init__(self, folder: Path, *, buildx: str = "", version: str = "Docker version 28.2.2, build 1") -> None:
        write(folder, {"Dockerfile": "ARG BASE\nFROM $BASE\nARG A\n"})
        self.engine = FakeEngine()
        self.image_id = self.engine.add("built:1", [{"a": b"1"}])
        self.processes = FakeProcesses()
        self.lines: list[str] = []
        self.job = BuildJob(model.Artifact("a/b"), folder, "a/b:1", {})
        self.processes.when("docker", "buildx", "build", "--help", stdout=buildx, code=0 if buildx else 1)
        self.processes.when("docker", "--version", stdout=version)
        self.processes.when("docker", "buildx", "build", does=self.succeed)
        self.processes.when("docker", "build", does=self.succeed)

    def succeed(self, call: Call) -> Reply:
        Path(call.argv[call.argv.index("--iidfile") + 1]).write_text(self.image_id)
        return Reply("built")

    def build(self, builder: DockerBuilder | None = None) -> Call:
        tools = Tools(self.processes, self.engine, self.lines.append)
        assert (builder or DockerBuilder({})).build(Scope(), self.job, tools) == self.image_id
        return self.processes.calls[-1]


def test_buildx_is_preferred(tmp_path: Path) -> None:
    cli = Cli(tmp_path, buildx=BUILDX_HELP)
    cli.job = BuildJob(
        model.Artifact("a/b", docker=model.Docker(target="0", build_args={"A": "1 2"})),
        tmp_path / "x/..",
        "a/b:1",
        {"BASE": "b:2"},
    )
    call = cli.build()
    argv = list(call.argv)
    assert argv[:5] == ["docker", "buildx", "build", "--load", "--progress=plain"]
    assert "--provenance=false" in argv
    assert argv[argv.index("--builder") + 1] == "default"
    assert argv[argv.index("--file") + 1] == str(tmp_path / "Dockerfile")
    assert argv[argv.index("--target") + 1] == "0"
    assert [argv[at + 1] for at, word in enumerate(argv) if word == "--build-arg"] == ["A=1 2", "BASE=b:2"]
    assert argv[-1] == str(tmp_path)
    assert "--tag" not in argv
    assert call.env["DOCKER_HOST"] == "unix:///fake/docker.sock"
    assert cli.lines == ["built"]


def test_an_old_buildx_knows_no_provenance(tmp_path: Path) -> None:
    cli = Cli(tmp_path, buildx="--load")
    assert "--provenance=false" not in cli.build().argv


def test_a_builder_may_be_named_by_the_environment(tmp_path: Path) -> None:
    cli = Cli(tmp_path, buildx=BUILDX_HELP)
    cli.processes.when("docker", "buildx", "inspect", stdout="Name: mine\nDriver: docker\n")
    argv = cli.build(DockerBuilder({"BUILDX_BUILDER": "mine"})).argv
    assert argv[argv.index("--builder") + 1] == "mine"


@pytest.mark.parametrize("version", ["Docker version 20.10.24+dfsg1, build 297e128", "Docker version 18.09.1"])
def test_an_old_cli_has_buildkit_inside(version: str, tmp_path: Path) -> None:
    call = Cli(tmp_path, version=version).build()
    assert call.argv[:3] == ("docker", "build", "--progress=plain")
    assert call.env["DOCKER_BUILDKIT"] == "1"


@pytest.mark.parametrize(
    "version", ["Docker version 28.2.2, build 1", "podman version 4.3.1", "Docker version 18.06.1"]
)
def test_without_buildkit_the_classic_builder_is_used_and_said(version: str, tmp_path: Path) -> None:
    cli = Cli(tmp_path, version=version)
    call = cli.build()
    assert call.argv[:2] == ("docker", "build")
    assert call.env["DOCKER_BUILDKIT"] == "0"
    assert "classic builder" in cli.lines[0]


def test_the_cli_is_asked_once_what_it_can_do(tmp_path: Path) -> None:
    cli, builder = Cli(tmp_path, buildx=BUILDX_HELP), DockerBuilder({})
    cli.build(builder)
    cli.build(builder)
    assert len(cli.processes.called("docker", "buildx", "build", "--help")) == 1


def test_an_argument_that_nothing_declares_is_told(tmp_path: Path) -> None:
    cli = Cli(tmp_path, buildx=BUILDX_HELP)
    cli.job = BuildJob(cli.job.artifact, tmp_path, "a/b:1", {"BASSE": "b:2", "HTTP_PROXY": "x", "BUILDKIT_X": "1"})
    cli.build()
    assert cli.lines[:-1] == ["warning: Dockerfile declares no ARG BASSE, its value is not used; did you mean BASE?"]


def test_an_image_that_the_engine_does_not_have_is_an_error(tmp_path: Path) -> None:
    cli = Cli(tmp_path, buildx=BUILDX_HELP)
    cli.image_id = "sha256:of-an-index"
    with pytest.raises(StepFailed, match="the engine has no image sha256:of-an-index") as raised:
        cli.build()
    assert raised.value.hint


def test_a_failure_is_explained(tmp_path: Path) -> None:
    cli = Cli(tmp_path, buildx=BUILDX_HELP)
    cli.processes.when("docker", "buildx", "build", "--load", stdout="#5 [1/1] RUN x\n#5 ERROR: exit code: 3", code=1)
    with pytest.raises(StepFailed, match="RUN x: exit code 3"):
        cli.build()


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
    lines: list[str] = []
    named = BuildJob(job.artifact, job.context, job.ref, {"BASE_IMAGE": "x:1"})
    image_id = DockerBuilder().build(Scope(), named, Tools(tools.processes, tools.engine, lines.append))
    found = tools.engine.inspect(image_id)
    assert found is not None
    assert (found.image_id, found.tags) == (image_id, ())
    assert tools.engine.inspect(job.ref) is None
    assert any("RUN echo" in line for line in lines)
    tools.engine.tag(image_id, job.ref)
    again = tools.engine.inspect(job.ref)
    assert again is not None
    assert again.image_id == image_id


def test_every_cli_that_is_installed_builds(job: BuildJob, tools: Tools) -> None:
    write(job.context, {"Dockerfile": "FROM busybox:1.37\nRUN true\n"})
    for program in {found for folder in os.get_exec_path() if (found := shutil.which("docker", path=folder))}:
        for config in ({}, {"DOCKER_CONFIG": str(job.context / "none")}):
            processes = _With(tools.processes, program, config)
            image_id = DockerBuilder().build(Scope(), job, Tools(processes, tools.engine))
            assert tools.engine.inspect(image_id) is not None
            tools.engine.untag(image_id)


class _With:
    """Runs another docker, in another environment."""

    def __init__(self, processes: Processes, program: str, environment: dict[str, str]) -> None:
        self._inner, self._program, self._environment = processes, program, environment

    def find(self, name: str) -> str | None:
        return self._inner.find(name)

    def run(self, scope: Scope, argv: Sequence[str], **options: Any) -> Any:
        environment = {**(options.pop("env", None) or {}), **self._environment}
        return self._inner.run(scope, [self._program, *argv[1:]], env=environment, **options)


@pytest.mark.parametrize(
    ("text", "message", "line", "evidence"),
    [
        ("FROM busybox:1.37\nRUN echo because; exit 4\n", "RUN echo because; exit 4: exit code 4", 2, ("because",)),
        ("FROM busybox:1.37\nRUN seq 30; exit 4\n", "exit code 4", 2, tuple(map(str, range(11, 31)))),
        ("FROM busybox:1.37\nWORKDIR /x\nCOPY nothing.txt /\n", "nothing.txt is not in the build context", 3, ()),
        ("FROM busybox:1.37\n\nRUNN x\n", "unknown instruction: RUNN", 3, ()),
        ("FROM busybox:1.37\nFROM not.invalid/there:1\n", "the base image not.invalid/there:1 cannot be pulled", 2, ()),
    ],
)
def test_a_failure_names_the_line_and_shows_the_output(
    text: str, message: str, line: int, evidence: tuple[str, ...], *, job: BuildJob, tools: Tools
) -> None:
    write(job.context, {"Dockerfile": text})
    with pytest.raises(StepFailed) as raised:
        DockerBuilder().build(Scope(), job, tools)
    assert message in raised.value.message
    assert raised.value.where == f"Dockerfile:{line}"
    assert raised.value.evidence == evidence


@pytest.mark.parametrize(
    ("text", "message", "line", "evidence"),
    [
        ("FROM busybox\nRUN echo because; exit 4\n", "RUN echo because; exit 4: exit code 4", 2, ("because",)),
        ("FROM busybox\nRUN seq 30; \\\n  exit 4\n", "exit code 4", 2, tuple(map(str, range(11, 31)))),
        ("FROM busybox\nARG A\nRUN echo $A; exit 4\nRUN echo $A; exit 4\n", "exit code 4", 3, ("",)),
        ("FROM busybox\nWORKDIR /x\nCOPY nothing.txt /\n", "nothing.txt is not in the build context", 3, ()),
        (
            "FROM busybox AS one\nFROM busybox\nCOPY --from=one /no /\n",
            "no is not in one, which it is copied from",
            3,
            (),
        ),
        ("FROM busybox\n\nRUNN x\n", "unknown instruction: RUNN", 3, ()),
        ("FROM busybox AS a\nFROM not.invalid/there:1\n", "the base image not.invalid/there:1 cannot be pulled", 2, ()),
    ],
)
def test_a_buildkit_of_today_is_understood_as_well(
    text: str, message: str, line: int, evidence: tuple[str, ...], *, buildkit: str, tmp_path: Path, tools: Tools
) -> None:
    write(tmp_path, {"context/Dockerfile": text, "busybox/x": ""})
    script = 'set -e; id=$(docker create busybox:1.37); docker export "$id" | tar -x -C "$1"; docker rm "$id"'
    tools.processes.run(Scope(), ["sh", "-c", script, "-", str(tmp_path / "busybox")])
    spec = model.Docker(builder=buildkit, build_contexts={"busybox": "../busybox"})
    job = BuildJob(model.Artifact("a/b", docker=spec), tmp_path / "context", "a/b:1", {})
    with pytest.raises(StepFailed) as raised:
        DockerBuilder().build(Scope(), job, tools)
    assert message in raised.value.message
    assert raised.value.where == f"Dockerfile:{line}"
    assert raised.value.evidence == evidence


def test_an_engine_that_does_not_answer_is_unavailable(job: BuildJob, tools: Tools) -> None:
    write(job.context, {"Dockerfile": "FROM busybox:1.37\n"})
    processes = _With(tools.processes, "docker", {"DOCKER_HOST": f"unix://{job.context}/none.sock"})
    with pytest.raises(Unavailable):
        DockerBuilder().build(Scope(), job, Tools(processes, tools.engine))


def running(word: str) -> list[str]:
    """Commands of this machine's processes that hold the word."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            is_dead = (folder / "stat").read_text("latin-1").rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            continue  # ended meanwhile
        if word in command and not is_dead:
            found.append(command)
    return found


def test_cancelling_stops_the_client_and_the_engines_work(job: BuildJob, tools: Tools) -> None:
    seconds = f"97.{uuid.uuid4().int % 10**9}"  # a word of its own, to know the process by
    write(job.context, {"Dockerfile": f"FROM busybox:1.37\nRUN echo begun; sleep {seconds}\n"})
    scope, begun = Scope(), threading.Event()
    told = Tools(tools.processes, tools.engine, lambda line: begun.set() if line.endswith(" begun") else None)
    with Scope() as outer:

        def stop() -> None:
            begun.wait()
            scope.cancel()

        outer.spawn("stop", stop)
        with pytest.raises(Cancelled):
            DockerBuilder().build(scope, job, told)
    assert [command for command in running(str(job.context)) if "docker" in command] == []
    for _ in range(500):
        if not running(f"sleep {seconds}"):
            break
        Scope().wait(0.02)
    assert running(f"sleep {seconds}") == []


def test_all_of_the_context_counts_where_a_base_image_copies_what_it_likes(job: BuildJob, tools: Tools) -> None:
    base = "devloop-test/onbuild:1"
    write(job.context, {"Dockerfile": "FROM busybox:1.37\nONBUILD COPY . /app\n", "app.py": ""})
    tools.processes.run(Scope(), ["docker", "build", "--tag", base, str(job.context)])
    try:
        write(job.context, {"Dockerfile": f"FROM {base}\n"})
        listed = DockerBuilder().inputs(Scope(), job.artifact, job.context, tools)
        assert job.context / "app.py" in listed.files
        assert listed.matches(job.context / "new.py")
    finally:
        tools.engine.untag(base)
    listed = DockerBuilder().inputs(Scope(), job.artifact, job.context, tools)
    assert [each.name for each in listed.files] == ["Dockerfile"]
