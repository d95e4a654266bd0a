"""`devloop explain`: which targets a file feeds, what a target reads, and what there would be to do.

It is the loop of `render`, kept silent: nothing is built, written or sent; the engine and the cluster are only asked.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from devloop import events
from devloop.cli import naming, releases, session
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.config.load import Loaded
from devloop.deploy import apply as deploy_apply
from devloop.errors import DevloopError, Unavailable, UsageError
from devloop.graph import Node, image_target
from devloop.loop.explain import Known, of_file, of_target
from devloop.loop.image_steps import image_ref
from devloop.loop.releases import is_release, release_of
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import Cluster


def explain(common: Common, what: Sequence[str]) -> int:
    """Explains paths and targets in the order given, all targets when none is. Blocks; Ctrl-C ends it with 130.

    A word that is both a target and a path is explained as both.
    """

    def body(report: Report) -> int:
        loaded = session.load(common, report)
        with Scope("explain") as scope, report.interrupts.during(scope.cancel):
            explanation = _Explanation(scope, common, loaded, report)
            for word in what or explanation.targets:
                for event in explanation.of(word):
                    report.emit(event)
            scope.cancel()
        return 0

    return reporting(common, body)


class _Explanation:
    """What one invocation found out; the cluster is asked only once a unit is to be explained."""

    def __init__(self, scope: Scope, common: Common, loaded: Loaded, report: Report) -> None:
        self._scope = scope
        self._loaded = loaded
        self._connect: Callable[[], Cluster] = lambda: session.connect(common, loaded.project, report)
        self._failures: dict[str, str] = {}
        doors = session.open_doors(scope, None, lambda: self._connect().context)
        self._session = session.Session(
            scope,
            session.plan(loaded),
            doors,
            replace(report, emit=self._listen),
            wanted=("build", "test", "place", "render"),
            namespace=self._namespace(common),
            wrap=lambda steps: naming.NamesOnly(steps, loaded.project.cluster.registry),
        )
        listings = self._session.steps.listings()
        self._session.tracker.track(scope, listings)
        self._state = self._session.run(is_partial=True, until_idle=True)
        self._refs = naming.refs(self._state)
        inputs = {target: _listed(scope, each.list) for target, each in listings.items()}
        self._known = Known(self._state, inputs, frozenset(loaded.files), self._session.tracker.name)

    def _namespace(self, common: Common) -> str:
        """What a chart is told of its namespace is part of what a release is made from, so there the cluster's own default counts."""
        named = common.namespace or self._loaded.project.cluster.namespace or ""
        if named or not any(map(is_release, self._loaded.project.deploy)):
            return named
        try:
            return self._connect().namespace
        except DevloopError:
            return ""  # whether a release is owed is not told then, with this very error

    @property
    def targets(self) -> tuple[str, ...]:
        return self._state.graph.targets

    def of(self, word: str) -> list[events.File | events.Target]:
        """Raises: UsageError when it names nothing."""
        targets = [each for each in self.targets if word in (each, each.partition("/")[2])]
        path = _path(word, self._loaded.base)
        found: list[events.File | events.Target] = list(map(self._target, targets))
        told = of_file(self._known, path)
        if os.path.lexists(path) or (told.feeds and not targets):
            found.append(told)
        if not found:
            near = difflib.get_close_matches(word, [*self.targets, *(each.partition("/")[2] for each in self.targets)])
            hint = f"did you mean {near[0]}?" if near else f"targets are {', '.join(self.targets)}"
            raise UsageError("there is neither a target nor a file of this name", where=word, hint=hint)
        return found

    def _target(self, target: str) -> events.Target:
        state = self._state
        digest = state.inputs.get(target, "")
        artifact = state.graph.artifacts.get(target)
        told = of_target(self._known, target, digest=digest, ref=self._refs.get(artifact or "", ""))
        told = replace(told, uses=naming.uses(state, self._session.steps.plan, target))
        if told.why:
            return told
        if target in state.graph.tested:
            is_owed, why = self._test_owed(state.graph.tested[target], digest)
        else:
            is_owed, why = self._build_owed(told) if artifact else self._apply_owed(target)
        return replace(told, owed=is_owed, why=why)

    def _build_owed(self, told: events.Target) -> tuple[bool | None, tuple[str, ...]]:
        if not told.ref:
            return None, (f"what it requires cannot be told: {', '.join(told.builds_on)}",)
        try:
            found = self._session.doors.engine.inspect(told.ref)
        except Unavailable as exc:
            return None, (exc.message,)
        if found is None:
            return True, ("the engine has no image of this name, which stands for what is on disk",)
        return False, (f"the engine has it: {found.image_id}",)

    def _test_owed(self, artifact: str, digest: str) -> tuple[bool | None, tuple[str, ...]]:
        if artifact not in self._refs:
            return None, (f"what {image_target(artifact)} is made from cannot be told",)
        try:
            found = self._session.doors.engine.inspect(image_ref(artifact, self._built(artifact)))
        except Unavailable as exc:
            return None, (exc.message,)
        if found is None:
            return True, ("its image is to be built",)
        if self._session.passed.has(self._loaded.base, found.image_id, digest):
            return False, (f"they passed before: {found.image_id}",)
        return True, ("these tests did not pass on this image yet",)

    def _built(self, artifact: str) -> str:
        return self._state.have[Node(image_target(artifact), "build")].digest

    def _apply_owed(self, target: str) -> tuple[bool | None, tuple[str, ...]]:
        if target in self._failures:
            return None, (f"it cannot be rendered: {self._failures[target]}",)
        unit = self._state.graph.unit_names[target]
        missing = sorted(self._state.uses(target) - self._refs.keys())
        if missing:
            return None, (f"what these images are made from cannot be told: {', '.join(map(image_target, missing))}",)
        plan = self._session.steps.plan
        if is_release(plan.units[unit]):
            return self._release_owed(unit)
        try:
            cluster = self._connect()
            due = deploy_apply.preview(
                self._scope,
                cluster,
                owner=plan.owner(unit),
                namespace=cluster.namespace,
                manifests=naming.finished(self._state, plan, unit, cluster.namespace).manifests,
            )
        except DevloopError as exc:
            return None, (exc.message,)
        return bool(due), tuple(f"{ref} {why}" for ref, why in due) or (
            "the cluster has all of its objects as rendered",
        )

    def _release_owed(self, unit: str) -> tuple[bool | None, tuple[str, ...]]:
        plan = self._session.steps.plan
        release = release_of(plan.units[unit], "")
        try:
            digest = naming.release_digest(self._state, plan, unit)
            found = releases.standing(self._scope, self._connect(), plan.units[unit], digest)
        except DevloopError as exc:
            return None, (exc.message,)
        if not found.is_due:
            return False, (f"{release}: {found.why}" + (", and is left as it is" if found.moved else ""),)
        would = "upgraded" if found.latest else "installed"
        return True, (f"{release} would be {would}: {found.why}",)

    def _listen(self, event: events.AnyEvent) -> None:
        if isinstance(event, events.Step) and event.state == "failed":
            self._failures[event.target] = f"{event.where}: {event.error}" if event.where else event.error


def _listed(scope: Scope, listing: Callable[[Scope], Inputs]) -> Inputs | DevloopError:
    try:
        return listing(scope)
    except DevloopError as exc:
        return exc


def _path(word: str, base: Path) -> Path:
    """Where the word leads from the current folder, spelt as below `base` where it lies there by any name."""
    path = Path(os.path.abspath(word))
    real = path.parent.resolve() / path.name
    if not path.is_relative_to(base) and real.is_relative_to(base.resolve()):
        return base / real.relative_to(base.resolve())
    return path
