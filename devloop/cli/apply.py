"""`devloop apply`: deploys what `devloop render` printed, with images that are built already.

It is the loop of `run` with one unit, the given files, whose build steps only look images up by the tags that the files name.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from devloop.cli import given, session
from devloop.cli.diff import Comparison, finder
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.config import model
from devloop.deploy.apply import Consent
from devloop.errors import StepFailed, UsageError
from devloop.graph import UNTESTED_STEPS
from devloop.loop.surroundings import Doors, Plan
from devloop.products import Image, Inputs, Manifest
from devloop.render import images
from devloop.render.places import Table
from devloop.scope import Scope
from devloop.stages import Renderer, Tools

UNIT = "rendered"
STDIN = "-"


def apply(common: Common, sources: Sequence[str], *, is_dry_run: bool, consent: Consent) -> int:
    """Applies the manifests of files, folders and standard input (`-`) and waits until they are ready.

    `is_dry_run`: only tells what would change. `consent`: what the apply may do besides. Blocks; Ctrl-C ends it with 130.
    """

    def body(report: Report) -> int:
        loaded = session.load(common, report)
        cluster = session.connect(common, loaded.project, report)
        with _files(sources) as files, Scope("apply") as scope, report.interrupts.during(scope.cancel):
            doors = session.open_doors(scope, cluster)
            plan = session.plan(replace(loaded, project=_with_one_unit(loaded.project, files.paths)))
            renderer = _Rendered(plan.renderers[UNIT], loaded.project.cluster.registry, files.stdin, plan.table)
            tags = _tags(scope, renderer, plan, doors)
            refs = {artifact: f"{artifact}:{tag}" for artifact, tag in tags.items()}
            plan = replace(
                given.plan_with(plan, refs),
                renderers={UNIT: renderer},
                known_units=frozenset({UNIT, *(each.name for each in loaded.project.deploy)}),
            )
            if is_dry_run:
                code = _compare(scope, plan, doors, refs, report, consent=consent)
                scope.cancel()
                return code
            current = session.Session(
                scope,
                plan,
                doors,
                report,
                wanted=UNTESTED_STEPS,
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


def _compare(scope: Scope, plan: Plan, doors: Doors, refs: dict[str, str], report: Report, *, consent: Consent) -> int:
    """Tells what would change; 1 when the server would not take it."""
    cluster, tools = doors.cluster, Tools(doors.processes, doors.engine)
    assert cluster is not None
    manifests = plan.renderers[UNIT].render(scope, plan.units[UNIT], plan.base, cluster.namespace, tools)
    find = finder(doors, plan.project, cluster, report)
    placed = {artifact: find(scope, Image(artifact, ref, "")) for artifact, ref in refs.items()}
    registry = plan.project.cluster.registry
    named = {
        artifact: there.ref if there else f"{registry}/{refs[artifact]}" if registry else refs[artifact]
        for artifact, there in placed.items()
    }
    pulled = named if registry else [artifact for artifact, ref in named.items() if "@" in ref]
    filled = images.fill(manifests, named, tuple(refs), plan.table, pulled)
    comparison = Comparison(scope, cluster, report, plan.owner, consent=consent)
    comparison.unit(UNIT, filled.manifests)
    comparison.end()
    return 1 if comparison.is_refused else 0


@dataclass(frozen=True)
class _Files:
    """Files and folders of manifests. `stdin`: the file among them that holds what came on standard input."""

    paths: tuple[str, ...]
    stdin: str


@contextmanager
def _files(sources: Sequence[str]) -> Iterator[_Files]:
    """The manifests as files; standard input is written to one. Raises: UsageError for what is not there."""
    with tempfile.TemporaryDirectory(prefix="devloop-apply-") as folder:
        stdin = Path(folder) / "stdin.yaml"
        paths = [stdin if each == STDIN else _there(each) for each in sources]
        if STDIN in sources:
            stdin.write_bytes(sys.stdin.buffer.read())
        yield _Files(tuple(map(str, dict.fromkeys(paths))), str(stdin))


def _there(source: str) -> Path:
    path = Path(source)
    if not path.exists():
        hint = "devloop render > FILE, then devloop apply FILE"
        raise UsageError("there is no such file or folder", where=source, hint=hint)
    if path.is_dir() and not any(each.suffix in (".yaml", ".yml", ".json") for each in path.iterdir()):
        raise UsageError(
            "has no .yaml, .yml or .json file in it", where=source, hint="devloop render --output-dir makes one"
        )
    return path.resolve()


def _with_one_unit(project: model.Project, paths: tuple[str, ...]) -> model.Project:
    deadline_s = max((each.ready_deadline_seconds for each in project.deploy), default=300)
    unit = model.Unit(
        name=UNIT,
        manifests=paths,
        ready_deadline_seconds=deadline_s,
        roll_on_config_change=False,  # `render` has seen to it, unit by unit
    )
    return replace(project, deploy=(unit,))


def _tags(scope: Scope, renderer: Renderer, plan: Plan, doors: Doors) -> dict[str, str]:
    """Artifact → the tag that the manifests name. Raises: StepFailed when one has no tag, or several."""
    tools = Tools(doors.processes, doors.engine)
    manifests = renderer.render(scope, plan.units[UNIT], plan.base, "", tools)
    found: dict[str, str] = {}
    for use in images.uses(manifests, tuple(plan.artifacts), plan.table):
        tag = images.tag(use.place.image)
        if not tag or found.setdefault(use.artifact, tag) != tag:
            raise StepFailed(
                f"image {use.artifact} is named {f'also as {found[use.artifact]}' if tag else 'without a tag'}",
                where=use.manifest.source,
                hint="give this command what devloop render printed",
            )
    return found


@dataclass(frozen=True)
class _Rendered:
    """A renderer whose images are named as the engine knows them: without the registry that they are pushed to.

    `stdin`: see _Files; what comes from there is told so.
    """

    inner: Renderer
    registry: str | None
    stdin: str
    table: Table

    def inputs(self, scope: Scope, unit: model.Unit, base: Path, tools: Tools) -> Inputs:
        return self.inner.inputs(scope, unit, base, tools)

    def render(self, scope: Scope, unit: model.Unit, base: Path, namespace: str, tools: Tools) -> tuple[Manifest, ...]:
        found = self.inner.render(scope, unit, base, namespace, tools)
        manifests = tuple(Manifest(each.object, each.source.replace(self.stdin, "standard input")) for each in found)
        return images.without_registry(manifests, self.registry, self.table) if self.registry else manifests
