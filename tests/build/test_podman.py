"""The docker builder where the engine is podman: real builds through its socket, by podman's command and by the docker CLI."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from devloop.build.docker import DockerBuilder
from devloop.config import model
from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed
from devloop.scope import Scope
from devloop.stages import BuildJob, Processes, Tools
from tests.build.tools import write

# What podman gives RUN instructions otherwise is more than every machine allows.
HERE = ("--network=host",)


class Without:
    """This machine's programs but one."""

    def __init__(self, inner: Processes, program: str) -> None:
        self._inner, self._program = inner, program

    def find(self, name: str) -> str | None:
        return None if name == self._program else self._inner.find(name)

    def run(self, scope: Scope, argv: Sequence[str], **options: Any) -> Any:
        assert argv[0] != self._program
        return self._inner.run(scope, argv, **options)


@pytest.fixture(params=["docker and podman", "podman", "docker"])
def tools(podman: str, request: pytest.FixtureRequest) -> Tools:
    """With the commands that are installed."""
    missing = {"podman": "docker", "docker": "podman"}.get(request.param, "")
    processes = Without(RealProcesses(), missing) if missing else RealProcesses()
    return Tools(processes, docker.connect({"DOCKER_HOST": podman}, processes))


@pytest.fixture
def build(tools: Tools, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """A function: a Dockerfile and options → the id of the image."""
    built: list[str] = []

    def run(text: str, **options: Any) -> str:
        write(tmp_path, {"Dockerfile": text})
        artifact = model.Artifact("shop/api", docker=model.Docker(flags=HERE, **options))
        image_id = DockerBuilder({}).build(Scope(), BuildJob(artifact, tmp_path, "shop/api:1", {}), tools)
        built.append(image_id)
        return image_id

    yield run
    for image_id in dict.fromkeys(built):
        tools.engine.untag(image_id)


def test_an_image_is_built_named_and_found_by_its_name(build: Callable[..., str], tools: Tools) -> None:
    image_id = build("FROM busybox:1.37\nARG A\nCOPY Dockerfile /file\nRUN echo $A > /out\n", build_args={"A": "1"})
    name = f"shop/{uuid.uuid4().hex[:8]}"
    tools.engine.tag(image_id, f"{name}:0123")
    found = tools.engine.inspect(f"{name}:0123")
    assert found is not None
    assert (found.image_id, found.tags) == (image_id, (f"{name}:0123",))
    assert set(tools.engine.tagged(name)) == {f"{name}:0123"}
    tools.engine.untag(f"{name}:0123")
    assert tools.engine.inspect(f"{name}:0123") is None


def test_the_same_build_again_makes_the_same_image(build: Callable[..., str]) -> None:
    text = f"FROM busybox:1.37\nRUN echo {uuid.uuid4().hex} > /out\n"
    assert build(text) == build(text)


@pytest.mark.parametrize(
    ("text", "message", "line", "evidence"),
    [
        ("FROM busybox:1.37\nRUN echo because; exit 4\n", "RUN echo because; exit 4: exit code 4", 2, ("because",)),
        ("FROM busybox:1.37\nRUN seq 30; exit 4\n", "exit code 4", 2, tuple(map(str, range(11, 31)))),
        ("FROM busybox:1.37 AS one\nRUN true\nFROM one\nARG A=1\nRUN echo $A; exit 3\n", "exit code 3", 5, ("1",)),
        ("FROM busybox:1.37\nWORKDIR /x\nCOPY nothing.txt /\n", "nothing.txt is not in the build context", 3, ()),
        ("FROM busybox:1.37\n\nRUNN x\n", 'RUNN x: Unknown instruction: "RUNN"', 3, None),
        ("FROM not.invalid/there:1\n", "the base image not.invalid/there:1 cannot be pulled", 1, ()),
    ],
)
def test_a_failure_names_the_line_and_shows_the_output(
    text: str, message: str, line: int, evidence: tuple[str, ...] | None, *, build: Callable[..., str]
) -> None:
    with pytest.raises(StepFailed) as raised:
        build(text)
    assert message in raised.value.message
    assert raised.value.where == f"Dockerfile:{line}"
    if evidence is not None:
        assert raised.value.evidence == evidence


def test_what_podman_lacks_is_told(build: Callable[..., str]) -> None:
    with pytest.raises(StepFailed, match="needs docker buildx") as raised:
        build("FROM busybox:1.37\n", builder="far")
    assert raised.value.hint
