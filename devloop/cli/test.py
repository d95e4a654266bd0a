"""`devloop test`: builds what has tests, and tests it; nothing is placed or deployed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from devloop.cli import build, session
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.config import model
from devloop.errors import UsageError
from devloop.scope import Scope


def test(common: Common, names: Sequence[str]) -> int:
    """Tests the named artifacts, all that have tests when none is named. Blocks; Ctrl-C ends builds and tests, and it with 130.

    One that fails does not keep the others from being tested.
    """

    def body(report: Report) -> int:
        loaded = session.load(common, report)
        loaded = replace(loaded, project=_tested(loaded.project, names))
        with Scope("test") as scope, report.interrupts.during(scope.cancel):
            doors = session.open_doors(scope, None, lambda: session.connect(common, loaded.project, report).context)
            current = session.Session(
                scope, session.plan(loaded), doors, report, wanted=("build", "test"), namespace=""
            )
            current.started("test")
            current.tracker.track(scope, current.steps.listings())
            state = current.run(is_partial=True, until_idle=True)
            scope.cancel()
        return session.exit_code(state)

    return reporting(common, body)


def _tested(project: model.Project, names: Sequence[str]) -> model.Project:
    """The project with what is to be tested and what that requires. Raises: UsageError when something has no tests."""
    tested = tuple(dict.fromkeys(each.image for each in project.test))
    if not tested:
        raise UsageError("there is nothing to test", where="test", hint="name an image and its tests there")
    wanted = [build.artifact(name, [each.image for each in project.build.artifacts]) for name in names] or tested
    for name in wanted:
        if name not in tested:
            raise UsageError("it has no tests", where=name, hint=f"those of {', '.join(tested)} can be run")
    chosen = tuple(each for each in project.test if each.image in wanted)
    return replace(build.only(project, wanted), test=chosen)
