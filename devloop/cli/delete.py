"""`devloop delete`: takes out of the cluster exactly what the project put there."""

from __future__ import annotations

from devloop import events
from devloop.cli import session
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.deploy import delete as deploy_delete
from devloop.scope import Scope
from devloop.stages import Cluster


def delete(common: Common, *, is_dry_run: bool) -> int:
    """Deletes by the inventory in the cluster, from any machine, without rendering. Blocks until the objects are gone."""

    def body(report: Report) -> int:
        loaded = session.load(common)
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
            delete_owned(scope, cluster, loaded.project.metadata.name, report, is_dry_run=is_dry_run)
        return 0

    return reporting(common, body)


def delete_owned(scope: Scope, cluster: Cluster, project: str, report: Report, *, is_dry_run: bool = False) -> None:
    """Deletes what the project owns, and tells what went and what was kept. Raises: Unavailable, StepFailed."""
    deleted = deploy_delete.delete(
        scope,
        cluster,
        project=project,
        namespace=cluster.namespace,
        is_dry_run=is_dry_run,
        on_line=lambda text: report.emit(events.Notice(message=text)),
    )
    words = "would delete" if is_dry_run else "deleted"
    names = ", ".join(map(str, deleted.deleted)) or "nothing"
    report.emit(events.Notice(message=f"{words} {names}"))
    for ref, why in deleted.kept:
        report.emit(events.Notice(message=f"kept {ref}: {why}"))
