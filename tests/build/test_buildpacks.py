"""The buildpacks builder: its words for `pack`, and what it makes of a stand-in program of that name on the real engine."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from devloop.build.buildpacks import BuildpacksBuilder
from devloop.config import model
from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed, UsageError
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import BuildJob, Tools
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import FakeProcesses
from tests.build.tools import write


def artifact(*requires: model.Require, **spec: object) -> model.Artifact:
    return model.Artifact("packs/web", buildpacks=model.Buildpacks(**spec), requires=requires)  # type: ignore[arg-type]


class World:
    """A `pack` and an engine that do as they are told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = FakeEngine()
        self.processes = FakeProcesses()
        self.image_id = self.engine.add("shop/web:1a2b", [{"a": b"1"}])
        self.processes.when("pack")
        self.processes.when("pack", "version", stdout="0.38.0\n")

    def inputs(self, spec: model.Artifact, **environment: str) -> Inputs:
        return BuildpacksBuilder(environment).inputs(Scope(), spec, self.folder, Tools(self.processes, self.engine))

    def argv(self, spec: model.Artifact, requires: dict[str, str] | None = None, *, is_uncached: bool = False) -> str:
        job = BuildJob(spec, self.folder, "shop/web:1a2b", requires or {}, is_uncached)
        assert BuildpacksBuilder({}).build(Scope(), job, Tools(self.processes, self.engine)) == self.image_id
        return " ".join(self.processes.called("pack")[-1].argv)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_the_least_is_left_to_pack(world: World) -> None:
    least = f"pack build shop/web:1a2b --path {world.folder} --pull-policy if-not-present --no-color"
    assert world.argv(artifact()) == least
    assert world.argv(artifact(), is_uncached=True) == f"{least} --clear-cache"


def test_every_field_has_its_word(world: World) -> None:
    write(world.folder, {"project.toml": ""})
    spec = artifact(
        model.Require("shop/base"),
        builder="a/builder",
        run_image="shop/base",
        buildpacks=("one", "two"),
        env=("A=b", "HERE"),
        trust_builder=True,
    )
    assert world.argv(spec, {"BASE": "shop/base:9"}).partition("--no-color ")[2] == (
        "--builder a/builder --run-image shop/base:9 --buildpack one --buildpack two --env A=b --env HERE "
        f"--env BASE=shop/base:9 --trust-builder --descriptor {world.folder / 'project.toml'}"
    )


def test_the_context_is_read_but_for_what_is_ignored(world: World) -> None:
    write(world.folder, {"main.go": "", ".git/HEAD": "", "out/a": "", "project.toml": ""})
    found = world.inputs(artifact())
    assert {path.relative_to(found.base).as_posix() for path in found.files} == {"main.go", "out/a", "project.toml"}
    assert found.leaves_out(world.folder / ".git")
    only = world.inputs(artifact(dependencies=model.BuildpacksDependencies(("*.go",))))
    assert [path.name for path in only.files] == ["main.go", "project.toml"]
    assert not only.matches(world.folder / "out/a")


def test_images_and_values_of_this_machine_decide_too(world: World) -> None:
    spec = artifact(model.Require("shop/base"), builder="a/builder", run_image="shop/base", env=("HERE", "A=b"))
    assert world.inputs(spec).images == ("a/builder",)
    values = dict(world.inputs(spec, HERE="x").values)
    assert values["HERE"] == "x"
    assert values["pack"] == "0.38.0"
    assert "A=b" not in values


def test_pack_that_is_not_installed_is_said_with_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pack is not installed") as raised:
        BuildpacksBuilder().inputs(Scope(), artifact(), tmp_path, Tools(FakeProcesses(), FakeEngine()))
    assert "buildpacks.io" in str(raised.value.hint)


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    write(folder, {"bin/pack": f"#!/bin/sh\n{script}\n"})
    (folder / "bin/pack").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")


def test_the_image_that_the_program_leaves_is_found(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, 'docker tag busybox:1.37 "$2"')
    processes = RealProcesses()
    tools = Tools(processes, docker.connect(None, processes))
    ref = f"devloop-test/buildpacks-{uuid.uuid4().hex[:8]}:tag1"
    image_id = BuildpacksBuilder().build(Scope(), BuildJob(artifact(), tmp_path, ref, {}), tools)
    found = tools.engine.inspect(ref)
    assert found is not None
    assert found.image_id == image_id
    tools.engine.untag(ref)


def test_a_program_that_fails_is_told_with_its_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(
        tmp_path, monkeypatch, 'echo "===> DETECTING"; echo "[detector] ERROR: No buildpack groups passed" >&2; exit 7'
    )
    job = BuildJob(artifact(), tmp_path, "shop/web:1", {})
    with pytest.raises(StepFailed, match="pack: No buildpack groups passed") as raised:
        BuildpacksBuilder().build(Scope(), job, Tools(RealProcesses(), FakeEngine()))
    assert raised.value.where == "image/packs/web"
    assert "===> DETECTING" in raised.value.evidence
    assert "pack build shop/web:1" in str(raised.value.hint)


def test_a_program_that_ends_well_but_leaves_nothing_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, monkeypatch, "echo done")
    job = BuildJob(artifact(), tmp_path, "shop/web:1", {})
    with pytest.raises(StepFailed, match="left no image shop/web:1"):
        BuildpacksBuilder().build(Scope(), job, Tools(RealProcesses(), FakeEngine()))
