"""The custom builder: what it declares is read, what its command is promised, and the image has to be there in the end."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

import pytest

from devloop.build.custom import CustomBuilder
from devloop.config import model
from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed
from devloop.products import Inputs
from devloop.scope import Cancelled, Scope
from devloop.stages import BuildJob, Tools
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import Call, FakeProcesses, Reply


def artifact(build: str, **dependencies: object) -> model.Artifact:
    wanted = model.CustomDependencies(**dependencies)  # type: ignore[arg-type]
    return model.Artifact("a/b", custom=model.Custom(build, wanted))


def inputs(folder: Path, spec: model.Artifact) -> Inputs:
    return CustomBuilder().inputs(Scope(), spec, folder, Tools(RealProcesses(), FakeEngine()))


def names(found: Inputs) -> set[str]:
    return {path.relative_to(found.base).as_posix() for path in found.files}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("build.sh", "src/a.go", "src/deep/b.go", "src/a_test.go", "notes.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def test_declared_paths_minus_ignored_ones_are_read(tree: Path) -> None:
    found = inputs(tree, artifact("x", paths=("src/**/*.go", "build.sh"), ignore=("**/*_test.go",)))
    assert names(found) == {"build.sh", "src/a.go", "src/deep/b.go"}
    assert found.matches(tree / "src/new.go")
    assert not found.matches(tree / "src/new_test.go")
    assert not found.matches(tree / "notes.md")
    assert found.roots == (tree / "build.sh", tree / "src")


def test_by_default_the_whole_context_is_read(tree: Path) -> None:
    assert "src/deep/b.go" in names(inputs(tree, artifact("x")))
    assert names(inputs(tree.parent, model.Artifact("a", f"{tree.name}/src", custom=model.Custom("x")))) == {
        "a.go",
        "deep/b.go",
        "a_test.go",
    }


def test_another_command_is_another_value(tree: Path) -> None:
    assert inputs(tree, artifact("x")).values != inputs(tree, artifact("y")).values


def test_a_command_may_list_them(tree: Path) -> None:
    found = inputs(tree, artifact("x", command="echo src; echo; echo build.sh", ignore=("**/*_test.go",)))
    assert names(found) == {"build.sh", "src/a.go", "src/deep/b.go"}


def test_what_a_command_lists_is_no_pattern(tree: Path) -> None:
    (tree / "src/[id].go").write_text("")
    (tree / "src/i.go").write_text("")
    assert names(inputs(tree, artifact("x", command="echo 'src/[id].go'"))) == {"src/[id].go"}


def test_any_change_in_the_context_may_change_what_the_command_lists(tree: Path) -> None:
    found = inputs(tree, artifact("x", command="ls *.md", ignore=("out",)))
    assert found.roots == (tree,)
    assert not found.matches(tree / "new.md")
    assert found.is_definition is not None
    assert found.is_definition(tree / "new.md")
    assert not found.is_definition(tree / "out/new.md")
    assert not found.is_definition(tree.parent / "new.md")


def test_a_listing_command_that_fails_says_so(tree: Path) -> None:
    with pytest.raises(StepFailed, match="exit code 3: echo broken") as raised:
        inputs(tree, artifact("x", command="echo broken >&2; exit 3"))
    assert raised.value.where == "image/a/b"
    assert raised.value.evidence == ("broken",)
    assert raised.value.hint


def test_a_missing_context_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="context is not a folder"):
        inputs(tmp_path / "gone", artifact("x"))


class World:
    """An engine and processes whose `sh` tags an image as it is told."""

    def __init__(self, folder: Path) -> None:
        self.engine = FakeEngine()
        self.processes = FakeProcesses()
        self.lines: list[str] = []
        self.job = BuildJob(artifact("./build.sh"), folder, "registry:5000/shop/api:1a2b", {"BASE": "shop/base:9"})
        self.processes.when("sh", "-c", "./build.sh", does=self.succeed)

    def succeed(self, call: Call) -> Reply:
        self.engine.add(call.env["IMAGE"], [{"a": b"1"}])
        return Reply("working\n")

    def build(self) -> str:
        return CustomBuilder().build(Scope(), self.job, Tools(self.processes, self.engine, self.lines.append))


def test_the_command_runs_in_the_context_and_gets_what_it_is_promised(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert world.build() == world.engine.stored(world.job.ref).image_id
    (call,) = world.processes.called("sh")
    assert call.argv == ("sh", "-c", "./build.sh")
    assert call.cwd == tmp_path
    assert call.env == {
        "IMAGE": "registry:5000/shop/api:1a2b",
        "IMAGE_REPO": "registry:5000/shop/api",
        "IMAGE_TAG": "1a2b",
        "BUILD_CONTEXT": str(tmp_path),
        "PLATFORMS": "linux/amd64",
        "PUSH_IMAGE": "false",
        "NO_CACHE": "false",
        "BASE": "shop/base:9",
        "DOCKER_HOST": "unix:///fake/docker.sock",
    }
    assert world.lines == ["working"]


def test_a_command_that_leaves_no_image_is_an_error_with_the_cure(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.processes.when("sh", stdout="done\n")
    world.processes.when("sh", "-c", "./build.sh", stdout="done\n")
    with pytest.raises(StepFailed, match="left no image registry:5000/shop/api:1a2b in the engine") as raised:
        world.build()
    assert raised.value.hint
    assert "docker build -t $IMAGE" in raised.value.hint
    assert raised.value.evidence == ("done",)


def test_a_command_that_fails_shows_its_last_lines(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.processes.when("sh", "-c", "./build.sh", stderr="because\n", code=5)
    with pytest.raises(StepFailed, match=r"exit code 5: ./build.sh") as raised:
        world.build()
    assert raised.value.where == "image/a/b"
    assert raised.value.evidence == ("because",)


def test_cancelling_ends_the_command(tmp_path: Path) -> None:
    world, scope = World(tmp_path), Scope()
    world.processes.when("sh", "-c", "./build.sh", until=threading.Event())
    with Scope() as outer:

        def cancel() -> None:
            world.processes.wait_for("sh")
            scope.cancel()

        outer.spawn("cancel", cancel)
        with pytest.raises(Cancelled):
            CustomBuilder().build(scope, world.job, Tools(world.processes, world.engine))


def test_the_real_engine_has_the_image_that_the_command_made(engine: str, tmp_path: Path) -> None:
    processes = RealProcesses()
    tools = Tools(processes, docker.connect(None, processes))
    ref = f"devloop-test/{uuid.uuid4().hex[:8]}:tag1"
    (tmp_path / "Dockerfile").write_text("FROM busybox:1.37\nARG BASE\nLABEL base=$BASE\n")
    command = 'echo "$PLATFORMS" > platform && docker build -q -t "$IMAGE" --build-arg "BASE=$BASE" .'
    job = BuildJob(artifact(command), tmp_path, ref, {"BASE": "base:1"})
    image_id = CustomBuilder().build(Scope(), job, tools)
    found = tools.engine.inspect(ref)
    assert found is not None
    assert found.image_id == image_id
    assert (tmp_path / "platform").read_text().strip() == tools.engine.info().platform
    tools.engine.untag(ref)
