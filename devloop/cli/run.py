"""`devloop run`: build, deploy and wait until all is ready, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from devloop.cli import given, session
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.config import model
from devloop.deploy.apply import Consent
from devloop.errors import UsageError
from devloop.graph import ALL_STEPS, UNTESTED_STEPS
from devloop.scope import Scope


@dataclass(frozen=True)
class RunOptions:
    """`images`: a file of images to deploy, in place of building and testing any. `is_uncached`: build all of them anew, from nothing.

    `tag`: a readable tag for them, in place of the one that the configuration gives them. `is_testing`: whether tests have a say.
    `is_dev`: with what `dev` has otherwise. `consent`: what an apply may do besides.
    """

    images: Path | None = None
    is_uncached: bool = False
    tag: str = ""
    is_testing: bool = True
    is_dev: bool = False
    consent: Consent = Consent()


def run(common: Common, options: RunOptions) -> int:
    """Runs one pass and leaves what it deployed. Blocks; Ctrl-C ends it with 130 once what is being applied is applied."""

    def body(report: Report) -> int:
        images = options.images
        if images is not None and options.is_uncached:
            raise UsageError("--images builds nothing", where="--no-cache", hint="leave one of the two out")
        loaded = session.load(common, report)
        plan = session.plan(loaded, session.asked_overrides(loaded) if options.is_dev else None)
        refs = {} if images is None else given.for_project(loaded.project, given.read(images), images)
        cluster = session.connect(common, loaded.project, report)
        with Scope("run") as scope, report.interrupts.during(scope.cancel):
            doors = session.open_doors(scope, cluster)
            current = session.Session(
                scope,
                plan if images is None else given.plan_with(plan, refs),
                doors,
                report,
                wanted=ALL_STEPS if options.is_testing and images is None else UNTESTED_STEPS,
                namespace=cluster.namespace,
                consent=options.consent,
                is_reusing=True,
                is_uncached=options.is_uncached,
                tag_policy=model.TagPolicy(fixed=options.tag) if options.tag else loaded.project.build.tag_policy,
                wrap=(lambda steps: steps) if images is None else (lambda steps: given.GivenImages(steps, doors, refs)),
            )
            current.started("run")
            current.tracker.track(scope, current.steps.listings())
            state = current.run(is_partial=False, until_idle=True)
            scope.cancel()
        return session.exit_code(state)

    return reporting(common, body)
