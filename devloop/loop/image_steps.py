"""What the steps of an image do: build and place, in terms of the stages that know how.

Comes in: a step that the loop starts, and the products that it depends on. Goes out: its outcome. It never decides whether a step is
needed; only whether its result is there already.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from devloop.build import hooks
from devloop.config import model
from devloop.errors import StepFailed
from devloop.graph import Node, image_target
from devloop.loop.messages import Start
from devloop.loop.surroundings import Products, Surroundings, image_of
from devloop.loop.track import Listing
from devloop.place.platforms import NodePlatforms
from devloop.place.tidy import tidy
from devloop.products import Image, Outcome
from devloop.scope import Cancelled, Scope
from devloop.stages import BuildJob, Placer, Tools
from devloop.store.rebuilds import Rebuilds


@dataclass(frozen=True)
class ImagePolicy:
    """How images are made in a session. `placer` finds the placer on first use; `rebuilds`: which artifacts were built anew on purpose.

    `is_reusing`: whether images that others made of the same inputs are looked for where the cluster takes images from. `is_uncached`:
    whether builders may take nothing from their own caches. `tag`: a readable tag that images get besides, if any.
    """

    placer: Callable[[Scope], Placer]
    rebuilds: Rebuilds
    is_reusing: bool = False
    is_uncached: bool = False
    tag: Callable[[Scope], str] = lambda _scope: ""


class ImageSteps:
    """The steps of all images of a session."""

    def __init__(self, around: Surroundings, policy: ImagePolicy) -> None:
        self._around = around
        self._policy = policy
        self._tidying = threading.Lock()
        self._restarts = hooks.Restarts()
        self._nodes = NodePlatforms(around.doors.cluster) if around.doors.cluster else None

    def tidy(self, scope: Scope) -> int:
        """Removes images that newer ones superseded, from the engine and the nodes; how many. Blocks. Raises: DevloopError."""
        with self._tidying:
            return sum(
                len(tidy(scope, each, self._policy.placer(scope), self._around.tools()))
                for each in self._around.plan.artifacts
            )

    def listing(self, artifact: model.Artifact) -> Listing:
        """How to list what its build reads."""
        builder, base, tools = self._around.plan.builders[artifact.image], self._around.plan.base, self._around.tools()
        renewed = self._policy.rebuilds.of(self._around.plan.home(artifact.image), artifact.image)
        values = f"{artifact.requires!r} {renewed}{_before(artifact)}".rstrip()
        return Listing(lambda scope: builder.inputs(scope, artifact, base, tools), base / artifact.context, values)

    def build(self, scope: Scope, start: Start, product: Products) -> Outcome:
        """Blocks; cancelled by the scope. Raises: DevloopError, Cancelled."""
        target = start.node.target
        artifact = self._around.plan.artifacts[target.removeprefix("image/")]
        ref = image_ref(artifact.image, start.digest)
        tools = self._around.tools(target)
        tags = tuple(f"{artifact.image}:{tag}" for tag in (self._policy.tag(scope),) if tag)
        if artifact.docker and artifact.docker.pull_parent:
            self._pull(scope, start, tools)
        requires = {
            each.variable: image_of(product(Node(image_target(each.image), "build"))).ref for each in artifact.requires
        }
        context, repository = self._around.plan.base / artifact.context, self._repository(scope, artifact)
        job = BuildJob(artifact, context, ref, requires, self._policy.is_uncached, repository)
        with self._tidying:
            if found := tools.engine.inspect(ref):
                for each in (ref, *tags):  # it is the latest again, and stays when old ones go
                    tools.engine.tag(found.image_id, each)
        if found:
            hooks.run(scope, job, "after", self._around.plan.base, tools, was_built=False)
            image = Image(artifact.image, ref, found.image_id, tags)
            return Outcome(image, skipped="the engine has it already", note=_also(tags))
        if (self._policy.is_reusing or repository) and not tags and not self._is_needed_here(artifact.image):
            image = Image(artifact.image, ref, "")
            if placed := self._policy.placer(scope).find(image, tools):
                return Outcome(image, skipped=placed.way)
        if artifact.hooks and artifact.hooks.before:
            self._prepare(scope, start, job, tools)
        notes: list[str] = []
        tools = replace(tools, note=notes.append)
        image_id = self._around.plan.builders[artifact.image].build(scope, job, tools)
        # The name says what the image was made from, for ever; so it is given only if nothing changed while it was made.
        if moved := self._around.tracker.confirm(scope, target, start.inputs):
            tools.engine.untag(ref)
            self._around.post(moved)
            raise Cancelled("its inputs changed while it was built")
        image = Image(artifact.image, ref, image_id, tags)
        if "@" in image_id:
            image = replace(image, image_id="", pushed=image_id)  # its names it gets where it is placed
        else:
            for each in (ref, *tags):
                tools.engine.tag(image_id, each)
        hooks.run(scope, job, "after", self._around.plan.base, tools)
        return Outcome(image, note="; ".join(filter(None, (*notes, _also(tags)))))

    def place(self, scope: Scope, start: Start, product: Products) -> Outcome:
        """Blocks; cancelled by the scope. Raises: DevloopError, Cancelled."""
        image = image_of(product(Node(start.node.target, "build")))
        if not image.image_id and not image.pushed:
            found = self._policy.placer(scope).find(image, self._around.tools(start.node.target))
            if found is None:
                raise StepFailed(
                    f"{image.ref} is in its registry no more", where=start.node.target, hint="run it again"
                )
            return Outcome(found, skipped=found.way)
        tools = self._around.tools(start.node.target)
        if self._nodes and (warning := self._nodes.warning(scope, image, tools)):
            self._around.emit(replace(warning, update=start.update))
        placed, is_sent = self._policy.placer(scope).place(scope, image, tools)
        return Outcome(
            placed, note=placed.way if is_sent else "", skipped="" if is_sent else placed.way or "it is there already"
        )

    def _prepare(self, scope: Scope, start: Start, job: BuildJob, tools: Tools) -> None:
        """Runs the hooks before the build; what they wrote counts. Raises: Cancelled when the inputs are others now."""
        target = start.node.target
        self._restarts.check(target)
        self._restarts.add(target)  # whoever cancels the step meanwhile saw them change
        hooks.run(scope, job, "before", self._around.plan.base, tools)
        if moved := self._around.tracker.confirm(scope, target, start.inputs):
            self._around.post(moved)
            raise Cancelled("its hooks changed what it reads")
        self._restarts.forget(target)

    def _repository(self, scope: Scope, artifact: model.Artifact) -> str:
        """Where a build has to leave its image if no engine can have it; "" where it is not to be placed, or not in a registry."""
        if artifact.is_for_engine or "place" not in self._around.wanted:
            return ""
        return self._policy.placer(scope).repository(artifact.image)

    def _is_needed_here(self, artifact: str) -> bool:
        """Whether its tests, or another build, need it in the engine."""
        return bool(self._around.tests_of(artifact)) or any(
            each.image == artifact for other in self._around.plan.artifacts.values() for each in other.requires
        )

    def _pull(self, scope: Scope, start: Start, tools: Tools) -> None:
        """Before anything is made of them; if that moved what the target stands on, it is decided on anew. Raises: Cancelled, too."""

        def pull(name: str) -> None:
            try:
                tools.engine.pull(scope, name, tools.line)
            except StepFailed as failed:
                instead = "without docker.pullParent, the engine's own image is used"
                hint = f"{failed.hint}; {instead}" if failed.hint else instead
                raise StepFailed(failed.message, hint=hint, where=failed.where, evidence=failed.evidence) from failed

        if moved := self._around.tracker.pull(start.node.target, start.inputs, pull):
            self._around.post(moved)
            raise Cancelled("newer images to build on were pulled")


def image_ref(artifact: str, digest: str) -> str:
    """The name of an image whose inputs have this digest (DESIGN: 16 hex digits, unique to the content)."""
    return f"{artifact}:{digest[:16]}"


def _also(tags: Sequence[str]) -> str:
    return f"also {', '.join(tags)}" if tags else ""


def _before(artifact: model.Artifact) -> str:
    """The hooks before a build as they decide on it: from wherever the session was started, the same."""
    before = artifact.hooks.before if artifact.hooks else ()
    here = [replace(each, dir=each.dir and os.path.relpath(each.dir, artifact.context)) for each in before]
    return repr(tuple(here)) if here else ""
