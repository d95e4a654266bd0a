"""Which way is chosen for a cluster, and which engine it brings along."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from devloop import events
from devloop.config import model
from devloop.errors import StepFailed, UsageError
from devloop.place.choose import NODE_LABELS, choose
from devloop.place.hosting import CONFIG_MAP, KEY
from devloop.place.minikube import MinikubePlacer
from devloop.place.nodes import NodesPlacer
from devloop.place.registry import RegistryPlacer
from devloop.place.shared import SharedPlacer
from devloop.products import Image, Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster, EngineInfo, Placer, Tools
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import FakeProcesses
from tests.place.containerd import FakeNode


class Nodes:
    """A cluster of which only its nodes are asked, and which registry it names."""

    context = "some-context"

    def __init__(self, *nodes: Object, refusal: ApiRefusal | None = None, hosting: str = "") -> None:
        self._nodes = list(nodes)
        self._refusal = refusal
        self._hosting = hosting

    def get(self, scope: Scope, ref: ObjectRef) -> Object | None:
        assert ref == CONFIG_MAP
        return {"data": {KEY: self._hosting}} if self._hosting else None

    def list(self, scope: Scope, api_version: str, kind: str, **_: Any) -> list[Object]:
        assert (api_version, kind) == ("v1", "Node")
        if self._refusal is not None:
            raise self._refusal
        return self._nodes


def node(name: str, runtime: str = "containerd://2.4.2", images: tuple[str, ...] = ()) -> Object:
    return {
        "metadata": {"name": name},
        "status": {
            "nodeInfo": {"containerRuntimeVersion": runtime},
            "images": [{"names": [image]} for image in images],
        },
    }


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(info=EngineInfo("27.0", "my-engine", "Alpine"))


@pytest.fixture
def processes() -> FakeProcesses:
    fake = FakeProcesses()
    fake.when("docker")
    return fake


@pytest.fixture
def told() -> list[events.AnyEvent]:
    return []


@pytest.fixture
def chosen(engine: FakeEngine, processes: FakeProcesses, told: list[events.AnyEvent]) -> Callable[..., Placer]:
    def choose_for(
        *nodes: Object, refusal: ApiRefusal | None = None, registry: str | None = None, hosting: str = ""
    ) -> Placer:
        cluster = cast(Cluster, Nodes(*nodes, refusal=refusal, hosting=hosting))
        with Scope("test") as scope:
            return choose(scope, model.Cluster(registry=registry), cluster, engine, processes, emit=told.append)

    return choose_for


def test_a_registry_in_the_config_wins(chosen: Callable[..., Placer]) -> None:
    assert isinstance(chosen(node("x"), registry="localhost:5001"), RegistryPlacer)


def test_nodes_that_are_containers_of_this_engine_are_kinds(
    chosen: Callable[..., Placer], engine: FakeEngine, processes: FakeProcesses
) -> None:
    mine, other = (FakeNode(f"{name}-control-plane", engine, processes) for name in ("mine", "other"))
    placer = chosen(node("mine-control-plane"))
    assert isinstance(placer, NodesPlacer)
    image = Image("api", "api:1", engine.add("api:1", [{"a": b"1"}]))
    with Scope("test") as scope:
        placer.place(scope, image, Tools(processes, engine))
    assert (len(mine.imports), len(other.imports)) == (1, 0)


@pytest.mark.parametrize("label", NODE_LABELS)
def test_a_node_is_one_by_its_label_and_its_name(
    chosen: Callable[..., Placer], engine: FakeEngine, processes: FakeProcesses, label: str
) -> None:
    FakeNode("mine", engine, processes, label)
    assert isinstance(chosen(node("mine", "containerd://2.1.5-k3s1")), NodesPlacer)
    with pytest.raises(UsageError):
        chosen(node("mine", "cri-o://1.30"))
    with pytest.raises(UsageError):
        chosen(node("mine", "docker://27.0"))


def test_another_container_of_a_nodes_name_is_no_node(chosen: Callable[..., Placer], engine: FakeEngine) -> None:
    engine.add_container("mine", {"com.docker.compose.service": "mine"})
    with pytest.raises(UsageError):
        chosen(node("mine"))


def test_a_minikube_in_a_virtual_machine_loads_whole_images_and_that_is_said(
    chosen: Callable[..., Placer], processes: FakeProcesses, told: list[events.AnyEvent]
) -> None:
    profile = {"Name": "some-context", "Config": {"KubernetesConfig": {"ContainerRuntime": "containerd"}}}
    processes.when("minikube", "profile", "list", stdout=json.dumps({"valid": [profile]}))
    assert isinstance(chosen(node("some-context")), MinikubePlacer)
    (notice,) = told
    assert isinstance(notice, events.Notice)
    assert "whole through minikube image load" in notice.message
    assert "--container-runtime=containerd" in notice.hint


def test_a_kind_cluster_of_another_engine_is_not_ours(
    chosen: Callable[..., Placer], engine: FakeEngine, processes: FakeProcesses
) -> None:
    FakeNode("other-control-plane", engine, processes)
    with pytest.raises(UsageError):
        chosen(node("mine-control-plane"))


def test_a_dockerd_node_with_the_engines_name_shares_its_images(chosen: Callable[..., Placer]) -> None:
    assert isinstance(chosen(node("my-engine", "docker://27.0")), SharedPlacer)


def test_a_dockerd_node_whose_images_are_all_here_shares_them(
    chosen: Callable[..., Placer], engine: FakeEngine
) -> None:
    engine.add("pause:3.10", [{"a": b"1"}])
    assert isinstance(chosen(node("docker-desktop", "docker://27.0", ("pause:3.10",))), SharedPlacer)


@pytest.mark.parametrize(
    "nodes",
    [
        (),
        (node("my-engine"),),
        (node("other", "docker://27.0"),),
        (node("other", "docker://27.0", ("pause:3.10", "etcd:3")),),
        (node("my-engine", "docker://27.0"), node("second", "docker://27.0")),
    ],
    ids=["no nodes", "containerd", "another name", "images of another engine", "two nodes"],
)
def test_another_cluster_needs_a_registry(
    chosen: Callable[..., Placer], engine: FakeEngine, nodes: tuple[Object, ...]
) -> None:
    engine.add("pause:3.10", [{"a": b"1"}])
    with pytest.raises(UsageError, match="cluster of context some-context cannot see") as caught:
        chosen(*nodes)
    assert caught.value.hint is not None
    assert "cluster.registry" in caught.value.hint


HOSTING = "host: localhost:5001\nhostFromContainerRuntime: registry:5000\n"


def test_a_registry_that_the_cluster_names_is_better_than_none(
    chosen: Callable[..., Placer], engine: FakeEngine, processes: FakeProcesses, told: list[events.AnyEvent]
) -> None:
    placer = chosen(node("elsewhere"), hosting=HOSTING)
    image = Image("api", "api:1", engine.add("api:1", [{"a": b"1"}]))
    with Scope("test") as scope:
        placed, _ = placer.place(scope, image, Tools(processes, engine))
    assert engine.pushes == ["localhost:5001/api:1"]
    assert placed.ref.startswith("registry:5000/api:1@sha256:")
    assert [each.message for each in told if isinstance(each, events.Notice)] == [
        "images go through localhost:5001, the registry that the cluster names"
    ]


def test_what_is_quicker_or_asked_for_wins_over_it(
    chosen: Callable[..., Placer], engine: FakeEngine, processes: FakeProcesses, told: list[events.AnyEvent]
) -> None:
    FakeNode("mine-control-plane", engine, processes)
    assert isinstance(chosen(node("mine-control-plane"), hosting=HOSTING), NodesPlacer)
    assert isinstance(chosen(node("my-engine", "docker://27.0"), hosting=HOSTING), SharedPlacer)
    chosen(node("elsewhere"), hosting=HOSTING, registry="reg:5000")
    assert told == []


def test_a_broken_registry_is_told_before_it_gives_up(
    chosen: Callable[..., Placer], told: list[events.AnyEvent]
) -> None:
    with pytest.raises(UsageError, match="cannot see"):
        chosen(node("elsewhere"), hosting="host: [")
    (notice,) = told
    assert isinstance(notice, events.Notice)
    assert "no YAML" in notice.message


def test_nodes_that_may_not_be_listed_need_a_registry(chosen: Callable[..., Placer]) -> None:
    with pytest.raises(UsageError, match="cannot see"):
        chosen(refusal=ApiRefusal(403, "Forbidden", "nodes is forbidden"))


def test_another_refusal_is_a_failure_in_the_servers_words(chosen: Callable[..., Placer]) -> None:
    with pytest.raises(StepFailed, match="who are you"):
        chosen(refusal=ApiRefusal(401, "Unauthorized", "who are you"))


def test_without_the_docker_cli_it_says_so(engine: FakeEngine) -> None:
    with Scope("test") as scope, pytest.raises(UsageError, match="docker is not installed"):
        choose(scope, model.Cluster(registry="r"), cast(Cluster, Nodes()), engine, FakeProcesses(), emit=print)


def test_a_shared_engine_only_needs_the_name(engine: FakeEngine) -> None:
    image_id = engine.add("api:1", [{"a": b"1"}])
    tools = Tools(FakeProcesses(), engine)
    with Scope("test") as scope:
        for ref in ("api:1", "api:2"):
            placed, was_sent = SharedPlacer().place(scope, Image("api", ref, image_id), tools)
            assert (placed.ref, was_sent) == (ref, False)
            assert engine.inspect(ref) is not None
        with pytest.raises(StepFailed, match="any more"):
            SharedPlacer().place(scope, Image("api", "api:3", f"sha256:{'0' * 64}"), tools)
