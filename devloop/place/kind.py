"""Gets images into kind's nodes, sending only the layers that they lack.

Comes in: an image of the engine. Goes out: the same image on every node, and how it got there. A node that has it gets
nothing. What is sent is proportional to the change; only when a node refuses that is the whole image loaded, and said.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, Protocol, TypeVar

from devloop.errors import StepFailed
from devloop.place import node
from devloop.place.node import NodeState
from devloop.place.oci import Content, archive, chain_ids, full_name
from devloop.place.saved import from_save, stop
from devloop.products import Image, Placed
from devloop.scope import Scope
from devloop.stages import Container, Engine, EngineImage, Tools

S = TypeVar("S")
T = TypeVar("T")


class LayerSource(Protocol):
    """Gets an image's config and some of its layers out of the engine, into the spool file."""

    def __call__(
        self, scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]
    ) -> Content:
        """Blocks; cancelled by the scope. Raises: StepFailed when this source cannot give them."""
        ...


class KindPlacer:
    """Places images on nodes that are containers of our engine. Safe from many threads.

    `sources`: where layers come from, the best first; a later one is asked when an earlier one cannot.
    """

    def __init__(self, nodes: Sequence[Container], sources: Sequence[LayerSource] = (from_save,)) -> None:
        self._nodes = tuple(nodes)
        self._sources = tuple(sources)
        self._lock = threading.Lock()
        self._snapshotters: dict[str, str] = {}

    def place(self, scope: Scope, image: Image, tools: Tools) -> tuple[Placed, bool]:
        """Places it; False when every node had it. Blocks; cancelled by the scope.

        Raises: StepFailed when a node does not take it, or the engine has it no more; Unavailable when the engine is away.
        """
        name = full_name(image.ref)
        states = _on_all(scope, self._nodes, lambda inner, one: self._look(inner, tools, one, name))
        found = tools.engine.inspect(image.image_id)
        lacking = [_Lack(*pair, found) for pair in zip(self._nodes, states, strict=True) if not _has(pair[1], found)]
        if not lacking:
            return Placed(image.artifact, image.ref, image.image_id, "on the node already"), False
        if found is None:
            raise StepFailed(
                f"the engine has no image {image.image_id} any more", where=image.ref, hint="build it again"
            )
        sent = self._send(scope, _Delivery(image, found, tools), lacking)
        size_bytes = sum(one.size_bytes for one in sent)
        return Placed(image.artifact, image.ref, image.image_id, _way(sent, found.size_bytes), size_bytes), True

    def _look(self, scope: Scope, tools: Tools, one: Container, name: str) -> NodeState:
        with self._lock:
            known = self._snapshotters.get(one.container_id, "")
        state = node.look(scope, tools, one, name, known)
        with self._lock:
            self._snapshotters[one.container_id] = state.snapshotter
        return state

    def _send(self, scope: Scope, delivery: _Delivery, lacking: Sequence[_Lack]) -> list[_Sent]:
        wanted = frozenset[str]().union(*(lack.layers for lack in lacking))
        with tempfile.TemporaryFile(prefix="devloop-") as spool:
            try:
                content = self._fetch(scope, delivery, wanted, spool)
            except StepFailed as failed:
                reason = failed  # the name of an except clause ends with it
                return [delivery.whole(scope, lack, reason) for lack in lacking]
            return _on_all(scope, lacking, lambda inner, lack: delivery.delta(inner, lack, content))

    def _fetch(self, scope: Scope, delivery: _Delivery, wanted: frozenset[str], spool: IO[bytes]) -> Content:
        *first, last = self._sources
        for source in first:
            try:
                return source(scope, delivery.tools.engine, delivery.found, wanted, spool)
            except StepFailed as failed:
                delivery.tools.line(f"{failed.message}; trying another way")
                spool.seek(0)
                spool.truncate()
        return last(scope, delivery.tools.engine, delivery.found, wanted, spool)


@dataclass(frozen=True)
class _Lack:
    """A node that lacks the image."""

    node: Container
    state: NodeState
    found: EngineImage | None

    @property
    def layers(self) -> frozenset[str]:
        """The diff IDs that the node lacks."""
        diff_ids = self.found.layers if self.found is not None else ()
        chain = zip(diff_ids, chain_ids(diff_ids), strict=True)
        return frozenset(diff_id for diff_id, chain_id in chain if chain_id not in self.state.snapshots)


@dataclass(frozen=True)
class _Sent:
    """What a node got: how many bytes, and why it had to be the whole image, if it had to."""

    size_bytes: int
    refusal: str = ""


@dataclass(frozen=True)
class _Delivery:
    """One image on its way to nodes."""

    image: Image
    found: EngineImage
    tools: Tools

    def delta(self, scope: Scope, lack: _Lack, content: Content) -> _Sent:
        """Sends what the node lacks; the whole image when it refuses that."""
        size_bytes, chunks = archive(content, full_name(self.image.ref), self.found.layers, lack.layers)
        try:
            self._load(scope, lack, chunks)
        except StepFailed as failed:
            return self.whole(scope, lack, failed)
        return _Sent(size_bytes)

    def whole(self, scope: Scope, lack: _Lack, failed: StepFailed) -> _Sent:
        """Sends what `docker save` says, as it says it."""
        refusal = failed.evidence[-1] if failed.evidence else failed.message
        self.tools.line(f"{failed.message} ({refusal}); loading the whole image")
        self.tools.engine.tag(self.image.image_id, self.image.ref)
        sizes: list[int] = []
        chunks = self.tools.engine.save(scope, [self.image.ref])
        self._load(scope, lack, _counted(chunks, sizes))
        return _Sent(sum(sizes), refusal)

    def _load(self, scope: Scope, lack: _Lack, chunks: Iterator[bytes]) -> None:
        name = full_name(self.image.ref)
        top = chain_ids(self.found.layers)[-1] if self.found.layers else ""
        node.load(scope, self.tools, lack.node, name=name, snapshotter=lack.state.snapshotter, top=top, archive=chunks)


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


def _way(sent: Sequence[_Sent], image_bytes: int) -> str:
    nodes = f"{len(sent)} node{'' if len(sent) == 1 else 's'}"
    refusals = [one.refusal for one in sent if one.refusal]
    if refusals:
        return (
            f"{_size(max(one.size_bytes for one in sent))}, in full → {nodes}, because the delta failed: {refusals[0]}"
        )
    return f"{_size(max(one.size_bytes for one in sent))} of {_size(image_bytes)}, delta → {nodes}"


def _size(size_bytes: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= scale:
            value = size_bytes / scale
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{size_bytes} B"


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
