"""`devloop history` and `devloop rollback`: the revisions of what is deployed, and the way back to one.

A revision is a workload's own, so a rollback is of one workload: what else a unit deploys may have changed at another time, or not at all.
Of a release it is the release's, and helm is who rolls it back (`release_history`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from devloop import events
from devloop.cli import differences, release_history, releases, session, waiting
from devloop.cli.delete import helm_of
from devloop.cli.ls import age_s
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.config import model
from devloop.deploy import diff as deploy_diff
from devloop.deploy import marks, refusals, release_diff, revisions
from devloop.deploy.helm_storage import Release
from devloop.deploy.inventory import Inventory
from devloop.deploy.revisions import Revision
from devloop.errors import StepFailed, UsageError
from devloop.products import Applied, AppliedObject, Object
from devloop.render import images
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster

DEADLINE_S = 300.0  # for a unit that is no more in the file


def history(common: Common, what: str | None) -> int:
    """Tells the revisions of a unit's workloads, or of one workload, the oldest first; of all without either.

    Blocks; Ctrl-C ends it with 130.
    """

    def body(report: Report) -> int:
        loaded = session.load(common, report)
        cluster = session.connect(common, loaded.project, report)
        with Scope("history") as scope, report.interrupts.during(scope.cancel):
            found = _Deployed.read(scope, cluster, loaded.project, loaded.owners)
            for each in found.named(what):
                told = release_history.told(scope, cluster, each) if isinstance(each, Release) else found.told(each)
                for event in told:
                    report.emit(event)
            if not found.all:
                report.emit(
                    events.Notice(
                        message=f"nothing is deployed that has revisions, in namespace {cluster.namespace}",
                        is_answer=True,
                    )
                )
            scope.cancel()
        return 0

    return reporting(common, body)


def rollback(common: Common, what: str | None, *, to: int | None, is_dry_run: bool) -> int:
    """Says what changes, brings back the pod template of an earlier revision, and waits until its pods are ready.

    `to`: its number; None: the one before the current. Blocks; Ctrl-C ends it with 130, once it is written only the wait.
    """

    def body(report: Report) -> int:
        loaded = session.load(common, report)
        cluster = session.connect(common, loaded.project, report)
        with Scope("rollback") as scope, report.interrupts.during(scope.cancel):
            found = _Deployed.read(scope, cluster, loaded.project, loaded.owners)
            one = found.only(what)
            way: _Way | release_history.Way
            if isinstance(one, Release):
                way = release_history.Way.find(scope, helm_of(cluster, found.owners[one], report), one, to, report)
            else:
                revision = revisions.wanted(found.revisions(one), to, str(marks.ref_of(one)))
                way = _Way(cluster, one, revision, revisions.restored(one, revision), report)
            way.tell(scope)
            if not is_dry_run:
                way.go(scope, found.deadline_s(one))
            scope.cancel()
        return 0

    return reporting(common, body)


@dataclass(frozen=True)
class _Deployed:
    """What of a project, and of those that it requires, has revisions. `owners`: the projects of its releases."""

    scope: Scope
    cluster: Cluster
    project: model.Project
    all: Sequence[Object | Release]
    owners: Mapping[Release, str]

    @staticmethod
    def read(scope: Scope, cluster: Cluster, project: model.Project, owners: Sequence[str]) -> _Deployed:
        inventories = [Inventory(each, cluster.namespace) for each in owners]
        try:
            members = [one for each in inventories for one in each.members(scope, cluster, each.read(scope, cluster))]
        except ApiRefusal as exc:
            raise StepFailed(f"the cluster refused to tell what is there: {exc.message}") from exc
        found = sorted(filter(revisions.has_revisions, members), key=marks.ref_of)
        installed = {one: each.project for each in inventories for one in releases.owned(scope, cluster, each)}
        return _Deployed(scope, cluster, project, [*found, *installed], installed)

    def revisions(self, live: Object) -> list[Revision]:
        try:
            return revisions.revisions(self.scope, self.cluster, live)
        except ApiRefusal as exc:
            name = str(marks.ref_of(live))
            raise StepFailed(f"the cluster refused to tell its revisions: {exc.message}", where=name) from exc

    def told(self, live: Object) -> Iterable[events.Revision]:
        return (_event(live, each) for each in self.revisions(live))

    def named(self, what: str | None) -> Sequence[Object | Release]:
        """What of a unit has revisions, or the workload or release of this name. Raises: UsageError when there is neither."""
        if what is None:
            return self.all
        unit = what.removeprefix("deploy/")
        if of_unit := [each for each in self.all if _unit(each) == unit]:
            return of_unit
        kind, slash, name = what.partition("/")
        wanted = f"{kind.lower()}{slash}{name}"
        if found := [each for each in self.all if _name(each) == wanted]:
            return found
        if unit in {each.name for each in self.project.deploy}:
            return []
        known = ", ".join(dict.fromkeys([*sorted(map(_unit, self.all)), *map(_name, self.all)]))
        raise UsageError(
            "no unit or workload of this name is deployed", where=what, hint=f"there are {known or 'none'}"
        )

    def only(self, what: str | None) -> Object | Release:
        """The one that is meant. Raises: UsageError when that is none, or cannot be told."""
        found = self.named(what)
        if len(found) == 1:
            return found[0]
        where = what or f"project {self.project.metadata.name}"
        if not found:
            raise UsageError(
                "nothing of it is deployed that has revisions", where=where, hint="devloop ls tells what is"
            )
        names = [_name(each) for each in found]
        hint = f"name one: devloop rollback {names[0]}; there are {', '.join(names)}"
        kinds = "workloads and releases" if any(isinstance(each, Release) for each in found) else "workloads"
        raise UsageError(f"{len(found)} {kinds} have revisions, each its own", where=where, hint=hint)

    def deadline_s(self, one: Object | Release) -> float:
        units = {each.name: float(each.ready_deadline_seconds) for each in self.project.deploy}
        return units.get(_unit(one), DEADLINE_S)


def _unit(one: Object | Release) -> str:
    return one.unit if isinstance(one, Release) else marks.annotation(one, marks.UNIT)


def _name(one: Object | Release) -> str:
    return str(release_diff.ref_of(one) if isinstance(one, Release) else marks.ref_of(one))


def _event(live: Object, revision: Revision) -> events.Revision:
    ref = marks.ref_of(live)
    return events.Revision(
        unit=marks.annotation(live, marks.UNIT),
        resource=str(ref),
        namespace=ref.namespace,
        revision=revision.number,
        is_current=revision.is_current,
        age_s=age_s(revision.record),
        images=images.of(revision.template),
        digest=revision.digest,
        cause=revision.cause,
    )


@dataclass(frozen=True)
class _Way:
    """The way of one workload back to a revision. `sent`: the object that brings it there."""

    cluster: Cluster
    live: Object
    revision: Revision
    sent: Object
    report: Report

    def tell(self, scope: Scope) -> None:
        """Tells exactly what would change, as the server says. Raises: UsageError when nothing would; StepFailed."""
        ref, number = marks.ref_of(self.live), self.revision.number
        after = self._apply(scope, is_dry_run=True)
        source = f"revision {number}"
        found = deploy_diff.change(self.live, after, self.sent, why=f"to {source}", source=source)
        if found is None:
            raise UsageError(f"{source} is the same as what is deployed", where=str(ref))
        self.report.emit(differences.event(found, self._unit))
        if not revisions.is_exact(after, self.revision):
            message = f"{ref} will not be just as in {source}: others than devloop have set fields of its pods since"
            hint = "kubectl get --show-managed-fields tells who; theirs stay"
            self.report.emit(events.Notice(message=message, hint=hint))

    def go(self, scope: Scope, deadline_s: float) -> None:
        """Writes it, and waits until its pods are ready; only the wait is cut short by the scope. Raises: StepFailed."""
        ref = marks.ref_of(self.live)
        began_s = self.report.clock()
        new = self._apply(scope)
        message = f"{ref} was rolled back to revision {self.revision.number}"
        self.report.emit(
            events.Notice(message=message, hint="the next apply brings back what is on disk", is_answer=True)
        )
        applied = Applied(self._unit, ref.namespace, (AppliedObject(ref, new, str(ref), is_changed=True),))
        waiting.until_ready(scope, self.cluster, applied, self.report, began_s=began_s, deadline_s=deadline_s)

    @property
    def _unit(self) -> str:
        return marks.annotation(self.live, marks.UNIT)

    def _apply(self, scope: Scope, *, is_dry_run: bool = False) -> Object:
        ref = marks.ref_of(self.live)
        try:
            return self.cluster.apply(scope, self.sent, is_dry_run=is_dry_run)
        except ApiRefusal as exc:
            refused = refusals.refusal(ref, str(ref), self.sent, exc)
            raise refusals.error([refused], ref.namespace) from exc
