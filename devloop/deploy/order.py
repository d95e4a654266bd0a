"""In which order objects are created, and, backwards, deleted.

Comes in: things with a kind. Goes out: waves; what is in one wave may go at the same time, a wave after another. The order is helm's
(pkg/release/util/kind_sorter.go) drawn together: what others need to exist comes first, custom resources come last. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from devloop.products import ObjectRef

T = TypeVar("T")

_WAVES: tuple[tuple[str, ...], ...] = (
    ("Namespace",),
    ("CustomResourceDefinition",),
    (
        *("PriorityClass", "RuntimeClass", "StorageClass", "IngressClass", "CSIDriver", "LimitRange", "ResourceQuota"),
        *("NetworkPolicy", "PodDisruptionBudget", "ServiceAccount", "Secret", "ConfigMap", "PersistentVolume"),
        *("PersistentVolumeClaim", "ClusterRole", "Role", "Service", "Endpoints", "EndpointSlice"),
    ),
    ("ClusterRoleBinding", "RoleBinding"),
    (
        *("Pod", "ReplicationController", "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"),
        "HorizontalPodAutoscaler",
    ),
)
_RANKS = {kind: rank for rank, kinds in enumerate(_WAVES) for kind in kinds}
# Webhooks come with what is unknown: one that is there before its workload answers would stop that very workload.
LAST = len(_WAVES)


def rank(ref: ObjectRef) -> int:
    """The number of the object's wave, from 0. A kind of somebody else's group is a custom resource whatever its name."""
    is_built_in = "." not in ref.group or ref.group.endswith(".k8s.io")
    return _RANKS.get(ref.kind, LAST) if is_built_in else LAST


def waves(items: Iterable[T], ref: Callable[[T], ObjectRef]) -> list[list[T]]:
    """The items that there are, first wave first, each wave in a fixed order."""
    found: dict[int, list[T]] = {}
    for item in sorted(items, key=ref):
        found.setdefault(rank(ref(item)), []).append(item)
    return [found[number] for number in sorted(found)]
