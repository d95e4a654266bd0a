"""Builds on a base that is pulled first, through the whole loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devloop import graph
from devloop.config import model
from devloop.errors import StepFailed
from devloop.events import AnyEvent, Step
from devloop.loop.image_steps import ImagePolicy
from devloop.loop.messages import Changed
from devloop.loop.run import Loop
from devloop.loop.state import Policy, State
from devloop.loop.steps import Steps
from devloop.loop.surroundings import Doors, NobodyLive, Plan, Surroundings
from devloop.loop.track import Tracker
from devloop.products import Image, Inputs
from devloop.scope import Scope
from devloop.stages import BuildJob, Placer, Tools
from devloop.store.digests import FileDigests
from devloop.store.rebuilds import Rebuilds
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import FakeProcesses


@dataclass
class OnBase:
    """Builds on `base`; `built_on` are the ids that it had each time."""

    built_on: list[str] = field(default_factory=list)

    def inputs(self, scope: Scope, artifact: model.Artifact, base: Path, tools: Tools) -> Inputs:
        return Inputs(base, (), (base,), lambda _: False, images=("base",))

    def build(self, scope: Scope, job: BuildJob, tools: Tools) -> str:
        base = tools.engine.inspect("base")
        if base is None:
            raise StepFailed("no base")
        self.built_on.append(base.image_id)
        assert isinstance(tools.engine, FakeEngine)
        return tools.engine.add("built", [{"on": base.image_id.encode()}])


@dataclass
class Session:
    """One `devloop build` of `images` on an engine."""

    engine: FakeEngine
    folder: Path
    images: tuple[str, ...] = ("api",)
    pull_parent: bool = True
    builder: OnBase = field(default_factory=OnBase)
    events: list[AnyEvent] = field(default_factory=list)

    def run(self) -> State:
        docker = model.Docker(pull_parent=self.pull_parent)
        artifacts = tuple(model.Artifact(name, docker=docker) for name in self.images)
        project = model.Project(model.API_VERSION, build=model.Build(artifacts))
        tracker = Tracker(FileDigests(), self.folder, self._image_id)
        plan = Plan(project, self.folder, dict.fromkeys(self.images, self.builder), {}, frozenset())
        with Scope("test") as scope:

            def post(changed: Changed) -> None:
                loop.post(changed)

            around = Surroundings(
                plan, Doors(FakeProcesses(), self.engine), tracker, self.events.append, "", post, NobodyLive()
            )
            steps = Steps(around, ImagePolicy(_no_placer, Rebuilds()))
            loop = Loop(
                scope,
                steps,
                self.events.append,
                lambda: 0.0,
                recover=lambda *_: None,
                forget=lambda _: None,
                prove=tracker.is_current,
            )
            tracker.track(scope, steps.listings())
            loop.post(Changed(tracker.digests()))
            return loop.run(State(graph.make(project, ("build",)), Policy(is_partial=False)), until_idle=True)

    def _image_id(self, name: str) -> str | None:
        found = self.engine.inspect(name)
        return found.image_id if found else None

    def builds(self, state: str) -> list[Step]:
        return [each for each in self.events if isinstance(each, Step) and each.state == state]


def _no_placer(scope: Scope) -> Placer:
    raise TypeError("nothing is placed")


def refs(state: State) -> set[str]:
    return {have.product.ref for have in state.have.values() if isinstance(have.product, Image)}


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine()
    engine.registry["base"] = engine.add("newer", [{"base": b"newer"}])
    engine.add("base", [{"base": b"older"}])
    return engine


def test_the_base_is_pulled_before_anything_is_built_on_it(engine: FakeEngine, tmp_path: Path) -> None:
    session = Session(engine, tmp_path)
    state = session.run()
    assert state.is_all_current
    assert session.builder.built_on == [engine.registry["base"]]
    assert engine.pulled == ["base"]
    assert session.builds("finished")[0].reason == "base image base changed"


def test_the_name_of_the_image_is_that_of_the_pulled_base(engine: FakeEngine, tmp_path: Path) -> None:
    first = Session(engine, tmp_path)
    again = Session(engine, tmp_path)
    assert refs(first.run()) == refs(again.run())
    assert again.builder.built_on == []


def test_a_base_of_many_is_pulled_and_each_is_built_once(engine: FakeEngine, tmp_path: Path) -> None:
    session = Session(engine, tmp_path, images=("api", "web"))
    assert session.run().is_all_current
    assert session.builder.built_on == [engine.registry["base"]] * 2


def test_without_it_nothing_is_pulled(engine: FakeEngine, tmp_path: Path) -> None:
    session = Session(engine, tmp_path, pull_parent=False)
    assert session.run().is_all_current
    assert engine.pulled == []
    assert session.builder.built_on != [engine.registry["base"]]


def test_a_base_that_cannot_be_pulled_is_a_failure_that_says_what_to_do(engine: FakeEngine, tmp_path: Path) -> None:
    engine.registry.clear()
    session = Session(engine, tmp_path)
    assert not session.run().is_all_current
    (failed,) = session.builds("failed")
    assert "no image base in its registry" in failed.error
    assert "without docker.pullParent" in failed.hint
    assert session.builder.built_on == []
