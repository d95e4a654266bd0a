"""Commands around a build, run for real."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from devloop.build import hooks
from devloop.config import model
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed
from devloop.scope import Cancelled, Scope
from devloop.stages import BuildJob, Tools
from devloop.testing.engine import FakeEngine

HERE = {"linux": "linux", "darwin": "darwin"}.get(sys.platform, "windows")


class World:
    """A project with a build context in it, and what the hooks said."""

    def __init__(self, folder: Path) -> None:
        self.base = folder
        self.context = folder / "web"
        self.context.mkdir()
        self.lines: list[str] = []

    def run(self, *listed: model.Hook, when: str = "after", was_built: bool = True, scope: Scope | None = None) -> None:
        both = model.Hooks(before=listed if when == "before" else (), after=listed if when == "after" else ())
        job = BuildJob(model.Artifact("shop/web", hooks=both), self.context, "shop/web:12ab", {"BASE": "shop/base:1"})
        tools = Tools(RealProcesses(), FakeEngine(), self.lines.append)
        with scope or Scope("hooks") as inner:
            hooks.run(inner, job, when, self.base, tools, was_built=was_built)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_hooks_run_in_order_in_the_context_with_what_they_are_promised(world: World) -> None:
    world.run(
        model.Hook('echo "$IMAGE $IMAGE_REPO $IMAGE_TAG $BASE $PUSH_IMAGE"; pwd; echo "$BUILD_CONTEXT"'),
        model.Hook("pwd", dir="."),
    )
    context = str(world.context)
    assert world.lines == ["shop/web:12ab shop/web 12ab shop/base:1 false", context, context, str(world.base)]


def test_the_first_that_fails_ends_it_and_is_named(world: World) -> None:
    with pytest.raises(StepFailed, match="the hook failed: exit code 7: echo no; exit 7") as failed:
        world.run(model.Hook("true"), model.Hook("echo no; exit 7"), model.Hook("touch never"), when="before")
    assert failed.value.where == "hooks.before[1] of shop/web"
    assert "no" in failed.value.evidence
    assert not (world.context / "never").exists()


def test_a_hook_that_takes_too_long_is_ended_with_all_that_it_started(world: World) -> None:
    with pytest.raises(StepFailed, match="did not end within 1 s") as failed:
        world.run(model.Hook("echo begun; (sleep 3; touch late) & wait", timeout_seconds=1))
    assert failed.value.evidence == ("begun",)
    assert "timeoutSeconds" in (failed.value.hint or "")
    time.sleep(2.5)  # it would have been there by now
    assert not (world.context / "late").exists()


def test_cancelling_the_build_ends_the_hook(world: World) -> None:
    scope = Scope("hooks")
    threading.Timer(0.2, scope.cancel).start()
    with pytest.raises(Cancelled):
        world.run(model.Hook("sleep 60"), scope=scope)


def test_hooks_of_other_systems_stay_away(world: World) -> None:
    others = tuple({"linux", "darwin", "windows"} - {HERE})
    world.run(model.Hook("echo other", os=others), model.Hook("echo here", os=(HERE, *others)))
    assert world.lines == ["here"]


def test_without_a_build_only_those_run_that_ask_for_it(world: World) -> None:
    world.run(model.Hook("echo one"), model.Hook("echo two", always=True), was_built=False)
    assert world.lines == ["two"]


def test_a_folder_that_is_not_there_is_said(world: World) -> None:
    with pytest.raises(StepFailed, match="there is no folder"):
        world.run(model.Hook("true", dir="nowhere"))


def test_a_hook_that_changes_what_is_built_each_time_is_found_out() -> None:
    restarts = hooks.Restarts()
    for _ in range(hooks.MOST_RESTARTS):
        restarts.check("image/a")
        restarts.add("image/a")
    restarts.check("image/b")
    with pytest.raises(StepFailed, match="5 times in a row"):
        restarts.check("image/a")
    restarts.check("image/a")  # after the next edit it may try again
    for _ in range(hooks.MOST_RESTARTS * 2):
        restarts.add("image/a")
        restarts.forget("image/a")
    restarts.check("image/a")
