"""Gets images into nodes that are containers of our engine, sending only the layers that they lack.

Comes in: an image of the engine. Goes out: the same image on every node, and how it got there. A node that has it gets
nothing. What is sent is proportional to the change; only when a node refuses that is the whole image loaded, and said.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from devloop.errors import StepFailed
from devloop.place import node
from devloop.place.node import NodeFull, NodeState
from devloop.place.oci import Content, archive, chain_ids
from devloop.place.saved import from_save, stop
from devloop.place.source import LayerSource
from devloop.place.tee import Tee
from devloop.products import Image, Placed
from devloop.refs import full_name
from devloop.scope import Scope
from devloop.sizes import size
from devloop.stages import Container, EngineImage, Tools

S = TypeVar("S")
T = TypeVar("T")


class NodesPlacer:
    """Places images on nodes that are containers of our engine. Safe from many threads.

    `source`: where layers come from. Remembers which layers the nodes have, so that most images need one question less.
    """

    def __init__(self, nodes: Sequence[Container], source: LayerSource = from_save) -> None:
        self._nodes = tuple(nodes)
        self._source = source
        self._lock = threading.Lock()
        self._states: dict[str, NodeState] = {}

    def place(self, scope: Scope, image: Image, tools: Tools) -> tuple[Placed, bool]:
        """Places it; False when every node had it. Blocks; cancelled by the scope.

        Raises: StepFailed when a node does not take it, or the engine has it no more; Unavailable when the engine is away.
        """
        found = tools.engine.inspect(image.image_id)
        states = self._remembered()
        if found is not None and states:
            try:
                return self._deliver(scope, _Delivery(image, found, tools, has_fallback=False), states)
            except NodeFull:
                raise
            except StepFailed as failed:
                tools.line(f"{failed.message}; asking the nodes what they have")
        states = self._ask(scope, image, tools)
        lacking = {one: state for one, state in states.items() if not _has(state, found)}
        if not lacking:
            return _there(image), False
        if found is None:
            raise StepFailed(
                f"the engine has no image {image.image_id} any more", where=image.ref, hint="build it again"
            )
        return self._deliver(scope, _Delivery(image, found, tools, has_fallback=True), lacking)

    def find(self, image: Image, tools: Tools) -> Placed | None:
        """Nothing: only the engine can bring back what a node lost."""
        return None

    def repository(self, artifact: str) -> str:
        """None: they go to no registry."""
        return ""

    def tidy(self, scope: Scope, refs: Collection[str], tools: Tools) -> frozenset[str]:
        """See stages.Placer.tidy. What the nodes have is asked anew afterwards."""
        names = {full_name(ref): ref for ref in refs}
        used = _on_all(scope, self._nodes, lambda inner, one: node.tidy(inner, tools, one, names))
        with self._lock:
            self._states.clear()
        return frozenset(names[name] for each in used for name in each)

    def _remembered(self) -> dict[str, NodeState]:
        with self._lock:
            return dict(self._states)

    def _ask(self, scope: Scope, image: Image, tools: Tools) -> dict[str, NodeState]:
        known = self._remembered()

        def look(inner: Scope, one: Container) -> NodeState:
            state = known.get(one.container_id)
            return node.look(inner, tools, one, full_name(image.ref), state.snapshotter if state else "")

        answers = _on_all(scope, self._nodes, look)
        states = {one.container_id: state for one, state in zip(self._nodes, answers, strict=True)}
        with self._lock:
            self._states = dict(states)
        return states

    def _deliver(self, scope: Scope, delivery: _Delivery, states: Mapping[str, NodeState]) -> tuple[Placed, bool]:
        lacking = [
            _Lack(one, states[one.container_id], delivery.found) for one in self._nodes if one.container_id in states
        ]
        sent = self._send(scope, delivery, lacking)
        self._remember(lacking)
        got = [one for one in sent if one.size_bytes]
        if not got:
            return _there(delivery.image), False
        image = delivery.image
        size_bytes = sum(one.size_bytes for one in got)
        # Not by the size: an engine with containerd's store counts an image's blobs besides what is unpacked.
        way = _way(got, delivery.found.size_bytes, is_new=any(lack.is_all for lack in lacking))
        return Placed(image.artifact, image.ref, image.image_id, way, size_bytes), True

    def _remember(self, lacking: Sequence[_Lack]) -> None:
        with self._lock:
            for lack in lacking:
                key, chain = lack.node.container_id, chain_ids(lack.found.layers)
                state = self._states.get(key, lack.state)  # another image may have come meanwhile
                self._states[key] = replace(state, snapshots=state.snapshots.union(chain))

    def _send(self, scope: Scope, delivery: _Delivery, lacking: Sequence[_Lack]) -> list[_Sent]:
        if all(lack.is_all for lack in lacking):
            # Nothing to leave out: passing the engine's archive on as it comes is faster than looking through it first.
            try:
                return delivery.whole(scope, lacking)
            except NodeFull:
                raise
            except StepFailed as failed:
                delivery.tools.line(f"{failed.message}; sending layer by layer")
                delivery = replace(delivery, has_fallback=False)
        wanted = frozenset[str]().union(*(lack.layers for lack in lacking))
        with tempfile.TemporaryFile(prefix="devloop-") as spool:
            try:
                content = self._source(scope, delivery.tools.engine, delivery.found, wanted, spool)
            except StepFailed as failed:
                refusal = delivery.refused(failed)
                return delivery.whole(scope, lacking, refusal)
            return _on_all(scope, lacking, lambda inner, lack: delivery.delta(inner, lack, content))


@dataclass(frozen=True)
class _Lack:
    """A node that lacks the image, as far as is known."""

    node: Container
    state: NodeState
    found: EngineImage

    @property
    def layers(self) -> frozenset[str]:
        """The diff IDs that the node lacks."""
        chain = zip(self.found.layers, chain_ids(self.found.layers), strict=True)
        return frozenset(diff_id for diff_id, chain_id in chain if chain_id not in self.state.snapshots)

    @property
    def is_all(self) -> bool:
        """Whether even the base is lacking."""
        return bool(self.found.layers) and self.found.layers[0] in self.layers


@dataclass(frozen=True)
class _Sent:
    """What a node got: how many bytes (0 when it turned out to have the image), and why the whole image, if it had to be."""

    size_bytes: int
    refusal: str = ""


@dataclass(frozen=True)
class _Delivery:
    """One image on its way to nodes. `has_fallback`: whether the whole image follows a delta that was refused."""

    image: Image
    found: EngineImage
    tools: Tools
    has_fallback: bool

    def delta(self, scope: Scope, lack: _Lack, content: Content) -> _Sent:
        """Sends what the node lacks."""
        size_bytes, chunks = archive(content, full_name(self.image.ref), self.found.layers, lack.layers)
        try:
            was_sent = self._load(scope, lack, chunks)
        except StepFailed as failed:
            return self.whole(scope, [lack], self.refused(failed))[0]
        return _Sent(size_bytes if was_sent else 0)

    def refused(self, failed: StepFailed) -> str:
        """Why the delta failed, in a line. Raises: the failure, when nothing is to follow."""
        if not self.has_fallback or isinstance(failed, NodeFull):
            raise failed
        refusal = failed.evidence[-1] if failed.evidence else failed.message
        self.tools.line(f"{failed.message} ({refusal}); loading the whole image")
        return refusal

    def whole(self, scope: Scope, lacking: Sequence[_Lack], refusal: str = "") -> list[_Sent]:
        """Sends what `docker save` says, as it says it, to all of them at once."""
        self.tools.engine.tag(self.image.image_id, self.image.ref)
        tee = Tee(self.tools.engine.save(scope, [self.image.ref]), len(lacking))

        def send(inner: Scope, number: int) -> _Sent:
            sizes: list[int] = []
            try:
                was_sent = self._load(inner, lacking[number], _counted(tee.reader(inner, number), sizes))
            finally:
                tee.leave(number)
            return _Sent(sum(sizes) if was_sent else 0, refusal)

        return _on_all(scope, range(len(lacking)), send)

    def _load(self, scope: Scope, lack: _Lack, chunks: Iterator[bytes]) -> bool:
        name = full_name(self.image.ref)
        top = chain_ids(self.found.layers)[-1] if self.found.layers else ""
        return node.load(
            scope, self.tools, lack.node, name=name, snapshotter=lack.state.snapshotter, top=top, archive=chunks
        )


def _counted(chunks: Iterator[bytes], sizes: list[int]) -> Iterator[bytes]:
    try:
        for chunk in chunks:
            sizes.append(len(chunk))
            yield chunk
    finally:
        stop(chunks)


def _has(state: NodeState, found: EngineImage | None) -> bool:
    """A name alone can be what a broken import left; without the engine's image there is nothing to compare with."""
    if found is None or not found.layers:
        return state.has_name
    return state.has_name and chain_ids(found.layers)[-1] in state.snapshots


