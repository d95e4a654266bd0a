"""Tests of an image, run for real but for the engine; container-structure-test by the real program where it is installed."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from devloop.build import tests as image_tests
from devloop.config import model
from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed, UsageError
from devloop.products import Inputs
from devloop.scope import Cancelled, Scope
from devloop.stages import NumberedTest, Tools
from devloop.testing.engine import FakeEngine

REF = "shop/api:12ab"
FILES = ("check.sh", "unit/a.py", "unit/deep/b.py", "other.txt", "structure/files.yaml", "structure/more.yaml")


class World:
    """A project with tests in `tests`, and what they said."""

    def __init__(self, folder: Path) -> None:
        self.base = folder
        self.context = folder / "tests"
        for name in FILES:
            (self.context / name).parent.mkdir(parents=True, exist_ok=True)
            (self.context / name).write_text(name)
        self.lines: list[str] = []
        self.tools = Tools(RealProcesses(), FakeEngine(), self.lines.append)

    def spec(self, *custom: model.CustomTest, structure: tuple[str, ...] = ()) -> list[NumberedTest]:
        return [NumberedTest(2, model.ImageTest("shop/api", "tests", custom, structure))]

    def run(self, *custom: model.CustomTest, scope: Scope | None = None) -> int:
        with scope or Scope("tests") as inner:
            return image_tests.run(inner, self.spec(*custom), REF, self.base, self.tools)

    def reads(self, *custom: model.CustomTest, structure: tuple[str, ...] = ()) -> tuple[Inputs, list[str]]:
        with Scope("inputs") as scope:
            found = image_tests.inputs(scope, self.spec(*custom, structure=structure), self.base, self.tools)
        return found, [file.relative_to(self.context).as_posix() for file in found.files]


def reading(command: str = "true", **dependencies: object) -> model.CustomTest:
    return model.CustomTest(command, dependencies=model.CustomTestDependencies(**dependencies))  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_commands_run_in_order_in_the_context_and_know_the_image(world: World) -> None:
    assert world.run(model.CustomTest('echo "$IMAGE $IMAGE_REPO $IMAGE_TAG"'), model.CustomTest("pwd")) == 2
    assert world.lines == [f"{REF} shop/api 12ab", str(world.context)]


def test_the_first_that_fails_ends_it_and_is_named_with_its_last_lines(world: World) -> None:
    with pytest.raises(StepFailed, match="the test failed: exit code 7: seq 30; exit 7") as failed:
        world.run(model.CustomTest("true"), model.CustomTest("seq 30; exit 7"), model.CustomTest("touch never"))
    assert failed.value.where == "custom[1] of test[2] of shop/api"
    assert f"IMAGE={REF}" in (failed.value.hint or "")
    assert failed.value.evidence == tuple(map(str, range(11, 31)))
    assert not (world.context / "never").exists()


def test_one_that_takes_too_long_is_ended_with_all_that_it_started(world: World) -> None:
    with pytest.raises(StepFailed, match="did not end within 1 s") as failed:
        world.run(model.CustomTest("echo begun; (sleep 3; touch late) & wait", timeout_seconds=1))
    assert "timeoutSeconds" in (failed.value.hint or "")
    assert failed.value.evidence == ("begun",)
    time.sleep(2.5)  # it would have been there by now
    assert not (world.context / "late").exists()


def test_cancelling_the_step_ends_the_test(world: World) -> None:
    scope = Scope("cancelled")
    threading.Timer(0.5, scope.cancel).start()
    with pytest.raises(Cancelled):
        world.run(model.CustomTest("sleep 30", timeout_seconds=60), scope=scope)


@pytest.mark.parametrize(
    ("test", "read"),
    [
        (reading("./check.sh --fast"), ["check.sh"]),
        (reading("sh -c 'python3 -m pytest unit' && cat ./other.txt"), ["other.txt", "unit/a.py", "unit/deep/b.py"]),
        (reading("python3 --file=unit/a.py ../check.sh /etc/passwd"), ["unit/a.py"]),
        (reading("go test ./unit/..."), ["unit/a.py", "unit/deep/b.py"]),
        (reading("docker run --rm $IMAGE true"), []),
        (reading("./check.sh", paths=()), []),
        (reading(paths=("unit/**/*.py",), ignore=("unit/deep",)), ["unit/a.py"]),
        (reading(command="true"), []),
    ],
)
def test_what_a_test_reads(test: model.CustomTest, read: list[str], world: World) -> None:
    assert world.reads(test)[1] == read


def test_a_command_may_list_what_a_test_reads_and_is_asked_again(world: World) -> None:
    listing = model.CustomTestDependencies(command="echo other.txt; ls unit/*.py", ignore=("structure",))
    found, read = world.reads(model.CustomTest("true", dependencies=listing))
    assert read == ["other.txt", "unit/a.py"]
    assert found.is_defined_by(world.context / "unit/new.py")
    assert not found.is_defined_by(world.context / "structure/new.yaml")
    broken = model.CustomTestDependencies(command="echo no; exit 3")
    with pytest.raises(StepFailed, match="lists what the test reads failed: exit code 3") as failed:
        world.reads(model.CustomTest("true", dependencies=broken))
    assert failed.value.where == "custom[0] of test[2] of shop/api"


def test_each_path_says_which_test_reads_it(world: World) -> None:
    found, read = world.reads(
        reading("./check.sh"), reading(paths=("unit",), ignore=("unit/deep",)), structure=("structure/*.yaml",)
    )
    assert read == ["check.sh", "structure/files.yaml", "structure/more.yaml", "unit/a.py"]
    said = {name: found.why(world.context / name) for name in FILES}
    assert said["check.sh"] == "the command of custom[0] of test[2] of shop/api names it"
    assert said["unit/a.py"] == "`dependencies.paths` of custom[1] of test[2] of shop/api names it"
    assert said["unit/deep/b.py"].startswith("`dependencies.ignore` keeps it out")
    assert said["structure/more.yaml"] == "`structureTests` of test[2] of shop/api names it"
    assert said["other.txt"] == "no test names it"
    assert found.matches(world.context / "unit/new.py")
    assert not found.matches(world.context / "unit/deep/new.py")


def test_structure_tests_that_are_not_there_are_said(world: World) -> None:
    with pytest.raises(StepFailed, match=r"`nowhere/\*.yaml` matches no file"):
        world.reads(structure=("nowhere/*.yaml",))


# container-structure-test


def structure(world: World, ref: str, text: str, env: Mapping[str, str] | None = None) -> int:
    """Runs one structure test on an image of the real engine."""
    (world.context / "structure/files.yaml").write_text(text)
    processes = RealProcesses()
    tools = Tools(processes, docker.connect(env or {}, processes), world.lines.append)
    with Scope("structure") as scope:
        return image_tests.run(scope, world.spec(structure=("structure/files.yaml",)), ref, world.base, tools)


HAS_A_SHELL = """\
schemaVersion: 2.0.0
fileExistenceTests:
  - {name: a shell, path: /bin/sh, shouldExist: SHOULD}
