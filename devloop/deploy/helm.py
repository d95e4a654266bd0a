"""Real releases: what a unit with `mode: release` deploys is installed, upgraded and uninstalled by helm.

Comes in: a chart with its words for helm, and a digest of what they render. Goes out: a revision of the release, made only when the
digest is not that of the last one which devloop made. What another hand did to the release since is told and left alone until there is
something new to deploy. Helm is never killed in the midst of an upgrade while there is another way; where that happened, the release is
put right first.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from devloop.deploy import fields, helm_storage, marks, release_state
from devloop.deploy.helm_storage import SIGNATURE, Release, Revision
from devloop.deploy.inventory import Contents, Inventory
from devloop.errors import StepFailed, Unavailable
from devloop.products import ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster, Completed, Processes

PENDING_PATIENCE_S = 30.0  # since an upgrade began, until it counts as one that nobody will finish
_PENDING_PAUSE_S = 0.5
_UNINSTALL_PATIENCE = "60s"
_HISTORY = "10"
_RELEASE_NAME = "meta.helm.sh/release-name"
_HINTS = {
    "cannot be imported into the current release": "it is there already and no release's: delete it, or adopt it with "
    "`args: [--take-ownership]`",
    "another operation": "another helm is at work on the release: wait for it",
    "unknown flag: --labels": "releases need Helm 3.13 or newer",
    "unknown flag: --take-ownership": "what was applied without helm is adopted by Helm 3.17 or newer",
    "plugin": "Helm 4 takes only the name of a plugin as `postRenderer`; with `mode: template` any command will do",
}

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Upgrade:
    """What a release is to be. `chart`: opens the chart for helm; `words`: its values and options; `digest`: of all that decides what it
    deploys; `refs`: asks for the objects that it renders to, as far as their kinds are known.
    """

    release: Release
    chart: Callable[[Scope], AbstractContextManager[Path]]
    words: Sequence[str]
    digest: str
    refs: Callable[[Scope], Sequence[ObjectRef]]


@dataclass(frozen=True)
class Upgraded:
    """`revision`: as it is now. `is_changed`: whether devloop made it just now. `moved`: who else made it, in words, if so."""

    revision: Revision
    is_changed: bool
    moved: str = ""


@dataclass(frozen=True)
class Helm:
    """Helm, on the cluster of a project. Holds no state. `inventory`: the project's; `on_line` is told what was done besides."""

    cluster: Cluster
    processes: Processes
    inventory: Inventory
    on_line: Tell

    def upgrade(self, scope: Scope, wanted: Upgrade, before: Callable[[bool], None] = lambda _is_due: None) -> Upgraded:
        """Makes the release what is wanted, if devloop did not make it that already. `before` is called first, with whether it is due.

        Blocks; what has begun is finished, unless the scope is cancelled: then helm is asked to end, and marks the release as failed.
        Raises: StepFailed with helm's message; Unavailable; UsageError without helm.
        """
        release = wanted.release
        known = self._settled(scope, helm_storage.revisions(scope, self.cluster, release), release)
        standing = release_state.standing(known.revisions, wanted.digest)
        if standing.latest is not None and not standing.is_due and not known.is_recovered:
            before(False)
            return Upgraded(standing.latest, is_changed=False, moved=standing.moved)
        if standing.moved and not known.is_recovered:
            self.on_line(f"{release}: {standing.moved}; it is upgraded now, since something changed")
        before(True)
        self._grow(scope, release)
        words = ["upgrade", "--install", release.name]
        words += ["--reset-values", "--history-max", _HISTORY, "--description", f"{SIGNATURE}{wanted.digest}"]
        labels = {helm_storage.RELEASE_OF: self.inventory.applyset, helm_storage.UNIT: release.unit}
        words += ["--labels", ",".join(f"{key}={value}" for key, value in labels.items()), *wanted.words]
        adopted = () if any(each.made_from for each in known.revisions) else self._adopted(scope, wanted)
        is_helm_3 = not adopted or self.is_helm_3(scope)
        if adopted:
            words += ["--take-ownership", *([] if is_helm_3 else ["--force-conflicts"])]
            self.on_line(f"{release} takes over what devloop applied before")
        scope.check()
        with wanted.chart(scope) as chart:
            self._run(scope, [*words[:3], str(chart), *words[3:]], release, f"helm upgrade {release.name}")
        for ref in adopted:
            self._let_go(scope, ref, is_helm_3=is_helm_3)
        return Upgraded(helm_storage.revisions(scope, self.cluster, release)[-1], is_changed=True)

    def rollback(self, scope: Scope, release: Release, to: Revision) -> Revision:
        """Has helm make a revision that is as an earlier one was, and says which. Waits for no pods. Blocks; what has begun is finished.

        Raises: StepFailed with helm's message; Unavailable; UsageError without helm.
        """
        scope.check()
        words = ["rollback", release.name, str(to.number), "--history-max", _HISTORY]
        self._run(scope, words, release, f"helm rollback {release.name}")
        return helm_storage.revisions(scope, self.cluster, release)[-1]

    def current(self, scope: Scope, release: Release) -> Revision | None:
        """The release as it is. Blocks. Raises: StepFailed, ApiRefusal, Unavailable."""
        return next(iter(helm_storage.revisions(scope, self.cluster, release)[-1:]), None)

    def uninstall(self, scope: Scope, release: Release) -> None:
        """Uninstalls it and waits until its objects are gone. Blocks. Raises: StepFailed, Unavailable, UsageError."""
        words = ["uninstall", release.name, "--wait", "--timeout", _UNINSTALL_PATIENCE]
        try:
            self._run(scope, words, release, f"helm uninstall {release.name}")
        except StepFailed as exc:
            if helm_storage.revisions(scope, self.cluster, release):
                raise
            self.on_line(exc.message)  # what lasts is no release's any more

    def uninstall_owned(
        self, scope: Scope, unit: str | None = None, *, is_dry_run: bool = False
    ) -> tuple[Release, ...]:
        """Uninstalls the project's releases, or one unit's, and says which. `is_dry_run`: only says. Blocks; the scope ends it between
        two releases. Raises: StepFailed, Unavailable, UsageError without helm.
        """
        try:
            found = [each for each in self.owned(scope) if unit in (None, each.unit)]
            for each in found if not is_dry_run else ():
                scope.check()
                self.uninstall(scope, each)
        except ApiRefusal as exc:
            where = f"project {self.inventory.project} in namespace {self.inventory.namespace}"
            raise StepFailed(f"the cluster refused to tell of releases: {exc.message}", where=where) from exc
        return tuple(found)

    def owned(self, scope: Scope) -> tuple[Release, ...]:
        """The releases of the project. Blocks. Raises: StepFailed, ApiRefusal, Unavailable."""
        contents = self.inventory.read(scope, self.cluster)
        return helm_storage.owned(scope, self.cluster, self.inventory, contents) if contents.version else ()

    def is_helm_3(self, scope: Scope) -> bool:
        """Blocks for a moment. Raises: UsageError without helm."""
        told = self.processes.run(scope, ["helm", "version", "--template", "{{.Version}}"]).stdout
        return told.strip().startswith("v3")

    # What is there

    def _settled(self, scope: Scope, known: list[Revision], release: Release) -> _Known:
        """The revisions once no upgrade is under way: one that somebody is at is waited for, one that broke off is put right."""
        if known and known[-1].is_pending:
            self.on_line(f"{release} is {known[-1].status} since {known[-1].at}: waiting for whoever is at it")
        while known and known[-1].is_pending and _age_s(known[-1]) < PENDING_PATIENCE_S:
            scope.wait(_PENDING_PAUSE_S)
            known = helm_storage.revisions(scope, self.cluster, release)
        if not known or not known[-1].is_pending:
            return _Known(known, is_recovered=False)
        latest = known[-1]
        good = [each for each in known if each.status in ("deployed", "superseded")]
        target = (good or known)[-1]
        if latest.status == "uninstalling":
            self.uninstall(scope, release)
            self.on_line(f"{release}: its uninstalling had broken off at revision {latest.number}, and was finished")
            return _Known([], is_recovered=True)
        words = ["rollback", release.name, str(target.number), "--no-hooks", "--history-max", _HISTORY]
        self._run(scope, words, release, f"helm rollback {release.name}")
        what = latest.status.removeprefix("pending-")
        how = f"rolled back to revision {target.number}" if good else "finished with what it was begun with"
        self.on_line(f"{release}: its {what} had broken off at revision {latest.number}, and was {how}")
        return _Known(helm_storage.revisions(scope, self.cluster, release), is_recovered=True)

    def _adopted(self, scope: Scope, wanted: Upgrade) -> tuple[ObjectRef, ...]:
        """The objects that devloop applied itself, before they were to be a release's; none when some are neither devloop's nor the
        release's: helm is the one to refuse those.
        """
        there = [(ref, live) for ref in wanted.refs(scope) if (live := self.cluster.get(scope, ref)) is not None]
        free = [(ref, live) for ref, live in there if marks.annotation(live, _RELEASE_NAME) != wanted.release.name]
        are_ours = all(marks.label(live, marks.PART_OF) == self.inventory.applyset for _, live in free)
        return tuple(ref for ref, _ in free) if are_ours else ()

    def _let_go(self, scope: Scope, ref: ObjectRef, *, is_helm_3: bool) -> None:
        """Takes devloop's marks off what is helm's now. Helm 4 owns each field that it set, so devloop keeps none, which the next upgrade
        would collide with; Helm 3 owns only what it changed, so the others have to stay somebody's.
        """
        live = self.cluster.get(scope, ref)
        mine = fields.owned(live) if live is not None else None
        if mine is None:
            return
        name = {key: value for key, value in mine["metadata"].items() if key in ("name", "namespace")}
        bare = {"apiVersion": ref.api_version, "kind": ref.kind, "metadata": name}
        try:
            self.cluster.apply(scope, marks.unmarked(mine) if is_helm_3 else bare)
        except ApiRefusal as exc:
            self.on_line(f"{ref} keeps devloop's marks: {exc.message}")

    def _grow(self, scope: Scope, release: Release) -> None:
        """The inventory says where to look for the release, before there is one."""
        needed = Contents(frozenset({helm_storage.SECRETS}), frozenset({self.inventory.namespace, release.namespace}))
        try:
            self.inventory.grow(scope, self.cluster, self.inventory.read(scope, self.cluster), needed)
        except ApiRefusal as exc:
            hint = f"kubectl create namespace {self.inventory.namespace}" if exc.code == 404 else None
            raise StepFailed(
                f"the inventory cannot be kept: {exc.message}", where=f"deploy/{release.unit}", hint=hint
            ) from exc

    def _run(self, scope: Scope, words: Sequence[str], release: Release, what: str) -> None:
        on_cluster = ["--namespace", release.namespace]
        on_cluster += ["--kube-context", self.cluster.context] if self.cluster.context else []
        done = self.processes.run(scope, ["helm", *words, *on_cluster], check=False)
        if done.code:
            raise _failure(done, what, f"deploy/{release.unit}")


@dataclass(frozen=True)
class _Known:
    """`is_recovered`: whether something had broken off, so that what is there is not what devloop made."""

    revisions: list[Revision]
    is_recovered: bool


def _failure(done: Completed, what: str, where: str) -> StepFailed | Unavailable:
    lines = [line for line in done.tail if line.strip()]
    told = next((line for line in reversed(lines) if line.startswith("Error: ")), lines[-1] if lines else "")
    message = told.removeprefix("Error: ").removeprefix("UPGRADE FAILED: ") or f"exit code {done.code}"
    if "cluster unreachable" in message or "connection refused" in message:
        return Unavailable(f"{what}: {message}")
    hint = next((hint for part, hint in _HINTS.items() if part in message), None)
    return StepFailed(
        f"{what}: {message}", where=where, hint=hint, evidence=tuple(each for each in lines if each != told)
    )


def _age_s(revision: Revision) -> float:
    """Seconds since it was begun, by this machine's clock; for ever when that cannot be told."""
    try:
        begun = datetime.datetime.fromisoformat(revision.at)
    except ValueError:
        return PENDING_PATIENCE_S
    return (datetime.datetime.now(datetime.UTC) - begun.astimezone(datetime.UTC)).total_seconds()
