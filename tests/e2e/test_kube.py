"""The tests' own eye on the cluster, and the namespace that each test gets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.kube import Cluster, Kubectl, NoCluster, find_cluster

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {{value: '{}'}}\n"


def test_a_fresh_namespace_is_empty_and_a_snapshot_sees_each_write(kubectl: Kubectl) -> None:
    assert kubectl.snapshot() == {}
    kubectl.apply(CONFIG_MAP.format(1))
    first = kubectl.snapshot()
    assert first.keys() == {"ConfigMap/a"}
    kubectl.apply(CONFIG_MAP.format(1))
    assert kubectl.snapshot() == first
    kubectl.apply(CONFIG_MAP.format(2))
    assert kubectl.snapshot() != first


def test_what_is_gone_and_what_is_not(kubectl: Kubectl) -> None:
    kubectl.apply(CONFIG_MAP.format(1))
    found = kubectl.get("configmap", "a")
    assert found is not None
    assert found["data"] == {"value": "1"}
    with pytest.raises(AssertionError, match=r"not gone from .*: \['ConfigMap/a'\]"):
        kubectl.wait_gone(timeout_s=0)
    kubectl.run("delete", "configmap", "a")
    kubectl.wait_gone("configmap", "a")
    kubectl.wait_gone()
    assert kubectl.get("configmap", "a") is None
    with pytest.raises(AssertionError, match=r"exit 1.*NotFound"):
        kubectl.json("get", "configmap", "a")


def test_the_namespace_is_named_after_its_test(namespace: str, cluster: Cluster) -> None:
    assert namespace.startswith("t-the-namespace-is-named-after")
    assert len(namespace) <= 40
    assert cluster.context


def test_where_there_is_no_cluster_the_reason_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEVLOOP_TEST_NO_CLUSTER", "--fast was given")
    with pytest.raises(NoCluster, match="--fast was given"):
        find_cluster()
    monkeypatch.delenv("DEVLOOP_TEST_NO_CLUSTER")
    monkeypatch.delenv("DEVLOOP_TEST_CONTEXT", raising=False)
    monkeypatch.setenv("DEVLOOP_TESTBED_HOME", str(tmp_path))
    with pytest.raises(NoCluster, match="run tests/testbed/up"):
        find_cluster()
    monkeypatch.setenv("DEVLOOP_TEST_CONTEXT", "none-such")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoCluster, match="kubectl is not installed"):
        find_cluster()
    (tmp_path / "kubectl").write_text("#!/bin/sh\necho 'no such host' >&2\nexit 1\n")
    (tmp_path / "kubectl").chmod(0o755)
    with pytest.raises(NoCluster, match="none-such does not answer: no such host"):
        find_cluster()


def test_a_work_folder_is_a_copy_of_its_own(workdir: Callable[[str], Path]) -> None:
    with pytest.raises(FileNotFoundError):
        workdir("no-such-example")
