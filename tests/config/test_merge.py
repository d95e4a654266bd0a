"""One part of a configuration laid over another."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from devloop.config import merge, model
from devloop.config.paths import Positions
from devloop.config.tree import List, Map, Node, parse

BELOW = """\
build:
  concurrency: 2
  artifacts:
    - {image: shop/api, context: api, docker: {target: prod, buildArgs: {A: "1", B: "2"}, ssh: [default]}}
    - {image: shop/web, custom: {command: ./build}}
deploy:
  - {name: web, kustomize: overlays/prod, needs: [db]}
  - {name: db, helm: {chart: db, set: {size: 1Gi}}}
portForward:
  - {resource: deployment/api, port: 8080}
logs: {exclude: [istio-*]}
"""


def over(above: str, below: str = BELOW) -> Any:
    made = merge.over(parse(below.encode(), "below").root, parse(above.encode(), "above").root, model.Project)
    return value(made)


def value(node: Node) -> Any:
    if isinstance(node, Map):
        assert not node.tag
        return {key.text: value(each) for key, each in node.entries}
    if isinstance(node, List):
        assert not node.tag
        return [value(each) for each in node.items]
    return node.text if node.kind == "text" else yaml.safe_load(node.text)


def test_nothing_laid_over_changes_nothing() -> None:
    assert over("{}") == yaml.safe_load(BELOW)


@pytest.mark.parametrize(
    ("above", "way", "found"),
    [
        ("build: {concurrency: 0}", ("build", "concurrency"), 0),
        ("build: {concurrency: null}", ("build", "concurrency"), None),
        ("logs: {exclude: [b]}", ("logs", "exclude"), ["b"]),
        ("logs: {exclude: []}", ("logs", "exclude"), []),
        ("logs: {exclude: !append [b]}", ("logs", "exclude"), ["istio-*", "b"]),
        ("logs: {enabled: false}", ("logs",), {"exclude": ["istio-*"], "enabled": False}),
        ("logs: !replace {enabled: false}", ("logs",), {"enabled": False}),
        ("cluster: {namespace: dev}", ("cluster", "namespace"), "dev"),
        (
            "build: {artifacts: [{image: shop/api, docker: {target: dev}}]}",
            ("build", "artifacts", 0, "docker"),
            {"target": "dev", "buildArgs": {"A": "1", "B": "2"}, "ssh": ["default"]},
        ),
        (
            "build: {artifacts: [{image: shop/api, docker: {buildArgs: {B: null, C: '3'}}}]}",
            ("build", "artifacts", 0, "docker", "buildArgs"),
            {"A": "1", "C": "3"},
        ),
        (
            "build: {artifacts: [{image: shop/api, docker: !replace {target: dev}}]}",
            ("build", "artifacts", 0, "docker"),
            {"target": "dev"},
        ),
        (
            "build: {artifacts: [{image: shop/web, ko: {main: ./cmd}}]}",
            ("build", "artifacts", 1),
            {"image": "shop/web", "ko": {"main": "./cmd"}},
        ),
        ("deploy: [{name: web, kustomize: overlays/dev}]", ("deploy", 0, "kustomize"), {"path": "overlays/dev"}),
        (
            "deploy: [{name: web, manifests: [k8s]}]",
            ("deploy", 0),
            {"name": "web", "needs": ["db"], "manifests": ["k8s"]},
        ),
        (
            "deploy: [{name: db, helm: {set: {size: 2Gi}}}]",
            ("deploy", 1, "helm"),
            {"chart": "db", "set": {"size": "2Gi"}},
        ),
        ("deploy: [!replace {name: db, manifests: [k8s]}]", ("deploy", 1), {"name": "db", "manifests": ["k8s"]}),
        ("deploy: !replace [{manifests: [k8s]}]", ("deploy",), [{"manifests": ["k8s"]}]),
    ],
)
def test_what_is_laid_over_stands_and_the_rest_stays(above: str, way: tuple[Any, ...], found: Any) -> None:
    made = over(above)
    for part in way[:-1]:
        made = made[part]
    assert (made.get(way[-1]) if isinstance(made, dict) else made[way[-1]]) == found


def test_entries_are_added_and_taken_out_by_name() -> None:
    made = over("build: {artifacts: [!remove {image: shop/web}, {image: shop/job}]}")
    assert [each["image"] for each in made["build"]["artifacts"]] == ["shop/api", "shop/job"]


def test_a_forward_is_known_by_resource_and_port() -> None:
    made = over(
        "portForward: [{resource: deployment/api, port: 8080, localPort: 9}, {resource: deployment/api, port: 9090}]"
    )
    assert made["portForward"] == [
        {"resource": "deployment/api", "port": 8080, "localPort": 9},
        {"resource": "deployment/api", "port": 9090},
    ]


def test_values_keep_the_place_where_they_are_written() -> None:
    below = parse(BELOW.encode(), "below").root
    above = parse(b"build: {artifacts: [{image: shop/api, docker: {target: dev}}]}\n", "above").root
    positions = Positions(merge.over(below, above, model.Project))
    assert positions.where(("build", "artifacts", 0, "docker", "target")) == "above:1:56"
    assert positions.where(("build", "artifacts", 0, "docker", "ssh")) == "below:4:96"
    assert positions.where(("build", "concurrency")) == "below:2:16"
