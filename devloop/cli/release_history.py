"""The revisions of releases, their objects, and the way back to a revision, for `history`, `ls` and `rollback`.

Comes in: releases of a project. Goes out: events. Only `roll_back` changes the cluster, and that by helm; it waits until what the
revision brought back is ready.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from devloop import events
from devloop.cli import differences, waiting
from devloop.cli.releases import told_of
from devloop.cli.report import Report
from devloop.deploy import helm_storage, marks, release_diff, release_state
from devloop.deploy.diff import Difference
from devloop.deploy.helm import Helm
from devloop.deploy.helm_storage import Release, Revision
from devloop.deploy.resolve import resolve
from devloop.errors import UsageError
from devloop.loop import releases
from devloop.products import Applied, AppliedObject
from devloop.render import images
from devloop.scope import Scope
from devloop.stages import Cluster

_STATES: dict[str, events.OwnedState] = {"deployed": "ready", "failed": "failed", "uninstalling": "deleting"}


def revisions(scope: Scope, cluster: Cluster, release: Release) -> list[Revision]:
    """Oldest first. Blocks. Raises: StepFailed, Unavailable."""
    with told_of(str(release)):
        return helm_storage.revisions(scope, cluster, release)


def told(scope: Scope, cluster: Cluster, release: Release) -> Iterator[events.Revision]:
    """The release's revisions as events. Blocks. Raises: StepFailed, Unavailable."""
    known = revisions(scope, cluster, release)
    for each in known:
        yield events.Revision(
            unit=release.unit,
            resource=str(release_diff.ref_of(release)),
            namespace=release.namespace,
            revision=each.number,
            is_current=each is known[-1],
            age_s=_age_s(each),
            images=_images(each),
            digest=each.made_from,
            cause=release_state.cause(each),
            status=each.status,
        )


def itself(release: Release, latest: Revision, project: str) -> events.Owned:
    """The release as one of the objects that a project owns."""
    return events.Owned(
        project=project,
        unit=release.unit,
        resource=str(release_diff.ref_of(release)),
        api_version="",
        namespace=release.namespace,
        source=latest.chart,
        state=_STATES.get(latest.status, "waiting"),
        why=", ".join(filter(None, (f"revision {latest.number}, {latest.status}", release_state.cause(latest)))),
        age_s=_age_s(latest),
        images=(),
    )


def objects(scope: Scope, cluster: Cluster, release: Release, revision: Revision) -> tuple[AppliedObject, ...]:
    """Its objects as the cluster holds them. Blocks. Raises: StepFailed, Unavailable."""
    with told_of(str(release)):
        return releases.objects(scope, cluster, release, releases.manifests(revision))


@dataclass(frozen=True)
class Way:
    """The way of a release back to a revision."""

    helm: Helm
    release: Release
    latest: Revision
    to: Revision
    report: Report

    @staticmethod
    def find(scope: Scope, helm: Helm, release: Release, number: int | None, report: Report) -> Way:
        """`number`: of the revision; None: the last good one before the current. Raises: UsageError, StepFailed, Unavailable."""
        known = revisions(scope, helm.cluster, release)
        if not known:
            raise UsageError("the release is not installed", where=f"release/{release.name}")
        return Way(helm, release, known[-1], release_state.target(known, number, release), report)

    def tell(self, scope: Scope) -> None:
        """Tells what the revisions have otherwise. Raises: StepFailed."""
        source = f"revision {self.to.number}"
        ref = release_diff.ref_of(self.release)
        self.report.emit(differences.event(Difference(ref, "change", "", f"to {source}", None, None), self._unit))
        before, after = self._objects(scope, self.latest), self._objects(scope, self.to)
        for each in release_diff.between(before, after, f"revision {self.latest.number}"):
            self.report.emit(differences.event(each, self._unit))

    def go(self, scope: Scope, deadline_s: float) -> None:
        """Has helm roll it back, and waits until its objects are ready; the scope cuts short the wait. Raises: StepFailed, Unavailable."""
        began_s = self.report.clock()
        made = self.helm.rollback(scope, self.release, self.to)
        message = f"{self.release} was rolled back to revision {self.to.number}: revision {made.number}"
        hint = "devloop run and dev leave it so until something changes on disk"
        self.report.emit(events.Notice(message=message, hint=hint, is_answer=True))
        cluster = self.helm.cluster
        found = objects(scope, cluster, self.release, made)
        applied = Applied(self._unit, self.release.namespace, found)
        waiting.until_ready(scope, cluster, applied, self.report, began_s=began_s, deadline_s=deadline_s)

    @property
    def _unit(self) -> str:
        return self.release.unit

    def _objects(self, scope: Scope, revision: Revision) -> release_diff.Objects:
        made_of = releases.manifests(revision)
        wanted = resolve(scope, self.helm.cluster, made_of, self.release.namespace)
        return {marks.key(each.ref): each for each in wanted}


def _images(revision: Revision) -> tuple[str, ...]:
    named = [image for each in releases.manifests(revision) for image in images.of(each.object)]
    return tuple(dict.fromkeys(named))


def _age_s(revision: Revision) -> float:
    """Seconds since it was begun, as far as that can be told."""
    try:
        begun = datetime.fromisoformat(revision.at)
    except ValueError:
        return 0.0
    return max(0.0, (datetime.now(UTC) - begun.astimezone(UTC)).total_seconds())