def _there(image: Image) -> Placed:
    return Placed(image.artifact, image.ref, image.image_id, "on the node already")


def _way(sent: Sequence[_Sent], image_bytes: int, *, is_new: bool) -> str:
    nodes = f"{len(sent)} node{'' if len(sent) == 1 else 's'}"
    size_bytes = max(one.size_bytes for one in sent)
    refusals = [one.refusal for one in sent if one.refusal]
    if refusals:
        return f"{size(size_bytes)}, in full → {nodes}, because the delta failed: {refusals[0]}"
    if is_new or size_bytes >= image_bytes:
        return f"{size(size_bytes)}, all new → {nodes}"
    return f"{size(size_bytes)} of {size(image_bytes)}, delta → {nodes}"


def _on_all(scope: Scope, items: Sequence[S], run: Callable[[Scope, S], T]) -> list[T]:
    """Runs it for all at once, in order of the items. The first error cancels the others and is raised."""
    if len(items) == 1:
        return [run(scope, items[0])]
    results: dict[int, T] = {}

    def at(index: int, inner: Scope) -> None:
        results[index] = run(inner, items[index])

    with scope.child("nodes") as inner:
        for index in range(len(items)):
            inner.spawn(f"node {index + 1} of {len(items)}", partial(at, index, inner))
    scope.check()
    return [results[index] for index in range(len(items))]
