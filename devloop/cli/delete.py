"""`devloop delete`: takes out of the cluster exactly what the project put there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from devloop import events, graph
from devloop.cli import session
from devloop.cli.options import Common
from devloop.cli.rendering import unknown_unit
from devloop.cli.report import Report, reporting
from devloop.config.load import Loaded
from devloop.deploy import delete as deploy_delete
from devloop.deploy import marks, release_diff
from devloop.deploy.helm import Helm
from devloop.deploy.inventory import Inventory
from devloop.errors import StepFailed, UsageError
from devloop.graph import unit_target
from devloop.products import ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster

_ALL: tuple[str | None, ...] = (None,)


def delete(common: Common, units: Sequence[str], *, include: Sequence[str], is_dry_run: bool) -> int:
    """Deletes by the inventory in the cluster, from any machine, without rendering. Blocks until the objects are gone.

    `units`: only theirs; one that is no more in the file can be named too. `include`: `kind/name` of what is kept otherwise.
    """

    def body(report: Report) -> int:
        loaded = session.load(common, report)
        cluster = session.connect(common, loaded.project, report)
        with Scope("delete") as scope, report.interrupts.during(scope.cancel):
            report.emit(
                events.Session(
                    state="started",
                    command="delete",
                    project=loaded.project.metadata.name,
                    context=cluster.context,
                    namespace=cluster.namespace,
                )
            )
            # What a module requires may be required by others too, so it goes only when it is named, or with all.
            modules = [each for each in loaded.modules if not common.modules or each.name in common.modules]
            named = (
                _named(scope, cluster, replace(loaded, modules=tuple(modules)), report, units)
                if units
                else {each.name: _ALL for each in modules}
            )
            asked = frozenset(map(_spelt, include))
            if asked:
                _check_included(scope, cluster, named, asked)
            delete_owned(scope, cluster, named, report, asked=asked, is_dry_run=is_dry_run)
        return 0

    return reporting(common, body)


def delete_owned(
    scope: Scope,
    cluster: Cluster,
    units: Mapping[str, Sequence[str | None]],
    report: Report,
    *,
    asked: Collection[str] = (),
    is_dry_run: bool = False,
) -> None:
    """Deletes what projects own, and tells what went and what was kept. `units`: of each project, one after another; None: all.

    Raises: Unavailable, StepFailed.
    """
    has_deleted = False
    helms = {project: helm_of(cluster, project, report) for project in units}
    done: events.RemovedState = "would delete" if is_dry_run else "deleted"
    for project, unit in ((project, unit) for project, listed in units.items() for unit in listed):
        for release in helms[project].uninstall_owned(scope, unit, is_dry_run=is_dry_run):
            has_deleted = True
            report.emit(
                events.Removed(state=done, resource=str(release_diff.ref_of(release)), namespace=release.namespace)
            )
        deleted = deploy_delete.delete(
            scope,
            cluster,
            project=project,
            namespace=cluster.namespace,
            unit=unit,
            asked=asked,
            is_dry_run=is_dry_run,
            on_line=lambda text: report.emit(events.Notice(message=text)),
        )
        has_deleted = has_deleted or bool(deleted.deleted)
        for ref in deleted.deleted:
            report.emit(_removed(ref, done))
        for ref, why in deleted.kept:
            report.emit(_removed(ref, "kept", why))
    if not has_deleted:
        report.emit(events.Notice(message=f"{done} nothing", is_answer=True))


def _removed(ref: ObjectRef, state: events.RemovedState, why: str = "") -> events.Removed:
    return events.Removed(state=state, resource=str(ref), api_version=ref.api_version, namespace=ref.namespace, why=why)


def _named(
    scope: Scope, cluster: Cluster, loaded: Loaded, report: Report, units: Sequence[str]
) -> dict[str, list[str | None]]:
    """Of each project the units' names, those that need others first. Raises: UsageError for one that is in no file and not deployed."""
    order = [node.target.removeprefix(unit_target("")) for node in graph.make(loaded.project, ("apply",)).nodes]
    known: dict[str, list[str]] = {}
    for module in loaded.modules:
        own = {each.name for each in module.project.deploy}
        deployed = _deployed(scope, cluster, module.name, report)
        known[module.name] = [*sorted(deployed - own), *(each for each in reversed(order) if each in own)]
    wanted = {word.removeprefix("deploy/") for word in units}
    everything = sorted(name for listed in known.values() for name in listed)
    for word in units:
        if word.removeprefix("deploy/") not in everything:
            raise unknown_unit(word, everything)
    return {project: [name for name in listed if name in wanted] for project, listed in known.items()}


def _deployed(scope: Scope, cluster: Cluster, project: str, report: Report) -> set[str]:
    """The units that the project has in the cluster."""
    inventory = Inventory(project, cluster.namespace)
    try:
        members = inventory.members(scope, cluster, inventory.read(scope, cluster))
        releases = helm_of(cluster, project, report).owned(scope)
    except ApiRefusal as exc:
        raise StepFailed(f"the cluster refused to tell what is there: {exc.message}") from exc
    return {*(marks.annotation(each, marks.UNIT) for each in members), *(each.unit for each in releases)}


def _spelt(word: str) -> str:
    kind, slash, name = word.partition("/")
    if not (kind and slash and name):
        raise UsageError(
            "is not of the form KIND/NAME", where=f"--include {word}", hint="persistentvolumeclaim/data, for one"
        )
    return f"{kind.lower()}/{name}"


def _check_included(
    scope: Scope, cluster: Cluster, units: Mapping[str, Sequence[str | None]], asked: Collection[str]
) -> None:
    """Raises: UsageError for a name that is none of what would be kept: a slip of the pen must not pass for a deletion."""
    kept: set[str] = set()
    going: set[str] = set()
    for project, unit in ((project, unit) for project, listed in units.items() for unit in listed):
        would = deploy_delete.delete(
            scope, cluster, project=project, namespace=cluster.namespace, unit=unit, is_dry_run=True
        )
        kept |= {str(ref) for ref, _ in would.kept}
        going |= set(map(str, would.deleted))
    unknown = sorted(set(asked) - kept - going)
    if unknown:
        hint = f"what would be kept: {', '.join(sorted(kept)) or 'nothing'}"
        raise UsageError("the project has no such object", where=f"--include {unknown[0]}", hint=hint)


def helm_of(cluster: Cluster, project: str, report: Report) -> Helm:
    """What uninstalls the project's releases, on this machine's helm; not started unless there are any."""
    from devloop.effects.process import RealProcesses

    inventory = Inventory(project, cluster.namespace)
    return Helm(cluster, RealProcesses(), inventory, lambda text: report.emit(events.Notice(message=text)))
