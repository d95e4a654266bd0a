"""A world that `decide` can be driven through: what is on disk, what runs, what the cluster got. Checks the laws at each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from devloop.graph import Graph, Node, image_target, image_test_target, unit_target
from devloop.loop.decide import decide, is_idle, is_startable
from devloop.loop.messages import (
    Asked,
    Cancel,
    Cancelled,
    Changed,
    Done,
    Failed,
    Forget,
    Message,
    Reconfigured,
    Start,
    UpdateEnded,
    UpdateStarted,
)
from devloop.loop.state import HELD, MANIFESTS, Policy, State
from devloop.products import Applied, Image, Met, Passed, Placed, Product, Ready, Rendered

Choose = Callable[[int], int]  # n → one of 0 … n-1


@dataclass
class World:
    """Drives one State with choices from outside, and asserts after every message what must always hold."""

    choose: Choose
    is_partial: bool = True
    state: State = field(init=False)
    running: dict[Node, Start] = field(default_factory=dict)
    cancelling: set[Node] = field(default_factory=set)
    disk: dict[str, int] = field(default_factory=dict)
    uses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    live: dict[str, dict[str, str]] = field(default_factory=dict)  # unit → artifact → ref that the cluster got last
    broken: set[str] = field(default_factory=set)  # targets whose steps fail for now
    edits: int = 0
    open_updates: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        graph = self.random_graph()
        self.state = State(graph, Policy(self.is_partial, self.choose(3)))
        self.tell(Changed(self.digests(graph)))

    # The world's own moves

    def random_graph(self) -> Graph:
        names = ["a", "b", "c"][: 1 + self.choose(3)]
        images = {name: tuple(other for other in names[:i] if self.choose(4) == 0) for i, name in enumerate(names)}
        units = ["u", "v"][: 1 + self.choose(2)]
        needs = {name: tuple(other for other in units[:i] if self.choose(3) == 0) for i, name in enumerate(units)}
        for unit in units:
            self.uses[unit] = tuple(name for name in names if self.choose(2))
        tests = frozenset(name for name in names if self.choose(3) == 0)
        for target in [*map(image_target, names), *map(image_test_target, names), *map(unit_target, units)]:
            self.disk.setdefault(target, self.next_edit())
        waits = {name: "job" for name in units if self.choose(3) == 0}
        return Graph(images, needs, waits=waits, tests=tests)

    def next_edit(self) -> int:
        self.edits += 1
        return self.edits

    def digests(self, graph: Graph) -> dict[str, str]:
        return {target: f"{target}@{self.disk[target]}" for target in graph.targets}

    def edit(self) -> None:
        targets = self.state.graph.targets
        picked = [target for target in targets if self.choose(2)] or [targets[self.choose(len(targets))]]
        for target in picked:
            # Going back to an earlier state is an edit too.
            self.disk[target] = self.choose(self.edits + 1) or self.next_edit()
            self.broken.discard(target)
            if self.choose(5) == 0:
                self.broken.add(target)
        self.tell(Changed({target: f"{target}@{self.disk[target]}" for target in picked}, ("a file",)))

    def reconfigure(self) -> None:
        graph = self.random_graph()
        self.tell(Reconfigured(graph, self.digests(graph), ("devloop.yaml",), builds=self.choose(3)))

    def answer(self, node: Node) -> None:
        start = self.running.pop(node)
        was_cancelled = node in self.cancelling
        self.cancelling.discard(node)
        # A cancelled step may still have come to its end, or fail over being stopped.
        if was_cancelled and self.choose(3):
            self.tell(Cancelled(node) if self.choose(2) else Failed(node, start.digest))
        elif node.target in self.broken and node.step in ("build", "test", "render", "await", "ready"):
            self.tell(Failed(node, start.digest))
        else:
            self.tell(Done(node, start.digest, self.product(node, start)))

    def product(self, node: Node, start: Start) -> Product:
        name = node.target.partition("/")[2]
        match node.step:
            case "build":
                return Image(name, f"{name}:{start.digest[:16]}", "sha256:1")
            case "test":
                return Passed(name, "sha256:1")
            case "place":
                return Placed(name, f"{name}:{start.digest[:16]}", "sha256:1")
            case "render":
                return Rendered(name, (), frozenset(self.uses.get(name, ())), start.digest)
            case "await":
                return Met(name)
            case "apply":
                written = {key: ref for key, ref in start.basis.items() if key != MANIFESTS and key not in start.holds}
                self.live[name] = {**self.live.get(name, {}), **written}
                return Applied(name, "default", ())
            case _:
                return Ready(name)

    # What the loop answers, and what must hold

    def tell(self, message: Message) -> None:
        before = self.state
        self.state, actions = decide(before, message)
        for action in actions:
            match action:
                case Start():
                    self.on_start(action)
                case Cancel(node):
                    assert node in self.running, "cancelled what does not run"
                    assert node.step != "apply", "an apply that has begun is finished"
                    assert self.state.want(node) != self.running[node].digest or not self.is_partial
                    self.cancelling.add(node)
                case Forget(target):
                    assert target not in self.state.graph.targets
                    assert not any(node.target == target for node in self.running), "forgotten while running"
                    if target.startswith("deploy/"):
                        applies = [node for node in self.state.graph.nodes if node.step == "apply"]
                        assert all(map(self.state.is_current, applies)), "pruned before others took over its objects"
                case UpdateStarted(update):
                    assert update.number not in self.open_updates
                    self.open_updates.add(update.number)
                case UpdateEnded(update, is_ready):
                    self.open_updates.remove(update.number)
                    if is_ready:
                        assert all(self.state.is_current(node) for node in self.state.closure(update.targets))
        self.check()

    def on_start(self, start: Start) -> None:
        node, state = start.node, self.state
        assert node not in self.running, "two of one step at once"
        assert node.target in state.graph.targets
        assert start.digest == state.want(node), "started for inputs that nobody wants"
        self.running[node] = start
        if node.step == "place":
            name = state.graph.artifacts[node.target]
            assert state.is_current(Node(node.target, "build"))
            assert name not in state.graph.tests or state.is_current(Node(image_test_target(name), "test")), (
                "placed untested"
            )
        if node.step == "test":
            assert state.is_current(Node(image_target(state.graph.tested[node.target]), "build")), (
                "tested a stale image"
            )
        if node.step == "build":
            for name in state.graph.images[state.graph.artifacts[node.target]]:
                assert state.is_current(Node(image_target(name), "build")), "built on a base that is not fresh"
        if node.step == "apply":
            assert state.is_current(Node(node.target, "render"))
            wait = Node(node.target, "await")
            assert wait not in state.graph.nodes or state.is_current(wait), "applied before what it needs is there"
            refs = {name: ref for name, ref in start.basis.items() if name not in (MANIFESTS, *start.holds)}
            assert HELD not in refs.values()
            assert self.is_partial or not start.holds

    def check(self) -> None:
        state = self.state
        assert set(state.running) == set(self.running)
        for node, run in state.running.items():
            # Supersede: what runs is wanted, or is being stopped, or is an apply that is to be finished.
            assert run.is_cancelling or node.step == "apply" or state.want(node) == run.digest
        for node in state.graph.nodes:
            is_limited = node.step == "build" and state.policy.builds > 0
            # Independence: what can start has started, whatever else runs or fails.
            assert is_limited or not is_startable(state, node), f"{node} could run and does not"
        assert {update.number for update in state.updates} == self.open_updates
        if is_idle(state):
            assert not state.updates, "nothing moves, and somebody still waits for an update"

    # To the end

    def settle(self) -> None:
        """Everything that runs ends well, until nothing runs."""
        for _ in range(500):
            if not self.running:
                break
            nodes = sorted(self.running)
            self.answer(nodes[self.choose(len(nodes))])
        assert not self.running, "it never comes to rest"

    def mend_and_settle(self) -> None:
        """Every fault is mended by an edit of the faulty target only; then all must be fresh."""
        self.settle()
        for _ in range(20):
            if not self.broken and not self.state.failed:
                break
            faulty = self.broken | {node.target for node in self.state.failed}
            self.broken.clear()
            mended = [target for target in self.state.graph.targets if target in faulty]
            for target in mended:
                self.disk[target] = self.next_edit()
            self.tell(Changed({target: f"{target}@{self.disk[target]}" for target in mended}, ("the fix",)))
            self.settle()
        self.assert_fresh()

    def assert_fresh(self) -> None:
        state = self.state
        assert state.inputs == self.digests(state.graph)
        assert state.is_all_current, "something that is owed was forgotten"
        assert not state.leaving, "a target that left was never let go"
        for unit in state.graph.units:
            for name in state.uses(unit_target(unit)):
                placed = state.have[Node(image_target(name), "place")].product
                assert isinstance(placed, Placed)
                assert self.live[unit][name] == placed.ref, "the cluster does not run what is on disk"


def wander(choose: Choose, steps: int, *, is_partial: bool = True) -> World:
    """A random walk of messages, then the end."""
    world = World(choose, is_partial)
    for _ in range(steps):
        nodes = sorted(world.running)
        match choose(10):
            case 0 | 1 | 2:
                world.edit()
            case 3 if choose(4) == 0:
                world.reconfigure()
            case 4:
                world.tell(Asked("retry"))
            case _ if nodes:
                world.answer(nodes[choose(len(nodes))])
    world.mend_and_settle()
    return world
