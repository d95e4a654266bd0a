"""`devloop doctor`: is all that devloop stands on as it has to be, and what to do where it is not.

It only looks. First at this machine, the engine and the cluster by themselves; then, of those that answer, at what they are to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from devloop import events
from devloop.cli import reading, session
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.config import load as config_load
from devloop.config import model
from devloop.config.load import Loaded
from devloop.diagnosis import checks, engine, images, programs, rights, watches
from devloop.diagnosis import cluster as cluster_checks
from devloop.diagnosis.checks import Check, ill, well
from devloop.effects import kube_login
from devloop.errors import ConfigError, StepFailed, UsageError
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import Cluster, Engine, Processes, Tools

PROGRAM_S = 20.0  # a build tool on the JVM takes its time on a busy machine


def doctor(common: Common) -> int:
    """Tells each finding. 0 when nothing will fail, 1 when something will. Blocks for some seconds; Ctrl-C ends it with 130."""

    def body(report: Report) -> int:
        loaded, found = _configuration(common, report)
        for each in found:
            report.emit(each)
        with Scope("doctor") as scope, report.interrupts.during(scope.cancel):
            for wave in _waves(scope, common, loaded):
                for each in wave:
                    report.emit(each)
                    found.append(each)
            scope.cancel()
        return _sum_up(report, found)

    return reporting(common, body)


def _configuration(common: Common, report: Report) -> tuple[Loaded | None, list[events.Check]]:
    """Without one, the machine and the cluster are looked at all the same. Raises: UsageError for one that was asked for in vain."""
    try:
        config_load.find(common.file)
    except UsageError as exc:
        if common.file is not None:
            raise
        return None, [well("configuration", f"{exc.message}, so only the machine and the cluster are looked at")]
    try:
        loaded = session.load(common, report)
    except ConfigError as exc:
        for text in exc.notes:
            report.emit(events.Notice(message=text))
        return None, [ill("configuration", each.message, each.hint or "", each.where) for each in exc.problems]
    except UsageError as exc:
        return None, [ill("configuration", exc.message, exc.hint or "", exc.where or "")]
    project = loaded.project
    images_built, units = len(project.build.artifacts), len(project.deploy)
    said = f"{images_built} image{'' if images_built == 1 else 's'}, {units} unit{'' if units == 1 else 's'}"
    return loaded, [well("configuration", said, str(loaded.file))]


@dataclass(frozen=True)
class _World:
    project: model.Project
    base: Path
    loaded: Loaded | None
    engine: Engine
    processes: Processes

    @property
    def tools(self) -> Tools:
        return Tools(self.processes, self.engine)


def _waves(scope: Scope, common: Common, loaded: Loaded | None) -> Iterator[tuple[events.Check, ...]]:
    project = (
        loaded.project if loaded else model.Project(model.API_VERSION, cluster=reading.cluster(common, model.Cluster()))
    )
    # Imported here: threads that each load a library on `requests` for the first time get in each other's way.
    kube_login.package()
    doors = session.open_doors(scope, None)
    world = _World(project, loaded.base if loaded else Path.cwd(), loaded, doors.engine, doors.processes)
    connected: list[Cluster] = []
    first = checks.run(scope, [*_machine(world), _cluster(common, project, connected)])
    yield first
    wrong = {each.subject for each in first if each.verdict == "problem"}
    has_engine = "engine" not in wrong
    cluster = connected[0] if connected and "cluster" not in wrong else None
    yield checks.run(scope, list(_together(world, cluster, has_engine=has_engine)))


def _machine(world: _World) -> Iterator[Check]:
    yield Check("engine", lambda _scope: engine.ask(world.engine))
    for each in programs.needed(world.project, world.base):
        yield Check(each.name, partial(programs.ask, program=each, processes=world.processes), PROGRAM_S)


def _cluster(common: Common, project: model.Project, connected: list[Cluster]) -> Check:
    """`connected` gets the cluster as soon as there is one to be asked."""

    def ask(scope: Scope) -> Iterator[events.Check]:
        from devloop.effects import cluster as door

        found = door.connect(common.context or project.cluster.context, common.namespace or project.cluster.namespace)
        is_named = bool(common.context or project.cluster.context)
        yield from cluster_checks.server(scope, found, is_named=is_named)
        connected.append(found)

    return Check("cluster", ask)


def _together(world: _World, cluster: Cluster | None, *, has_engine: bool) -> Iterator[Check]:
    """What can be asked of those that answer."""
    if has_engine:
        own = programs.Program(world.engine.cli()[0], "", ())
        yield Check(own.name, partial(programs.ask, program=own, processes=world.processes))
        yield Check("builder", lambda scope: engine.builder(scope, world.engine, world.processes))
        yield Check("engine disk", lambda _scope: engine.disk(world.engine))
    yield Check("watches", lambda scope: watches.ask(scope, _read(scope, world, has_engine=has_engine)), PROGRAM_S)
    if cluster is None:
        return
    yield Check("clock", lambda scope: cluster_checks.clock(scope, cluster))
    yield Check("namespace", lambda scope: cluster_checks.namespace(scope, cluster))
    yield Check("rights", lambda scope: rights.ask(scope, cluster, cluster.namespace))
    yield Check("nodes", lambda scope: cluster_checks.ready_nodes(scope, cluster))
    if has_engine:
        yield Check("images", lambda scope: images.way(scope, world.project.cluster, cluster, world.tools))
        yield Check("node disk", lambda scope: images.disks(scope, cluster, world.tools))


def _read(scope: Scope, world: _World, *, has_engine: bool) -> Iterator[Inputs]:
    """What each target reads, of those that can say it now. Why others cannot is said by the check of what they lack, and by `run`."""
    if world.loaded is None:
        return
    plan = session.plan(world.loaded)
    asked: list[Callable[[], Inputs]] = [
        partial(plan.renderers[each.name].inputs, scope, each, world.base, world.tools) for each in world.project.deploy
    ]
    if has_engine:
        for artifact in world.project.build.artifacts:
            asked.append(partial(plan.builders[artifact.image].inputs, scope, artifact, world.base, world.tools))
    for each in asked:
        with suppress(StepFailed, UsageError):
            yield each()


def _sum_up(report: Report, found: list[events.Check]) -> int:
    counts = {verdict: sum(each.verdict == verdict for each in found) for verdict in ("problem", "warning")}
    said = [f"{count} {verdict}{'' if count == 1 else 's'}" for verdict, count in counts.items() if count]
    report.emit(events.Notice(message=f"{', '.join(said) or 'all is well'} ({len(found)} findings)", is_answer=True))
    return 1 if counts["problem"] else 0