fileContentTests:
  - {name: it has users, path: /etc/passwd, expectedContents: ['root:.*']}
"""


@pytest.mark.usefixtures("engine")
def test_the_real_program_tests_the_structure_of_an_image(world: World) -> None:
    if shutil.which(image_tests.STRUCTURE_TEST) is None:
        pytest.skip(f"{image_tests.STRUCTURE_TEST} is not installed")
    assert structure(world, "busybox:1.37", HAS_A_SHELL.replace("SHOULD", "true")) == 1
    assert any("PASS" in line for line in world.lines)
    with pytest.raises(StepFailed, match="container-structure-test failed: exit code 1") as failed:
        structure(world, "busybox:1.37", HAS_A_SHELL.replace("SHOULD", "false"))
    assert failed.value.where == "structureTests of test[2] of shop/api"
    assert "--image busybox:1.37 --config" in (failed.value.hint or "")
    assert any("FAIL" in line for line in failed.value.evidence)


@pytest.mark.usefixtures("engine")
def test_without_the_program_its_installation_is_the_next_step(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in ("docker", "sh"):
        os.symlink(shutil.which(name) or name, bare / name)
    monkeypatch.setenv("PATH", str(bare))
    with pytest.raises(UsageError, match="container-structure-test is not installed") as missing:
        structure(world, "busybox:1.37", HAS_A_SHELL)
    assert "https://github.com/GoogleContainerTools/container-structure-test" in (missing.value.hint or "")
