"""Which workloads roll when a ConfigMap or Secret changes, and which do not."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest
import yaml

from devloop.products import Manifest
from devloop.render import rolls

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: one, b: two}"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {a: one, b: two}"

VOLUME = "volumes: [{name: v, configMap: {name: settings}}]"
PODS = {
    "volume": VOLUME,
    "optional volume": "volumes: [{name: v, configMap: {name: settings, optional: true}}]",
    "subPath": f"{VOLUME}\ncontainers: [{{name: c, volumeMounts: [{{name: v, mountPath: /x, subPath: a}}]}}]",
    "projected": "volumes: [{name: v, projected: {sources: [{configMap: {name: settings}}]}}]",
    "envFrom": "containers: [{name: c, envFrom: [{configMapRef: {name: settings}}]}]",
    "env": "containers: [{name: c, env: [{name: A, valueFrom: {configMapKeyRef: {name: settings, key: a}}}]}]",
    "init": "initContainers: [{name: c, envFrom: [{configMapRef: {name: settings}}]}]",
    "items": "volumes: [{name: v, configMap: {name: settings, items: [{key: a, path: x}]}}]",
}
SECRET_PODS = {
    "volume": "volumes: [{name: v, secret: {secretName: keys}}]",
    "projected": "volumes: [{name: v, projected: {sources: [{secret: {name: keys}}]}}]",
    "envFrom": "containers: [{name: c, envFrom: [{secretRef: {name: keys}}]}]",
    "env": "containers: [{name: c, env: [{name: A, valueFrom: {secretKeyRef: {name: keys, key: a}}}]}]",
}


def manifest(text: str, **changes: Any) -> Manifest:
    return Manifest({**yaml.safe_load(text), **changes}, "k8s/x.yaml:1")


def workload(pod: str, kind: str = "Deployment", api: str = "apps/v1", namespace: str = "") -> Manifest:
    metadata = {"name": "w"} | ({"namespace": namespace} if namespace else {})
    spec = {"template": {"metadata": {"labels": {"app": "w"}}, "spec": yaml.safe_load(pod)}}
    return Manifest({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}, "k8s/w.yaml:1")


def mark(*manifests: Manifest, namespace: str = "dev") -> str:
    """What the last one's template says."""
    ready, _ = rolls.marked(manifests, (), namespace)
    annotations = ready[-1].object["spec"]["template"]["metadata"].get("annotations", {})
    return str(annotations.get(rolls.ANNOTATION, ""))


@pytest.mark.parametrize("way", PODS)
def test_what_pods_take_from_a_config_map_rolls_them(way: str) -> None:
    pods = workload(PODS[way])
    before = mark(manifest(CONFIG), pods)
    assert before.startswith("configmap/settings=")
    assert mark(manifest(CONFIG), pods) == before
    assert mark(manifest(CONFIG, data={"b": "two", "a": "one"}), pods) == before
    assert mark(manifest(CONFIG, data={"a": "new", "b": "two"}), pods) != before


@pytest.mark.parametrize("way", SECRET_PODS)
def test_what_pods_take_from_a_secret_rolls_them(way: str) -> None:
    pods = workload(SECRET_PODS[way])
    before = mark(manifest(SECRET), pods)
    assert before.startswith("secret/keys=")
    assert "one" not in before
    encoded = {key: base64.b64encode(text).decode() for key, text in (("a", b"one"), ("b", b"two"))}
    assert mark(manifest(SECRET, stringData=None, data=encoded), pods) == before
    assert mark(manifest(SECRET, stringData={"a": "new", "b": "two"}), pods) != before


@pytest.mark.parametrize("way", ["env", "items"])
def test_another_key_than_the_pods_name_rolls_nothing(way: str) -> None:
    pods = workload(PODS[way])
    assert mark(manifest(CONFIG), pods) == mark(manifest(CONFIG, data={"a": "one", "b": "new"}), pods)


