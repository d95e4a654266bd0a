"""Takes objects of ours away, and only those.

Comes in: live members of an inventory. Goes out: what was deleted, and what was kept and why. Namespaces, volumes, definitions,
what an annotation protects and what was there before devloop go only when they are named; from the last, devloop takes its marks off.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from devloop.deploy import marks, order, ownership, parallel, wait
from devloop.products import Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster

ADOPTED = "it was there before devloop"


@dataclass(frozen=True)
class Removed:
    """`released`: kept objects that devloop's marks were taken off, so that they are nobody's now. `lasting`: objects whose
    deletion was accepted but not complete when the patience ended, and is held up by a finalizer.
    """

    deleted: tuple[ObjectRef, ...] = ()
    kept: tuple[tuple[ObjectRef, str], ...] = ()
    released: frozenset[ObjectRef] = frozenset()
    lasting: tuple[ObjectRef, ...] = ()


def stale(
    members: Iterable[Object], rendered: Collection[marks.Key], unit: str, known_units: Collection[str]
) -> list[Object]:
    """The members that the unit, or one that is no more, put there and that are rendered no longer. Pure."""
    return [
        live
        for live in members
        if marks.key(marks.ref_of(live)) not in rendered
        and not live["metadata"].get("deletionTimestamp")
        and ((whose := marks.annotation(live, marks.UNIT)) == unit or whose not in known_units)
    ]


def split(members: Iterable[Object], asked: Collection[str] = ()) -> tuple[list[Object], list[tuple[Object, str]]]:
    """Which may be deleted, and which stay and why. `asked`: `kind/name` of what is deleted all the same. Pure."""
    going: list[Object] = []
    staying: list[tuple[Object, str]] = []
    for live in members:
        why = marks.why_kept(live) or (ADOPTED if marks.is_adopted(live) else "")
        if why and str(marks.ref_of(live)) not in asked:
            staying.append((live, why))
        else:
            going.append(live)
    return going, staying


def remove(
    scope: Scope,
    cluster: Cluster,
    members: Sequence[Object],
    *,
    asked: Collection[str] = (),
    still: Callable[[Object], bool] = lambda _live: True,
    patience_s: float = 0.0,
) -> Removed:
    """Deletes the members backwards in order, a wave after another.

    `still`: asked of each object as it is just before it is deleted, or given back though it changed meanwhile. `patience_s`: how long in
    all to wait until they are gone, each wave before the next; 0: not at all. Blocks; the scope ends it between two objects.
    Raises: ApiRefusal, Unavailable.
    """
    going, staying = split(members, asked)
    released = parallel.each(
        scope,
        "release",
        [live for live, why in staying if why == ADOPTED],
        lambda scope, live: _release(scope, cluster, live, still),
    )
    deleted: list[ObjectRef] = []
    lasting: list[ObjectRef] = []
    for wave in reversed(order.waves(going, marks.ref_of)):
        results = parallel.each(scope, "delete", wave, lambda scope, live: _delete(scope, cluster, live, still))
        gone = {ref: uid for ref, uid in results if ref is not None}
        deleted += gone
        if patience_s and gone:
            late = wait.until(scope, cluster, gone, wait.is_gone(gone), patience_s=patience_s)
            lasting += [ref for ref in sorted(late) if _is_held_up(cluster.get(scope, ref))]
    kept = tuple((marks.ref_of(live), why) for live, why in staying)
    return Removed(tuple(deleted), kept, frozenset(ref for ref in released if ref is not None), tuple(lasting))


def _delete(
    scope: Scope, cluster: Cluster, live: Object, still: Callable[[Object], bool]
) -> tuple[ObjectRef | None, str]:
    ref = marks.ref_of(live)
    uid = str(live["metadata"].get("uid", ""))
    while True:
        current = cluster.get(scope, ref)
        if current is None or current["metadata"].get("uid") != uid or not still(current):
            return None, ""
        if current["metadata"].get("deletionTimestamp"):
            return ref, uid  # it is going already
        # Only as it was looked at: another unit may take it over at this moment.
        if cluster.delete(scope, ref, uid=uid, resource_version=current["metadata"].get("resourceVersion")):
            return ref, uid
        scope.check()


def _is_held_up(live: Object | None) -> bool:
    """Whether more than a pod's grace period keeps it: that ends by itself, a finalizer may not."""
    return live is not None and bool(
        live["metadata"].get("finalizers") or not live["metadata"].get("deletionTimestamp")
    )


def _release(scope: Scope, cluster: Cluster, live: Object, still: Callable[[Object], bool]) -> ObjectRef | None:
    try:
        return marks.ref_of(live) if ownership.release(scope, cluster, live, still) else None
    except ApiRefusal:
        return None  # the marks do no harm; the object keeps being reported
