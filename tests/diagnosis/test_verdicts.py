"""Facts to verdicts, as tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devloop.config import model
from devloop.diagnosis import cluster, engine, images, programs, rights, watches
from devloop.diagnosis.programs import Program
from devloop.effects.watch_limits import WatchLimits
from devloop.place.minikube import MinikubePlacer
from devloop.place.node import NodeUse
from devloop.place.nodes import NodesPlacer
from devloop.place.registry import RegistryPlacer
from devloop.place.shared import SharedPlacer
from devloop.products import Access, Inputs
from devloop.scope import Scope
from devloop.stages import Completed, EngineInfo
from devloop.testing.cluster import FakeCluster


@pytest.mark.parametrize(
    ("info", "verdict", "words"),
    [
        (EngineInfo("29.1", "me", "Debian", storage="overlayfs", is_containerd=True), "ok", "containerd's image store"),
        (EngineInfo("20.10", "me", "Debian", storage="overlay2"), "ok", "the classic image store (overlay2)"),
        (EngineInfo("29.1", "me", "Windows", platform="windows/amd64"), "problem", "windows/amd64"),
    ],
)
def test_engines(info: EngineInfo, verdict: str, words: str) -> None:
    found = engine.verdict(info)
    assert (found.verdict, words in found.found) == (verdict, True)


@pytest.mark.parametrize(
    ("buildx", "cli", "verdict"),
    [
        ("github.com/docker/buildx v0.30.1 9e66234", "Docker version 29.1.0", "ok"),
        ("", "Docker version 20.10.24, build 297e128", "warning"),
        ("", "Docker version 28.2.2, build e6534b4", "warning"),
    ],
)
def test_builders_of_docker(buildx: str, cli: str, verdict: str) -> None:
    assert engine.buildx_verdict(buildx, cli).verdict == verdict


def test_podmans_builder_is_its_command() -> None:
    assert engine.podman_verdict("/usr/bin/podman").verdict == "ok"
    assert engine.podman_verdict(None).fix == "install the podman command"


@pytest.mark.parametrize(
    ("free", "total", "verdict"),
    [(50e9, 100e9, "ok"), (9e9, 100e9, "warning"), (9e9, 20e9, "ok"), (0.5e9, 2e9, "problem")],
)
def test_disks(free: int, total: int, verdict: str) -> None:
    assert engine.disk_verdict("disk", free, total, "make room", "/").verdict == verdict


@pytest.mark.parametrize(
    ("free", "percent", "verdict"),
    [
        (38e9, 85, "warning"),  # 85 % full, as the kubelet rounds it
        (41e9, 85, "ok"),
        (38e9, 100, "ok"),  # as on kind's nodes
        (0.5e9, 85, "problem"),
    ],
)
def test_a_kubelet_that_makes_room_is_told(free: float, percent: int, verdict: str) -> None:
    """Of 252 GB, 62 GB are used and much of the rest is kept from everybody: what counts is what may be written."""
    found = images.node_disk_verdict(NodeUse((), int(62e9), int(free), int(252e9), percent), "kind-worker")
    assert found.verdict == verdict
    assert ("removes images" in found.found) == (verdict == "warning")


@pytest.mark.parametrize(
    ("there", "verdict", "words"),
    [
        (1000.0, "ok", "agrees"),
        (999.0, "ok", "agrees"),  # it is rounded down
        (1005.0, "ok", "agrees"),
        (1012.0, "warning", "11 s ahead of"),
        (980.0, "warning", "20 s behind"),
        (2000.0, "problem", "999 s ahead of"),
        (500.0, "problem", "tokens and certificates"),
    ],
)
def test_clocks(there: float, verdict: str, words: str) -> None:
    found = cluster.clock_verdict(there, before=1000.5, after=1001.0)
    assert (found.verdict, words in found.found) == (verdict, True), found.found


@pytest.mark.parametrize(
    ("limits", "wanted", "verdict", "words"),
    [
        (WatchLimits(8192, 128, 100, 1), 500, "ok", "100 of 8192 watches are in use, 500 folders to watch"),
        (WatchLimits(8192, 128, 8000, 1), 500, "warning", "max_user_watches"),
        (WatchLimits(524288, 128, 8000, 128), 5, "warning", "max_user_instances"),
        (WatchLimits(8192, 128, 100, 1), None, "warning", "max_user_watches"),
        (WatchLimits(65536, 128, 100, 1), None, "ok", "100 of 65536"),
        (None, 500, "ok", "no limit"),
    ],
)
def test_watches(limits: WatchLimits | None, wanted: int | None, verdict: str, words: str) -> None:
    found = watches.verdict(limits, wanted)
    assert (found.verdict, words in found.found + found.fix) == (verdict, True), found


def test_folders_are_counted_once_and_without_those_that_do_not_count(tmp_path: Path) -> None:
    for name in ("a/b", "node_modules/x/y", "c"):
        (tmp_path / name).mkdir(parents=True)

    def inputs(*roots: Path) -> Inputs:
        return Inputs(tmp_path, (), roots, lambda _: True, skips=lambda folder: folder.name == "node_modules")

    with Scope("test") as scope:
        found = watches.folders(scope, [inputs(tmp_path), inputs(tmp_path / "a")])
    assert found == {str(tmp_path), *(str(tmp_path / each) for each in ("a", "a/b", "c"))}


@pytest.mark.parametrize(
    ("url", "is_named", "verdict"),
    [
        ("https://127.0.0.1:6443", False, "ok"),
        ("https://localhost:6443", False, "ok"),
        ("https://[::1]:6443", False, "ok"),
        ("https://k8s.example.com", False, "warning"),
        ("https://k8s.example.com", True, "ok"),
    ],
)
def test_contexts(url: str, is_named: bool, verdict: str) -> None:
    assert cluster.context_verdict("there", url, is_named=is_named).verdict == verdict


@pytest.mark.parametrize(
    ("url", "proxy", "verdict"),
    [
        ("https://10.0.0.5:6443", None, "ok"),
        ("https://10.0.0.5:6443", "http://user:secret@proxy:3128", "warning"),
        ("https://k8s.example.com", "http://user:secret@proxy:3128", "ok"),
        ("https://cluster.internal", "http://user:secret@proxy:3128", "warning"),
    ],
)
def test_proxies(url: str, proxy: str | None, verdict: str) -> None:
    found = cluster.proxy_verdict(url, proxy)
    assert found.verdict == verdict
    assert "secret" not in found.found + found.fix


def node(**conditions: str) -> dict[str, Any]:
    listed = [{"type": name, "status": status} for name, status in conditions.items()]
    status = {"conditions": listed, "nodeInfo": {"containerRuntimeVersion": "containerd://2.4.2"}}
    return {"metadata": {"name": "n"}, "spec": {"providerID": "kind://docker/x/n"}, "status": status}


@pytest.mark.parametrize(
    ("nodes", "verdict", "words"),
    [
        ([node(Ready="True")], "ok", "1 node of kind, containerd 2.4.2"),
        ([node(Ready="True"), node(Ready="Unknown")], "warning", "n is not ready"),
        ([node(Ready="True", DiskPressure="True")], "problem", "n has DiskPressure"),
        ([], "problem", "there are none"),
    ],
)
def test_nodes(nodes: list[dict[str, Any]], verdict: str, words: str) -> None:
    found = cluster.nodes_verdict(nodes)
    assert (found.verdict, words in found.found) == (verdict, True), found.found


@pytest.mark.parametrize(
    ("found", "verdict"),
    [({"metadata": {}}, "ok"), (None, "problem"), ({"metadata": {"deletionTimestamp": "2026-01-01"}}, "problem")],
)
def test_namespaces(found: dict[str, Any] | None, verdict: str) -> None:
    assert cluster.namespace_verdict("shop", found).verdict == verdict


def test_ways() -> None:
    assert images.way_verdict(NodesPlacer(())).verdict == "ok"
    assert images.way_verdict(SharedPlacer()).verdict == "ok"
    assert "localhost:5001" in images.way_verdict(RegistryPlacer("localhost:5001")).found
    assert images.way_verdict(MinikubePlacer("minikube")).verdict == "warning"


def test_all_rights_are_one_line() -> None:
    fake = FakeCluster("shop")
    with Scope("test") as scope:
        (found,) = rights.ask(scope, fake, "shop")
    assert found.verdict == "ok"


def test_rights_that_are_denied_are_listed_by_what_can_be_done_with_what() -> None:
    fake = FakeCluster("shop")
    fake.forbids = lambda access: (
        access.namespace == "shop"
        and (access.verb, access.resource) in {("create", "secrets"), ("create", "services"), ("watch", "pods")}
    )
    with Scope("test") as scope:
        (found,) = rights.ask(scope, fake, "shop")
    assert found.verdict == "problem"
    assert found.found == "in namespace shop you may not create secrets, services; watch pods"


def test_rights_without_which_devloop_does_less_are_a_warning_that_says_what() -> None:
    found = rights.verdict([Access("create", "pods", subresource="portforward")], "shop", "fake")
    assert found.verdict == "warning"
    assert found.found == "in namespace shop you may not create pods/portforward: ports are not forwarded"


def unit(name: str, **kind: Any) -> model.Unit:
    return model.Unit(name=name, **kind)


def test_only_what_the_configuration_needs_is_looked_for(tmp_path: Path) -> None:
    (tmp_path / "java").mkdir()
    (tmp_path / "java/pom.xml").touch()
    (tmp_path / "java/mvnw").touch(0o755)
    project = model.Project(
        model.API_VERSION,
        build=model.Build(
            artifacts=(
                model.Artifact("web"),
                model.Artifact("go", ko=model.Ko()),
                model.Artifact("java", context="java", jib=model.Jib()),
            )
        ),
        deploy=(unit("a", helm=model.Helm("chart")), unit("b", helm=model.Helm("chart")), unit("c", manifests=("x",))),
    )
    assert programs.needed(project, tmp_path) == (
        Program("ko", "", ("image/go",)),
        Program("go", "", ("image/go",)),
        Program("mvn", str(tmp_path / "java/mvnw"), ("image/java",)),
        Program("helm", "", ("deploy/a", "deploy/b")),
    )


def test_a_program_that_is_missing_says_for_whom_and_how_to_get_it() -> None:
    found = programs.missing(Program("helm", "", ("deploy/a", "deploy/b", "deploy/c", "deploy/d")))
    assert found.verdict == "problem"
    assert found.found == "helm is not installed, for deploy/a, deploy/b, deploy/c and 1 more"
    assert "helm.sh" in found.fix


def test_a_program_that_fails_is_doubtful() -> None:
    found = programs.verdict(Program("helm", "", ()), "helm", Completed(1, "", ("bad flag",), "helm version --short"))
    assert (found.verdict, found.found) == ("warning", "helm version --short fails: bad flag")


def test_a_program_that_does_anothers_work_is_named() -> None:
    said = Completed(0, "Client Version: v1.36.3\n", (), "kubectl version --client")
    found = programs.verdict(Program("kustomize", "", ("deploy/a",), "kubectl"), "kubectl", said)
    assert found.found == "kubectl does its work: Client Version: v1.36.3, for deploy/a"
