"""What the steps of a session work with: the configuration of now, the doors, and who hangs on what is deployed.

Comes in: nothing. Goes out: records that `steps` and its parts share. It runs no step and knows no stage.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from devloop import events
from devloop.config import model
from devloop.deploy.apply import Consent
from devloop.deploy.marks import Key
from devloop.deploy.plan import Owner
from devloop.events import StepName
from devloop.graph import ALL_STEPS, Node
from devloop.loop.messages import Changed, Start
from devloop.loop.track import Tracker
from devloop.observe.pods import PodStore
from devloop.products import Applied, Image, Product
from devloop.render.finish import Finish
from devloop.render.places import Table
from devloop.stages import Builder, Cluster, Engine, NumberedTest, Processes, Renderer, Tools

Products = Callable[[Node], Product]


class Live(Protocol):
    """Whoever hangs on what is deployed: logs, for one."""

    def applied(self, applied: Applied) -> None:
        """A unit was applied. Does not block."""
        ...

    def waited(self, start: Start, applied: Applied, *, is_ready: bool) -> None:
        """The wait for a unit's readiness is over. Does not block."""
        ...

    def forgotten(self, target: str) -> None:
        """A target is no longer part of the project. Does not block."""
        ...


class NobodyLive:
    """For commands that end with their deploy."""

    def applied(self, applied: Applied) -> None:
        """See Live."""

    def waited(self, start: Start, applied: Applied, *, is_ready: bool) -> None:
        """See Live."""

    def forgotten(self, target: str) -> None:
        """See Live."""


@dataclass(frozen=True)
class Doors:
    """The outside world of a session. `cluster` is None for commands that need none."""

    processes: Processes
    engine: Engine
    cluster: Cluster | None = None
    pods: PodStore | None = None


@dataclass(frozen=True)
class Plan:
    """A configuration with the implementation of each of its targets; made anew when the configuration changes.

    `known_units`: units whose objects in the cluster are the project's; what belongs to others of its units is pruned. `required`:
    artifacts that others are built on. `overrides`: what is applied otherwise than the manifests say. `owners`: unit → the project that
    owns its objects, where that is not this one, and its folder as this one calls it.
    """

    project: model.Project
    base: Path
    builders: Mapping[str, Builder]
    renderers: Mapping[str, Renderer]
    known_units: frozenset[str]
    required: frozenset[str] = frozenset()
    overrides: model.DevOverrides | None = None
    owners: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def owner(self, unit: str, elsewhere: frozenset[Key] | None = frozenset()) -> Owner:
        """Whose the objects of a unit are. `elsewhere`: see deploy.plan.Owner."""
        main = (self.project.metadata.name, ".")
        project, folder = self.owners.get(unit, main)
        known = frozenset(each for each in self.known_units if self.owners.get(each, main)[0] == project)
        projects = {self.owners.get(each, main)[0] for each in self.known_units}
        return Owner(project, unit, known, elsewhere, folder, frozenset(projects - {project}))

    def home(self, artifact: str) -> Path:
        """What tells an artifact from one of the same name elsewhere, in whatever session it is built: its context."""
        return Path(os.path.normpath(self.base / self.artifacts[artifact].context))

    @cached_property
    def table(self) -> Table:
        """Where manifests name images."""
        return Table(self.project.image_paths)

    def finish(self, unit: str, namespace: str) -> Finish:
        """What is done to the unit's manifests between rendering and applying."""
        return Finish(self.table, namespace, self.units[unit].roll_on_config_change, self.overrides)

    @property
    def artifacts(self) -> Mapping[str, model.Artifact]:
        return {each.image: each for each in self.project.build.artifacts}

    @property
    def units(self) -> Mapping[str, model.Unit]:
        return {each.name: each for each in self.project.deploy}


@dataclass
class Surroundings:
    """What all steps of a session share. `plan` is replaced when the configuration changes; the rest stays.

    `post` tells the loop of inputs that moved while a step read them. `namespace`: for objects that name none. `is_staying`: whether the
    session goes on after its first pass, so that what is not there yet may still come. `wanted`: the steps that it is
    for. `consent`: what an apply may do besides.
    """

    plan: Plan
    doors: Doors
    tracker: Tracker
    emit: events.Emit
    namespace: str
    post: Callable[[Changed], None]
    live: Live
    is_staying: bool = False
    consent: Consent = Consent()
    wanted: frozenset[StepName] = ALL_STEPS

    def tests_of(self, artifact: str) -> tuple[NumberedTest, ...]:
        """The tests of an artifact; none where the session tests nothing."""
        if "test" not in self.wanted:
            return ()
        listed = enumerate(self.plan.project.test)
        return tuple(NumberedTest(number, each) for number, each in listed if each.image == artifact)

    def tools(self, target: str = "") -> Tools:
        """The capabilities of a stage, with its output told as the target's."""

        def line(text: str) -> None:
            self.emit(events.Log(source="build", target=target, line=text))

        return Tools(self.doors.processes, self.doors.engine, line)


def image_of(product: Product) -> Image:
    """The product of a build."""
    assert isinstance(product, Image)
    return product
