"""What is said of an artifact that no manifest uses, and what does not look like one."""

from __future__ import annotations

import pytest
import yaml

from devloop import events
from devloop.config import model
from devloop.products import Manifest
from devloop.render import unused
from devloop.render.places import Table


@pytest.mark.parametrize(
    ("artifact", "image"),
    [
        ("shop/api", "gcr.io/acme/api"),
        ("shop/api", "api"),
        ("shop/api", "shpo/api"),
        ("localhost:5000/shop/api", "shop/api"),
        ("shop/worker", "shop/wroker"),
        ("shop/worker", "shop/workers"),
        ("shop/worker", "shop/woker"),
        ("shop/user-service", "shop/user_service"),
        ("shop/user-service", "shop/userservice"),
        ("shop/nginx", "nginx"),
        ("backend", "bakcend"),
    ],
)
def test_a_slip_looks_like_the_artifact(artifact: str, image: str) -> None:
    assert unused.is_like(artifact, image)


@pytest.mark.parametrize(
    ("artifact", "image"),
    [
        ("shop/nginx-proxy", "nginx"),
        ("shop/nginx-proxy", "shop/nginx"),
        ("shop/postgrest", "postgres"),
        ("shop/redis", "bitnami/redis-sentinel"),
        ("shop/api", "shop/app"),
        ("shop/api", "shop/web"),
        ("shop/api-v1", "shop/api-v2"),
        ("shop/worker1", "shop/worker2"),
        ("shop/worker", "shop/worker2"),
        ("shop/frontend", "shop/backend"),
        ("shop/web", "busybox"),
        ("shop/cart", "shop/card-service"),
        ("web", "db"),
        ("shop/api", "docker.io/shop/api"),
    ],
)
def test_another_image_does_not(artifact: str, image: str) -> None:
    assert not unused.is_like(artifact, image)


def manifest(body: str, kind: str = "Deployment", api: str = "apps/v1") -> Manifest:
    return Manifest(
        {"apiVersion": api, "kind": kind, "metadata": {"name": "w"}, **yaml.safe_load(body)}, "k8s/w.yaml:1"
    )


def told(body: str, kind: str = "Deployment", api: str = "apps/v1") -> events.Notice:
    artifacts = ("shop/worker", "shop/api")
    (notice,) = unused.notices([manifest(body, kind, api)], ["shop/worker"], artifacts, Table())
    return notice


def test_a_slip_is_told_with_its_place() -> None:
    notice = told("spec: {containers: [{image: nginx}, {image: 'shop/workbench:1'}, {image: 'shop/wroker:1'}]}")
    assert notice.message == "no manifest uses image shop/worker, but deployment/w names shop/wroker:1"
    assert notice.hint == "did you mean `shop/worker`?"
    assert notice.where == "k8s/w.yaml:1"


def test_an_image_of_another_artifact_is_no_slip() -> None:
    notice = told("spec: {containers: [{image: shop/api}]}")
    assert notice.message == "no manifest uses image shop/worker: it is built for nothing"


def test_a_digest_is_told() -> None:
    notice = told(f"spec: {{containers: [{{image: 'shop/worker@sha256:{'0' * 64}'}}]}}")
    assert "deployment/w names it with a digest" in notice.message


@pytest.mark.parametrize(
    ("kind", "api", "body", "row"),
    [
        ("ConfigMap", "v1", "data: {WORKER: 'shop/worker:1'}", "{kind: ConfigMap, paths: ['.data.WORKER']}"),
        (
            "Deployment",
            "apps/v1",
            "spec: {containers: [{name: c, env: [{name: X, value: y}, {name: WORKER, value: shop/worker}]}]}",
            "{kind: Deployment, group: apps, paths: ['.spec.containers[name=c].env[name=WORKER].value']}",
        ),
        (
            "MyApp",
            "example.com/v1",
            "spec: {parts: [{image: {repository: shop/worker, tag: '1'}}]}",
            "{kind: MyApp, group: example.com, paths: ['.spec.parts[*].image{repository,tag}']}",
        ),
    ],
)
def test_where_it_stands_unread_the_row_that_reads_it_is_told(kind: str, api: str, body: str, row: str) -> None:
    notice = told(body, kind, api)
    assert "where no image is looked for" in notice.message
    assert notice.hint == f"to have it filled in there: imagePaths: [{row}]"
    given = yaml.safe_load(row)
    table = Table([model.ImagePaths(given["kind"], tuple(given["paths"]), given.get("group"))])
    assert [place.image.partition(":")[0] for place in table.places(manifest(body, kind, api).object)] == [
        "shop/worker"
    ]
