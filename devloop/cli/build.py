"""`devloop build`: the images, and nothing else; pushed, if asked."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from devloop import events
from devloop.cli import given, session
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.config import model
from devloop.errors import UsageError
from devloop.events import StepName
from devloop.graph import Node, image_target
from devloop.loop.image_steps import image_ref
from devloop.loop.messages import Start
from devloop.loop.steps import Steps
from devloop.loop.surroundings import Doors
from devloop.place.registry import RegistryPlacer
from devloop.products import Image, Outcome, Product
from devloop.scope import Scope


@dataclass(frozen=True)
class BuildOptions:
    """What to build (`names`: none for all), whether to push it, or only to say what would be done, and where to write the refs.

    `is_uncached`: build it anew, from nothing. `tag`: a readable tag, in place of the one that the configuration gives.
    """

    names: Sequence[str] = ()
    is_pushed: bool = False
    is_dry_run: bool = False
    is_uncached: bool = False
    tag: str = ""
    file_output: Path | None = None


def build(common: Common, options: BuildOptions) -> int:
    """Builds what is not built yet. Blocks; Ctrl-C stops the builds and ends it with 130."""

    def body(report: Report) -> int:
        if options.file_output is not None:
            if options.is_dry_run:
                raise UsageError("a dry run has no images to write down", hint="leave --file-output or --dry-run out")
            given.check_writable(options.file_output)
        if options.is_dry_run and options.is_uncached:
            raise UsageError("a dry run builds nothing", where="--no-cache", hint="leave one of the two out")
        loaded = session.load(common, report)
        loaded = replace(loaded, project=only(loaded.project, options.names))
        steps: tuple[StepName, ...] = ("build", "place") if options.is_pushed and not options.is_dry_run else ("build",)
        with Scope("build") as scope, report.interrupts.during(scope.cancel):
            doors = session.open_doors(scope, None, lambda: session.connect(common, loaded.project, report).context)
            current = session.Session(
                scope,
                session.plan(loaded),
                doors,
                report,
                wanted=steps,
                namespace="",
                wrap=(lambda inner: _DryRun(inner, doors, report.emit))
                if options.is_dry_run
                else (lambda inner: inner),
                is_reusing="place" in steps,
                is_uncached=options.is_uncached,
                tag_policy=model.TagPolicy(fixed=options.tag) if options.tag else loaded.project.build.tag_policy,
                choose=lambda _scope: RegistryPlacer(loaded.project.cluster.registry or ""),
            )
            current.started("build")
            current.tracker.track(scope, current.steps.listings())
            state = current.run(is_partial=False, until_idle=True)
            scope.cancel()
        code = session.exit_code(state)
        if code == 0 and options.file_output is not None:
            given.write(options.file_output, report.images)
        return code

    return reporting(common, body)


def only(project: model.Project, names: Sequence[str]) -> model.Project:
    """The project with the named artifacts (none: all) and all that they require. Raises: UsageError for a name that is none."""
    artifacts = {each.image: each for each in project.build.artifacts}
    if not artifacts:
        raise UsageError(
            "there is nothing to build", where="build.artifacts", hint="name an image and its context there"
        )
    wanted: dict[str, None] = {}

    def want(name: str) -> None:
        if name not in wanted:
            wanted[name] = None
            for required in artifacts[name].requires:
                want(required.image)

    for name in names or artifacts:
        want(artifact(name, tuple(artifacts)))
    kept = tuple(each for each in project.build.artifacts if each.image in wanted)
    return replace(project, build=replace(project.build, artifacts=kept))


def artifact(name: str, artifacts: Sequence[str]) -> str:
    """The artifact of this name; its last path part will do, where only one has it."""
    found = [each for each in artifacts if name == each] or [each for each in artifacts if each.endswith(f"/{name}")]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError("several artifacts are called so", where=name, hint=f"say which: {', '.join(found)}")
    near = difflib.get_close_matches(name, [*artifacts, *(each.rpartition("/")[2] for each in artifacts)], 1)
    hint = f"did you mean {near[0]}?" if near else f"artifacts are {', '.join(artifacts)}"
    raise UsageError("there is no artifact of this name", where=name, hint=hint)


@dataclass(frozen=True)
class _DryRun:
    """Steps that only say what they would do. See loop.run.RunStep."""

    steps: Steps
    doors: Doors
    emit: events.Emit

    def __call__(self, scope: Scope, start: Start, product: Callable[[Node], Product]) -> Outcome:
        self.steps.check_inputs(start.node.target)
        artifact = start.node.target.removeprefix("image/")
        ref = image_ref(artifact, start.digest)
        found = self.doors.engine.inspect(ref)
        said = f"{ref} is built already" if found else f"would build {ref}"
        self.emit(events.Notice(message=said, where=image_target(artifact), is_answer=True))
        return Outcome(Image(artifact, ref, found.image_id if found else ""), skipped="a dry run builds nothing")
