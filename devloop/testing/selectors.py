"""Which objects a list or a watch is about.

Comes in: an object, a kind, selectors as the API takes them. Goes out: whether it is one of those. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from devloop.products import Object
from devloop.stages import ApiRefusal


def is_of(obj: Object, api_version: str, kind: str, namespace: str) -> bool:
    """Whether the object is of that kind, in any version, and in that namespace ("": in any)."""
    is_same = obj["kind"] == kind and obj["apiVersion"].rpartition("/")[0] == api_version.rpartition("/")[0]
    return is_same and namespace in ("", obj["metadata"].get("namespace", namespace))


def is_selected(obj: Object, labels: str, fields: str) -> bool:
    """Whether both selectors select the object; "" selects all. Raises: ApiRefusal(400)."""
    return is_selected_by_labels(obj, labels) and is_selected_by_fields(obj, fields)


def field_of(obj: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None when there is none."""
    found: Any = obj
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def is_selected_by_labels(obj: Object, selector: str) -> bool:
    """Whether a label selector (`a=b,c!=d,e,!f,g in (h,i),j notin (k)`) selects the object. Raises: ApiRefusal(400)."""
    labels = obj["metadata"].get("labels") or {}
    return all(_is_met(labels, each.strip()) for each in re.split(r",(?![^(]*\))", selector) if each.strip())


def is_selected_by_fields(obj: Object, selector: str) -> bool:
    """Whether a field selector (`metadata.name=a,status.phase!=Running`) selects the object; any path is supported."""
    for each in filter(None, selector.split(",")):
        path, value = re.split(r"!=|==?", each, maxsplit=1)
        if (str(field_of(obj, path) or "") == value) is ("!=" in each):
            return False
    return True


def _is_met(labels: Mapping[str, str], requirement: str) -> bool:
    if found := re.fullmatch(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)", requirement):
        values = {value.strip() for value in found[3].split(",")}
        return (labels.get(found[1]) in values) is (found[2] == "in")
    if found := re.fullmatch(r"([^\s=!]+)\s*(!=|==?)\s*([^\s=!]*)", requirement):
        return (labels.get(found[1]) == found[3]) is (found[2] != "!=")
    if found := re.fullmatch(r"(!?)\s*([^\s=!]+)", requirement):
        return (found[2] in labels) is not bool(found[1])
    raise ApiRefusal(400, "BadRequest", f"unable to parse requirement: {requirement}")
