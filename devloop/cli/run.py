"""`devloop run`: build, deploy and wait until all is ready, once."""

from __future__ import annotations

from devloop.cli import session
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.graph import ALL_STEPS
from devloop.scope import Scope


def run(common: Common) -> int:
    """Runs one pass and leaves what it deployed. Blocks; Ctrl-C ends it with 130 once what is being applied is applied."""

    def body(report: Report) -> int:
        loaded = session.load(common)
        cluster = session.connect(common, loaded.project, report)
        with Scope("run") as scope, report.interrupts.during(scope.cancel):
            doors = session.open_doors(scope, cluster)
            current = session.Session(
                scope, session.plan(loaded), doors, report, wanted=ALL_STEPS, namespace=cluster.namespace
            )
            current.started("run")
            current.tracker.track(scope, current.steps.listings())
            state = current.run(is_partial=False, until_idle=True)
            scope.cancel()
        return session.exit_code(state)

    return reporting(common, body)
