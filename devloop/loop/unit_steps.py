"""What the steps of a unit do: render, apply and ready, in terms of the stages that know how.

Comes in: a step that the loop starts, and the products that it depends on. Goes out: its outcome. It holds no state between steps but
for what people were told, and never decides whether a step is needed; only whether its result is there already.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from devloop import events
from devloop.build.hooks import Restarts
from devloop.config import model
from devloop.deploy import apply as deploy_apply
from devloop.deploy import namespaces
from devloop.errors import StepFailed
from devloop.graph import Node, unit_target
from devloop.loop import release_steps
from devloop.loop.messages import Start
from devloop.loop.release_steps import ReleaseSteps
from devloop.loop.releases import is_release
from devloop.loop.state import MANIFESTS
from devloop.loop.surroundings import Products, Surroundings
from devloop.loop.track import Listing
from devloop.loop.unit_hooks import UnitHooks
from devloop.observe import needs, status
from devloop.products import Applied, Identity, Inputs, Met, ObjectRef, Outcome, Product, Rendered
from devloop.render import images, rolls, unused
from devloop.render.finish import Images, finish
from devloop.render.objects import identity
from devloop.scope import Cancelled, Scope
from devloop.store.passes import Passes

T = TypeVar("T")


class UnitSteps:
    """The steps of all units of a session."""

    def __init__(self, around: Surroundings, ran: Passes) -> None:
        self._around = around
        self._hooks = UnitHooks(around, ran)
        self._restarts = Restarts()
        self._releases = ReleaseSteps(around)
        self._warning = threading.Lock()
        self._warned: set[tuple[str, str]] = set()
        self._marks: dict[ObjectRef, str] = {}
        self._rendered: dict[str, Rendered] = {}

    def listing(self, unit: model.Unit) -> Listing:
        """How to list what its rendering reads."""
        renderer, base, tools = self._around.plan.renderers[unit.name], self._around.plan.base, self._around.tools()

        def inputs(scope: Scope) -> Inputs:
            read, besides = renderer.inputs(scope, unit, base, tools), self._hooks.inputs(unit)
            return read.joined(besides) if besides else read

        plan = self._around.plan
        decides = (unit, self._around.namespace, sorted(plan.artifacts), plan.project.image_paths, plan.overrides)
        return Listing(inputs, base, repr(decides))

    def render(self, scope: Scope, start: Start) -> Outcome:
        """Blocks; cancelled by the scope. Raises: DevloopError, Cancelled."""
        unit = self._around.plan.units[start.node.target.removeprefix("deploy/")]
        tools = self._around.tools(start.node.target)
        self._prepare(scope, start, unit)
        manifests = self._around.plan.renderers[unit.name].render(
            scope, unit, self._around.plan.base, self._around.namespace, tools
        )
        if moved := self._around.tracker.confirm(scope, start.node.target, start.inputs):
            self._around.post(moved)
            raise Cancelled("its inputs changed while it was rendered")
        self._hooks.after_render(scope, unit, manifests)
        used = images.used(manifests, tuple(self._around.plan.artifacts), self._around.plan.table)
        written = {identity(each.object, self._around.namespace): each.source for each in manifests}
        rendered = Rendered(unit.name, manifests, used, start.digest, written)
        self._warn_of_unused(rendered, start.update)
        return Outcome(rendered, note=f"{len(manifests)} objects")

    def _prepare(self, scope: Scope, start: Start, unit: model.Unit) -> None:
        """Runs the hooks before the rendering; what they wrote counts. Raises: Cancelled when the inputs are others now."""
        if not (unit.hooks and unit.hooks.before_render):
            return
        target = start.node.target
        self._restarts.check(target)
        self._restarts.add(target)  # whoever cancels the step meanwhile saw them change
        self._hooks.before_render(scope, unit)
        if moved := self._around.tracker.confirm(scope, target, start.inputs):
            self._around.post(moved)
            raise Cancelled("its hooks changed what it reads")
        self._restarts.forget(target)

    def await_needs(self, scope: Scope, start: Start) -> Outcome:
        """Waits for what the unit needs of the cluster. Blocks; cancelled by the scope. Raises: DevloopError, Cancelled."""
        unit = self._around.plan.units[start.node.target.removeprefix("deploy/")]
        needs.wait(
            scope,
            _required(self._around.doors.pods),
            unit.needed_resources,
            self._around.namespace,
            where=start.node.target,
            is_endless=self._around.is_staying,
            on_progress=self._around.tools(start.node.target).line,
        )
        return Outcome(Met(unit.name), note=", ".join(each.name for each in unit.needed_resources))

    def apply(self, scope: Scope, start: Start, product: Products) -> Outcome:
        """Blocks; cancelled by the scope. Raises: DevloopError, Cancelled."""
        cluster = _required(self._around.doors.cluster)
        rendered = product(Node(start.node.target, "render"))
        assert isinstance(rendered, Rendered)
        for rival in start.rivals:
            self._check_apart(rendered, product(Node(unit_target(rival), "render")))
        refs = {name: ref for name, ref in start.basis.items() if name != MANIFESTS and name not in start.holds}
        plan = self._around.plan
        unit = plan.units[rendered.unit]
        given = Images(tuple(plan.artifacts), refs, pulled={name for name, ref in refs.items() if "@" in ref})
        if unit.helm is not None and unit.helm.create_namespace:
            namespaces.ensure(scope, cluster, unit.helm.namespace or self._around.namespace, start.node.target)
        self._releases.settle(scope, cluster, unit, start.update)
        if is_release(unit):
            if plan.overrides is not None and rendered.images:
                self._warn(release_steps.not_overridden(start.update, unit))
            filled = images.fill(rendered.manifests, refs, given.artifacts, plan.table, given.pulled)
            before = self._hooks.before_deploy(scope, unit)
            return self._releases.apply(scope, start, rendered, refs, filled, before=before)
        finished = finish(rendered.manifests, given, plan.finish(rendered.unit, self._around.namespace))

        def tell(text: str) -> None:
            self._around.emit(events.Notice(update=start.update, message=text))

        for notice in finished.notices:
            self._warn(replace(notice, update=start.update))
        applied, changed = deploy_apply.apply(
            scope,
            cluster,
            owner=plan.owner(rendered.unit, self._elsewhere(rendered.unit, product)),
            namespace=self._around.namespace,
            manifests=finished.manifests,
            held=finished.held,
            images=refs,
            consent=self._around.consent,
            on_line=tell,
            on_left=lambda text: self._warn(events.Notice(update=start.update, message=text)),
            before=self._hooks.before_deploy(scope, unit),
        )
        self._tell_rolls(applied, tell)
        self._around.live.applied(applied)
        note = _counted(changed, len(applied.objects), len(applied.pruned))
        if applied.held:
            note += "; " + ", ".join(f"{ref} waits for {why}" for ref, why in applied.held)
        return Outcome(applied, note=note, skipped="" if changed or applied.pruned else f"nothing to write: {note}")

    def ready(self, scope: Scope, start: Start, product: Products) -> Outcome:
        """Blocks; cancelled by the scope. Raises: DevloopError, Cancelled."""
        applied = product(Node(start.node.target, "apply"))
        assert isinstance(applied, Applied)
        unit = self._around.plan.units[applied.unit]
        try:
            ready = status.wait_ready(
                scope,
                _required(self._around.doors.cluster),
                _required(self._around.doors.pods),
                applied,
                deadline_s=unit.ready_deadline_seconds,
                on_progress=self._around.tools(start.node.target).line,
            )
        except StepFailed:
            self._around.live.waited(start, applied, is_ready=False)
            raise
        if not applied.held:
            self._hooks.after_deploy(scope, unit, applied)
        self._around.live.waited(start, applied, is_ready=True)
        is_empty = bool(applied.held) and not ready.summary
        return Outcome(ready, note=ready.summary, skipped="nothing to wait for yet" if is_empty else "")

    def _warn_of_unused(self, rendered: Rendered, update: int) -> None:
        """Once all units are rendered, tells of artifacts that are built for none of them."""
        plan = self._around.plan
        with self._warning:
            self._rendered[rendered.unit] = rendered
            known = [self._rendered[unit] for unit in plan.units if unit in self._rendered]
        used = frozenset[str]().union(*(each.images for each in known))
        idle = [each for each in plan.artifacts if each not in used | plan.required]
        if idle and len(known) == len(plan.units):
            manifests = (manifest for each in known for manifest in each.manifests)
            for notice in unused.notices(manifests, idle, tuple(plan.artifacts), plan.table):
                self._warn(replace(notice, update=update))

    def _warn(self, warning: events.Notice) -> None:
        """Tells of it, once in a session however often it is applied."""
        key = (warning.where.partition(":")[0], warning.message)  # lines move
        with self._warning:
            if key in self._warned:
                return
            self._warned.add(key)
        self._around.emit(warning)

    def _tell_rolls(self, applied: Applied, tell: Callable[[str], None]) -> None:
        """Says which workloads get new pods because of their settings, as far as this session knows what they had."""
        for each in applied.objects:
            now = rolls.mark(each.live)
            before = self._marks.get(each.ref, now)
            self._marks[each.ref] = now
            if before != now:
                tell(f"{each.ref} rolls: {', '.join(rolls.changed(before, now))} changed")

    def _elsewhere(self, unit: str, product: Products) -> frozenset[Identity] | None:
        """What the other units render; None while one of them was never rendered."""
        found: set[Identity] = set()
        for other in self._around.plan.units.keys() - {unit}:
            try:
                rendered = product(Node(unit_target(other), "render"))
            except KeyError:
                return None
            assert isinstance(rendered, Rendered)
            found |= rendered.objects.keys()
        return frozenset(found)

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


def _counted(changed: int, objects: int, pruned: int) -> str:
    words = f"{changed} of {objects} objects" if changed else f"{objects} objects"
    return words + (f", {pruned} removed" if pruned else "")


def _required(value: T | None) -> T:
    if value is None:
        raise TypeError("this step needs a cluster, and its command has none")
    return value
