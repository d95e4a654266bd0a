"""`devloop apply`: deploys what `devloop render` printed, with images that are built already.

It is the loop of `run` with one unit, the given file, whose build steps only look images up by the tags that the file names.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from devloop.cli import given, session
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.config import model
from devloop.deploy.apply import Consent
from devloop.errors import StepFailed, UsageError
from devloop.graph import ALL_STEPS
from devloop.loop.surroundings import Doors, Plan
from devloop.products import Inputs, Manifest
from devloop.render import images
from devloop.scope import Scope
from devloop.stages import Renderer, Tools

UNIT = "rendered"


def apply(common: Common, source: str, *, consent: Consent) -> int:
    """Applies the manifests and waits until they are ready. Blocks; Ctrl-C ends it with 130.

    `consent`: what the apply may do besides.
    """

    def body(report: Report) -> int:
        loaded = session.load(common)
        cluster = session.connect(common, loaded.project, report)
        with _file(source) as file, Scope("apply") as scope, report.interrupts.during(scope.cancel):
            doors = session.open_doors(scope, cluster)
            plan = session.plan(replace(loaded, project=_with_one_unit(loaded.project, file)))
            renderer = _Rendered(plan.renderers[UNIT], loaded.project.cluster.registry)
            tags = _tags(scope, renderer, plan, doors)
            refs = {artifact: f"{artifact}:{tag}" for artifact, tag in tags.items()}
            plan = replace(
                given.plan_with(plan, refs),
                renderers={UNIT: renderer},
                known_units=frozenset({UNIT, *(each.name for each in loaded.project.deploy)}),
            )
            current = session.Session(
                scope,
                plan,
                doors,
                report,
                wanted=ALL_STEPS,
                namespace=cluster.namespace,
                consent=consent,
                wrap=lambda steps: given.GivenImages(steps, doors, refs),
            )
            current.started("apply")
            current.tracker.track(scope, current.steps.listings())
            state = current.run(is_partial=False, until_idle=True)
            scope.cancel()
        return session.exit_code(state)

    return reporting(common, body)


@contextmanager
def _file(source: str) -> Iterator[Path]:
    """The manifests as a file; standard input is written to one. Raises: UsageError."""
    if source != "-":
        path = Path(source)
        if not path.is_file():
            raise UsageError(
                "there is no such file", where=source, hint="devloop render > FILE, then devloop apply FILE"
            )
        yield path.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="devloop-apply-") as folder:
        path = Path(folder) / "stdin.yaml"
        path.write_bytes(sys.stdin.buffer.read())
        yield path


def _with_one_unit(project: model.Project, file: Path) -> model.Project:
    deadline_s = max((each.ready_deadline_seconds for each in project.deploy), default=300)
    return replace(project, deploy=(model.Unit(name=UNIT, manifests=(str(file),), ready_deadline_seconds=deadline_s),))


def _tags(scope: Scope, renderer: Renderer, plan: Plan, doors: Doors) -> dict[str, str]:
    """Artifact → the tag that the manifests name. Raises: StepFailed when one has no tag, or several."""
    tools = Tools(doors.processes, doors.engine)
    manifests = renderer.render(scope, plan.units[UNIT], plan.base, "", tools)
    found: dict[str, str] = {}
    for artifact, tag, source in images.tags(manifests, tuple(plan.artifacts)):
        if not tag or found.setdefault(artifact, tag) != tag:
            wrong = f"also as {found[artifact]}" if tag else "without a tag"
            raise StepFailed(
                f"image {artifact} is named {wrong}", where=source, hint="give this command what devloop render printed"
            )
    return found


@dataclass(frozen=True)
class _Rendered:
    """A renderer whose images are named as the engine knows them: without the registry that they are pushed to."""

    inner: Renderer
    registry: str | None

    def inputs(self, scope: Scope, unit: model.Unit, base: Path, tools: Tools) -> Inputs:
        return self.inner.inputs(scope, unit, base, tools)

    def render(self, scope: Scope, unit: model.Unit, base: Path, namespace: str, tools: Tools) -> tuple[Manifest, ...]:
        manifests = self.inner.render(scope, unit, base, namespace, tools)
        return images.without_registry(manifests, self.registry) if self.registry else manifests
