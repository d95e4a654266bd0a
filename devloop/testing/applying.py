"""What a server-side apply makes of an object: the arithmetic behind the fake cluster.

Comes in: an object as it lives, as it was last applied and as it is applied now. Goes out: the object afterwards, or the refusal that
a real API server answers with. Pure; never changes what it is given.
"""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Mapping
from typing import Any

from devloop.products import Object
from devloop.stages import ApiRefusal
from devloop.testing.selectors import field_of

MANAGER = "devloop"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_PATH_NAMED = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})  # may have `:` and capitals
# Where an object, once it is there, may not change, with the words of Kubernetes 1.36.
_FIXED: Mapping[tuple[str, str], tuple[tuple[str, str], ...]] = {
    ("batch", "Job"): (("spec.template", "field is immutable"), ("spec.selector", "field is immutable")),
    ("apps", "Deployment"): (("spec.selector", "field is immutable"),),
    ("", "Service"): (("spec.clusterIP", "may not change once set"),),
}


def applied(live: Object | None, last: Object, sent: Object) -> Object:
    """The object after `sent` was applied over `live`, of which this manager had applied `last` ({}: nothing).

    Maps are merged; lists are replaced, except lists of objects that all have a `name`, which are merged by it, those sent first.
    What was in `last` and is not in `sent` goes. A Secret's `stringData` is written to `data`.
    """
    made: Object = _merged(live or {}, last, sent)
    made["metadata"]["managedFields"] = [
        {
            "manager": MANAGER,
            "operation": "Apply",
            "apiVersion": sent["apiVersion"],
            "fieldsType": "FieldsV1",
            "fieldsV1": _fields({name: value for name, value in sent.items() if name not in ("apiVersion", "kind")}),
        }
    ]
    if made["kind"] == "Secret" and made.get("stringData"):
        encoded = {name: base64.b64encode(each.encode()).decode() for name, each in made.pop("stringData").items()}
        made["data"] = {**(made.get("data") or {}), **encoded}
    return made


def patched(live: Object, patch: Object) -> Object:
    """What a merge patch (RFC 7386) makes of an object. Raises: ApiRefusal when it names another version."""
    refuse_outdated(live, patch.get("metadata", {}).get("resourceVersion", ""))
    made: Object = _patched(live, patch)
    return made


def _patched(live: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    left = copy.deepcopy(live) if isinstance(live, dict) else {}
    for name, value in patch.items():
        if value is None:
            left.pop(name, None)
        else:
            left[name] = _patched(left.get(name), value)
    return left


def specified(obj: Object) -> Object:
    """The object without what says who it is and how it does."""
    return {name: value for name, value in obj.items() if name not in ("metadata", "status")}


def refuse_outdated(live: Object, version: str) -> None:
    """Raises: ApiRefusal when the object is at another version than this, if it is one."""
    if version not in ("", live["metadata"].get("resourceVersion")):
        message = f'Operation cannot be fulfilled on "{live["metadata"]["name"]}": the object has been modified'
        raise ApiRefusal(409, "Conflict", message)


def refuse_invalid(obj: Object) -> None:
    """Raises: ApiRefusal for a name that no object can have."""
    name = obj["metadata"].get("name") or ""
    if obj["kind"] not in _PATH_NAMED and not (_NAME.fullmatch(name) and len(name) <= 253):
        raise _invalid(
            obj, f'metadata.name: Invalid value: "{name}": a lowercase RFC 1123 subdomain must consist of lower case'
        )


def refuse_unchangeable(before: Object, after: Object) -> None:
    """Raises: ApiRefusal when what is fixed differs between the two."""
    for path, words in _FIXED.get((before["apiVersion"].rpartition("/")[0], before["kind"]), ()):
        was, now = field_of(before, path), field_of(after, path)
        if was not in (None, "") and was != now:
            raise _invalid(after, f"{path}: Invalid value: {json.dumps(now)}: {words}")


def _merged(live: Any, last: Any, sent: Any) -> Any:
    if isinstance(sent, dict):
        left = _without(live, last, sent) if isinstance(live, dict) else {}
        before = last if isinstance(last, dict) else {}
        return {**left, **{name: _merged(left.get(name), before.get(name), value) for name, value in sent.items()}}
    if _is_named(sent):
        left_items = {each["name"]: each for each in live} if _is_named(live) else {}
        before_items = {each["name"]: each for each in last} if _is_named(last) else {}
        names = [each["name"] for each in sent]
        mine = [_merged(left_items.get(each["name"]), before_items.get(each["name"]), each) for each in sent]
        return mine + [
            copy.deepcopy(each) for name, each in left_items.items() if name not in names and name not in before_items
        ]
    return copy.deepcopy(sent)


def _without(live: Mapping[str, Any], last: Any, sent: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `live` without what `last` had and `sent` has not; what others put next to it stays."""
    left = copy.deepcopy(dict(live))
    for name, value in last.items() if isinstance(last, dict) else ():
        if name in sent or name not in left:
            continue
        if isinstance(value, dict) and isinstance(left[name], dict):
            left[name] = _without(left[name], value, {})
            if left[name]:
                continue
        elif _is_named(value) and _is_named(left[name]):
            mine = {each["name"] for each in value}
            left[name] = [each for each in left[name] if each["name"] not in mine]
            if left[name]:
                continue
        del left[name]
    return left


def _is_named(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) and "name" in each for each in value)


def _fields(value: Any) -> dict[str, Any]:
    """FieldsV1 of what was applied; the identity is nobody's."""
    if isinstance(value, dict):
        return {f"f:{name}": _fields(each) for name, each in value.items() if name not in ("name", "namespace")}
    if _is_named(value):
        return {
            f"k:{json.dumps({'name': each['name']}, separators=(',', ':'))}": {".": {}, "f:name": {}, **_fields(each)}
            for each in value
        }
    return {}


def _invalid(obj: Object, words: str) -> ApiRefusal:
    group, name = obj["apiVersion"].rpartition("/")[0], obj["metadata"].get("name")
    kind = f"{obj['kind']}.{group}" if group else obj["kind"]
    return ApiRefusal(422, "Invalid", f'{kind} "{name}" is invalid: {words}', {"name": name, "kind": obj["kind"]})
