"""What the loop knows, and what follows from it: which digest each node should have.

Comes in: nothing. Goes out: `State`, a frozen record whose derived values are computed once. It never looks at a clock, a
thread or a file; only `decide` makes a new one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from devloop.graph import Graph, Node, image_target, image_test_target, unit_target
from devloop.loop.messages import Update
from devloop.products import Applied, Identity, Placed, Product, Rendered

HELD = "held"  # in place of the ref of an image that is not to be had now: what uses it is left as it is
MANIFESTS = ""  # the key of a basis under which the digest of the manifests stands

Basis = Mapping[str, str]


@dataclass(frozen=True)
class Have:
    """What a node last achieved. `digest`: of what it was made from; empty once its unit is being applied anew, for then that
    no longer holds. `basis`: for an apply, what it was made from in detail.
    """

    digest: str
    product: Product
    basis: Basis = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """A step in flight. `is_cancelling`: it was told to stop and has not answered yet."""

    digest: str
    basis: Basis = field(default_factory=dict)
    is_cancelling: bool = False


@dataclass(frozen=True)
class Policy:
    """`is_partial` (dev): deploy what is to be had while the rest is being built or fails; otherwise (run) a unit waits for all
    of its images, and the first failure ends all. `builds`: how many builds run at once, 0 for no limit.
    """

    is_partial: bool = True
    builds: int = 0


@dataclass(frozen=True)
class State:
    """Everything that `decide` decides from. `inputs`: target → digest of what it reads; `reasons`: target → why that changed;
    `failed`: node → the digest that it failed with; `leaving`: targets that are gone from the graph but still running.
    """

    graph: Graph
    policy: Policy = Policy()
    inputs: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    have: Mapping[Node, Have] = field(default_factory=dict)
    running: Mapping[Node, Running] = field(default_factory=dict)
    failed: Mapping[Node, str] = field(default_factory=dict)
    leaving: frozenset[str] = frozenset()
    updates: tuple[Update, ...] = ()
    last_update: int = 0
    is_stopping: bool = False

    def want(self, node: Node) -> str | None:
        """The digest that the node should have; None while what it depends on is not settled, or when it is not in the graph."""
        return self._derived[0].get(node)

    def basis(self, node: Node) -> Basis:
        """For an apply: MANIFESTS → their digest, and artifact → the ref to write, or HELD."""
        return self._derived[1].get(node, {})

    def rivals(self, node: Node) -> tuple[str, ...]:
        """For an apply: the units before it that, as last rendered, have an object in common with it."""
        return self._rivals.get(node.target, ()) if node.step == "apply" else ()

    def is_current(self, node: Node) -> bool:
        """Whether what the node has is what it should have, all the way down."""
        return _is_current(self, node, self.want(node))

    def is_failed(self, node: Node) -> bool:
        """Whether the node failed with the very inputs that it has now."""
        want = self.want(node)
        return want is not None and self.failed.get(node) == want

    def is_placed(self, artifact: str) -> bool:
        """Whether the cluster can run the artifact as it is on disk now."""
        return self.is_current(Node(image_target(artifact), "place"))

    def uses(self, target: str) -> frozenset[str]:
        """The artifacts that a unit's manifests name, as last rendered."""
        have = self.have.get(Node(target, "render"))
        names = have.product.images if have and isinstance(have.product, Rendered) else frozenset()
        return frozenset(name for name in names if name in self.graph.images)

    def closure(self, targets: frozenset[str]) -> frozenset[Node]:
        """All nodes that a change of these targets reaches."""
        artifacts = {self.graph.artifacts[target] for target in targets if target in self.graph.artifacts}
        built = frozenset(name for each in artifacts for name in self.graph.dependants[each])
        placed = built | {self.graph.tested[target] for target in targets if target in self.graph.tested}
        reached = set(targets) | {target(name) for name in built for target in (image_target, image_test_target)}
        reached |= {target for target in map(unit_target, self.graph.units) if self.uses(target) & placed}
        places = {Node(image_target(name), "place") for name in placed}
        return frozenset(node for node in self.graph.nodes if node.target in reached or node in places)

    @cached_property
    def is_all_current(self) -> bool:
        """Whether nothing is owed."""
        return all(self.is_current(node) for node in self.graph.nodes)

    @cached_property
    def comparable(self) -> frozenset[str]:
        """The units of which it can be told what others render too: all before them are rendered as they are on disk, or cannot be.

        For a unit that was applied before, that goes for all others: an object that moved to one of them must not be pruned.
        """
        targets = list(self.graph.unit_names)
        renders = [Node(target, "render") for target in targets]
        first = next(
            (i for i, each in enumerate(renders) if not self.is_current(each) and not self.is_failed(each)), None
        )
        if first is None:
            return frozenset(targets)
        return frozenset(target for target in targets[: first + 1] if Node(target, "apply") not in self.have)

    @cached_property
    def _rivals(self) -> Mapping[str, tuple[str, ...]]:
        first: dict[Identity, str] = {}
        found: dict[str, dict[str, None]] = {}
        for target, unit in self.graph.unit_names.items():
            have = self.have.get(Node(target, "render"))
            for each in have.product.objects if have and isinstance(have.product, Rendered) else ():
                if (other := first.setdefault(each, unit)) != unit:
                    found.setdefault(target, {})[other] = None
        return {target: tuple(others) for target, others in found.items()}

    @cached_property
    def _derived(self) -> tuple[Mapping[Node, str | None], Mapping[Node, Basis]]:
        # Dependencies come first in graph.nodes, so each want is there before one that follows from it is derived.
        wants: dict[Node, str | None] = {}
        bases: dict[Node, Basis] = {}
        for node in self.graph.nodes:
            if node.step == "apply":
                bases[node] = _apply_basis(self, node, wants)
                rivals = (f"rival {each}" for each in self.rivals(node))
                parts = (*(f"{name}={ref}" for name, ref in bases[node].items()), *rivals)
                wants[node] = _digest("apply", *parts) if bases[node] else None
            else:
                wants[node] = _want(self, node, wants)
        return wants, bases


