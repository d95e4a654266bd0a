"""The targets of a project and what each step of them depends on.

Comes in: the project's configuration. Goes out: an immutable graph whose nodes are steps of targets, in an order in which
dependencies come first. Pure: no file, process or cluster is looked at. Which images a unit uses is not known here; the
unit's rendered manifests say so, and `loop.decide` learns it from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from devloop.config import model
from devloop.events import StepName

IMAGE_STEPS: tuple[StepName, ...] = ("build", "test", "place")
UNIT_STEPS: tuple[StepName, ...] = ("render", "await", "apply", "ready")
ALL_STEPS: frozenset[StepName] = frozenset((*IMAGE_STEPS, *UNIT_STEPS))
UNTESTED_STEPS = ALL_STEPS - {"test"}


def image_target(artifact: str) -> str:
    return f"image/{artifact}"


def image_test_target(artifact: str) -> str:
    """The tests of an image are a target of their own: what they read is nothing to the build."""
    return f"test/{artifact}"


def unit_target(unit: str) -> str:
    return f"deploy/{unit}"


def is_unit(target: str) -> bool:
    return target.startswith(unit_target(""))


class Node(NamedTuple):
    """One step of one target: the unit of work, of waiting and of failure."""

    target: str
    step: StepName

    def __str__(self) -> str:
        return f"{self.step} {self.target}"


@dataclass(frozen=True)
class Graph:
    """`images`: artifact → the artifacts it requires. `units`: unit → the units it needs. `steps`: what is wanted of them.

    `waits`: unit → what it needs of the cluster besides, as text; a unit without such needs is left out, and waits for nothing.
    `tests`: the artifacts that have tests.
    """

    images: Mapping[str, tuple[str, ...]]
    units: Mapping[str, tuple[str, ...]]
    steps: frozenset[StepName] = ALL_STEPS
    waits: Mapping[str, str] = field(default_factory=dict)
    tests: frozenset[str] = frozenset()

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, dependencies first."""
        images = [node for name in _sorted(self.images) for node in self._image_nodes(name)]
        units = [
            Node(unit_target(name), step)
            for name in _sorted(self.units)
            for step in UNIT_STEPS
            if step != "await" or name in self.waits
        ]
        return tuple(node for node in (*images, *units) if node.step in self.steps)

    def _image_nodes(self, artifact: str) -> tuple[Node, ...]:
        image, test = image_target(artifact), image_test_target(artifact)
        nodes = (Node(test if step == "test" else image, step) for step in IMAGE_STEPS)
        return tuple(node for node in nodes if node.step != "test" or artifact in self.tests)

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """All targets that have a node, dependencies first."""
        return tuple(dict.fromkeys(node.target for node in self.nodes))

    @cached_property
    def artifacts(self) -> Mapping[str, str]:
        """Image target → its artifact."""
        return {image_target(name): name for name in self.images}

    @cached_property
    def tested(self) -> Mapping[str, str]:
        """Test target → the artifact that it tests; of those that are wanted."""
        return {image_test_target(name): name for name in self.images if name in self.tests and "test" in self.steps}

    @cached_property
    def unit_names(self) -> Mapping[str, str]:
        """Unit target → its unit."""
        return {unit_target(name): name for name in self.units}

    @cached_property
    def dependants(self) -> Mapping[str, frozenset[str]]:
        """Artifact → itself and every artifact that is built on it."""
        found: dict[str, set[str]] = {name: {name} for name in self.images}
        for name in reversed(_sorted(self.images)):
            for required in self.images[name]:
                found[required] |= found[name]
        return {name: frozenset(names) for name, names in found.items()}


def make(project: model.Project, steps: Iterable[StepName] = ALL_STEPS) -> Graph:
    """The graph of a valid project, reduced to `steps`."""
    return Graph(
        images={each.image: tuple(r.image for r in each.requires) for each in project.build.artifacts},
        units={each.name: each.needed_units for each in project.deploy},
        steps=frozenset(steps),
        waits={each.name: repr(each.needed_resources) for each in project.deploy if each.needed_resources},
        tests=frozenset(each.image for each in project.test),
    )


def _sorted(edges: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Names with their dependencies first, otherwise in the order of the file. The configuration has no cycles."""
    done: dict[str, None] = {}

    def visit(name: str) -> None:
        if name not in done:
            for dependency in edges[name]:
                visit(dependency)
            done[name] = None

    for name in edges:
        visit(name)
    return list(done)
