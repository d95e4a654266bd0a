"""`devloop build`: the images, and nothing else."""

from __future__ import annotations

from devloop.cli import session
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.scope import Scope


def build(common: Common) -> int:
    """Builds what is not built yet. Blocks; Ctrl-C stops the builds and ends it with 130."""

    def body(report: Report) -> int:
        loaded = session.load(common)
        with Scope("build") as scope, report.interrupts.during(scope.cancel):
            doors = session.open_doors(scope, None, lambda: session.connect(common, loaded.project, report).context)
            current = session.Session(scope, session.plan(loaded), doors, report, wanted=("build",), namespace="")
            current.started("build")
            current.tracker.track(scope, current.steps.listings())
            state = current.run(is_partial=False, until_idle=True)
            scope.cancel()
        return session.exit_code(state)

    return reporting(common, body)
