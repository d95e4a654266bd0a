"""Which objects may be deleted and made again when what changed cannot change in place.

Comes in: the server's refusal and the object as it lives. Goes out: whether it may, or what to ask for. Pure. Where data, or objects of
others, could go with it, only the user's own word counts: `--recreate KIND/NAME`.
"""

from __future__ import annotations

from devloop.deploy import marks
from devloop.products import Object, ObjectRef
from devloop.stages import ApiRefusal

# All that these hold is in their manifests.
_STATELESS = frozenset(
    {("", kind) for kind in ("ConfigMap", "Pod", "ReplicationController", "Secret", "Service", "Endpoints")}
    | {("apps", kind) for kind in ("DaemonSet", "Deployment", "ReplicaSet")}
    | {("batch", "Job"), ("discovery.k8s.io", "EndpointSlice"), ("policy", "PodDisruptionBudget")}
    | {("rbac.authorization.k8s.io", kind) for kind in ("ClusterRoleBinding", "RoleBinding")}
    | {("networking.k8s.io", "IngressClass"), ("node.k8s.io", "RuntimeClass")}
    | {("scheduling.k8s.io", "PriorityClass"), ("storage.k8s.io", "StorageClass"), ("storage.k8s.io", "CSIDriver")}
)
_LOSSES = {
    ("", "PersistentVolumeClaim"): "its data goes",
    ("", "PersistentVolume"): "its data may go",
    ("", "Namespace"): "all that is in it goes",
    ("apiextensions.k8s.io", "CustomResourceDefinition"): "all its custom resources go",
}


def why_not(ref: ObjectRef, live: Object, applyset: str) -> str:
    """Why it may not unless it is named; "" when it may."""
    if marks.is_adopted(live) or marks.label(live, marks.PART_OF) != applyset:
        return "it was there before devloop"
    if why := marks.why_kept(live):
        return why
    if (ref.group, ref.kind) == ("apps", "StatefulSet"):
        return "it has volume claims" if (live.get("spec") or {}).get("volumeClaimTemplates") else ""
    return "" if (ref.group, ref.kind) in _STATELESS else "it may hold data"


def losses(ref: ObjectRef, live: Object) -> str:
    """What goes with the object when it is deleted, as far as can be told."""
    if (ref.group, ref.kind) == ("apps", "StatefulSet"):
        return _losses_of_stateful_set(live.get("spec") or {})
    return _LOSSES.get((ref.group, ref.kind), "")


def _losses_of_stateful_set(spec: Object) -> str:
    if not spec.get("volumeClaimTemplates"):
        return ""
    policy = (spec.get("persistentVolumeClaimRetentionPolicy") or {}).get("whenDeleted")
    return "its claims and their data go" if policy == "Delete" else "its claims and their data stay"


def reason(refusal: ApiRefusal) -> str:
    """What cannot change, in the server's own names of fields."""
    fields = dict.fromkeys(str(each["field"]) for each in refusal.details.get("causes") or () if each.get("field"))
    return f"{', '.join(fields) or 'what changed'} cannot change in place"
