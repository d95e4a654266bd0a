"""Contexts that have names: what counts of them, and what a real BuildKit takes from them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from devloop.build.docker import DockerBuilder
from devloop.build.recipe import context_words
from devloop.config import model
from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import BuildJob, Tools
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import FakeProcesses
from tests.build.tools import write

LIB = {
    "lib/a.py": "lib/a.py",
    "lib/b.py": "lib/b.py",
    "lib/sub/c.txt": "lib/sub/c.txt",
    "lib/sub/d.py": "lib/sub/d.py",
    "lib/.git/config": "lib/.git/config",
    "api/own.txt": "api/own.txt",
    "api/other.txt": "api/other.txt",
}


def artifact(
    contexts: Mapping[str, str], *, requires: tuple[model.Require, ...] = (), **options: str
) -> model.Artifact:
    spec = model.Docker(build_contexts=contexts, **options)  # type: ignore[arg-type]
    return model.Artifact("shop/api", context="api", docker=spec, requires=requires)


def inputs(folder: Path, asked: model.Artifact) -> Inputs:
    return DockerBuilder({}).inputs(Scope(), asked, folder, Tools(FakeProcesses(), FakeEngine()))


def names(found: Inputs, folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in found.files}


def test_files_of_a_named_context_are_inputs_by_their_own_ignore_file(tmp_path: Path) -> None:
    ignores = {"lib/.dockerignore": "**/*.txt\n.git\n", "api/.dockerignore": "*.py\n"}
    write(tmp_path, {**LIB, **ignores, "api/Dockerfile": "FROM a\nCOPY own.txt /\nCOPY --from=lib . /lib/\n"})
    found = inputs(tmp_path, artifact({"lib": "../lib"}))
    assert names(found, tmp_path) == {
        *("api/Dockerfile", "api/.dockerignore", "api/own.txt"),
        *("lib/.dockerignore", "lib/a.py", "lib/b.py", "lib/sub/d.py"),
    }
    assert found.matches(tmp_path / "lib/new/x.py")
    assert not found.matches(tmp_path / "lib/new/x.txt")
    assert not found.matches(tmp_path / "api/new.txt")
    assert found.is_defined_by(tmp_path / "lib/.dockerignore")
    assert {tmp_path / "lib", tmp_path / "api/own.txt"} <= set(found.roots)


def test_folders_in_which_nothing_counts_are_left_out_in_each_context(tmp_path: Path) -> None:
    write(
        tmp_path, {**LIB, "lib/.dockerignore": ".git\n", "api/Dockerfile": "FROM a\nCOPY --from=lib . /\nCOPY x/y /\n"}
    )
    found = inputs(tmp_path, artifact({"lib": "../lib"}))
    assert found.leaves_out(tmp_path / "lib/.git")
    assert found.leaves_out(tmp_path / "api/z")
    assert not found.leaves_out(tmp_path / "api/x")
    assert not found.leaves_out(tmp_path / "lib/sub")
    assert not found.leaves_out(tmp_path)


def test_a_folder_in_two_contexts_counts_when_it_does_in_one(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "api/Dockerfile": "FROM a\nCOPY . /\nCOPY --from=gen out /\n",
            "api/.dockerignore": "gen\n",
            "api/gen/out/x": "",
        },
    )
    found = inputs(tmp_path, artifact({"gen": "gen"}))
    assert names(found, tmp_path) == {"api/Dockerfile", "api/.dockerignore", "api/gen/out/x"}
    assert found.matches(tmp_path / "api/gen/out/y")
    assert not found.matches(tmp_path / "api/gen/y")
    assert not found.leaves_out(tmp_path / "api/gen")
    assert not found.leaves_out(tmp_path / "api/gen/out")
    assert found.leaves_out(tmp_path / "api/gen/other")


def test_the_reason_names_the_rule_of_the_context_that_a_file_is_in(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            **LIB,
            "lib/.dockerignore": "*.md\n",
            "api/Dockerfile": "FROM a\nCOPY own.txt /\nCOPY --from=lib sub *.md /l/\n",
        },
    )
    why = inputs(tmp_path, artifact({"lib": "../lib"})).why
    assert why(tmp_path / "lib/sub/c.txt") == "api/Dockerfile:3 reads it"
    assert why(tmp_path / "lib/a.py") == "no COPY, ADD or mount that is built names it in api/Dockerfile"
    assert why(tmp_path / "lib/README.md") == "lib/.dockerignore:1 keeps it out, though api/Dockerfile:3 names it"
    assert why(tmp_path / "lib/.dockerignore") == "it is the ignore file"
    assert why(tmp_path / "api/own.txt") == "api/Dockerfile:2 reads it"
    assert why(tmp_path / "elsewhere") == "it lies outside the build context"


def test_a_context_that_is_not_used_is_nothing_to_the_build_and_is_told(tmp_path: Path) -> None:
    write(tmp_path, {**LIB, "api/Dockerfile": "FROM a\n"})
    asked = artifact({"lib": "../lib", "tool": "docker-image://tool:1"})
    found = inputs(tmp_path, asked)
    assert (names(found, tmp_path), found.images) == ({"api/Dockerfile"}, ("a",))
    engine, processes, lines = FakeEngine(), FakeProcesses(), list[str]()
    processes.when("docker", "buildx", "build", "--help", stdout="--load")
    processes.when("docker", "buildx", "build", "--load", code=1)
    with pytest.raises(StepFailed):
        DockerBuilder({}).build(
            Scope(), BuildJob(asked, tmp_path / "api", "a:1", {}), Tools(processes, engine, lines.append)
        )
    assert "warning: api/Dockerfile uses no context lib" in lines
    assert "warning: api/Dockerfile uses no context tool" in lines


def test_a_context_that_is_gone_is_told_with_its_name(tmp_path: Path) -> None:
    write(tmp_path, {"api/Dockerfile": "FROM lib\n"})
    with pytest.raises(StepFailed, match="the build context lib is not a folder") as told:
        inputs(tmp_path, artifact({"lib": "../lib"}))
    assert told.value.where == str(tmp_path / "lib")


def test_images_count_as_those_that_the_dockerfile_names_do_and_artifacts_by_their_own_inputs(tmp_path: Path) -> None:
    write(tmp_path, {"api/Dockerfile": "FROM base\nCOPY --from=golang:1.26 /go /go\nRUN --mount=from=src true\n"})
    contexts = {
        "base": "shop/base",
        "golang:1.26": "docker-image://mirror/golang:1.26",
        "src": "https://example.com/a.git",
    }
    asked = artifact(contexts, requires=(model.Require("shop/base"),))
    assert inputs(tmp_path, asked).images == ("mirror/golang:1.26",)
    assert context_words(asked, tmp_path / "api", {"BASE": "shop/base:0123"}) == {
        "base": "docker-image://shop/base:0123",
        "golang:1.26": "docker-image://mirror/golang:1.26",
        "src": "https://example.com/a.git",
    }


def test_another_folder_or_image_is_another_build(tmp_path: Path) -> None:
    write(tmp_path, {"api/Dockerfile": "FROM base\n", "a/x": "", "b/x": ""})
    given = ({"base": "../a"}, {"base": "../b"}, {"base": "docker-image://a"}, {"base": "docker-image://b"})
    assert len({inputs(tmp_path, artifact(each)).values for each in given}) == 4


# With a BuildKit that knows them


@pytest.fixture
def tools(buildkit: str) -> Tools:
    processes = RealProcesses()
    return Tools(processes, docker.connect(None, processes))


def built(folder: Path, asked: model.Artifact, tools: Tools) -> set[str]:
    """What the files of the image that is built hold."""
    image_id = DockerBuilder().build(Scope(), BuildJob(asked, folder / asked.context, "a:1", {}), tools)
    out = folder / "out"
    tools.processes.run(
        Scope(), ["sh", "-c", 'docker save "$1" | tar -x -C "$2"', "-", image_id, str(folder / "image")]
    )
    for layer in sorted((folder / "image").rglob("layer.tar")):
        tools.processes.run(Scope(), ["tar", "-xf", str(layer), "-C", str(out)])
    tools.engine.untag(image_id)
    return {path.read_text() for path in out.rglob("*") if path.is_file() and not path.is_symlink()}


@pytest.mark.parametrize(
    "text",
    [
        "FROM scratch\nCOPY own.txt /\nCOPY --from=lib . /lib/\n",
        "FROM scratch\nCOPY --from=lib sub/* *.py /lib/\n",
        "FROM lib\nCOPY own.txt /\n",
        "FROM lib AS one\nFROM scratch\nCOPY --from=one /sub /\n",
        "FROM none.invalid/a AS lib\nRUN false\nFROM scratch\nCOPY --from=lib a.py /\n",
        "FROM none.invalid/a AS lib\nRUN false\nFROM lib AS one\nFROM scratch\nCOPY --from=one /sub /\n",
        "FROM scratch\nCOPY --from=docker.io/library/lib:latest link /\n",
    ],
)
def test_what_arrives_in_the_image_was_listed(text: str, buildkit: str, tmp_path: Path, tools: Tools) -> None:
    write(
        tmp_path, {**LIB, "lib/.dockerignore": ".git\nb.py\n", "api/Dockerfile": text, "image/x": "", "out/sub/x": "x"}
    )
    (tmp_path / "out/sub/x").unlink()
    (tmp_path / "lib/link").symlink_to("sub/c.txt")
    asked = artifact({"lib": "../lib"}, builder=buildkit)
    listed = names(inputs(tmp_path, asked), tmp_path)
    arrived = built(tmp_path, asked, tools)
    contents = {(tmp_path / name).read_text() for name in listed}
    assert arrived
    assert arrived <= contents
    # Of an image that is not the context itself, what was listed was also sent, or is only read to be left out.
    silent = {text, ".git\nb.py\n"}
    if "--from=one" not in text:
        assert contents - silent == arrived - silent


def test_an_artifact_and_a_mount_reach_the_build(buildkit: str, tmp_path: Path, tools: Tools) -> None:
    write(tmp_path, {**LIB, "api/Dockerfile": "FROM scratch\nCOPY --from=lib /gone /\n"})
    with pytest.raises(StepFailed) as told:
        built(tmp_path, artifact({"lib": "../lib"}, builder=buildkit), tools)
    assert told.value.message == "COPY --from=lib /gone /: gone is not in the build context lib"
    assert told.value.where == "api/Dockerfile:2"
    assert told.value.hint == f"paths are relative to the context {tmp_path / 'lib'}"


def test_an_engine_that_knows_no_named_contexts_is_told_with_the_way_out(engine: str, tmp_path: Path) -> None:
    if int(engine.partition(".")[0]) >= 23:
        pytest.skip(f"engine {engine} knows them")
    write(tmp_path, {**LIB, "api/Dockerfile": "FROM lib\n"})
    processes = RealProcesses()
    with pytest.raises(StepFailed, match="the engine's BuildKit knows no") as told:
        built(tmp_path, artifact({"lib": "../lib"}), Tools(processes, docker.connect(None, processes)))
    assert "23.0" in (told.value.hint or "")
