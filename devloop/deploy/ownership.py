"""Which manager a live object's fields belong to, put right where devloop comes and where it goes.

Comes in: live objects with their managedFields. Goes out: the same objects with other owners; no value of a field changes but devloop's
own marks. Without the first, a field that plain kubectl set too would outlive its removal from the manifest; without the second, devloop
would own what it was asked to give back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from devloop.deploy import fields, marks
from devloop.deploy.conflicts import WITHOUT_OWNERSHIP
from devloop.products import Object
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster

_ATTEMPTS = 5  # others, controllers above all, may write in between


def take_whole(scope: Scope, cluster: Cluster, live: Object) -> Object:
    """Takes from plain kubectl the fields that devloop applies as well. Asks nothing when there are none. Blocks. Raises: ApiRefusal."""
    for _ in range(_ATTEMPTS):
        entries = _without_shared(live["metadata"].get("managedFields") or [])
        if entries is None:
            break
        try:
            return _written(scope, cluster, live, {"managedFields": entries})
        except ApiRefusal as exc:
            if exc.code != 409:
                raise
            live = cluster.get(scope, marks.ref_of(live)) or live
    return live


def release(scope: Scope, cluster: Cluster, live: Object, still: Callable[[Object], bool] = lambda _live: True) -> bool:
    """Gives the object back: without devloop's marks, its fields owned by devloop no longer. Blocks. Raises: ApiRefusal.

    `still`: asked of an object that changed meanwhile. False when it cannot be, because it is gone, not so any more, or changes all the
    time.
    """
    ref = marks.ref_of(live)
    for _ in range(_ATTEMPTS):
        entries = [each for each in live["metadata"].get("managedFields") or [] if not fields.is_ours(each)]
        try:
            # An empty list would mean: as it was.
            _written(scope, cluster, live, {**marks.removal(live), "managedFields": entries or [{}]})
            return True
        except ApiRefusal as exc:
            if exc.code != 409:
                raise
        current = cluster.get(scope, ref)
        if current is None or not still(current):
            return False
        live = current
    return False


def _written(scope: Scope, cluster: Cluster, live: Object, metadata: Object) -> Object:
    at = {"resourceVersion": live["metadata"].get("resourceVersion", "")}
    return cluster.merge(scope, marks.ref_of(live), {"metadata": {**at, **metadata}})


def _without_shared(entries: list[Object]) -> list[Object] | None:
    """The managedFields after plain kubectl let go of what devloop applies; None when it holds nothing of that."""
    ours = next((each.get("fieldsV1") or {} for each in entries if fields.is_ours(each)), {})
    left: list[Object] = []
    for each in entries:
        if each.get("manager") not in WITHOUT_OWNERSHIP or each.get("operation") != "Update" or each.get("subresource"):
            left.append(each)
        elif rest := _minus(each.get("fieldsV1") or {}, ours):
            left.append({**each, "fieldsV1": rest})
    return None if left == entries else left


def _minus(fields_v1: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Those of the fields that are not among ours. Format: FieldsV1 of the API reference; an empty set means all that is below."""
    left: dict[str, Any] = {}
    for name, below in fields_v1.items():
        if name not in ours:
            left[name] = below
        elif below and ours[name] and (rest := _minus(below, ours[name])):
            left[name] = rest
    return left
