"""Units rendered with the names that their images would have, and nothing built.

Comes in: the configuration and doors. Goes out: each unit's manifests as they would be applied. It is the loop of `run` on a smaller
graph, whose build and place steps only work out the names: a tag follows from the inputs.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from devloop import events
from devloop.cli import session
from devloop.cli.naming import NamesOnly, finished, refs, release_digest
from devloop.cli.report import Report
from devloop.config import model
from devloop.config.load import Loaded
from devloop.errors import StepFailed, UsageError
from devloop.graph import Node, image_target, unit_target
from devloop.loop.state import State
from devloop.loop.surroundings import Doors, Plan
from devloop.products import Image, Placed
from devloop.render.finish import Finished
from devloop.scope import Cancelled, Scope

Find = Callable[[Scope, Image], Placed | None]


@dataclass(frozen=True)
class RenderedUnits:
    """`finished`: unit → its manifests, finished as for an apply. `digest`: of what the release of a unit would be made from; it raises
    StepFailed when no value of the chart takes an image that it uses.
    """

    plan: Plan
    finished: Mapping[str, Finished]
    digest: Callable[[str], str]


def chosen(project: model.Project, words: Sequence[str]) -> list[model.Unit]:
    """The units that the words name (`shop` or `deploy/shop`), in the file's order; all of them without words. Raises: UsageError."""
    names = [each.name for each in project.deploy]
    for word in words:
        if word.removeprefix("deploy/") not in names:
            raise unknown_unit(word, names)
    wanted = {word.removeprefix("deploy/") for word in words or names}
    return [each for each in project.deploy if each.name in wanted]


def unknown_unit(word: str, names: Sequence[str]) -> UsageError:
    """The complaint about a word that names no unit."""
    near = difflib.get_close_matches(word.removeprefix("deploy/"), names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"units are {', '.join(names) or 'none'}"
    return UsageError("there is no unit of this name", where=word, hint=hint)


def with_needs(project: model.Project, units: Iterable[model.Unit]) -> list[model.Unit]:
    """The units and all that they need, in the file's order."""
    known = {each.name: each for each in project.deploy}
    found: set[str] = set()
    waiting = [each.name for each in units]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += known[name].needed_units
    return [each for each in project.deploy if each.name in found]


def rendered(
    scope: Scope,
    loaded: Loaded,
    doors: Doors,
    report: Report,
    units: Sequence[model.Unit],
    *,
    namespace: str,
    find: Find | None = None,
    overrides: model.DevOverrides | None = None,
) -> RenderedUnits:
    """The units with the names that their images would have.

    `overrides`: what `dev` has otherwise. `namespace`: for objects that name none. `find`: see NamesOnly. Blocks; cancelled by the scope.
    Raises: StepFailed when a unit could not be rendered or its images not be named (of several failures the others are told); Cancelled
    when the user ended it.
    """
    registry = loaded.project.cluster.registry
    names = {each.name for each in units}
    # What is needed besides is applied before, which is no matter here.
    deploy = tuple(replace(each, needs=tuple(need for need in each.needs if need.unit in names)) for each in units)
    project = replace(loaded.project, deploy=deploy)
    listener = _Listener(report.emit)
    current = session.Session(
        scope,
        session.plan(replace(loaded, project=project), overrides),
        doors,
        replace(report, emit=listener),
        wanted=("build", "place", "render"),
        namespace=namespace,
        wrap=lambda steps: NamesOnly(steps, registry, find),
    )
    current.tracker.track(scope, current.steps.listings())
    if problem := current.tracker.unanswered:
        message = f"tags are not those of `devloop run`, which hang on base images: {problem.message}"
        report.emit(events.Notice(message=message, hint=problem.hint or ""))
    state = current.run(is_partial=True, until_idle=True)
    if state.is_stopping:
        raise Cancelled("the user ended it")
    named = refs(state)
    failed = [each for unit in units for each in _missing(state, unit_target(unit.name), named)]
    if failed:
        first, *others = [listener.failure(target) for target in dict.fromkeys(failed)]
        for each in others:
            report.fail(each)
        raise first
    plan = current.steps.plan
    return RenderedUnits(
        plan,
        {each.name: finished(state, plan, each.name, namespace) for each in units},
        lambda unit: release_digest(state, plan, unit),
    )


def _missing(state: State, target: str, named: Mapping[str, str]) -> list[str]:
    """The targets without which the unit is not to be had: itself, or images that have no name."""
    if Node(target, "render") not in state.have:
        return [target]
    return sorted(map(image_target, state.uses(target) - named.keys()))


class _Listener:
    """Passes on what is worth knowing, and keeps failures until it is known whether they matter: not every image is used."""

    def __init__(self, emit: events.Emit) -> None:
        self._emit = emit
        self._failed: dict[str, events.Step] = {}

    def __call__(self, event: events.AnyEvent) -> None:
        if isinstance(event, events.Notice | events.Log):
            self._emit(event)
        elif isinstance(event, events.Step) and event.state == "failed":
            self._failed[event.target] = event

    def failure(self, target: str) -> StepFailed:
        """Why there is nothing of a target; of an image that waits for another, that is the other's."""
        step = self._failed.get(target)
        if step is None:
            return StepFailed(f"{target} cannot be named: what it requires cannot", where=target)
        hint = step.hint or "mend it and run devloop again"
        return StepFailed(step.error, hint=hint, where=step.where or target, evidence=step.evidence)
