"""A cluster is made whole or not at all; one that devloop did not make is not deleted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from devloop.clusters import make
from devloop.clusters.registry import IMAGE, NAME
from devloop.clusters.tools import K3d, Kind, Wanted
from devloop.errors import DevloopError, StepFailed, UsageError
from devloop.place.hosting import config_map, parse
from devloop.products import ObjectRef
from devloop.scope import Cancelled, Scope
from devloop.stages import ApiRefusal, Cluster
from devloop.testing.cluster import FakeCluster
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import Call, FakeProcesses, Reply

HOSTING = ObjectRef("v1", "ConfigMap", "kube-public", "local-registry-hosting")


class World:
    """kind, its clusters and the engine's containers, as far as commands change them. `breaks`: commands, by their words, that fail.
    `late`: how many deletions do not find what is still being made. `is_elsewhere`: kind makes its nodes on another engine.
    """

    def __init__(self) -> None:
        self.processes = FakeProcesses()
        self.engine = FakeEngine()
        self.engine.add(IMAGE, [{"a": b"1"}])
        self.cluster = FakeCluster("kube-public", context="kind-shop")
        self.clusters: set[str] = set()
        self.containers: dict[str, str] = {}
        self.wired: list[str] = []
        self.told: list[str] = []
        self.breaks: dict[str, str] = {}
        self.late = 0
        self.is_elsewhere = False
        self.connect: Callable[[str], Cluster] = lambda _context: self.cluster
        for tool in ("kind", "docker"):
            self.processes.when(tool, does=self._answer)

    @property
    def made(self) -> make.World:
        return make.World(self.processes, self.engine, self.connect, self.told.append, print, settle_s=0)

    def add_node(self, cluster: str) -> None:
        self.clusters.add(cluster)
        self.engine.add_container(f"{cluster}-control-plane", {"io.x-k8s.kind.cluster": cluster})
        self.cluster.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"{cluster}-control-plane"}})

    def create(self, wanted: Wanted) -> str:
        with Scope("clean up") as cleanup, Scope("test") as scope:
            return make.create(scope, cleanup, Kind(self.processes), wanted, self.made)

    def delete(self, name: str, *, is_forced: bool = False) -> bool:
        with Scope("test") as scope:
            return make.delete(scope, Kind(self.processes), name, self.made, is_forced=is_forced)

    def _answer(self, call: Call) -> Reply:
        line = " ".join(call.argv)
        for words, said in self.breaks.items():
            if words in line:
                if words == "create cluster":
                    self.clusters.add("shop")  # half-made
                return Reply(stderr=f"{said}\n", code=1)
        return self._kind(call, line) if call.argv[0] == "kind" else self._docker(call, line)

    def _kind(self, call: Call, line: str) -> Reply:
        if line == "kind get clusters":
            return Reply("\n".join(self.clusters))
        if line.startswith("kind create cluster"):
            self.clusters.add(call.argv[4])
            if not self.is_elsewhere:
                self.add_node(call.argv[4])
        elif line.startswith("kind delete cluster"):
            self.late = max(0, self.late - 1)
            if not self.late:
                self.clusters.discard(call.argv[-1])
        return Reply()

    def _docker(self, call: Call, line: str) -> Reply:
        if line.startswith("docker ps") and "name=" in line:
            return Reply("".join(f"1234 {label}\n" for name, label in self.containers.items() if name == NAME))
        if line.startswith("docker ps"):
            named = [name for name in self.clusters if line.endswith("Names}}") or f"cluster={name}" in line]
            return Reply("".join(f"{name}-control-plane\n" for name in named))
        if line.startswith("docker run"):
            self.containers[NAME] = "true"
        elif line.startswith("docker rm"):
            self.containers.pop(NAME, None)
        elif line.startswith("docker port"):
            return Reply("127.0.0.1:5001\n")
        elif line.startswith("docker exec"):
            self.wired.append(call.argv[3])
            assert call.stdin == b'[host."http://devloop-registry:5000"]\n'
        elif line.startswith("docker cp"):
            is_wired = call.argv[2].partition(":")[0] in self.wired
            return Reply(f'[host."http://{NAME}:5000"]' if is_wired else "", code=0 if is_wired else 1)
        return Reply()


@pytest.fixture
def world() -> World:
    return World()


def test_a_cluster_is_made_with_its_registry_and_devloops_mark(world: World) -> None:
    assert world.create(Wanted("shop")) == "localhost:5001"
    assert world.clusters == {"shop"}
    assert world.wired == ["shop-control-plane"]
    with Scope("test") as scope:
        found = world.cluster.get(scope, HOSTING)
        assert found
        assert parse(found["data"]).host == "localhost:5001"
        assert world.cluster.get(scope, make.MARK)
    assert world.told == []


def test_without_a_registry_no_container_is_touched(world: World) -> None:
    assert world.create(Wanted("shop", has_registry=False)) == ""
    assert world.processes.called("docker") == []
    assert world.cluster.writes == ["apply configmap/devloop-cluster"]


def test_a_registry_that_runs_is_shared(world: World) -> None:
    world.create(Wanted("shop"))
    world.create(Wanted("other"))
    assert len(world.processes.called("docker", "run")) == 1
    assert not world.delete("shop")
    assert NAME in world.containers
    assert world.delete("other")
    assert NAME not in world.containers


def test_a_busy_port_is_no_obstacle(world: World) -> None:
    world.breaks["127.0.0.1:5001:5000"] = "Bind for 127.0.0.1:5001 failed: port is already allocated"
    world.create(Wanted("shop"))
    assert "127.0.0.1::5000" in world.processes.called("docker", "run")[-1].argv


def test_somebody_elses_container_of_that_name_is_left_alone(world: World) -> None:
    world.containers[NAME] = ""
    with pytest.raises(UsageError, match="devloop did not make") as caught:
        world.create(Wanted("shop"))
    assert caught.value.hint
    assert "--no-registry" in caught.value.hint
    assert world.clusters == set()
    assert world.processes.called("docker", "rm") == []


def test_a_registry_that_cannot_be_pulled_is_known_before_anything_is_made(world: World) -> None:
    world.engine.untag(IMAGE)
    with pytest.raises(StepFailed, match="cannot be pulled") as caught:
        world.create(Wanted("shop"))
    assert caught.value.hint
    assert "--no-registry" in caught.value.hint
    assert world.processes.called("kind", "create") == []
    assert world.containers == {}


@pytest.mark.parametrize(
    "words", ["create cluster", "network connect", "docker exec", "docker port", "docker run"], ids=str.split
)
def test_whatever_fails_nothing_stays(world: World, words: str) -> None:
    world.breaks[words] = "it broke"
    with pytest.raises(DevloopError):
        world.create(Wanted("shop"))
    assert world.clusters == set()
    assert world.containers == {}


def test_an_api_server_that_refuses_leaves_nothing_either(world: World) -> None:
    class Refusing(FakeCluster):
        def apply(self, *_: object, **__: object) -> dict[str, object]:
            raise ApiRefusal(403, "Forbidden", "not you")

    world.connect = lambda _context: Refusing()
    with pytest.raises(StepFailed, match="not you"):
        world.create(Wanted("shop"))
    assert (world.clusters, world.containers) == (set(), {})
    assert world.told == ["removed cluster shop again", "removed the registry again"]


def test_a_cancelled_creation_leaves_nothing(world: World) -> None:
    world.processes.blocks("kind", "create", "cluster")
    with Scope("clean up") as cleanup, Scope("test") as scope:

        def cancel() -> None:
            world.processes.wait_for("kind", "create")
            scope.cancel()

        scope.spawn("cancel", cancel)
        with pytest.raises(Cancelled):
            make.create(scope, cleanup, Kind(world.processes), Wanted("shop"), world.made)
    assert world.processes.called("kind", "delete", "cluster", "--name", "shop")
    assert world.containers == {}


def test_what_the_engine_finishes_late_is_removed_too(world: World) -> None:
    world.breaks["docker exec"] = "it broke"
    world.late = 3
    with pytest.raises(StepFailed):
        world.create(Wanted("shop"))
    assert world.clusters == set()
    assert "removed cluster shop again" in world.told


def test_what_never_goes_is_told(world: World) -> None:
    world.breaks["docker exec"] = "it broke"
    world.late = 100
    with pytest.raises(StepFailed):
        world.create(Wanted("shop"))
    assert "cluster shop could not be removed again: some of its containers are left" in world.told


def test_what_cannot_be_removed_again_is_told(world: World) -> None:
    world.breaks |= {"docker exec": "it broke", "delete cluster": "no"}
    with pytest.raises(StepFailed, match="docker exec"):
        world.create(Wanted("shop"))
    assert any(told.startswith("cluster shop could not be removed again") for told in world.told)
    assert world.containers == {}


def test_a_cluster_that_is_there_stays_as_it_is(world: World) -> None:
    world.clusters.add("shop")
    with pytest.raises(UsageError, match="already"):
        world.create(Wanted("shop"))
    assert world.clusters == {"shop"}
    assert world.containers == {}


def test_a_context_that_leads_elsewhere_says_nothing_of_a_cluster_here(world: World) -> None:
    world.create(Wanted("shop"))
    elsewhere = FakeCluster("kube-system", context="kind-shop")
    elsewhere.put({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "shop"}})
    elsewhere.put(make.mark(Kind(world.processes)))
    world.connect = lambda _context: elsewhere
    with pytest.raises(UsageError, match="kind-shop are no containers of this engine"):
        world.delete("shop")
    assert world.clusters == {"shop"}


def test_nodes_on_another_engine_cannot_have_the_registry(world: World) -> None:
    world.is_elsewhere = True
    with pytest.raises(StepFailed, match="on another engine") as caught:
        world.create(Wanted("shop"))
    assert caught.value.hint
    assert "--no-registry" in caught.value.hint
    assert (world.clusters, world.containers) == (set(), {})


def test_what_devloop_did_not_make_is_not_deleted(world: World) -> None:
    world.add_node("shop")
    with pytest.raises(UsageError, match="did not make"):
        world.delete("shop")
    assert world.clusters == {"shop"}
    world.delete("shop", is_forced=True)
    assert world.clusters == set()


def test_what_does_not_answer_is_not_deleted(world: World) -> None:
    world.create(Wanted("shop"))

    def connect(context: str) -> Cluster:
        raise UsageError(f"there is no context {context}")

    world.connect = connect
    with pytest.raises(UsageError, match="cannot be told: there is no context kind-shop") as caught:
        world.delete("shop")
    assert caught.value.hint
    assert "--force" in caught.value.hint
    assert world.clusters == {"shop"}


def test_k3d_wires_its_registry_itself() -> None:
    processes, engine, told = FakeProcesses(), FakeEngine(), list[str]()
    processes.when("k3d", "cluster", "list", stdout="[]")
    processes.when("k3d", "cluster", "create")
    cluster = FakeCluster("kube-public")
    cluster.put(config_map("shop-registry.localhost:5555"))
    world = make.World(processes, engine, lambda _context: cluster, told.append, print)
    with Scope("clean up") as cleanup, Scope("test") as scope:
        host = make.create(scope, cleanup, K3d(processes), Wanted("shop"), world)
    assert host == "shop-registry.localhost:5555"
    assert [call.argv[:3] for call in processes.calls] == [("k3d", "cluster", "list"), ("k3d", "cluster", "create")]
    assert cluster.writes == ["apply configmap/devloop-cluster"]
