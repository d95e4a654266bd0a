"""Waiting until objects are what they have to be, by watching them.

Comes in: refs and a condition. Goes out: those that did not meet it in time. It asks nothing twice: one watch for each kind and
namespace tells of every change.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator

from devloop.products import Object, ObjectRef
from devloop.scope import Cancelled, Scope
from devloop.stages import Cluster, WatchEvent

Condition = Callable[[ObjectRef, Object | None], bool]


def until(
    scope: Scope, cluster: Cluster, refs: Iterable[ObjectRef], is_met: Condition, *, patience_s: float, labels: str = ""
) -> frozenset[ObjectRef]:
    """Blocks until the condition holds (or held once) for every ref; returns the refs for which it did not within `patience_s`.

    The condition is given None for an object that is not there. `labels` narrows what is watched; an object without them counts as
    not there. Raises: Cancelled, ApiRefusal.
    """
    waiting = set(refs)
    groups: dict[tuple[str, str, str], list[ObjectRef]] = {}
    for ref in waiting:
        groups.setdefault((ref.api_version, ref.kind, ref.namespace), []).append(ref)
    if not groups:
        return frozenset()
    lock = threading.Lock()
    with scope.child("wait for objects") as inner:

        def follow(group: list[ObjectRef]) -> None:
            for ref in _met(inner, cluster, group, is_met, labels):
                with lock:
                    waiting.discard(ref)
                    is_over = not waiting
                if is_over:
                    inner.cancel()

        for group in groups.values():
            inner.spawn(f"watch {group[0].kind}", lambda group=group: follow(group))  # type: ignore[misc]
        try:
            inner.wait(patience_s)
        except Cancelled:
            scope.check()
        inner.cancel()
    return frozenset(waiting)


def _met(scope: Scope, cluster: Cluster, group: list[ObjectRef], is_met: Condition, labels: str) -> Iterator[ObjectRef]:
    """Each ref of one kind and namespace as soon as its condition holds."""
    waiting = {ref.name: ref for ref in group}
    first = group[0]
    fields = f"metadata.name={first.name}" if len(group) == 1 else ""
    watch = cluster.watch(scope, first.api_version, first.kind, namespace=first.namespace, labels=labels, fields=fields)
    try:
        yield from _told(watch, waiting, is_met)
    finally:
        # Ends the request now, not when the garbage is collected.
        close = getattr(watch, "close", None)
        if close is not None:
            close()


def _told(watch: Iterator[WatchEvent], waiting: dict[str, ObjectRef], is_met: Condition) -> Iterator[ObjectRef]:
    present: dict[str, Object] = {}
    is_complete = False
    for event in watch:
        name = event.object.get("metadata", {}).get("name", "")
        if event.type == "DELETED":
            present.pop(name, None)
        elif event.type != "SYNCED":
            present[name] = event.object
        is_complete = is_complete or event.type == "SYNCED"
        for ref in list(waiting.values()) if is_complete else ():
            if is_met(ref, present.get(ref.name)):
                del waiting[ref.name]
                yield ref
        if not waiting:
            return


def is_gone(uids: dict[ObjectRef, str]) -> Condition:
    """Whether the object with that uid is no more; another of the same name is somebody else's."""

    def condition(ref: ObjectRef, live: Object | None) -> bool:
        return live is None or live["metadata"].get("uid") != uids[ref]

    return condition


def is_usable(ref: ObjectRef, live: Object | None) -> bool:
    """Whether a Namespace is active, or a CustomResourceDefinition established; other kinds are usable at once."""
    if live is None:
        return False
    status = live.get("status") or {}
    if ref.kind == "Namespace":
        return status.get("phase") == "Active"
    if ref.kind == "CustomResourceDefinition":
        return any(
            each.get("type") == "Established" and each.get("status") == "True"
            for each in status.get("conditions") or ()
        )
    return True
