"""Objects are taken out of documents and checked for their names; every problem is told at once."""

from __future__ import annotations

import pytest

from devloop.errors import StepFailed
from devloop.products import Manifest
from devloop.render import documents, objects


def read(text: str) -> tuple[Manifest, ...]:
    parsed, wrong = documents.parse(text, "k8s/a.yaml")
    found, wrong_objects = objects.manifests(parsed, "k8s/a.yaml")
    return objects.checked(found, [*wrong, *wrong_objects])


def config_map(name: str, *, version: str = "v1", namespace: str | None = None) -> str:
    more = f", namespace: {namespace}" if namespace else ""
    return f"{{apiVersion: {version}, kind: ConfigMap, metadata: {{name: {name}{more}}}}}\n"


def test_lists_are_taken_apart_and_empty_items_skipped() -> None:
    found = read(f"apiVersion: v1\nkind: List\nitems:\n- {config_map('a')}- null\n- {config_map('b')}")
    assert [each.object["metadata"]["name"] for each in found] == ["a", "b"]
    assert {each.source for each in found} == {"k8s/a.yaml:1"}


def test_an_object_whose_kind_ends_in_list_is_no_list() -> None:
    assert len(read("{apiVersion: x/v1, kind: AllowList, metadata: {name: a}, items: [b]}")) == 1


def test_each_object_knows_its_line() -> None:
    assert [each.source for each in read(f"{config_map('a')}---\n{config_map('b')}")] == [
        "k8s/a.yaml:1",
        "k8s/a.yaml:3",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- a", "not a Kubernetes object: a list where a mapping was expected"),
        ("hello", "not a Kubernetes object: text where a mapping was expected"),
        ("{kind: A, metadata: {name: x}}", "a/x: not a Kubernetes object: `apiVersion` is missing or no text"),
        ("{apiVersion: v1, metadata: {name: x}}", "not a Kubernetes object: `kind` is missing or no text"),
        (
            "{apiVersion: 1, kind: A, metadata: {name: x}}",
            "a/x: not a Kubernetes object: `apiVersion` is missing or no text",
        ),
        ("{apiVersion: v1, kind: A}", "not a Kubernetes object: `metadata` is missing or no mapping"),
        ("{apiVersion: v1, kind: A, metadata: {}}", "`metadata.name` is missing or no text"),
        ("{apiVersion: v1, kind: A, metadata: {name: 1}}", "`metadata.name` is missing or no text"),
        ("{apiVersion: v1, kind: A, metadata: {name: x, namespace: 1}}", "a/x: `metadata.namespace` is no text"),
        ("{apiVersion: v1, kind: A, metadata: {name: x, labels: [a]}}", "a/x: `metadata.labels` is no mapping"),
        (
            "{apiVersion: v1, kind: A, metadata: {generateName: x}}",
            "`metadata.generateName` makes a new object at each apply",
        ),
        ("{apiVersion: kustomize.config.k8s.io/v1beta1, kind: Kustomization}", "a kustomization among manifests"),
    ],
)
def test_what_is_no_object_is_told(text: str, complaint: str) -> None:
    with pytest.raises(StepFailed) as told:
        read(text)
    assert told.value.message == complaint
    assert told.value.where == "k8s/a.yaml:1:1"


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(StepFailed) as told:
        read("a: [\n---\nkind: A\nmetadata: {name: x}\n---\nb\n")
    assert told.value.message.endswith("(and 2 more)")
    assert len(told.value.evidence) == 2
    assert "k8s/a.yaml:3:1: a/x: " in told.value.evidence[0]


def test_one_object_twice_is_an_error_that_names_both_places() -> None:
    with pytest.raises(StepFailed) as told:
        read(f"{config_map('a')}---\n{config_map('a')}")
    assert told.value.message == "configmap/a is there twice: in k8s/a.yaml:1 and in k8s/a.yaml:3"


def test_two_versions_of_one_group_are_the_same_object_but_two_namespaces_are_not() -> None:
    with pytest.raises(StepFailed):
        read(f"{config_map('a', version='x/v1')}---\n{config_map('a', version='x/v2')}")
    assert len(read(f"{config_map('a', namespace='p')}---\n{config_map('a', namespace='q')}")) == 2


def test_the_digest_is_of_the_objects_not_of_their_order_or_place() -> None:
    first, second = read(f"{config_map('a')}---\n{config_map('b')}")
    digest = objects.rendered_digest((first, second))
    assert objects.rendered_digest((second, Manifest(first.object, "elsewhere"))) == digest
    assert objects.rendered_digest((first,)) != digest
