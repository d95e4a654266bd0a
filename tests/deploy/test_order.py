"""Objects come in the order in which they need each other."""

from __future__ import annotations

from devloop.deploy import order
from devloop.products import ObjectRef


def ref(kind: str, api_version: str = "v1") -> ObjectRef:
    return ObjectRef(api_version, kind, "", "x")


def test_what_others_need_comes_first_and_custom_resources_last() -> None:
    given = [
        ref("Foo", "example.com/v1"),
        ref("Deployment", "apps/v1"),
        ref("Ingress", "networking.k8s.io/v1"),
        ref("RoleBinding", "rbac.authorization.k8s.io/v1"),
        ref("ConfigMap"),
        ref("CustomResourceDefinition", "apiextensions.k8s.io/v1"),
        ref("Service"),
        ref("Namespace"),
    ]
    assert [[each.kind for each in wave] for wave in order.waves(given, lambda each: each)] == [
        ["Namespace"],
        ["CustomResourceDefinition"],
        ["ConfigMap", "Service"],
        ["RoleBinding"],
        ["Deployment"],
        ["Foo", "Ingress"],
    ]


def test_a_custom_kind_with_a_known_name_is_a_custom_resource() -> None:
    assert order.rank(ref("Service", "serving.knative.dev/v1")) == order.LAST
    assert order.rank(ref("Service")) < order.LAST


def test_nothing_makes_no_wave() -> None:
    assert order.waves([], lambda each: each) == []
