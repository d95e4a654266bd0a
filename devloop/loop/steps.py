"""What each step does: build, place, render, apply, ready, each in terms of the stage that knows how.

Comes in: a step that the loop starts, and the products that it depends on. Goes out: its outcome. It holds no state of its own
between steps but for what it warned of, and never decides whether a step is needed; only whether its result is there already.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from devloop import events
from devloop.build import hooks
from devloop.config import model
from devloop.deploy import apply as deploy_apply
from devloop.errors import StepFailed
from devloop.graph import Node, image_target, unit_target
from devloop.loop.messages import Changed, Start
from devloop.loop.state import MANIFESTS
from devloop.loop.track import Listing, Tracker
from devloop.observe import status
from devloop.observe.pods import PodStore
from devloop.place.tidy import tidy
from devloop.products import Applied, Image, Outcome, Product, Rendered
from devloop.render import images
from devloop.render.objects import identity
from devloop.scope import Cancelled, Scope
from devloop.stages import ApiRefusal, Builder, BuildJob, Cluster, Engine, Placer, Processes, Renderer, Tools
from devloop.store.rebuilds import Rebuilds

T = TypeVar("T")
Products = Callable[[Node], Product]


class Live(Protocol):
    """Whoever hangs on what is deployed: logs, for one."""

    def applied(self, applied: Applied) -> None:
        """A unit was applied. Does not block."""
        ...

    def waited(self, start: Start, applied: Applied, *, is_ready: bool) -> None:
        """The wait for a unit's readiness is over. Does not block."""
        ...

    def forgotten(self, target: str) -> None:
        """A target is no longer part of the project. Does not block."""
        ...


class NobodyLive:
    """For commands that end with their deploy."""

    def applied(self, applied: Applied) -> None:
        """See Live."""

    def waited(self, start: Start, applied: Applied, *, is_ready: bool) -> None:
        """See Live."""

    def forgotten(self, target: str) -> None:
        """See Live."""


@dataclass(frozen=True)
class Doors:
    """The outside world of a session. `cluster` is None for commands that need none."""

    processes: Processes
    engine: Engine
    cluster: Cluster | None = None
    pods: PodStore | None = None


@dataclass(frozen=True)
class Plan:
    """A configuration with the implementation of each of its targets; made anew when the configuration changes.

    `known_units`: units whose objects in the cluster are the project's; what belongs to others of its units is pruned.
    """

    project: model.Project
    base: Path
    builders: Mapping[str, Builder]
    renderers: Mapping[str, Renderer]
    known_units: frozenset[str]

    @property
    def artifacts(self) -> Mapping[str, model.Artifact]:
        return {each.image: each for each in self.project.build.artifacts}

    @property
    def units(self) -> Mapping[str, model.Unit]:
        return {each.name: each for each in self.project.deploy}