def _want(state: State, node: Node, wants: Mapping[Node, str | None]) -> str | None:
    match node.step:
        case "build":
            inputs = state.inputs.get(node.target)
            required = [
                Node(image_target(name), "build") for name in state.graph.images[state.graph.artifacts[node.target]]
            ]
            if inputs is None or not all(_is_current(state, each, wants.get(each)) for each in required):
                return None
            return _digest("build", inputs, *(state.have[each].digest for each in required))
        case "render":
            return state.inputs.get(node.target)
        case "await":
            # With its inputs, so that an edit of a unit whose wait failed tries that again.
            inputs = state.inputs.get(node.target)
            return _digest("await", state.graph.waits[state.graph.unit_names[node.target]], inputs) if inputs else None
        case "test":
            inputs = state.inputs.get(node.target)
            before = Node(image_target(state.graph.tested[node.target]), "build")
            if inputs is None or not _is_current(state, before, wants.get(before)):
                return None
            return _digest("test", inputs, state.have[before].digest)
        case "place":
            before = Node(node.target, "build")
            test = Node(image_test_target(state.graph.artifacts[node.target]), "test")
            if test in wants and not _is_current(state, test, wants[test]):
                return None
        case _:
            before = Node(node.target, "apply")
    return _digest(node.step, state.have[before].digest) if _is_current(state, before, wants.get(before)) else None


def _apply_basis(state: State, node: Node, wants: Mapping[Node, str | None]) -> Basis:
    render = Node(node.target, "render")
    if not _is_current(state, render, wants.get(render)):
        return {}
    rendered, last = state.have[render].digest, state.have.get(node)
    before = last.basis if last is not None and last.basis.get(MANIFESTS) == rendered else {}
    basis = {MANIFESTS: rendered}
    for name in sorted(state.uses(node.target)):
        place = Node(image_target(name), "place")
        if _is_current(state, place, wants.get(place)):
            basis[name] = _ref(state.have[place].product)
        else:
            # An image in the making alters nothing yet: what was written for it stands, unless the manifests moved on.
            basis[name] = before.get(name, HELD)
    return basis


def _is_current(state: State, node: Node, want: str | None) -> bool:
    have = state.have.get(node)
    return want is not None and have is not None and have.digest == want and not _can_prune_now(state, have.product)


def _can_prune_now(state: State, product: Product) -> bool:
    """Whether an apply left something behind that another unit might have rendered, and all of them were rendered since."""
    if not isinstance(product, Applied) or not product.postponed:
        return False
    return all(Node(target, "render") in state.have for target in state.graph.unit_names)


def _ref(product: Product) -> str:
    if not isinstance(product, Placed):
        raise TypeError(f"a place step left {product!r}")
    return product.ref


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
