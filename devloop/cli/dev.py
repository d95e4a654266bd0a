"""`devloop dev`: keeps the cluster equal to the sources until Ctrl-C, with logs and ports.

Comes in: the shared options. Goes out: an exit code, 130 after Ctrl-C. What it deployed is deleted on the way out, unless asked not
to. Whatever the user breaks meanwhile, it says so, keeps watching, and goes on when it is mended.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from devloop import events, graph
from devloop.cli import session, trigger
from devloop.cli.delete import delete_owned, helm_of
from devloop.cli.options import Common, Watch
from devloop.cli.presence import Presence
from devloop.cli.report import INTERRUPTED, Report, reporting
from devloop.config.load import Loaded
from devloop.deploy import delete as deploy_delete
from devloop.deploy.apply import Consent
from devloop.effects.files import Watcher
from devloop.effects.roots import Skips, everything
from devloop.errors import ConfigError, DevloopError, UsageError
from devloop.graph import ALL_STEPS, UNTESTED_STEPS
from devloop.loop.messages import Changed, Done, Reconfigured, Start
from devloop.observe.aftercare import Aftercare
from devloop.observe.forward import Forwarder
from devloop.observe.logs import LogFollower
from devloop.products import Applied
from devloop.scope import Scope
from devloop.stages import Cluster


def dev(
    common: Common,
    *,
    keep: bool,
    watch: Watch = Watch.native,
    is_testing: bool = True,
    consent: Consent = Consent(),  # noqa: B008 - frozen
) -> int:
    """Runs until interrupted. Blocks. The first Ctrl-C ends it in order, a second one at once. `consent`: what an apply may do besides."""

    def body(report: Report) -> int:
        loaded = session.load(common, report)
        cluster = session.connect(common, loaded.project, report)
        presence = Presence(cluster, report)
        with Scope("dev") as scope, report.interrupts.during(scope.cancel):
            cluster.version(scope)
            live = Development(
                scope,
                common,
                loaded,
                cluster,
                report,
                presence=presence,
                watch=watch,
                is_testing=is_testing,
                consent=consent,
            )
            try:
                live.run()
            finally:
                scope.cancel()
        owners = presence.leave(live.owners)
        if owners and not keep:
            _clean_up(cluster, owners, report)
        return INTERRUPTED

    return reporting(common, body)


TIDY_EVERY_S = 600.0
TOLD_FILES = 3  # of many, the first are enough


class Development:
    """A session that follows the disk: sources and configuration alike."""

    def __init__(
        self,
        scope: Scope,
        common: Common,
        loaded: Loaded,
        cluster: Cluster,
        report: Report,
        *,
        presence: Presence,
        watch: Watch,
        is_testing: bool,
        consent: Consent,
    ) -> None:
        self._scope = scope
        self._common = common
        self._loaded = loaded
        self._cluster = cluster
        self._report = report
        self._presence = presence
        doors = session.open_doors(scope, cluster)
        if doors.pods is None:
            raise TypeError("dev has a cluster, so it has pods")
        pods = doors.pods
        project = loaded.project
        self._logs = LogFollower(scope, cluster, pods, project.logs, report.emit)
        self._aftercare = Aftercare(scope, cluster, pods, report.emit)
        self._forwards = Forwarder(scope, cluster, pods, report.emit)
        self._session = session.Session(
            scope,
            session.plan(loaded, loaded.project.dev_overrides),
            doors,
            report,
            wanted=ALL_STEPS if is_testing else UNTESTED_STEPS,
            namespace=cluster.namespace,
            live=self,
            is_staying=True,
            consent=consent,
        )
        self._is_manual = watch is Watch.manual
        self._watcher = Watcher(scope, self._on_batch, self._on_notice, mode=watch.value, on_held=self._on_held)
        self._session.tracker.follow(self._watcher.caught_up)
        self._watched: frozenset[Path] = frozenset()
        self._is_config_broken = False
        self._mending: frozenset[Path] = frozenset()  # where something is wrong, or missing
        self._is_hearing = False
        self._tidied_s: float | None = None
        self._said = ""

    @property
    def owners(self) -> tuple[str, ...]:
        """The projects that own what is deployed now."""
        return self._loaded.owners

    def run(self) -> None:
        """Watches, then looks, then loops: an edit at any time is either seen by the look or reported by the watch."""
        current, tracker = self._session, self._session.tracker
        current.started("dev")
        self._presence.join(self.owners)
        self._configured()
        self._forwards.listen(self._loaded.project.port_forward, self._cluster.namespace)
        self._watch(tracker.survey(self._scope, current.steps.listings()))
        tracker.track(self._scope, current.steps.listings())
        self._watch(tracker.roots())
        if self._is_manual:
            trigger.on_lines(self._scope, sys.stdin.fileno() if sys.stdin else -1, self._look, self._on_input_ended)
        self._report.emit(events.Session(state="watching"))
        current.run(is_partial=True, until_idle=False)
        self._report.emit(events.Session(state="stopping"))

    def _watch(self, roots: Mapping[Path, Skips]) -> Changed | None:
        """Watches what targets read. What happened at a new root before it was watched has been looked for, too: the answer."""
        # While the configuration is broken, what would mend it may be any file that it names.
        extra = [*(each.base for each in self._loaded.every), *self._mending] if self._is_config_broken else []
        self._watcher.watch({**roots, **everything([*self._loaded.files, *extra])})
        if not self._is_manual and not self._is_hearing and self._session.tracker.images():
            self._is_hearing = True
            self._scope.spawn("base images", self._hear_of_images)
        new = roots.keys() - self._watched
        self._watched = frozenset(roots)
        return self._session.tracker.changed(self._scope, new) if new else None

    def _look(self) -> None:
        self._on_image("")
        self._watcher.look()

    def _hear_of_images(self) -> None:
        try:
            for name in self._session.doors.engine.image_events(self._scope):
                self._on_image(name)
        except UsageError as exc:
            self._report.fail(exc)

    def _on_image(self, name: str) -> None:
        at_s = self._report.clock()
        if changed := self._session.tracker.images_changed(name):
            self._session.loop.post(changed, at_s)

    def _on_batch(self, paths: frozenset[Path]) -> None:
        at_s = self._report.clock()
        changed_files = self._read_of(paths)
        is_config = bool(changed_files)
        if is_config or self._is_config_broken:
            self._reload(at_s, changed_files)
        changed = self._session.tracker.changed(self._scope, paths)
        if changed:
            self._session.loop.post(changed, at_s)
            if missed := self._watch(self._session.tracker.roots()):
                self._session.loop.post(missed)
        elif not is_config:
            self._tell_unchanged(paths)

    def _read_of(self, paths: frozenset[Path]) -> list[Path]:
        """Those of the paths that may change the configuration."""
        files = {path.resolve() for path in self._loaded.files if not path.is_dir()}
        return sorted(path for path in paths if self._loaded.reads(path) or path.resolve() in files)

    def _tell_unchanged(self, paths: frozenset[Path]) -> None:
        tracker = self._session.tracker
        files = sorted(path for path in paths if not path.is_dir())
        read = [path for path in files if tracker.reads(path)]
        others = [path for path in files if path not in read]
        told: tuple[tuple[events.UnchangedReason, list[Path]], ...] = (("same content", read), ("not an input", others))
        for why, named in told:
            if named:
                names = tuple(map(tracker.name, named[:TOLD_FILES]))
                self._report.emit(events.Unchanged(files=names, count=len(named), why=why))

    def _on_held(self, paths: frozenset[Path]) -> None:
        named = sorted(map(self._session.tracker.name, paths))
        more = f" and {len(named) - TOLD_FILES} more" if len(named) > TOLD_FILES else ""
        self._report.emit(
            events.Notice(
                message=f"changed: {', '.join(named[:TOLD_FILES])}{more}", hint="Enter takes it over", is_answer=True
            )
        )

    def _on_input_ended(self) -> None:
        self._on_notice(
            "standard input has ended, so nothing can ask for an update any more",
            "--watch manual needs a terminal, or a pipe that is held open",
        )

    def _reload(self, at_s: float, files: Sequence[Path]) -> None:
        """Takes over a changed configuration; a broken one is told of, and the last good one stays. `files`: of it, which changed."""
        try:
            loaded = session.load(self._common, self._report, self._scope)
        except DevloopError as exc:
            self._take_broken(exc, at_s, files)
            return
        if self._said:
            self._report.emit(events.Notice(message="the configuration is valid again", is_answer=True))
        self._is_config_broken, self._said, self._mending = False, "", frozenset()
        fixed = _what_needs_a_restart(self._loaded, loaded)
        if fixed:
            self._report.emit(
                events.Notice(
                    message=f"{fixed} changed, which this session cannot follow", hint="start devloop dev again"
                )
            )
            return
        is_new = not set(loaded.files) <= set(self._loaded.files)
        is_same = loaded.project == self._loaded.project
        self._loaded = loaded
        if is_same:
            self._watch(self._session.tracker.roots())
        else:
            self._reconfigure(loaded, at_s, files)
        if is_new:  # they may have changed before they were watched
            self._reload(at_s, files)

    def _reconfigure(self, loaded: Loaded, at_s: float, files: Sequence[Path]) -> None:
        """Turns the session into that of another project."""
        current = self._session
        # What a unit that is gone left behind is pruned by `forgotten`, once the others took over what they render now.
        self._presence.join(self.owners)
        before = current.steps.plan
        plan = session.plan(loaded, loaded.project.dev_overrides)
        owners = {**before.owners, **plan.owners}
        current.steps.plan = replace(plan, known_units=plan.known_units | before.known_units, owners=owners)
        current.tracker.track(self._scope, current.steps.listings())
        self._forwards.listen(loaded.project.port_forward, self._cluster.namespace)
        self._logs.configure(loaded.project.logs)
        self._configured()
        self._watch(self._session.tracker.roots())
        current.loop.post(
            Reconfigured(
                graph.make(loaded.project, current.wanted),
                current.tracker.digests(),
                files=tuple(map(current.tracker.name, files or [loaded.file])),
                builds=loaded.project.build.concurrency,
            ),
            at_s,
        )

    def _tidy(self) -> None:
        """Removes superseded images now and then, while nobody waits for it."""
        if self._tidied_s is not None and self._report.clock() < self._tidied_s + TIDY_EVERY_S:
            return
        self._tidied_s = self._report.clock()

        def body() -> None:
            try:
                self._session.steps.tidy(self._scope)
            except DevloopError as exc:
                self._on_notice(f"old images could not be removed: {exc.message}", exc.hint or "")

        self._scope.spawn("tidy", body)

    def _configured(self) -> None:
        self._report.emit(events.Session(state="configured", log_prefix=self._loaded.project.logs.prefix))

    def _take_broken(self, error: DevloopError, at_s: float, files: Sequence[Path]) -> None:
        """Tells of it. What was not watched until now may have changed since it was read, so all is read once more."""
        mending: frozenset[Path] = frozenset()
        if isinstance(error, ConfigError):
            mending = frozenset(Path(os.path.abspath(each.file)).parent for each in error.problems) | set(error.missing)
        is_new = not self._is_config_broken or not mending <= self._mending
        self._is_config_broken, self._mending = True, mending | self._mending
        self._watch(self._session.tracker.roots())
        if is_new:
            self._reload(at_s, files)
            return
        said = "\n".join(map(str, error.problems)) if isinstance(error, ConfigError) else error.message
        if said != self._said:
            self._report.fail(error)
            text = "the last good configuration stays in force until this is mended"
            self._report.emit(events.Notice(message=text))
        self._said = said

    def applied(self, applied: Applied) -> None:
        """See loop.surroundings.Live."""
        self._aftercare.leave(applied.unit)
        self._logs.follow(applied)

    def waited(self, start: Start, applied: Applied, *, is_ready: bool) -> None:
        """See loop.surroundings.Live."""
        if is_ready:
            self._tidy()
        loop = self._session.loop
        self._aftercare.look_after(
            applied,
            is_ready=is_ready,
            on_recovered=lambda ready: loop.post(Done(start.node, start.digest, ready)),
        )

    def forgotten(self, target: str) -> None:
        """See loop.surroundings.Live."""
        kind, _, name = target.partition("/")
        if kind != "deploy":
            return
        self._logs.forget(name)
        self._aftercare.leave(name)
        self._scope.spawn(f"prune {name}", lambda: self._prune(name))

    def _prune(self, unit: str) -> None:
        try:
            project = self._session.steps.plan.owner(unit).project
            helm_of(self._cluster, project, self._report).uninstall_owned(self._scope, unit)
            deploy_delete.delete(
                self._scope,
                self._cluster,
                project=project,
                namespace=self._cluster.namespace,
                unit=unit,
                on_line=_tell(self._report),
            )
        except DevloopError as exc:
            self._report.fail(exc)

    def _on_notice(self, text: str, hint: str) -> None:
        self._report.emit(events.Notice(message=text, hint=hint))


def _what_needs_a_restart(old: Loaded, new: Loaded) -> str:
    if old.project.cluster != new.project.cluster:
        return "cluster"
    if old.project.metadata != new.project.metadata:
        return "metadata.name"
    before, after = _owner_by_unit(old), _owner_by_unit(new)
    if any(before[unit] != after[unit] for unit in before.keys() & after.keys()):
        return "which module a unit is of"
    return ""


def _owner_by_unit(loaded: Loaded) -> dict[str, str]:
    return {unit.name: module.name for module in loaded.modules for unit in module.project.deploy}


def _clean_up(cluster: Cluster, owners: Sequence[str], report: Report) -> None:
    with Scope("clean up") as scope, report.interrupts.during(scope.cancel):
        delete_owned(scope, cluster, dict.fromkeys(owners, (None,)), report)


def _tell(report: Report) -> Callable[[str], None]:
    return lambda text: report.emit(events.Notice(message=text))
