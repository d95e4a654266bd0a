"""The revisions of a workload that the cluster remembers, and the way back to one.

Comes in: a live Deployment, StatefulSet or DaemonSet of ours. Goes out: its revisions, and the object as it has to be sent to bring one
back: what devloop owns of it, with the pod template of then. It only reads; a template is never taken apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devloop.deploy import fields, marks
from devloop.errors import UsageError
from devloop.products import Object
from devloop.scope import Scope
from devloop.stages import Cluster

KINDS = frozenset({("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet")})
_NUMBER = "deployment.kubernetes.io/revision"
_CAUSE = "kubernetes.io/change-cause"
_HASH = "pod-template-hash"  # which a ReplicaSet has, and a Deployment must not


@dataclass(frozen=True)
class Revision:
    """`template`: of its pods. `record`: the ReplicaSet or ControllerRevision that remembers it."""

    number: int
    template: Object
    record: Object
    is_current: bool

    @property
    def digest(self) -> str:
        """The digest of what devloop applied last with it; "" when the cluster does not tell."""
        return marks.annotation(self.record, marks.DIGEST)

    @property
    def cause(self) -> str:
        """Why it came about, as far as its annotations say."""
        return marks.rolled_back(self.record) or marks.annotation(self.record, _CAUSE)


def has_revisions(live: Object) -> bool:
    """Whether the cluster remembers revisions of this kind."""
    ref = marks.ref_of(live)
    return (ref.group, ref.kind) in KINDS


def revisions(scope: Scope, cluster: Cluster, live: Object) -> list[Revision]:
    """The revisions of a workload, the oldest first. Blocks. Raises: ApiRefusal."""
    is_deployment = live["kind"] == "Deployment"
    namespace = live["metadata"]["namespace"]
    kind = "ReplicaSet" if is_deployment else "ControllerRevision"
    records = [each for each in cluster.list(scope, "apps/v1", kind, namespace=namespace) if _is_of(each, live)]
    found = [_of_set(each, live) for each in records] if is_deployment else _of_records(records, live)
    return sorted(found, key=lambda each: each.number)


def wanted(found: Sequence[Revision], number: int | None, name: str) -> Revision:
    """The revision of this number; without one, the last before the current. Raises: UsageError when there is none, or it is current."""
    others = [each for each in found if not each.is_current]
    numbers = ", ".join(f"{each.number} (current)" if each.is_current else str(each.number) for each in found)
    if number is None:
        current = next((each.number for each in found if each.is_current), 0)
        before = [each for each in others if each.number < current]
        if not before:
            raise UsageError("there is no earlier revision", where=name, hint=f"there are {numbers or 'none'}")
        return before[-1]
    one = next((each for each in found if each.number == number), None)
    if one is None:
        raise UsageError(f"there is no revision {number}", where=name, hint=f"there are {numbers or 'none'}")
    if one.is_current:
        raise UsageError(f"revision {number} is what is deployed", where=name, hint=f"there are {numbers}")
    return one


def restored(live: Object, revision: Revision) -> Object:
    """The object as it is sent to bring the revision back. Its marks say so: the next apply sees that it is not as on disk. Pure.

    Raises: UsageError when devloop does not own the object's pod template.
    """
    mine = fields.owned(live)
    if mine is None or "template" not in mine.get("spec", {}):
        ref = marks.ref_of(live)
        hint = "devloop run takes it over; kubectl rollout undo does without"
        raise UsageError("devloop has not applied its pod template", where=str(ref), hint=hint)
    annotations = {**(mine["metadata"].get("annotations") or {}), marks.ROLLED_BACK: str(revision.number)}
    annotations.pop(marks.DIGEST, None)
    metadata = {**mine["metadata"], "annotations": annotations}
    sent = {**mine, "metadata": metadata, "spec": {**mine["spec"], "template": revision.template}}
    annotations[marks.DIGEST] = marks.digest(sent)
    return sent


def is_exact(after: Object, revision: Revision) -> bool:
    """Whether the object has just the pods of the revision: what others have set besides stays. Pure."""
    return _template(after["spec"]["template"]) == revision.template


def _is_of(record: Object, live: Object) -> bool:
    owners = record["metadata"].get("ownerReferences") or ()
    return any(each.get("controller") and each.get("uid") == live["metadata"]["uid"] for each in owners)


def _of_set(record: Object, live: Object) -> Revision:
    number = marks.annotation(record, _NUMBER)
    is_current = number == marks.annotation(live, _NUMBER)
    return Revision(int(number or 0), _template(record["spec"]["template"]), record, is_current)


def _of_records(records: Sequence[Object], live: Object) -> list[Revision]:
    """A StatefulSet names its present record; of a DaemonSet it is the last."""
    last = max(records, key=lambda each: int(each["revision"]), default=None)
    name = (live.get("status") or {}).get("updateRevision") or (last or {}).get("metadata", {}).get("name")
    return [
        Revision(
            int(each["revision"]), _template(each["data"]["spec"]["template"]), each, each["metadata"]["name"] == name
        )
        for each in records
    ]


def _template(template: Mapping[str, Any]) -> Object:
    """The template as an author may write it."""
    metadata = marks.authored(template.get("metadata") or {})
    if labels := metadata.get("labels"):
        metadata["labels"] = {name: value for name, value in labels.items() if name != _HASH}
    rest = {name: value for name, value in template.items() if name not in ("$patch", "metadata")}
    return {"metadata": metadata, **rest}
