"""`devloop ls`: what a project owns in the cluster, from the inventory in the cluster; so it tells the same on any machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from devloop import events
from devloop.cli import release_history, session
from devloop.cli.options import Common
from devloop.cli.rendering import unknown_unit
from devloop.cli.report import Report, reporting
from devloop.config import model
from devloop.deploy import helm_storage, inventory, marks, prune, release_diff
from devloop.deploy.inventory import Inventory
from devloop.errors import StepFailed, UsageError
from devloop.observe.verdicts import verdict
from devloop.products import Object
from devloop.render import images
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster


def ls(common: Common, units: Sequence[str], *, is_all: bool) -> int:
    """Tells of every object that the project owns, or any project; of these units only, if some are named.

    A unit that is no more in the file can be named as long as something of it is in the cluster. Blocks; Ctrl-C ends it with 130.
    """

    def body(report: Report) -> int:
        if is_all and units:
            raise UsageError("units are those of one project", hint="leave the units out, or --all-projects")
        project, owners = _project(common, report, is_all=is_all)
        cluster = session.connect(common, project, report)
        with Scope("ls") as scope, report.interrupts.during(scope.cancel):
            try:
                found = [
                    each for some in _sets(scope, cluster, owners, is_all=is_all) for each in _of(scope, cluster, some)
                ]
            except ApiRefusal as exc:
                raise StepFailed(f"the cluster refused to tell what is there: {exc.message}", hint=_hint(exc)) from exc
            wanted = {each.removeprefix("deploy/") for each in units}
            if wanted:
                _check_known(units, sorted({each.unit for each in found} | {each.name for each in project.deploy}))
            shown = [each for each in found if not wanted or each.unit in wanted]
            for event in sorted(shown, key=_order):
                report.emit(event)
            _sum_up(report, shown, cluster, owners, is_all=is_all)
            scope.cancel()
        return 0

    return reporting(common, body)


def _project(common: Common, report: Report, *, is_all: bool) -> tuple[model.Project, tuple[str, ...]]:
    """The configuration's, and the projects that own what it deploys; all projects can be asked for without one."""
    try:
        loaded = session.load(common, report)
        return loaded.project, loaded.owners
    except UsageError:
        if is_all and common.file is None:
            return model.Project(model.API_VERSION), ()
        raise


def _sets(scope: Scope, cluster: Cluster, owners: Sequence[str], *, is_all: bool) -> Iterable[Inventory]:
    return inventory.parents(scope, cluster) if is_all else [Inventory(each, cluster.namespace) for each in owners]


def _of(scope: Scope, cluster: Cluster, mine: Inventory) -> Iterator[events.Owned]:
    """What a project owns: objects that devloop applied, releases, and their objects."""
    contents = mine.read(scope, cluster)
    for live in mine.members(scope, cluster, contents):
        yield _owned(live)
    for release in helm_storage.owned(scope, cluster, mine, contents) if contents.version else ():
        for latest in release_history.revisions(scope, cluster, release)[-1:]:
            yield release_history.itself(release, latest, mine.owner)
            for each in release_history.objects(scope, cluster, release, latest):
                kept = "helm.sh/resource-policy: keep" if release_diff.is_kept(each.live) else ""
                told = _owned(each.live)
                yield replace(told, project=mine.owner, unit=release.unit, source=each.source, kept=kept)


def _hint(exc: ApiRefusal) -> str | None:
    return "leave --all-projects out, or ask for the right to list ConfigMaps everywhere" if exc.code == 403 else None


def _check_known(units: Sequence[str], known: Sequence[str]) -> None:
    for word in units:
        if word.removeprefix("deploy/") not in known:
            raise unknown_unit(word, known)


def _order(event: events.Owned) -> tuple[str, str, str]:
    return event.project, event.unit, event.resource


def _owned(live: Object) -> events.Owned:
    ref = marks.ref_of(live)
    found = verdict(live)
    is_going = bool(live["metadata"].get("deletionTimestamp"))
    waits = found.finding.message if found.finding else found.message
    rolled_back = marks.rolled_back(live)
    return events.Owned(
        project=marks.annotation(live, marks.PROJECT),
        unit=marks.annotation(live, marks.UNIT),
        resource=str(ref),
        api_version=ref.api_version,
        namespace=ref.namespace,
        source=marks.annotation(live, marks.SOURCE),
        state="deleting" if is_going else found.state,
        why=rolled_back if found.state == "ready" else "; ".join(filter(None, (waits, rolled_back))),
        age_s=age_s(live),
        images=images.of(live),
        kept=marks.why_kept(live) or (prune.ADOPTED if marks.is_adopted(live) else ""),
    )


def age_s(live: Object) -> float:
    """Seconds since the object was made, by the API server's clock as far as this machine's agrees with it."""
    made = live["metadata"].get("creationTimestamp")
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(made)).total_seconds()) if made else 0.0


def _sum_up(
    report: Report, found: Sequence[events.Owned], cluster: Cluster, owners: Sequence[str], *, is_all: bool
) -> None:
    count = f"{len(found)} object{'' if len(found) == 1 else 's'}"
    if is_all:
        projects = len({each.project for each in found})
        text = f"{count} of {projects} project{'' if projects == 1 else 's'} in context {cluster.context}"
    else:
        text = f"{count} of {', '.join(owners)} in context {cluster.context}, namespace {cluster.namespace}"
    report.emit(events.Notice(message=text, is_answer=True))
