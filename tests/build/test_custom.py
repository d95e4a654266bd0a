"""The custom builder: what it declares is read, and the image has to be there in the end."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from devloop.build.custom import CustomBuilder
from devloop.config import model
from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed
from devloop.scope import Scope
from devloop.stages import BuildJob, Tools
from devloop.testing.engine import FakeEngine


def artifact(run: str, **dependencies: object) -> model.Artifact:
    wanted = model.CustomDependencies(**dependencies)  # type: ignore[arg-type]
    return model.Artifact("a/b", custom=model.Custom(run, wanted))


def found(folder: Path, spec: model.Artifact) -> set[str]:
    listed = CustomBuilder().inputs(Scope(), spec, folder, Tools(RealProcesses(), FakeEngine()))
    return {path.relative_to(folder).as_posix() for path in listed.files}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("build.sh", "src/a.go", "src/deep/b.go", "src/a_test.go", "notes.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    return tmp_path


def test_declared_paths_minus_ignored_ones_are_read(tree: Path) -> None:
    assert found(tree, artifact("x", paths=("src/**/*.go", "build.sh"), ignore=("**/*_test.go",))) == {
        "build.sh",
        "src/a.go",
        "src/deep/b.go",
    }


def test_a_command_may_list_them(tree: Path) -> None:
    assert found(tree, artifact("x", command="echo src; echo build.sh")) == {
        "build.sh",
        "src/a.go",
        "src/deep/b.go",
        "src/a_test.go",
    }


def test_a_listing_command_that_fails_says_so(tree: Path) -> None:
    with pytest.raises(StepFailed):
        found(tree, artifact("x", command="echo broken >&2; exit 3"))


@pytest.fixture
def tools(engine: str) -> Tools:
    processes = RealProcesses()
    return Tools(processes, docker.connect(None, processes))


def test_the_command_gets_what_it_is_promised_and_leaves_the_image(tools: Tools, tmp_path: Path) -> None:
    ref = f"devloop-test/{uuid.uuid4().hex[:8]}:tag1"
    (tmp_path / "Dockerfile").write_text("FROM busybox:1.37\n")
    command = 'echo "$IMAGE|$IMAGE_REPO|$IMAGE_TAG|$BUILD_CONTEXT|$PLATFORMS|$PUSH_IMAGE|$BASE" > env; docker build -q -t $IMAGE .'
    image_id = CustomBuilder().build(Scope(), BuildJob(artifact(command), tmp_path, ref, {"BASE": "base:1"}), tools)
    platform = tools.engine.info().platform
    assert (tmp_path / "env").read_text().strip() == f"{ref}|{ref[:-5]}|tag1|{tmp_path}|{platform}|false|base:1"
    engine_image = tools.engine.inspect(ref)
    assert engine_image is not None
    assert engine_image.image_id == image_id
    tools.engine.untag(ref)


def test_a_command_that_leaves_no_image_is_an_error_with_the_cure(tools: Tools, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="left no image") as raised:
        CustomBuilder().build(Scope(), BuildJob(artifact("true"), tmp_path, "devloop-test/none:1", {}), tools)
    assert raised.value.hint
    assert "$IMAGE" in raised.value.hint


def test_a_command_that_fails_shows_its_last_lines(tools: Tools, tmp_path: Path) -> None:
    with pytest.raises(StepFailed) as raised:
        CustomBuilder().build(
            Scope(), BuildJob(artifact("echo because; exit 5"), tmp_path, "devloop-test/none:1", {}), tools
        )
    assert "because" in "\n".join(raised.value.evidence)
