"""Where forwards lead: the newest ready pod, and the number behind a port's name."""

from __future__ import annotations

from typing import Any

import pytest

from devloop.config.model import PortForward
from devloop.observe.targets import Target, find_target, usual_local_port
from devloop.products import Object

CONTAINERS = [{"name": "api", "ports": [{"name": "http", "containerPort": 8080}]}]
DEPLOYMENT: Object = {
    "kind": "Deployment",
    "metadata": {"name": "api", "uid": "uid-api"},
    "spec": {"selector": {"matchLabels": {"app": "api"}}, "template": {"spec": {"containers": CONTAINERS}}},
}
SERVICE: Object = {
    "kind": "Service",
    "metadata": {"name": "api"},
    "spec": {
        "selector": {"app": "api"},
        "ports": [
            {"name": "www", "port": 80, "targetPort": "http"},
            {"name": "raw", "port": 81, "targetPort": 9000},
            {"name": "same", "port": 82},
        ],
    },
}


def pod(name: str, born: str = "2026-11-23T16:00:00Z", *, ready: bool = True, **metadata: Any) -> Object:
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "creationTimestamp": born,
            "labels": {"app": "api", "pod-template-hash": "1"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "api-1", "uid": "uid-rs", "controller": True}],
            **metadata,
        },
        "spec": {"containers": CONTAINERS},
        "status": {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


LATER = "2026-11-23T16:05:00Z"


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        ([pod("a"), pod("b", LATER)], Target("b", "uid-b", 8080)),
        ([pod("a"), pod("b", LATER, ready=False)], Target("a", "uid-a", 8080)),
        ([pod("a"), pod("b", LATER, deletionTimestamp=LATER)], Target("a", "uid-a", 8080)),
        ([pod("a", ready=False)], "no pod of deployment/api is ready"),
        ([], "no pod of deployment/api is ready"),
    ],
)
def test_a_forward_leads_to_the_newest_pod_that_serves(pods: list[Object], expected: Target | str) -> None:
    assert find_target(PortForward("deployment/api", 8080), DEPLOYMENT, pods) == expected


@pytest.mark.parametrize(
    ("spec", "live", "expected"),
    [
        (PortForward("deployment/api", "http"), DEPLOYMENT, 8080),
        (PortForward("service/api", 80), SERVICE, 8080),
        (PortForward("service/api", "raw"), SERVICE, 9000),
        (PortForward("service/api", "same"), SERVICE, 82),
    ],
)
def test_named_ports_are_looked_up(spec: PortForward, live: Object, expected: int) -> None:
    assert find_target(spec, live, [pod("a")]) == Target("a", "uid-a", expected)


@pytest.mark.parametrize(
    ("spec", "live", "reason"),
    [
        (PortForward("deployment/api", 8080), None, "there is no deployment/api"),
        (PortForward("service/api", 8080), SERVICE, "service/api has no port 8080"),
        (PortForward("deployment/api", "grpc"), DEPLOYMENT, "no container of deployment/api has a port named grpc"),
        (
            PortForward("service/api", 80),
            {**SERVICE, "spec": {"ports": SERVICE["spec"]["ports"]}},
            "service/api has no selector, so no pods",
        ),
    ],
)
def test_what_leads_nowhere_says_why(spec: PortForward, live: Object | None, reason: str) -> None:
    assert find_target(spec, live, [pod("a")]) == reason


def test_a_kind_without_pods_says_which_kinds_have_some() -> None:
    assert "configmap/api has no pods: use one of" in str(find_target(PortForward("configmap/api", 1), None, []))


@pytest.mark.parametrize(
    ("spec", "live", "port"),
    [
        (PortForward("deployment/api", 8080), None, 8080),
        (PortForward("deployment/api", "http"), None, None),
        (PortForward("deployment/api", "http"), DEPLOYMENT, 8080),
        (PortForward("service/api", "www"), SERVICE, 80),
        (PortForward("service/api", "nosuch"), SERVICE, None),
    ],
)
def test_the_usual_local_port_is_the_same_number(spec: PortForward, live: Object | None, port: int | None) -> None:
    assert usual_local_port(spec, live) == port