class Steps:
    """Runs the steps of a session. `place` finds the placer on first use; `post` tells the loop of inputs that moved meanwhile.

    `rebuilds`: which artifacts were built anew on purpose. `is_reusing`: whether images that others made of the same inputs are looked for
    where the cluster takes images from. `is_uncached`: whether builders may take nothing from their own caches.
    `tag`: a readable tag that images get besides, if any.
    """

    def __init__(
        self,
        plan: Plan,
        doors: Doors,
        tracker: Tracker,
        emit: events.Emit,
        *,
        namespace: str,
        post: Callable[[Changed], None],
        placer: Callable[[Scope], Placer],
        live: Live,
        rebuilds: Rebuilds,
        is_reusing: bool = False,
        is_uncached: bool = False,
        tag: Callable[[Scope], str] = lambda _scope: "",
    ) -> None:
        self.plan = plan
        self._doors = doors
        self._tracker = tracker
        self._emit = emit
        self._namespace = namespace
        self._post = post
        self._placer = placer
        self._live = live
        self._rebuilds = rebuilds
        self._is_reusing = is_reusing
        self._is_uncached = is_uncached
        self._tag = tag
        self._tidying = threading.Lock()
        self._restarts = hooks.Restarts()
        self._warning = threading.Lock()
        self._warned: set[tuple[str, str]] = set()

    def __call__(self, scope: Scope, start: Start, product: Products) -> Outcome:
        """Runs one step. Blocks; cancelled by the scope. Raises: DevloopError, Cancelled."""
        if start.node.step in ("build", "render"):
            self.check_inputs(start.node.target)
        try:
            match start.node.step:
                case "build":
                    return self._build(scope, start, product)
                case "place":
                    return self._place(scope, start, product)
                case "render":
                    return self._render(scope, start)
                case "apply":
                    return self._apply(scope, start, product)
                case _:
                    return self._ready(scope, start, product)
        except ApiRefusal as exc:
            raise StepFailed(f"the API server refused: {exc.message}", where=start.node.target) from exc

    def tidy(self, scope: Scope) -> int:
        """Removes images that newer ones superseded, from the engine and the nodes; how many. Blocks. Raises: DevloopError."""
        with self._tidying:
            return sum(len(tidy(scope, each, self._placer(scope), self._tools())) for each in self.plan.artifacts)

    def check_inputs(self, target: str) -> None:
        """Raises: StepFailed when the target's inputs cannot be told."""
        if problem := self._tracker.problem(target):
            raise problem

    def listings(self) -> dict[str, Listing]:
        """How to list the inputs of every target of the plan."""
        return {
            **{image_target(name): self._artifact_listing(each) for name, each in self.plan.artifacts.items()},
            **{f"deploy/{name}": self._unit_listing(each) for name, each in self.plan.units.items()},
        }

    def _artifact_listing(self, artifact: model.Artifact) -> Listing:
        builder, base, tools = self.plan.builders[artifact.image], self.plan.base, self._tools()
        before = repr(artifact.hooks.before) if artifact.hooks and artifact.hooks.before else ""
        values = f"{artifact.requires!r} {self._rebuilds.of(base, artifact.image)}{before}".rstrip()
        return Listing(lambda scope: builder.inputs(scope, artifact, base, tools), base / artifact.context, values)

    def _unit_listing(self, unit: model.Unit) -> Listing:
        renderer, base, tools = self.plan.renderers[unit.name], self.plan.base, self._tools()
        return Listing(lambda scope: renderer.inputs(scope, unit, base, tools), base, f"{unit!r} {self._namespace}")

    def _build(self, scope: Scope, start: Start, product: Products) -> Outcome:
        target = start.node.target
        artifact = self.plan.artifacts[target.removeprefix("image/")]
        ref = image_ref(artifact.image, start.digest)
        tools = self._tools(target)
        tags = tuple(f"{artifact.image}:{tag}" for tag in (self._tag(scope),) if tag)
        if artifact.docker and artifact.docker.pull_parent:
            self._pull(scope, start, tools)
        requires = {
            each.variable: _image(product(Node(image_target(each.image), "build"))).ref for each in artifact.requires
        }
        job = BuildJob(artifact, self.plan.base / artifact.context, ref, requires, self._is_uncached)
        with self._tidying:
            if found := tools.engine.inspect(ref):
                for each in (ref, *tags):  # it is the latest again, and stays when old ones go
                    tools.engine.tag(found.image_id, each)
        if found:
            hooks.run(scope, job, "after", self.plan.base, tools, was_built=False)
            image = Image(artifact.image, ref, found.image_id, tags)
            return Outcome(image, skipped="the engine has it already", note=_also(tags))
        if self._is_reusing and not tags and not self._is_built_on(artifact.image):
            image = Image(artifact.image, ref, "")
            if placed := self._placer(scope).find(image, tools):
                return Outcome(image, skipped=placed.way)
        if artifact.hooks and artifact.hooks.before:
            self._prepare(scope, start, job, tools)
        notes: list[str] = []
        tools = replace(tools, note=notes.append)
        image_id = self.plan.builders[artifact.image].build(scope, job, tools)
        # The name says what the image was made from, for ever; so it is given only if nothing changed while it was made.
        if moved := self._tracker.confirm(scope, target, start.inputs):
            tools.engine.untag(ref)
            self._post(moved)
            raise Cancelled("its inputs changed while it was built")
        for each in (ref, *tags):
            tools.engine.tag(image_id, each)
        hooks.run(scope, job, "after", self.plan.base, tools)
        return Outcome(Image(artifact.image, ref, image_id, tags), note="; ".join(filter(None, (*notes, _also(tags)))))

    def _prepare(self, scope: Scope, start: Start, job: BuildJob, tools: Tools) -> None:
        """Runs the hooks before the build; what they wrote counts. Raises: Cancelled when the inputs are others now."""
        target = start.node.target
        self._restarts.check(target)
        self._restarts.add(target)  # whoever cancels the step meanwhile saw them change
        hooks.run(scope, job, "before", self.plan.base, tools)
        if moved := self._tracker.confirm(scope, target, start.inputs):
            self._post(moved)
            raise Cancelled("its hooks changed what it reads")
        self._restarts.forget(target)

    def _is_built_on(self, artifact: str) -> bool:
        """Whether another build needs it in the engine."""
        return any(each.image == artifact for other in self.plan.artifacts.values() for each in other.requires)

    def _pull(self, scope: Scope, start: Start, tools: Tools) -> None:
        """Before anything is made of them; if that moved what the target stands on, it is decided on anew. Raises: Cancelled, too."""

        def pull(name: str) -> None:
            try:
                tools.engine.pull(scope, name, tools.line)
            except StepFailed as failed:
                instead = "without docker.pullParent, the engine's own image is used"
                hint = f"{failed.hint}; {instead}" if failed.hint else instead
                raise StepFailed(failed.message, hint=hint, where=failed.where, evidence=failed.evidence) from failed

        if moved := self._tracker.pull(start.node.target, start.inputs, pull):
            self._post(moved)
            raise Cancelled("newer images to build on were pulled")

    def _place(self, scope: Scope, start: Start, product: Products) -> Outcome:
        image = _image(product(Node(start.node.target, "build")))
        if not image.image_id:
            found = self._placer(scope).find(image, self._tools(start.node.target))
            if found is None:
                raise StepFailed(
                    f"{image.ref} is in its registry no more", where=start.node.target, hint="run it again"
                )
            return Outcome(found, skipped=found.way)
        placed, is_sent = self._placer(scope).place(scope, image, self._tools(start.node.target))
        return Outcome(
            placed, note=placed.way if is_sent else "", skipped="" if is_sent else placed.way or "it is there already"
        )

    def _render(self, scope: Scope, start: Start) -> Outcome:
        unit = self.plan.units[start.node.target.removeprefix("deploy/")]
        tools = self._tools(start.node.target)
        manifests = self.plan.renderers[unit.name].render(scope, unit, self.plan.base, self._namespace, tools)
        if moved := self._tracker.confirm(scope, start.node.target, start.inputs):
            self._post(moved)
            raise Cancelled("its inputs changed while it was rendered")
        used = images.used(manifests, tuple(self.plan.artifacts))
        written = {identity(each.object, self._namespace): each.source for each in manifests}
        return Outcome(Rendered(unit.name, manifests, used, start.digest, written), note=f"{len(manifests)} objects")

    def _apply(self, scope: Scope, start: Start, product: Products) -> Outcome:
        cluster = _required(self._doors.cluster)
        rendered = product(Node(start.node.target, "render"))
        assert isinstance(rendered, Rendered)
        for rival in start.rivals:
            self._check_apart(rendered, product(Node(unit_target(rival), "render")))
        refs = {name: ref for name, ref in start.basis.items() if name != MANIFESTS and name not in start.holds}
        pulled = {name for name, ref in refs.items() if "@" in ref}
        filled = images.fill(rendered.manifests, refs, tuple(self.plan.artifacts), pulled)

        def tell(text: str) -> None:
            self._emit(events.Notice(update=start.update, message=text))

        for warning in filled.warnings:
            self._warn(replace(warning, update=start.update))
        applied, changed = deploy_apply.apply(
            scope,
            cluster,
            owner=deploy_apply.Owner(self.plan.project.metadata.name, rendered.unit, self.plan.known_units),
            namespace=self._namespace,
            manifests=filled.manifests,
            held=filled.held,
            images=refs,
            on_line=tell,
        )
        self._live.applied(applied)
        note = _counted(changed, len(applied.objects), len(applied.pruned))
        if applied.held:
            note += "; " + ", ".join(f"{ref} waits for {why}" for ref, why in applied.held)
        return Outcome(applied, note=note, skipped="" if changed or applied.pruned else f"nothing to write: {note}")

    def _warn(self, warning: events.Notice) -> None:
        """Tells of it, once in a session however often it is applied."""
        key = (warning.where.partition(":")[0], warning.message)  # lines move
        with self._warning:
            if key in self._warned:
                return
            self._warned.add(key)
        self._emit(warning)

    def _check_apart(self, rendered: Rendered, other: Product) -> None:
        """Raises: StepFailed when both units have an object: each would undo what the other did."""
        assert isinstance(other, Rendered)
        common = [each for each in rendered.objects if each in other.objects]
        if common:
            names = ", ".join(f"{kind.lower()}/{name}" for _, kind, _, name in common)
            raise StepFailed(
                f"{names} is rendered by deploy/{other.unit} too, in {other.objects[common[0]]}",
                where=rendered.objects[common[0]],
                hint="leave it in one of the two units, or give the two other names or namespaces",
            )

    def _ready(self, scope: Scope, start: Start, product: Products) -> Outcome:
        applied = product(Node(start.node.target, "apply"))
        assert isinstance(applied, Applied)
        unit = self.plan.units[applied.unit]
        try:
            ready = status.wait_ready(
                scope,
                _required(self._doors.cluster),
                _required(self._doors.pods),
                applied,
                deadline_s=unit.ready_deadline_seconds,
                on_progress=self._tools(start.node.target).line,
            )
        except StepFailed:
            self._live.waited(start, applied, is_ready=False)
            raise
        self._live.waited(start, applied, is_ready=True)
        is_empty = bool(applied.held) and not ready.summary
        return Outcome(ready, note=ready.summary, skipped="nothing to wait for yet" if is_empty else "")

    def _tools(self, target: str = "") -> Tools:
        def line(text: str) -> None:
            self._emit(events.Log(source="build", target=target, line=text))

        return Tools(self._doors.processes, self._doors.engine, line)


def image_ref(artifact: str, digest: str) -> str:
    """The name of an image whose inputs have this digest (DESIGN: 16 hex digits, unique to the content)."""
    return f"{artifact}:{digest[:16]}"


def _also(tags: Sequence[str]) -> str:
    return f"also {', '.join(tags)}" if tags else ""


def _image(product: Product) -> Image:
    assert isinstance(product, Image)
    return product


def _counted(changed: int, objects: int, pruned: int) -> str:
    words = f"{changed} of {objects} objects" if changed else f"{objects} objects"
    return words + (f", {pruned} removed" if pruned else "")


def _required(value: T | None) -> T:
    if value is None:
        raise TypeError("this step needs a cluster, and its command has none")
    return value
