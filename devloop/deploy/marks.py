"""The marks by which an object tells whose it is and what was last applied to it.

Comes in: an object as rendered, or as it lives in the cluster. Goes out: the object as it is sent, and what its marks say. Pure;
never changes what it is given. Marks sit on the object itself, never on a pod template, where they would roll the pods
(what is to roll them, `render.rolls` puts there).
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from devloop.products import Object, ObjectRef
from devloop.stages import Resource

PART_OF = "applyset.kubernetes.io/part-of"
PROJECT = "devloop.dev/project"  # NAMESPACE/PROJECT: where the inventory is, for people and for error messages
UNIT = "devloop.dev/unit"
DIGEST = "devloop.dev/digest"
ADOPTED = "devloop.dev/adopted"
KEEP = "devloop.dev/keep"
SOURCE = "devloop.dev/source"  # the file that it was last applied from; without the line, which moves with every edit above it
ROLLED_BACK = "devloop.dev/rolled-back"  # the revision whose pod template `devloop rollback` brought back
_OURS = frozenset({PROJECT, UNIT, DIGEST, ADOPTED, SOURCE, ROLLED_BACK})
_LINE = re.compile(r"(?::\d+)+$")

_SET_BY_SERVER = frozenset(
    {"creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields"}
    | {"resourceVersion", "selfLink", "uid"}
)
# Deleting these takes data or other people's objects with it (DESIGN: law 9).
_PRECIOUS = {
    "Namespace": "",
    "PersistentVolume": "",
    "PersistentVolumeClaim": "",
    "CustomResourceDefinition": "apiextensions.k8s.io",
}

Key = tuple[str, str, str, str]


def key(ref: ObjectRef) -> Key:
    """What makes two refs the same object: all but the version."""
    return ref.group, ref.kind, ref.namespace, ref.name


def ref_of(live: Mapping[str, Any]) -> ObjectRef:
    metadata = live["metadata"]
    return ObjectRef(live["apiVersion"], live["kind"], metadata.get("namespace") or "", metadata["name"])


def annotation(live: Mapping[str, Any] | None, name: str) -> str:
    return str(((live or {}).get("metadata", {}).get("annotations") or {}).get(name, ""))


def label(live: Mapping[str, Any] | None, name: str) -> str:
    return str(((live or {}).get("metadata", {}).get("labels") or {}).get(name, ""))


def prepared(obj: Object, resource: Resource, namespace: str) -> Object:
    """The object as its author means it: in its namespace, without what only the server sets, a Secret's text encoded."""
    metadata = authored(obj["metadata"])
    if not resource.is_namespaced:
        metadata.pop("namespace", None)
    elif not metadata.get("namespace"):
        metadata["namespace"] = namespace
    made = {**obj, "metadata": metadata}
    if "." not in obj["apiVersion"].partition("/")[0] or obj["apiVersion"].partition("/")[0].endswith(".k8s.io"):
        made.pop("status", None)
    return _encoded(made) if (obj["apiVersion"], obj["kind"]) == ("v1", "Secret") else made


def authored(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata without what only the server sets."""
    return {name: value for name, value in metadata.items() if name not in _SET_BY_SERVER}


def _encoded(secret: Object) -> Object:
    """`stringData` as `data`: what is only written and never read back cannot be compared, nor taken away again."""
    text = secret.get("stringData")
    data = secret.get("data") or {}
    if (
        not isinstance(text, dict)
        or not isinstance(data, dict)
        or not all(isinstance(each, str) for each in text.values())
    ):
        return secret
    encoded = {name: base64.b64encode(each.encode()).decode() for name, each in text.items()}
    return {**{name: value for name, value in secret.items() if name != "stringData"}, "data": {**data, **encoded}}


def marked(obj: Object, *, applyset: str, project: str, unit: str, source: str, is_adopted: bool) -> Object:
    """The object as it is sent. Its digest is of everything else in it. `source`: where it is written, `k8s/api.yaml:12`."""
    metadata = obj["metadata"]
    annotations = {**(metadata.get("annotations") or {}), PROJECT: project, UNIT: unit}
    file = _LINE.sub("", source)
    if file and not file.startswith("/"):  # which would differ from machine to machine, and so would the digest
        annotations[SOURCE] = file
    if is_adopted:
        annotations[ADOPTED] = "true"
    labels = {**(metadata.get("labels") or {}), PART_OF: applyset}
    sent = {**obj, "metadata": {**metadata, "labels": labels, "annotations": annotations}}
    annotations[DIGEST] = digest(sent)
    return sent


def removal(live: Mapping[str, Any]) -> Object:
    """The metadata of a merge patch that takes our marks off."""
    found: Object = {}
    if label(live, PART_OF):
        found["labels"] = {PART_OF: None}
    if mine := sorted(name for name in _OURS if annotation(live, name)):
        found["annotations"] = dict.fromkeys(mine)
    return found


def unmarked(obj: Object) -> Object:
    """The object without our marks."""
    metadata = dict(obj["metadata"])
    labels = {name: value for name, value in (metadata.pop("labels", None) or {}).items() if name != PART_OF}
    annotations = {
        name: value for name, value in (metadata.pop("annotations", None) or {}).items() if name not in _OURS
    }
    for field, values in (("labels", labels), ("annotations", annotations)):
        if values:
            metadata[field] = values
    return {**obj, "metadata": metadata}


def digest(obj: Object) -> str:
    """32 hex digits of the object's content."""
    text = json.dumps(obj, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def is_controlled(live: Mapping[str, Any]) -> bool:
    """Whether a controller made it: some copy their own object's labels, so ours on it say nothing."""
    return any(owner.get("controller") for owner in live["metadata"].get("ownerReferences") or ())


def why_kept(live: Mapping[str, Any]) -> str:
    """Why the object is not to be deleted unless it is named; "" when it may be."""
    if annotation(live, KEEP) == "true":
        return f"its annotation {KEEP} says so"
    ref = ref_of(live)
    if _PRECIOUS.get(ref.kind) == ref.group:
        return f"a {ref.kind} is deleted only by name"
    return ""


def rolled_back(live: Mapping[str, Any] | None) -> str:
    """What to say of an object that `devloop rollback` has changed since it was applied; "" for any other."""
    revision = annotation(live, ROLLED_BACK)
    return f"was rolled back to revision {revision} by devloop rollback" if revision else ""


def is_adopted(live: Mapping[str, Any] | None) -> bool:
    return annotation(live, ADOPTED) == "true"
