"""`devloop cache`: the images that devloop made and keeps, and how to be rid of them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

from devloop import events
from devloop.cli import naming, session
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.config.load import Loaded
from devloop.errors import StepFailed, Unavailable, UsageError
from devloop.loop.surroundings import Doors
from devloop.place import tidy
from devloop.place.shared import SharedPlacer
from devloop.scope import Scope
from devloop.stages import Placer, Tools


def ls(common: Common) -> int:
    """Tells of every image that devloop made for the project and the engine still has. Blocks; Ctrl-C ends it with 130."""

    def body(report: Report) -> int:
        loaded = session.load(common, report)
        with Scope("cache") as scope, report.interrupts.during(scope.cancel):
            doors = _doors(scope, common, loaded, report)
            current = _current(scope, loaded, doors, report)
            images = list(_images(doors, loaded, current))
            for image in images:
                report.emit(image)
            # Layers are shared, so their sum is more than what is on the disk.
            said = f"{len(images)} images" if len(images) != 1 else "1 image"
            report.emit(
                events.Notice(message=f"{said} of {loaded.project.metadata.name} in the engine", is_answer=True)
            )
            scope.cancel()
        return 0

    return reporting(common, body)


def prune(common: Common, *, is_all: bool) -> int:
    """Removes superseded images from the engine and the nodes, whatever their age; with `is_all` all but the current ones.

    What a pod or container uses stays. Blocks; Ctrl-C ends it with 130.
    """

    def body(report: Report) -> int:
        loaded = session.load(common, report)
        with Scope("cache") as scope, report.interrupts.during(scope.cancel):
            doors = _doors(scope, common, loaded, report)
            current = _current(scope, loaded, doors, report)
            placer = _placer(scope, common, loaded, doors, report)
            keep = tidy.Keep(last=0 if is_all else tidy.KEPT, young_s=0, refs=current)
            tools = Tools(doors.processes, doors.engine)
            gone = [
                ref
                for each in loaded.project.build.artifacts
                for ref in tidy.tidy(scope, each.image, placer, tools, keep)
            ]
            report.emit(events.Notice(message=f"removed {', '.join(gone) or 'nothing'}", is_answer=True))
            scope.cancel()
        return 0

    return reporting(common, body)


def _doors(scope: Scope, common: Common, loaded: Loaded, report: Report) -> Doors:
    return session.open_doors(scope, None, lambda: session.connect(common, loaded.project, report).context)


def _current(scope: Scope, loaded: Loaded, doors: Doors, report: Report) -> frozenset[str]:
    """The refs that stand for what is on disk now."""
    silent = replace(report, emit=lambda _event: None)
    current = session.Session(
        scope,
        session.plan(loaded),
        doors,
        silent,
        wanted=("build", "place"),
        namespace="",
        wrap=lambda steps: naming.NamesOnly(steps, None),
    )
    current.tracker.track(scope, current.steps.listings())
    return frozenset(naming.refs(current.run(is_partial=True, until_idle=True)).values())


def _images(doors: Doors, loaded: Loaded, current: frozenset[str]) -> Iterable[events.Image]:
    now_s = time.time()
    for artifact in loaded.project.build.artifacts:
        tagged = doors.engine.tagged(artifact.image)
        for ref in sorted(filter(tidy.is_ours, tagged), key=lambda ref: tagged[ref], reverse=True):
            found = doors.engine.inspect(ref)
            if found is not None:
                yield events.Image(
                    artifact=artifact.image,
                    ref=ref,
                    image_id=found.image_id,
                    size_bytes=found.size_bytes,
                    age_s=max(0.0, now_s - tagged[ref]),
                    is_current=ref in current,
                )


def _placer(scope: Scope, common: Common, loaded: Loaded, doors: Doors, report: Report) -> Placer:
    """Who knows what the nodes have; without a cluster only the engine is tidied."""
    from devloop.place import choose

    try:
        cluster = session.connect(common, loaded.project, report)
        spec, emit = loaded.project.cluster, report.emit
        return choose.choose(scope, spec, cluster, doors.engine, doors.processes, emit=emit)
    except (Unavailable, UsageError, StepFailed) as exc:
        report.emit(events.Notice(message=f"only the engine is tidied: {exc.message}", hint=exc.hint or ""))
        return SharedPlacer()
