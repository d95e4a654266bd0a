"""What of a live object is ours: whether it still says what we sent, and which fields we own.

Comes in: objects and the server's managedFields. Goes out: answers and extracts. Pure. A wrong "it differs" costs one request that
changes nothing (server-side apply of the same values), so values that the server writes differently ("1000m", "1") may count as such.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

from devloop.products import Object

MANAGER = "devloop"
# What others rightly set after us: autoscalers and `kubectl scale`, and whoever injects certificates.
_FOR_OTHERS = frozenset({("spec", "replicas")})
_INJECTED = frozenset({"caBundle"})
# Below these are quantities: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
_QUANTITIES = frozenset(
    {"requests", "limits", "hard", "capacity", "overhead", "sizeLimit", "default", "defaultRequest"}
)
_QUANTITY = re.compile(r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?P<unit>[KMGTPE]i|[numkMGTPE]|)")
_UNITS = {
    **{
        unit: Decimal(1000) ** power for power, unit in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)
    },
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}


def is_drifted(sent: Object, live: Object) -> bool:
    """Whether something that we sent is no longer in the live object. What others added besides is no drift."""
    return any(
        not _holds(live.get(name), value, (name,))
        for name, value in sent.items()
        if name not in ("apiVersion", "kind", "status", "metadata")
    ) or any(
        not _holds((live["metadata"]).get(name), sent["metadata"].get(name), ("metadata", name))
        for name in ("labels", "annotations")
    )


def is_other(before: Object, after: Object) -> bool:
    """Whether a write in between changed the object, whatever controllers did to its status meanwhile."""
    one, other = before["metadata"], after["metadata"]
    # Of kinds that count generations, the resourceVersion also moves with the status; the generation does not with the labels.
    names = ("uid", "labels", "annotations", "generation" if "generation" in other else "resourceVersion")
    return any(one.get(name) != other.get(name) for name in names)


def _holds(live: Any, sent: Any, path: tuple[str, ...]) -> bool:
    if path in _FOR_OTHERS or path[-1] in _INJECTED:
        return True
    if isinstance(sent, dict):
        found = live if isinstance(live, dict) else {}
        return (isinstance(live, dict) or live is None) and all(
            _holds(found.get(name), value, (*path, name)) for name, value in sent.items()
        )
    if isinstance(sent, list):
        if any(isinstance(each, dict) for each in sent):
            found_items = live if isinstance(live, list) else []
            return all(any(_holds(item, each, (*path, "[]")) for item in found_items) for each in sent)
        return bool(live == sent or (live is None and not sent))
    if live is None:
        return not sent  # the server leaves zero values out
    if live == sent:
        return True
    if not isinstance(live, str):
        return False
    return str(sent) == live or (not _QUANTITIES.isdisjoint(path) and _quantity(str(sent)) == _quantity(live))


def _quantity(text: str) -> Decimal | str:
    """The value of a quantity (`500m`, `1Gi`), which the server writes in its own way; the text itself when it is none."""
    found = _QUANTITY.fullmatch(text)
    if not found:
        return text
    return Decimal(found["number"]) * _UNITS[found["unit"]]


def is_ours(entry: Object) -> bool:
    """Whether this one of an object's managedFields is what devloop applies."""
    return entry.get("manager") == MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")


def owned(live: Object) -> Object | None:
    """The part of the object that devloop's server-side apply owns; None when it owns nothing.

    Format: https://kubernetes.io/docs/reference/using-api/server-side-apply/ and FieldsV1 of the API reference.
    """
    mine = [entry for entry in live["metadata"].get("managedFields") or () if is_ours(entry)]
    if not mine:
        return None
    extract = _extract(live, mine[0].get("fieldsV1") or {})
    metadata = extract.get("metadata") or {}
    identity = {name: live["metadata"][name] for name in ("name", "namespace") if live["metadata"].get(name)}
    return {**extract, "apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": {**metadata, **identity}}


def _extract(value: Any, fields: dict[str, Any]) -> Any:
    """`f:` names a field, `k:` an item by its key fields, `v:` an item by its value; an empty set means all of it."""
    if not fields:
        return value
    if isinstance(value, dict):
        return {
            name[2:]: _extract(value[name[2:]], below)
            for name, below in fields.items()
            if name.startswith("f:") and name[2:] in value
        }
    items = []
    for name, below in fields.items():
        sort, _, text = name.partition(":")
        if sort == "k":
            keys = json.loads(text)
            for item in value:
                if all(item.get(each) == wanted for each, wanted in keys.items()):
                    items.append({**keys, **_extract(item, below)} if below else item)
        elif sort == "v":
            items += [item for item in value if item == json.loads(text)]
    return items
