"""The kinds that a fake cluster knows from birth, and those that definitions bring.

Comes in: nothing, or a CustomResourceDefinition. Goes out: resources, as discovery tells of them. Pure.
"""

from __future__ import annotations

from devloop.products import Object
from devloop.stages import Resource

_NAMESPACED = """
v1 ConfigMap configmaps, v1 Secret secrets, v1 Service services, v1 ServiceAccount serviceaccounts, v1 Pod pods, v1 Event events,
v1 PersistentVolumeClaim persistentvolumeclaims, v1 LimitRange limitranges, v1 ResourceQuota resourcequotas,
apps/v1 Deployment deployments, apps/v1 ReplicaSet replicasets, apps/v1 StatefulSet statefulsets, apps/v1 DaemonSet daemonsets,
batch/v1 Job jobs, batch/v1 CronJob cronjobs, networking.k8s.io/v1 Ingress ingresses,
networking.k8s.io/v1 NetworkPolicy networkpolicies, policy/v1 PodDisruptionBudget poddisruptionbudgets,
autoscaling/v2 HorizontalPodAutoscaler horizontalpodautoscalers, discovery.k8s.io/v1 EndpointSlice endpointslices,
rbac.authorization.k8s.io/v1 Role roles, rbac.authorization.k8s.io/v1 RoleBinding rolebindings
"""
_CLUSTER_WIDE = """
v1 Namespace namespaces, v1 Node nodes, v1 PersistentVolume persistentvolumes, storage.k8s.io/v1 StorageClass storageclasses,
apiextensions.k8s.io/v1 CustomResourceDefinition customresourcedefinitions,
rbac.authorization.k8s.io/v1 ClusterRole clusterroles, rbac.authorization.k8s.io/v1 ClusterRoleBinding clusterrolebindings
"""


def built_in() -> dict[tuple[str, str], Resource]:
    """By apiVersion and kind."""
    return {
        (version, kind): Resource(version, kind, plural, is_namespaced)
        for text, is_namespaced in ((_NAMESPACED, True), (_CLUSTER_WIDE, False))
        for version, kind, plural in (each.split() for each in text.split(","))
    }


def defined(definition: Object) -> list[Resource]:
    """The kinds that a CustomResourceDefinition brings."""
    spec = definition["spec"]
    names = spec["names"]
    return [
        Resource(f"{spec['group']}/{version['name']}", names["kind"], names["plural"], spec["scope"] == "Namespaced")
        for version in spec["versions"]
        if version.get("served")
    ]