def test_a_whole_use_beside_a_use_of_one_key_counts_for_all_keys() -> None:
    pods = workload(f"{VOLUME}\n{PODS['env']}")
    assert mark(manifest(CONFIG), pods) != mark(manifest(CONFIG, data={"a": "one", "b": "new"}), pods)


def test_binary_data_counts_and_is_not_text() -> None:
    pods = workload(VOLUME)
    marks = {
        mark(manifest(CONFIG, **given), pods)
        for given in (
            {"data": {"a": "b25l"}},
            {"data": None, "binaryData": {"a": "b25l"}},
            {"data": None, "binaryData": {"a": "dHdv"}},
        )
    }
    assert len(marks) == 3


@pytest.mark.parametrize(
    "pods",
    [
        workload("containers: []"),
        workload("volumes: [{name: v, configMap: {name: other}}]"),
        workload("volumes: [{name: v, secret: {secretName: settings}}]"),
        workload("imagePullSecrets: [{name: settings}]"),
        workload(VOLUME, namespace="elsewhere"),
        workload(VOLUME, "Job", "batch/v1"),
        workload(VOLUME, "Deployment", "example.com/v1"),
    ],
)
def test_who_uses_nothing_of_the_unit_is_left_as_it_is(pods: Manifest) -> None:
    config = manifest(CONFIG)
    ready, held = rolls.marked([config, pods], (), "dev")
    assert (ready, held) == ((config, pods), ())


@pytest.mark.parametrize(
    ("kind", "api"),
    [
        ("StatefulSet", "apps/v1"),
        ("DaemonSet", "apps/v1"),
        ("Rollout", "argoproj.io/v1alpha1"),
        ("Service", "serving.knative.dev/v1"),
    ],
)
def test_each_kind_whose_pods_are_replaced_rolls(kind: str, api: str) -> None:
    assert mark(manifest(CONFIG), workload(VOLUME, kind, api))


def test_a_namespace_that_is_named_is_the_one_that_goes_without_saying() -> None:
    assert mark(manifest(CONFIG), workload(VOLUME, namespace="dev"))


def test_all_that_is_used_is_told_in_one_order_and_other_annotations_stay() -> None:
    pods = workload("volumes: [{secret: {secretName: keys}}, {configMap: {name: settings}}]")
    pods.object["spec"]["template"]["metadata"]["annotations"] = {"mine": "1"}
    before = copy.deepcopy(pods.object)
    ready, _ = rolls.marked([pods, manifest(SECRET), manifest(CONFIG)], (), "dev")
    annotations = ready[0].object["spec"]["template"]["metadata"]["annotations"]
    assert annotations["mine"] == "1"
    assert [each.partition("=")[0] for each in annotations[rolls.ANNOTATION].split(",")] == [
        "configmap/settings",
        "secret/keys",
    ]
    assert pods.object == before


def test_pods_wait_with_a_config_map_that_waits_for_an_image() -> None:
    pods, other, config = workload(VOLUME), workload("containers: []"), manifest(CONFIG)
    ready, held = rolls.marked([pods, other], [(config, "shop/worker")], "dev")
    assert ready == (other,)
    assert held == ((config, "shop/worker"), (pods, "shop/worker"))


@pytest.mark.parametrize("broken", ["volumes: 5", "volumes: [7, null]", "containers: {a: 1}", "containers: [{env: 1}]"])
def test_what_is_malformed_is_for_the_api_server_to_say(broken: str) -> None:
    assert mark(manifest(CONFIG, data=5), workload(broken)) == ""


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("configmap/a=1,secret/b=2", "configmap/a=1,secret/b=3", ("secret/b",)),
        ("configmap/a=1", "configmap/a=1,configmap/c=1", ("configmap/c",)),
        ("configmap/a=1,secret/b=1", "", ("configmap/a", "secret/b")),
        ("", "", ()),
    ],
)
def test_what_rolls_says_why(before: str, after: str, told: tuple[str, ...]) -> None:
    assert rolls.changed(before, after) == told
