"""Puts a session together: the configuration, the doors, the stages and the loop. The only wiring there is.

Comes in: the shared options and a report. Goes out: a `Session` whose loop can be run. It decides nothing about the work.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable

from devloop import builtin, events, graph
from devloop.build import tags
from devloop.cli.options import Common
from devloop.cli.reading import load
from devloop.cli.report import Report
from devloop.config import load as config_load
from devloop.config import model
from devloop.deploy.apply import Consent
from devloop.errors import Unavailable, UsageError
from devloop.events import StepName
from devloop.loop.image_steps import ImagePolicy
from devloop.loop.messages import Asked, Changed
from devloop.loop.run import Loop, RunStep
from devloop.loop.state import Policy, State
from devloop.loop.steps import Steps
from devloop.loop.surroundings import Doors, Live, NobodyLive, Plan, Surroundings
from devloop.loop.track import Tracker
from devloop.products import Image, Placed
from devloop.scope import Scope
from devloop.stages import Cluster, Placer
from devloop.store.digests import FileDigests
from devloop.store.folders import cache_folder
from devloop.store.index import Index
from devloop.store.passes import Passes
from devloop.store.rebuilds import Rebuilds

__all__ = ["Session", "asked_overrides", "connect", "exit_code", "load", "once", "open_doors", "plan"]

RECOVERY_S = (0.5, 1.0, 2.0, 5.0)


def asked_overrides(loaded: config_load.Loaded) -> model.DevOverrides:
    """For a command that was asked to deploy as `dev` does. Raises: UsageError when `dev` has nothing otherwise."""
    if loaded.project.dev_overrides is None:
        hint = "write `devOverrides: fast` there, or leave the option out"
        raise UsageError(f"{loaded.file.name} has no `devOverrides`", where="--dev-overrides", hint=hint)
    return loaded.project.dev_overrides


def plan(loaded: config_load.Loaded, overrides: model.DevOverrides | None = None) -> Plan:
    """The configuration with an implementation for each of its targets. `overrides`: what is applied otherwise than written."""
    project = loaded.project
    return Plan(
        project,
        loaded.base,
        builders={each.image: builtin.BUILDERS[builtin.builder_kind(each)]() for each in project.build.artifacts},
        renderers={each.name: builtin.renderer(each) for each in project.deploy},
        known_units=frozenset(each.name for each in project.deploy),
        required=frozenset(require.image for each in project.build.artifacts for require in each.requires),
        overrides=overrides,
        owners={
            each.name: (module.name, os.path.relpath(module.base, loaded.base))
            for module in loaded.modules
            if module.name != project.metadata.name
            for each in module.project.deploy
        },
    )


def connect(common: Common, project: model.Project, report: Report) -> Cluster:
    """The cluster that the options and the configuration name; looked at, not only named. Raises: UsageError, Unavailable."""
    from devloop.effects import cluster as cluster_door

    def warn(text: str) -> None:
        report.emit(events.Notice(message=text))

    return cluster_door.connect(
        common.context or project.cluster.context, common.namespace or project.cluster.namespace, on_warning=warn
    )


def open_doors(scope: Scope, cluster: Cluster | None, context: Callable[[], str] = lambda: "") -> Doors:
    """The engine, other programs and, where there is one, the cluster.

    `context`: for commands without a cluster, the one whose engine is meant; asked only where it could matter.
    """
    from devloop.effects import docker as docker_door
    from devloop.effects.process import RealProcesses
    from devloop.observe.pods import PodStore
    from devloop.place import minikube

    processes = RealProcesses()
    chosen = cluster.context if cluster else context() if processes.find("minikube") else ""
    environment = minikube.engine_environment(scope, chosen, processes) if chosen else {}
    engine = docker_door.connect(environment, processes)
    return Doors(processes, engine, cluster, PodStore(scope, cluster) if cluster else None)


class Session:
    """A loop with everything it needs. `live`: whoever hangs on what is deployed. `choose`: where images go, if not to the cluster.
    `consent`: what an apply may do besides.

    `is_reusing`, `is_uncached`: see loop.image_steps.ImagePolicy; with the latter, all artifacts are built anew and stay so.
    `tag_policy`: the readable tag that images get besides, if any. `is_staying`: see loop.surroundings.Surroundings.
    """

    def __init__(
        self,
        scope: Scope,
        current: Plan,
        doors: Doors,
        report: Report,
        *,
        wanted: Iterable[StepName],
        namespace: str,
        live: Live | None = None,
        consent: Consent = Consent(),  # noqa: B008 - frozen
        wrap: Callable[[Steps], RunStep] = lambda steps: steps,
        choose: Callable[[Scope], Placer] | None = None,
        is_reusing: bool = False,
        is_uncached: bool = False,
        tag_policy: model.TagPolicy | None = None,
        is_staying: bool = False,
    ) -> None:
        self.scope = scope
        self.doors = doors
        self.report = report
        self.wanted = frozenset(wanted)
        self._live = live or NobodyLive()
        self.tracker = Tracker(
            FileDigests(Index(cache_folder() / "digests-v1.sqlite3")),
            current.base,
            self._content_id,
            lambda: doors.engine.info().platform,
        )
        self.passed = Passes(cache_folder() / "passed")
        around = Surroundings(
            current,
            doors,
            self.tracker,
            report.emit,
            namespace,
            self._post,
            self._live,
            is_staying,
            wanted=self.wanted,
            consent=consent,
        )
        self.steps = Steps(
            around,
            ImagePolicy(
                once(choose or self._choose),
                self._rebuilds(current) if is_uncached else Rebuilds(cache_folder() / "rebuilds"),
                is_reusing=is_reusing and not is_uncached,
                is_uncached=is_uncached,
                tag=lambda scope: tags.readable(scope, tag_policy, current.base, doors.processes) if tag_policy else "",
            ),
            self.passed,
        )
        self.loop = Loop(
            scope,
            wrap(self.steps),
            report.emit,
            report.clock,
            recover=self._recover,
            forget=self._live.forgotten,
            prove=self.tracker.is_current,
        )

    def _rebuilds(self, current: Plan) -> Rebuilds:
        rebuilds = Rebuilds(cache_folder() / "rebuilds")
        for artifact in current.artifacts:
            try:
                rebuilds.renew(current.home(artifact), artifact)
            except OSError as exc:
                text = f"that {artifact} is built anew cannot be remembered ({exc.strerror}): later sessions take the image from before"
                self.report.emit(events.Notice(message=text))
        return rebuilds

    def _post(self, changed: Changed) -> None:
        self.loop.post(changed)

    def _content_id(self, name: str) -> str | None:
        found = self.doors.engine.inspect(name)
        return found.content_id if found else None

    def _choose(self, scope: Scope) -> Placer:
        from devloop.place import choose

        cluster = self.doors.cluster
        if cluster is None:
            raise TypeError("this command places nothing")
        doors, spec = self.doors, self.steps.plan.project.cluster
        return choose.choose(scope, spec, cluster, doors.engine, doors.processes, emit=self.report.emit)

    def started(self, command: str) -> None:
        """Tells what the session works on."""
        cluster = self.doors.cluster
        self.report.emit(
            events.Session(
                state="started",
                command=command,
                project=self.steps.plan.project.metadata.name,
                context=cluster.context if cluster else "",
                namespace=cluster.namespace if cluster else "",
                profiles=self.report.profiles,
            )
        )

    def run(self, *, is_partial: bool, until_idle: bool) -> State:
        """Runs the loop, the first pass being "everything changed". Blocks until it ends or the user interrupts it.

        The first interrupt lets what is being applied come to its end; a second one waits for nothing.
        """
        project = self.steps.plan.project
        state = State(graph.make(project, self.wanted), Policy(is_partial, project.build.concurrency))
        self.loop.post(Changed(self.tracker.digests()))
        with self.report.interrupts.during(lambda: self.loop.post(Asked("quit")), self.scope.cancel):
            state = self.loop.run(state, until_idle=until_idle)
        self.report.images = {
            have.product.artifact: have.product.ref
            for have in state.have.values()
            if isinstance(have.product, Placed | Image)
        }
        return state

    def _recover(self, scope: Scope, error: Unavailable) -> None:
        """Blocks until the engine and the cluster answer again; tells of each other reason why they do not."""
        told = error.message
        for attempt in range(1_000_000):
            scope.wait(RECOVERY_S[min(attempt, len(RECOVERY_S) - 1)])
            try:
                self.doors.engine.info()
                if self.doors.cluster:
                    self.doors.cluster.version(scope)
                if moved := self.tracker.images_changed():
                    self._post(moved)
                return
            except Unavailable as exc:
                if exc.message != told:
                    self.report.emit(events.Notice(message=exc.message, hint=exc.hint or ""))
                    told = exc.message


def once(choose: Callable[[Scope], Placer]) -> Callable[[Scope], Placer]:
    """Remembers the first answer; a failure is asked again."""
    lock = threading.Lock()
    found: list[Placer] = []

    def ask(scope: Scope) -> Placer:
        with lock:
            if not found:
                found.append(choose(scope))
            return found[0]

    return ask


def exit_code(state: State) -> int:
    """130 when the user ended it, 0 when nothing is owed, 1 otherwise."""
    if state.is_stopping:
        return 130
    return 0 if state.is_all_current else 1
