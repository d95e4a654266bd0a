"""What an apply will do: which objects have to be sent, and which are stale.

Comes in: a unit's manifests. Goes out: each object as it will be sent and as it lives, with the reason why. It asks the cluster as few
times as there are kinds, whatever the number of objects, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from devloop.deploy import fields, marks, parallel, prune
from devloop.deploy.inventory import Contents, Inventory
from devloop.deploy.resolve import Wanted, resolve
from devloop.errors import StepFailed
from devloop.products import Manifest, Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster

Tell = Callable[[str], None]
FEW = 16  # so many objects of a kind are asked for one by one; more are listed


@dataclass(frozen=True)
class Owner:
    """Whose the objects are. `known_units`: all units that the project has now; what others left behind is pruned.

    `folder`: the project's, as the sources of its manifests name it. Marks do without it, so that they are the same from wherever the
    project is deployed.

    `elsewhere`: what the other units render (as render.objects.identity calls it), which is theirs to take over, so it is not pruned;
    None: not all of it can be told yet, so nothing is pruned: what it left behind is postponed, and what units did that are no more.

    `siblings`: other projects of the session. What the unit renders of theirs moved to it, for no two units render the same.
    """

    project: str
    unit: str
    known_units: frozenset[str]
    elsewhere: frozenset[marks.Key] | None = frozenset()
    folder: str = "."
    siblings: frozenset[str] = frozenset()

    def named(self, source: str) -> str:
        """A source of a manifest as the project itself calls it."""
        return source.removeprefix(f"{self.folder}/")


@dataclass(frozen=True)
class Consent:
    """What the user asked for by name. `is_forcing`: take fields over from other managers. `recreate`: `kind/name` of objects that may be
    deleted and made again though data could go.
    """

    is_forcing: bool = False
    recreate: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Job:
    """One apply of one unit. `on_line` is told what is done besides applying, `on_left` what is not done, again and again."""

    cluster: Cluster
    inventory: Inventory
    owner: Owner
    consent: Consent
    on_line: Tell
    on_left: Tell

    @property
    def namespace(self) -> str:
        """For objects that name none."""
        return self.inventory.namespace

    @property
    def applysets(self) -> frozenset[str]:
        """The sets that the unit may take its objects from: its own project's, and those of the session's others."""
        projects = {self.inventory.project, *self.owner.siblings}
        return frozenset(Inventory(each, self.inventory.namespace).applyset for each in projects)

    @property
    def where(self) -> str:
        """How errors call the unit."""
        return f"deploy/{self.owner.unit}"


@dataclass(frozen=True)
class Planned:
    """An object as it will be sent, and as it lives now. `is_drifted`: it was changed since it was sent."""

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


def prepare(
    scope: Scope,
    job: Job,
    manifests: Sequence[Manifest],
    held: Sequence[tuple[Manifest, str]],
    definitions: Sequence[Manifest] = (),
) -> Prepared:
    """Compares what is rendered with what is there. Blocks, cancelled by the scope. Raises: StepFailed, Unavailable.

    `held`: manifests that wait for an image, with its artifact. `definitions`: see resolve.
    """
    try:
        wanted = resolve(scope, job.cluster, manifests, job.namespace, definitions)
        waiting = tuple(
            (one.ref, why) for each, why in held for one in resolve(scope, job.cluster, [each], job.namespace)
        )
        known = job.inventory.read(scope, job.cluster)
        needed = _needed(job, [each.ref for each in wanted])
        members = job.inventory.members(scope, job.cluster, known.joined(needed))
        planned = _plan(scope, job, wanted, members)
    except ApiRefusal as exc:
        raise StepFailed(f"the cluster refused to tell what is there: {exc.message}", where=job.where) from exc
    rendered = {marks.key(ref) for ref in (*(each.ref for each in wanted), *(ref for ref, _ in waiting))}
    return Prepared(planned, known, needed, _stale(job, members, rendered), waiting)


def _needed(job: Job, refs: Collection[ObjectRef]) -> Contents:
    spaces = {ref.namespace for ref in refs if ref.namespace}
    return Contents(frozenset((ref.api_version, ref.kind) for ref in refs), frozenset(spaces | {job.namespace}))


def _stale(job: Job, members: Sequence[Object], rendered: set[marks.Key]) -> list[Object]:
    elsewhere = job.owner.elsewhere
    former = {marks.annotation(live, marks.UNIT) for live in members} if elsewhere is None else set()
    found = prune.stale(members, rendered, job.owner.unit, job.owner.known_units | former)
    return [
        live for live in found if not _is_among(marks.key(marks.ref_of(live)), elsewhere or frozenset(), job.namespace)
    ]


def _is_among(key: marks.Key, elsewhere: frozenset[marks.Key], namespace: str) -> bool:
    """Whoever renders does not know which kinds have no namespace, so there those have the one of what names none."""
    group, kind, space, name = key
    return (group, kind, space or namespace, name) in elsewhere


def _plan(scope: Scope, job: Job, wanted: Sequence[Wanted], members: Sequence[Object]) -> list[Planned]:
    """What has to be sent. Raises: StepFailed when another project has one of the objects."""
    ours = {marks.key(marks.ref_of(live)): live for live in members}
    others = _look_up(scope, job.cluster, [each for each in wanted if marks.key(each.ref) not in ours])
    allowed = {"", *job.applysets}
    taken = [(each, others[marks.key(each.ref)]) for each in wanted if marks.key(each.ref) in others]
    foreign = [(each, live) for each, live in taken if marks.label(live, marks.PART_OF) not in allowed]
    if foreign:
        raise _claimed(job, foreign)
    return [_planned(job, each, {**others, **ours}.get(marks.key(each.ref))) for each in wanted]


def _look_up(scope: Scope, cluster: Cluster, unknown: Sequence[Wanted]) -> Mapping[marks.Key, Object]:
    """Those of the objects that are there. Few of a kind are asked for; of many the kind is listed."""
    groups: dict[tuple[str, str, str], list[Wanted]] = {}
    for each in unknown:
        groups.setdefault((each.ref.api_version, each.ref.kind, each.ref.namespace), []).append(each)
    single = [each for group in groups.values() if len(group) <= FEW for each in group]
    lists = [place for place, group in groups.items() if len(group) > FEW]
    found = [
        live for live in parallel.each(scope, "get", single, lambda scope, each: _get(scope, cluster, each)) if live
    ]
    for listed in parallel.each(scope, "list", lists, lambda scope, place: _list(scope, cluster, *place)):
        found += listed
    wanted = {marks.key(each.ref) for each in unknown}
    return {key: live for live in found if (key := marks.key(marks.ref_of(live))) in wanted}


# A kind whose definition comes with this very apply has no objects yet.


def _get(scope: Scope, cluster: Cluster, wanted: Wanted) -> Object | None:
    ref = wanted.ref
    return cluster.get(scope, ref) if cluster.resource(scope, ref.api_version, ref.kind) else None


def _list(scope: Scope, cluster: Cluster, api_version: str, kind: str, namespace: str) -> list[Object]:
    is_served = cluster.resource(scope, api_version, kind) is not None
    return cluster.list(scope, api_version, kind, namespace=namespace) if is_served else []


def _claimed(job: Job, foreign: Sequence[tuple[Wanted, Object]]) -> StepFailed:
    lines = []
    for each, live in foreign:
        other = marks.annotation(live, marks.PROJECT)
        whose = f"project {other}" if other else f"the set {marks.label(live, marks.PART_OF)}"
        lines.append((each.source, f"{each.ref} belongs to {whose}, not to project {job.inventory.owner}"))
    (where, message), *more = lines
    return StepFailed(
        message + (f" (and {len(more)} more)" if more else ""),
        where=where,
        hint="give one of the two another name or namespace, or delete it there first",
        evidence=tuple(f"{place}: {text}" for place, text in more),
    )


def _planned(job: Job, wanted: Wanted, live: Object | None) -> Planned:
    is_adopted = live is not None and (marks.is_adopted(live) or marks.label(live, marks.PART_OF) not in job.applysets)
    body = marks.marked(
        wanted.body,
        applyset=job.inventory.applyset,
        project=job.inventory.owner,
        unit=job.owner.unit,
        source=job.owner.named(wanted.source),
        is_adopted=is_adopted,
    )
    if live is None or live["metadata"].get("deletionTimestamp"):
        return Planned(wanted, body, live, is_due=True)
    is_same = marks.annotation(live, marks.DIGEST) == marks.annotation(body, marks.DIGEST)
    is_drifted = is_same and fields.is_drifted(body, live)
    return Planned(wanted, body, live, is_due=not is_same or is_drifted, is_drifted=is_drifted)
