"""`devloop run`: build, deploy and wait until all is ready, once."""

from __future__ import annotations

from pathlib import Path

from devloop.cli import given, session
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.config import model
from devloop.deploy.apply import Consent
from devloop.errors import UsageError
from devloop.graph import ALL_STEPS
from devloop.scope import Scope


def run(
    common: Common,
    images: Path | None = None,
    *,
    is_uncached: bool = False,
    tag: str = "",
    consent: Consent = Consent(),  # noqa: B008 - frozen
) -> int:
    """Runs one pass and leaves what it deployed. Blocks; Ctrl-C ends it with 130 once what is being applied is applied.

    `images`: a file of images to deploy, in place of building any. `is_uncached`: build all of them anew, from nothing.
    `tag`: a readable tag for them, in place of the one that the configuration gives them. `consent`: what an apply may do besides.
    """

    def body(report: Report) -> int:
        if images is not None and is_uncached:
            raise UsageError("--images builds nothing", where="--no-cache", hint="leave one of the two out")
        loaded = session.load(common)
        plan = session.plan(loaded)
        refs = {} if images is None else given.for_project(loaded.project, given.read(images), images)
        cluster = session.connect(common, loaded.project, report)
        with Scope("run") as scope, report.interrupts.during(scope.cancel):
            doors = session.open_doors(scope, cluster)
            current = session.Session(
                scope,
                plan if images is None else given.plan_with(plan, refs),
                doors,
                report,
                wanted=ALL_STEPS,
                namespace=cluster.namespace,
                consent=consent,
                is_reusing=True,
                is_uncached=is_uncached,
                tag_policy=model.TagPolicy(fixed=tag) if tag else loaded.project.build.tag_policy,
                wrap=(lambda steps: steps) if images is None else (lambda steps: given.GivenImages(steps, doors, refs)),
            )
            current.started("run")
            current.tracker.track(scope, current.steps.listings())
            state = current.run(is_partial=False, until_idle=True)
            scope.cancel()
        return session.exit_code(state)

    return reporting(common, body)
