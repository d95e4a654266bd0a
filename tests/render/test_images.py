"""Refs go where manifests name artifacts, and nowhere else."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pytest

from devloop.products import Manifest
from devloop.render import images
from devloop.render.images import Filled
from devloop.render.places import Table


def used(manifests: Iterable[Manifest], artifacts: Collection[str]) -> frozenset[str]:
    return images.used(manifests, artifacts, Table())


def fill(
    manifests: Iterable[Manifest],
    refs: Mapping[str, str],
    artifacts: Collection[str],
    pulled: Collection[str] = frozenset(),
) -> Filled:
    return images.fill(manifests, refs, artifacts, Table(), pulled)


def pod(*names: str, kind: str = "Pod", **more: Any) -> Manifest:
    containers = [{"name": f"c{index}", "image": image, **more} for index, image in enumerate(names)]
    return Manifest(
        {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}, "spec": {"containers": containers}}, "f:1"
    )


def image_of(manifest: Manifest, index: int = 0) -> str:
    return str(manifest.object["spec"]["containers"][index]["image"])


@pytest.mark.parametrize(
    ("artifact", "image"),
    [
        ("shop/api", "shop/api"),
        ("shop/api", "shop/api:latest"),
        ("shop/api", "docker.io/shop/api:1"),
        ("shop/api", "index.docker.io/shop/api"),
        ("api", "docker.io/library/api"),
        ("docker.io/library/api", "api"),
        ("localhost:5000/api", "localhost:5000/api:2"),
    ],
)
def test_the_same_name_is_the_same_image(artifact: str, image: str) -> None:
    assert used([pod(image)], [artifact]) == {artifact}
    assert image_of(fill([pod(image)], {artifact: "r:1"}, [artifact]).manifests[0]) == "r:1"


@pytest.mark.parametrize(
    "image",
    [
        "shop/api@sha256:" + "0" * 64,
        "shop/api:1@sha256:" + "0" * 64,
        "shop/api2",
        "api",
        "gcr.io/shop/api",
        "other/shop/api",
        "",
    ],
)
def test_another_name_or_a_digest_is_not_ours(image: str) -> None:
    assert used([pod(image)], ["shop/api"]) == frozenset()
    assert image_of(fill([pod(image)], {"shop/api": "r:1"}, ["shop/api"]).manifests[0]) == image


def test_every_kind_of_container_of_every_kind_of_object_counts() -> None:
    template = {
        "spec": {
            "initContainers": [{"image": "a"}],
            "containers": [{"image": "b"}],
            "ephemeralContainers": [{"image": "c"}],
        }
    }
    cron = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "x"}}
    cron["spec"] = {"jobTemplate": {"spec": {"template": template}}}
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "x"}}
    workflow["spec"] = {"templates": [{"container": {"image": "d"}}]}
    both = [Manifest(cron, "f:1"), Manifest(workflow, "f:9")]
    assert used(both, list("abcde")) == set("abcd")
    filled = fill(both, {name: f"{name}:1" for name in "abcd"}, list("abcd")).manifests
    assert filled[0].object["spec"]["jobTemplate"]["spec"]["template"]["spec"]["initContainers"] == [{"image": "a:1"}]
    assert filled[1].object["spec"]["templates"][0]["container"] == {"image": "d:1"}


def test_text_and_schemas_that_look_like_containers_are_left_alone() -> None:
    for kind in ("ConfigMap", "Secret", "CustomResourceDefinition"):
        assert used([pod("api", kind=kind)], ["api"]) == frozenset()
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"selector": {"image": "api"}}}
    assert used([Manifest(service, "f:1")], ["api"]) == frozenset()


def test_what_came_in_is_not_changed() -> None:
    given = pod("api", "other", imagePullPolicy="Always")
    before = copy.deepcopy(given.object)
    fill([given], {"api": "api:1"}, ["api"])
    assert given.object == before


def test_an_object_waits_for_all_its_artifacts_while_others_go() -> None:
    waiting, ready, plain = pod("api", "web"), pod("api"), pod("nginx")
    filled = fill([waiting, ready, plain], {"api": "api:1"}, ["api", "web"])
    assert filled.held == ((waiting, "web"),)
    assert [image_of(each) for each in filled.manifests] == ["api:1", "nginx"]


def test_always_pull_is_turned_off_for_our_images_only_and_said() -> None:
    filled = fill([pod("api", "nginx", imagePullPolicy="Always")], {"api": "api:1"}, ["api"])
    containers = filled.manifests[0].object["spec"]["containers"]
    assert [each["imagePullPolicy"] for each in containers] == ["IfNotPresent", "Always"]
    (warning,) = filled.warnings
    assert warning.where == "f:1"
    assert "pod/x: imagePullPolicy Always of container c0 is applied as IfNotPresent" in warning.message
    assert "leave imagePullPolicy out" in warning.hint
    assert fill([pod("api", imagePullPolicy="Never")], {"api": "api:1"}, ["api"]).warnings == ()


def test_one_object_is_warned_of_once() -> None:
    filled = fill([pod("api", "web", imagePullPolicy="Always")], {"api": "api:1", "web": "web:1"}, ["api", "web"])
    (warning,) = filled.warnings
    assert "of containers c0, c1" in warning.message


def test_what_nodes_pull_from_a_registry_keeps_its_policy() -> None:
    given = pod("api", "web", imagePullPolicy="Always")
    filled = fill([given], {"api": "r:5000/api:1@sha256:1", "web": "web:1"}, ["api", "web"], {"api"})
    containers = filled.manifests[0].object["spec"]["containers"]
    assert [each["imagePullPolicy"] for each in containers] == ["Always", "IfNotPresent"]
    assert "of container c1" in filled.warnings[0].message
