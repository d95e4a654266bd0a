"""The apply step of a unit with `mode: release`, and what goes before that of any other unit: that it is no release.

Comes in: a unit as rendered and filled. Goes out: its outcome, with the release's objects as the cluster holds them. It holds no state
but for which units were found not to be releases.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from devloop import events
from devloop.config import model
from devloop.deploy.helm import Helm, Upgrade, Upgraded
from devloop.deploy.helm_storage import Release
from devloop.deploy.inventory import Inventory
from devloop.deploy.resolve import resolve
from devloop.loop import releases
from devloop.loop.messages import Start
from devloop.loop.releases import is_release, release_of
from devloop.loop.surroundings import Surroundings
from devloop.products import Applied, Manifest, ObjectRef, Outcome, Rendered
from devloop.render import chart_source, helm_words
from devloop.render.images import Filled
from devloop.scope import Scope
from devloop.stages import Cluster


class ReleaseSteps:
    """The apply steps of a session as far as releases are concerned."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._lock = threading.Lock()
        self._settled: set[tuple[str, Release | None]] = set()

    def settle(self, scope: Scope, cluster: Cluster, unit: model.Unit, update: int) -> None:
        """Uninstalls releases that are no unit's any more, and looks whether this unit is a release though it is not to be one; both
        once in a session. Blocks. Raises: StepFailed.
        """
        plan, namespace = self._around.plan, self._around.namespace
        key = (unit.name, release_of(unit, namespace) if is_release(unit) else None)
        with self._lock:
            if key in self._settled:
                return
            door = self._helm(cluster, unit, update)
            for release in releases.strays(plan, namespace, unit, door.owned(scope)):
                door.uninstall(scope, release)
                door.on_line(f"{release} in {release.namespace} is no unit's any more: uninstalled")
            self._settled.add(key)

    def apply(
        self,
        scope: Scope,
        start: Start,
        rendered: Rendered,
        refs: Mapping[str, str],
        filled: Filled,
        *,
        before: Callable[[bool], None],
    ) -> Outcome:
        """Upgrades the release if there is anything new. Blocks; see `deploy.helm`, `before` too. Raises: DevloopError, Cancelled."""
        cluster = self._around.doors.cluster
        assert cluster is not None
        unit = self._around.plan.units[rendered.unit]
        door = self._helm(cluster, unit, start.update)
        release = release_of(unit, self._around.namespace)
        if filled.held:
            return self._held(scope, door, unit, filled)
        done = door.upgrade(scope, self._wanted(scope, door, rendered, refs, filled), before)
        if done.moved:
            self._around.emit(_moved(start.update, release, done))
        for warning in filled.warnings:
            self._around.emit(_never_pulled(start.update, release, warning.where))
        applied = self._applied(scope, door, unit, done)
        self._around.live.applied(replace(applied, images=tuple(sorted(refs.items()))))
        note = f"{release}, revision {done.revision.number}: {len(applied.objects)} objects"
        return Outcome(
            replace(applied, images=tuple(sorted(refs.items()))),
            note=note,
            skipped="" if done.is_changed else f"nothing to upgrade: {note}",
        )

    def _wanted(self, scope: Scope, door: Helm, rendered: Rendered, refs: Mapping[str, str], filled: Filled) -> Upgrade:
        plan, namespace = self._around.plan, self._around.namespace
        unit = plan.units[rendered.unit]
        assert unit.helm is not None
        tools = self._around.tools(f"deploy/{unit.name}")
        is_helm_3 = not unit.helm.post_renderer or door.is_helm_3(scope)
        release = release_of(unit, namespace)
        return Upgrade(
            release,
            chart=lambda scope: chart_source.complete(scope, unit, plan.base, tools),
            words=helm_words.release(unit, plan.base, refs, is_helm_3=is_helm_3),
            digest=releases.digest(plan, unit, rendered, filled.manifests, refs),
            refs=lambda scope: _refs(scope, door.cluster, filled.manifests, release.namespace),
        )

    def _held(self, scope: Scope, door: Helm, unit: model.Unit, filled: Filled) -> Outcome:
        """A release is upgraded as a whole, once all its images are there; until then it stays as it is."""
        release = release_of(unit, self._around.namespace)
        current = door.current(scope, release)
        applied = Applied(unit.name, release.namespace, ())
        if current is not None:
            applied = self._applied(scope, door, unit, Upgraded(current, is_changed=False))
        waiting = tuple(
            (one.ref, why)
            for each, why in filled.held
            for one in resolve(scope, door.cluster, [each], release.namespace)
        )
        note = f"{release} waits for {', '.join(sorted({why for _, why in filled.held}))}"
        return Outcome(replace(applied, held=waiting), note=note, skipped=note)

    def _applied(self, scope: Scope, door: Helm, unit: model.Unit, done: Upgraded) -> Applied:
        """The release's objects as the cluster holds them."""
        release = release_of(unit, self._around.namespace)
        made_of = releases.manifests(done.revision, unit, self._around.plan.base)
        found = releases.objects(scope, door.cluster, release, made_of)
        changed = tuple(replace(each, is_changed=done.is_changed) for each in found)
        return Applied(unit.name, release.namespace, changed)

    def _helm(self, cluster: Cluster, unit: model.Unit, update: int) -> Helm:
        def tell(text: str) -> None:
            self._around.emit(events.Notice(update=update, message=text))

        inventory = Inventory(self._around.plan.owner(unit.name).project, self._around.namespace)
        return Helm(cluster, self._around.doors.processes, inventory, tell)


def _refs(scope: Scope, cluster: Cluster, manifests: Iterable[Manifest], namespace: str) -> list[ObjectRef]:
    """The objects that manifests mean, without those of kinds that the cluster does not know yet: a hook may bring them."""
    found = []
    for each in manifests:
        metadata, kind = each.object["metadata"], (each.object["apiVersion"], each.object["kind"])
        if (resource := cluster.resource(scope, *kind)) is not None:
            space = (metadata.get("namespace") or namespace) if resource.is_namespaced else ""
            found.append(ObjectRef(*kind, space, metadata["name"]))
    return found


def _moved(update: int, release: Release, done: Upgraded) -> events.Notice:
    return events.Notice(
        update=update,
        message=f"{release}: {done.moved}, and is left as it is",
        hint="the next change upgrades it",
    )


def not_overridden(update: int, unit: model.Unit) -> events.Notice:
    """That a release is not changed as `devOverrides` say."""
    return events.Notice(
        update=update,
        message=f"deploy/{unit.name}: `devOverrides` change nothing of a release, which helm deploys as the chart renders it",
        hint="have a values file for development set replicas and probes, or use `mode: template`",
    )


def _never_pulled(update: int, release: Release, where: str) -> events.Notice:
    return events.Notice(
        update=update,
        message=f"{release}: imagePullPolicy Always asks a registry for an image that is on the nodes, and in no registry",
        hint="set the chart's value for it to IfNotPresent: a tag stands for its content, so it runs the same",
        where=where,
    )
