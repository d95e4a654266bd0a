"""Makes the cluster hold what a unit renders, with as few writes as there are differences.

Comes in: manifests with their images filled in. Goes out: the objects as the API server holds them, what was written and pruned. Once
the first write is out it is finished, whatever becomes of the scope (DESIGN: law 11). It never deletes what devloop did not make, and
takes no object from another project.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from devloop.deploy import fields, marks, order, parallel, prune, refusals, wait
from devloop.deploy.inventory import Contents, Inventory
from devloop.deploy.resolve import Wanted, resolve
from devloop.errors import StepFailed
from devloop.products import Applied, AppliedObject, Manifest, Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster

USABLE_PATIENCE_S = 30.0  # for Namespaces and CustomResourceDefinitions; they take well under a second
GONE_PATIENCE_S = 60.0  # for what has to go before it can be made again: a pod's grace period is 30 s by default
DISCOVERY_PATIENCE_S = 10.0  # an established definition is served a moment later
_DISCOVERY_PAUSE_S = 0.05
_RECREATED = frozenset({("", "Pod"), ("batch", "Job")})

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Owner:
    """Whose the objects are. `known_units`: all units that the project has now; what others left behind is pruned."""

    project: str
    unit: str
    known_units: frozenset[str]


def apply(
    scope: Scope,
    cluster: Cluster,
    *,
    owner: Owner,
    namespace: str,
    manifests: Sequence[Manifest],
    images: Mapping[str, str],
    held: Sequence[tuple[Manifest, str]] = (),
    on_line: Tell = lambda _line: None,
    before: Callable[[bool], None] = lambda _is_due: None,
) -> tuple[Applied, int]:
    """Applies a unit, prunes what it no longer renders, and says how many objects were written.

    `namespace`: for objects that name none, and the inventory's. `images`: artifact → ref, for the product. `held`: manifests that
    wait for an image, with its artifact: neither applied nor pruned. `on_line` is told what was done besides: objects made anew,
    drift put right, what was kept. `before` is called before the first write, with whether there is one. Blocks; the scope ends it before
    the first write only. Objects of one wave (`order`) that are refused do not stop each other; later waves are not begun then and nothing
    is pruned.

    Raises: StepFailed with the first refusal and its place, the others as evidence; Unavailable.
    """
    job = _Job(cluster, Inventory(owner.project, namespace), owner, namespace, on_line)
    prepared = _prepare(scope, job, manifests, held)
    before(any(each.is_due for each in prepared.planned) or bool(prepared.stale))
    scope.check()
    # From here on the scope cannot stop it: half of a change is worse than one too many.
    with Scope(f"apply {owner.unit}") as uncancelled:
        objects = job.write(uncancelled, prepared.planned, prepared.known, prepared.needed)
        pruned = job.prune(uncancelled, prepared.stale)
    applied = Applied(
        owner.unit,
        namespace,
        tuple(objects),
        images=tuple(sorted(images.items())),
        pruned=tuple(pruned),
        held=prepared.waiting,
    )
    return applied, sum(each.is_changed for each in objects)


def preview(
    scope: Scope, cluster: Cluster, *, owner: Owner, namespace: str, manifests: Sequence[Manifest]
) -> tuple[tuple[ObjectRef, str], ...]:
    """What `apply` would do now: each object that it would write or remove, and why; empty when there is nothing to do.

    Writes nothing. Blocks, cancelled by the scope. Raises: StepFailed, Unavailable.
    """
    prepared = prepare(scope, cluster, owner=owner, namespace=namespace, manifests=manifests)
    written = [(each.wanted.ref, each.why) for each in prepared.planned if each.is_due]
    return (*written, *((marks.ref_of(each), "is rendered no longer") for each in prepared.stale))


def prepare(
    scope: Scope,
    cluster: Cluster,
    *,
    owner: Owner,
    namespace: str,
    manifests: Sequence[Manifest],
    definitions: Sequence[Manifest] = (),
) -> Prepared:
    """What `apply` would send and prune now, object by object. `definitions`: see resolve.

    Writes nothing. Blocks, cancelled by the scope. Raises: StepFailed, Unavailable.
    """
    job = _Job(cluster, Inventory(owner.project, namespace), owner, namespace, on_line=lambda _line: None)
    return _prepare(scope, job, manifests, (), definitions)


def may_recreate(live: Object, applyset: str) -> bool:
    """Whether the object may be deleted and made again where a change is not possible in place."""
    ref = marks.ref_of(live)
    is_ours = marks.label(live, marks.PART_OF) == applyset and not marks.is_adopted(live)
    return (ref.group, ref.kind) in _RECREATED and is_ours and not marks.why_kept(live)


@dataclass(frozen=True)
class Planned:
    """An object as it will be sent, and as it lives now."""

    wanted: Wanted
    body: Object
    live: Object | None
    is_due: bool
    is_drifted: bool = False

    @property
    def why(self) -> str:
        """Why it is sent."""
        if self.live is None:
            return "is not there"
        if told := marks.rolled_back(self.live):
            return told
        return "was changed outside of devloop" if self.is_drifted else "is rendered differently"


@dataclass(frozen=True)
class Prepared:
    """What an apply would do, before the first write. `waiting`: objects that wait for an image, and for which."""

    planned: Sequence[Planned]
    known: Contents
    needed: Contents
    stale: Sequence[Object]
    waiting: tuple[tuple[ObjectRef, str], ...]


def _prepare(
    scope: Scope,
    job: _Job,
    manifests: Sequence[Manifest],
    held: Sequence[tuple[Manifest, str]],
    definitions: Sequence[Manifest] = (),
) -> Prepared:
    cluster, inventory, owner = job.cluster, job.inventory, job.owner
    try:
        wanted = resolve(scope, cluster, manifests, job.namespace, definitions)
        waiting = tuple((one.ref, why) for each, why in held for one in resolve(scope, cluster, [each], job.namespace))
        known = inventory.read(scope, cluster)
        needed = job.needed([each.ref for each in wanted])
        members = inventory.members(scope, cluster, known.joined(needed))
        planned = job.plan(scope, wanted, members)
    except ApiRefusal as exc:
        raise StepFailed(
            f"the cluster refused to tell what is there: {exc.message}", where=f"deploy/{owner.unit}"
        ) from exc
    rendered = {marks.key(ref) for ref in (*(each.ref for each in wanted), *(ref for ref, _ in waiting))}
    return Prepared(planned, known, needed, prune.stale(members, rendered, owner.unit, owner.known_units), waiting)


@dataclass(frozen=True)
class _Job:
    """One apply of one unit."""

    cluster: Cluster
    inventory: Inventory
    owner: Owner
    namespace: str
    on_line: Tell

    def needed(self, refs: Collection[ObjectRef]) -> Contents:
        spaces = {ref.namespace for ref in refs if ref.namespace}
        return Contents(frozenset((ref.api_version, ref.kind) for ref in refs), frozenset(spaces | {self.namespace}))

    # Before the first write

    def plan(self, scope: Scope, wanted: Sequence[Wanted], members: Sequence[Object]) -> list[Planned]:
        """What has to be sent. Raises: StepFailed when another project has one of the objects."""
        ours = {marks.key(marks.ref_of(live)): live for live in members}
        unknown = [each for each in wanted if marks.key(each.ref) not in ours]
        found = parallel.each(scope, "get", unknown, self._get)
        others = {marks.key(each.ref): live for each, live in zip(unknown, found, strict=True) if live is not None}
        taken = [(each, others[marks.key(each.ref)]) for each in wanted if marks.key(each.ref) in others]
        allowed = ("", self.inventory.applyset)
        foreign = [(each, live) for each, live in taken if marks.label(live, marks.PART_OF) not in allowed]
        if foreign:
            raise self._claimed(foreign)
        return [self._planned(each, {**others, **ours}.get(marks.key(each.ref))) for each in wanted]

    def _get(self, scope: Scope, wanted: Wanted) -> Object | None:
        # A kind whose definition comes with this very apply has no objects yet.
        ref = wanted.ref
        return self.cluster.get(scope, ref) if self.cluster.resource(scope, ref.api_version, ref.kind) else None

    def _claimed(self, foreign: Sequence[tuple[Wanted, Object]]) -> StepFailed:
        lines = []
        for each, live in foreign:
            other = marks.annotation(live, marks.PROJECT)
            whose = f"project {other}" if other else f"the set {marks.label(live, marks.PART_OF)}"
            lines.append((each.source, f"{each.ref} belongs to {whose}, not to project {self.inventory.owner}"))
        (where, message), *more = lines
        return StepFailed(
            message + (f" (and {len(more)} more)" if more else ""),
            where=where,
            hint="give one of the two another name or namespace, or delete it there first",
            evidence=tuple(f"{place}: {text}" for place, text in more),
        )

    def _planned(self, wanted: Wanted, live: Object | None) -> Planned:
        is_adopted = live is not None and (
            marks.is_adopted(live) or marks.label(live, marks.PART_OF) != self.inventory.applyset
        )
        body = marks.marked(
            wanted.body,
            applyset=self.inventory.applyset,
            project=self.inventory.owner,
            unit=self.owner.unit,
            source=wanted.source,
            is_adopted=is_adopted,
        )
        if live is None or live["metadata"].get("deletionTimestamp"):
            return Planned(wanted, body, live, is_due=True)
        is_same = marks.annotation(live, marks.DIGEST) == marks.annotation(body, marks.DIGEST)
        is_drifted = is_same and fields.is_drifted(body, live)
        return Planned(wanted, body, live, is_due=not is_same or is_drifted, is_drifted=is_drifted)

    # Writing

    def write(self, scope: Scope, planned: Sequence[Planned], known: Contents, needed: Contents) -> list[AppliedObject]:
        """Sends what is due, wave by wave, the inventory first. Raises: StepFailed, Unavailable."""
        done = {
            each.wanted.ref: AppliedObject(each.wanted.ref, each.live, each.wanted.source, is_changed=False)
            for each in planned
            if not each.is_due and each.live is not None
        }
        due = [each for each in planned if each.is_due]
        # The inventory cannot be written before the namespace that it lives in.
        home = [each for each in due if self._is_home(each) and each.live is None]
        for each in home:
            self._wave(scope, [each], done)
        self._grow(scope, known, needed)
        for wave in order.waves([each for each in due if each not in home], lambda each: each.wanted.ref):
            self._wave(scope, wave, done)
        return [done[each.wanted.ref] for each in planned]

    def _is_home(self, planned: Planned) -> bool:
        ref = planned.wanted.ref
        return (ref.api_version, ref.kind, ref.name) == ("v1", "Namespace", self.namespace)

    def _grow(self, scope: Scope, known: Contents, needed: Contents) -> None:
        if not needed.kinds:
            return
        try:
            self.inventory.grow(scope, self.cluster, known, needed)
        except ApiRefusal as exc:
            if exc.code == 404:
                raise StepFailed(
                    f"no namespace {self.namespace}",
                    where=f"deploy/{self.owner.unit}",
                    hint=f"kubectl create namespace {self.namespace}",
                ) from exc
            parent = self.inventory.parent
            refused = refusals.Refusal(parent, f"deploy/{self.owner.unit}", exc.code, exc.message)
            raise refusals.error([refused], self.namespace) from exc

    def _wave(self, scope: Scope, wave: Sequence[Planned], done: dict[ObjectRef, AppliedObject]) -> None:
        """Sends the objects of one wave at the same time and waits until they can be used by the next."""
        results = parallel.each(scope, "apply", wave, self._send)
        refused = [each for each in results if isinstance(each, refusals.Refusal)]
        if refused:
            raise refusals.error(refused, self.namespace)
        sent = [each for each in results if isinstance(each, AppliedObject)]
        done.update({each.ref: each for each in sent})
        self._await_usable(scope, [each for each in sent if not wait.is_usable(each.ref, each.live)])
        self._await_served(scope, [each for each in wave if each.wanted.ref.kind == "CustomResourceDefinition"])

    def _send(self, scope: Scope, planned: Planned) -> AppliedObject | refusals.Refusal:
        ref, live = planned.wanted.ref, planned.live
        if live is not None and live["metadata"].get("deletionTimestamp"):
            self._await_gone(scope, ref, live, planned.wanted.source)
            live = None
        try:
            try:
                new = self.cluster.apply(scope, planned.body)
            except ApiRefusal as exc:
                if live is None or not may_recreate(live, self.inventory.applyset) or not refusals.is_unchangeable(exc):
                    raise
                new = self._recreate(scope, planned, live)
        except ApiRefusal as exc:
            return refusals.refusal(ref, planned.wanted.source, planned.body, exc)
        is_changed = live is None or fields.is_other(live, new)
        if is_changed and (told := marks.rolled_back(live)):
            self.on_line(f"{ref} {told}; it is again as on disk now")
        elif is_changed and planned.is_drifted:
            self.on_line(f"{ref} had been changed outside of devloop; put right")
        return AppliedObject(ref, new, planned.wanted.source, is_changed)

    def _recreate(self, scope: Scope, planned: Planned, live: Object) -> Object:
        """A Job's template and most of a Pod cannot change: the object has to go first."""
        ref = planned.wanted.ref
        self.cluster.delete(scope, ref, uid=live["metadata"].get("uid"))
        self._await_gone(scope, ref, live, planned.wanted.source)
        new = self.cluster.apply(scope, planned.body)
        self.on_line(f"{ref} was deleted and made again: what changed cannot change in place")
        return new

    # Waiting in between

    def _await_gone(self, scope: Scope, ref: ObjectRef, live: Object, source: str) -> None:
        is_gone = wait.is_gone({ref: live["metadata"].get("uid", "")})
        if wait.until(scope, self.cluster, [ref], is_gone, patience_s=GONE_PATIENCE_S):
            finalizers = ", ".join(live["metadata"].get("finalizers") or ()) or "none"
            raise StepFailed(
                f"{ref} is still being deleted after {GONE_PATIENCE_S:.0f} s",
                where=source,
                hint=f"something has to finish with it first; its finalizers: {finalizers}",
            )

    def _await_usable(self, scope: Scope, sent: Sequence[AppliedObject]) -> None:
        late = wait.until(
            scope, self.cluster, [each.ref for each in sent], wait.is_usable, patience_s=USABLE_PATIENCE_S
        )
        for each in sent:
            if each.ref in late:
                live = self.cluster.get(scope, each.ref) or {}
                conditions = (live.get("status") or {}).get("conditions") or ()
                raise StepFailed(
                    f"{each.ref} is not usable after {USABLE_PATIENCE_S:.0f} s",
                    where=each.source,
                    evidence=tuple(
                        f"{one.get('type')}={one.get('status')}: {one.get('message', '')}" for one in conditions
                    ),
                )

    def _await_served(self, scope: Scope, definitions: Sequence[Planned]) -> None:
        """Waits until the server answers for the kinds; it tells of that in no watch."""
        for each in definitions:
            spec = each.body["spec"]
            for version in spec["versions"]:
                api_version, kind = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
                for _ in range(int(DISCOVERY_PATIENCE_S / _DISCOVERY_PAUSE_S)):
                    if not version.get("served") or self.cluster.resource(scope, api_version, kind):
                        break
                    scope.wait(_DISCOVERY_PAUSE_S)

    # Pruning

    def prune(self, scope: Scope, stale: Sequence[Object]) -> list[ObjectRef]:
        """Deletes what is rendered no longer, and says what stays and why. Blocks until the deletes are accepted."""
        try:
            removed = prune.remove(scope, self.cluster, stale, still=self._is_still_stale)
        except ApiRefusal as exc:
            raise StepFailed(
                f"the cluster refused to delete what {self.owner.unit} no longer renders: {exc.message}",
                where=f"deploy/{self.owner.unit}",
            ) from exc
        for ref, why in removed.kept:
            self.on_line(f"kept {ref}, which is no longer rendered: {why}")
        return list(removed.deleted)

    def _is_still_stale(self, live: Object) -> bool:
        """Another unit may have taken it over since it was looked at."""
        unit = marks.annotation(live, marks.UNIT)
        is_ours = marks.label(live, marks.PART_OF) == self.inventory.applyset
        return is_ours and (unit == self.owner.unit or unit not in self.owner.known_units)
