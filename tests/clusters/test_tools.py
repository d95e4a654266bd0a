"""The command lines of kind and k3d, and which of the two is taken."""

from __future__ import annotations

import pytest
import yaml

from devloop.clusters.tools import K3d, Kind, Wanted, check_name, installed, kind_config
from devloop.errors import StepFailed, UsageError
from devloop.scope import Scope
from devloop.testing.processes import FakeProcesses

ENGINE = {"DOCKER_HOST": "unix:///somewhere"}


@pytest.fixture
def processes() -> FakeProcesses:
    fake = FakeProcesses()
    fake.when("kind", "get", "clusters", stdout="devloop\nshop\n", stderr="")
    fake.when("kind", "create")
    fake.when("kind", "delete")
    fake.when("k3d", "cluster", "list", stdout='[{"name": "shop", "network": {}}]')
    fake.when("k3d", "cluster", "create")
    fake.when("k3d", "cluster", "delete")
    return fake


def test_kind_is_told_by_a_configuration(processes: FakeProcesses) -> None:
    with Scope("test") as scope:
        Kind(processes, ENGINE).create(scope, Wanted("shop", 2), print)
        Kind(processes, ENGINE).delete(scope, "shop", print)
    create, delete = processes.calls
    assert create.argv == ("kind", "create", "cluster", "--name", "shop", "--wait", "300s", "--config", "-")
    assert delete.argv == ("kind", "delete", "cluster", "--name", "shop")
    assert create.env == delete.env == ENGINE
    config = yaml.safe_load(create.stdin)
    assert [each["role"] for each in config["nodes"]] == ["control-plane", "worker", "worker"]
    (patch,) = config["containerdConfigPatches"]
    assert 'config_path = "/etc/containerd/certs.d"' in patch


def test_without_a_registry_kinds_nodes_are_left_as_they_are() -> None:
    config = yaml.safe_load(kind_config(Wanted("shop", has_registry=False)))
    assert config == {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [{"role": "control-plane"}],
    }


def test_k3d_brings_its_own_registry(processes: FakeProcesses) -> None:
    with Scope("test") as scope:
        K3d(processes, ENGINE).create(scope, Wanted("shop", 1), print)
        K3d(processes, ENGINE).create(scope, Wanted("shop", has_registry=False), print)
        K3d(processes, ENGINE).delete(scope, "shop", print)
    assert [" ".join(call.argv) for call in processes.calls] == [
        "k3d cluster create shop --agents 1 --wait --timeout 300s --registry-create shop-registry.localhost:127.0.0.1:0",
        "k3d cluster create shop --agents 0 --wait --timeout 300s",
        "k3d cluster delete shop",
    ]
    assert processes.calls[0].env == ENGINE


def test_clusters_are_listed(processes: FakeProcesses) -> None:
    with Scope("test") as scope:
        assert Kind(processes).names(scope) == ("devloop", "shop")
        assert K3d(processes).names(scope) == ("shop",)


@pytest.mark.parametrize("said", ["", "no clusters", "{}x", '[{"id": 1}]', "[1]"])
def test_a_list_that_is_not_understood_is_shown(processes: FakeProcesses, said: str) -> None:
    processes.when("k3d", "cluster", "list", stdout=said)
    with Scope("test") as scope, pytest.raises(StepFailed, match="not understood"):
        K3d(processes).names(scope)


@pytest.mark.parametrize("said", ["[]", "null"])
def test_there_may_be_none(processes: FakeProcesses, said: str) -> None:
    processes.when("k3d", "cluster", "list", stdout=said)
    processes.when("kind", "get", "clusters", stdout="", stderr="No kind clusters found.\n")
    with Scope("test") as scope:
        assert K3d(processes).names(scope) == Kind(processes).names(scope) == ()


def test_what_is_installed_is_used_and_kind_first(processes: FakeProcesses) -> None:
    assert [tool.word for tool in installed(processes, {})] == ["kind", "k3d"]
    assert [tool.word for tool in installed(processes, {}, "k3d")] == ["k3d"]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(UsageError, match="neither kind nor k3d is installed") as caught:
        installed(FakeProcesses(), {})
    assert caught.value.hint
    with pytest.raises(UsageError, match="k3d is not installed"):
        installed(FakeProcesses(), {}, "k3d")


@pytest.mark.parametrize("name", ["a", "devloop", "shop-2", "0"])
def test_a_name_that_every_tool_takes(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "Shop", "-a", "a-", "a b", "--help", "a.b", "x" * 33, "ä", "a\n"])
def test_a_name_that_some_tool_refuses(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        check_name(name)


# As kind 0.33 says it, where nothing can be pulled.
UNPULLED = """Creating cluster "shop" ...
 \u2022 Ensuring node image (kindest/node:v1.37.0)  ...
 \u2717 Ensuring node image (kindest/node:v1.37.0)
ERROR: failed to create cluster: failed to pull image "kindest/node:v1.37.0@sha256:a1": \
command "docker pull kindest/node:v1.37.0@sha256:a1" failed with error: exit status 1
Command Output: Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: no such host
"""


@pytest.mark.parametrize(
    ("tool", "said", "cause", "hint"),
    [
        ("kind", UNPULLED, 'failed to pull image "kindest/node:v1.37.0@sha256:a1"', "docker load"),
        ("kind", 'ERROR: node(s) already exist for a cluster with the name "shop"\n', "node(s) already exist", "below"),
        (
            "k3d",
            "INFO[0000] Prep\nERRO[0001] one\nFATA[0002] Cluster creation FAILED, rolled back\n",
            "rolled back",
            "below",
        ),
        ("kind", "panic: what\n", "exit code 1", "below"),
    ],
    ids=["unpulled", "there", "k3d", "other"],
)
def test_the_first_line_of_a_failure_is_its_cause(
    processes: FakeProcesses, tool: str, said: str, cause: str, hint: str
) -> None:
    processes.when("kind", "create", stderr=said, code=1)
    processes.when("k3d", "cluster", "create", stderr=said, code=1)
    (chosen,) = installed(processes, {}, tool)
    with Scope("test") as scope, pytest.raises(StepFailed) as caught:
        chosen.create(scope, Wanted("shop"), print)
    assert caught.value.message.startswith(f"{tool} did not make cluster shop: ")
    assert cause in caught.value.message
    assert "command" not in caught.value.message
    assert hint in str(caught.value.hint)
    assert caught.value.evidence
