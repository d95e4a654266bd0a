"""Making a cluster whole or not at all, and deleting one that devloop made.

Comes in: what is wanted, and the tool. Goes out: a cluster with devloop's mark in it, and its registry. Whatever breaks a creation
off, what it had made by then is taken away again. It never deletes a cluster without the mark unless told to.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from devloop.clusters.registry import Registries
from devloop.clusters.tools import Tool, Wanted, check_name
from devloop.errors import DevloopError, StepFailed, Unavailable, UsageError
from devloop.place import hosting
from devloop.products import Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster, Engine, Processes

MARK = ObjectRef("v1", "ConfigMap", "kube-system", "devloop-cluster")
ATTEMPTS = 5
Connect = Callable[[str], Cluster]


@dataclass(frozen=True)
class World:
    """What making clusters needs. `connect`: the cluster of a context. `tell`: something worth knowing. `line`: what a tool says.
    `settle_s`: how long an engine may need to show what it was asked to make.
    """

    processes: Processes
    engine: Engine
    connect: Connect
    tell: Callable[[str], None]
    line: Callable[[str], None]
    settle_s: float = 1.0

    @property
    def registries(self) -> Registries:
        return Registries(self.processes, self.engine)


def create(scope: Scope, cleanup: Scope, tool: Tool, wanted: Wanted, world: World) -> str:
    """Makes the cluster; returns its registry's address, "" for none. Blocks for about a minute; cancelled by the scope.

    `cleanup`: what takes away the half-made; it outlives the other. Raises: UsageError, StepFailed, Unavailable.
    """
    check_name(wanted.name)
    if wanted.name in tool.names(scope):
        raise UsageError(
            f"{tool.word} has a cluster {wanted.name} already",
            hint=f"take another name, or devloop cluster delete {wanted.name}",
        )
    with ExitStack() as undo:
        host = ""
        if wanted.has_registry and not tool.brings_registry:
            if not world.registries.exists(scope):
                undo.callback(
                    _undo, cleanup, world, _Half("the registry", world.registries.remove, world.registries.exists)
                )
            host = world.registries.up(scope)
        undo.callback(_undo, cleanup, world, _half_made(tool, wanted.name, world))
        tool.create(scope, wanted, world.line)
        if host:
            world.registries.wire(scope, host, _boxes(tool, wanted.name, world))
        cluster = world.connect(tool.context(wanted.name))
        if host:
            _write(scope, cluster, hosting.config_map(host))
        _write(scope, cluster, mark(tool))
        if wanted.has_registry and not host:
            named = hosting.discover(scope, cluster, lambda _event: None)
            host = named.host if named else ""
        undo.pop_all()
    return host


def delete(scope: Scope, tool: Tool, name: str, world: World, *, is_forced: bool) -> bool:
    """Deletes the cluster, and devloop's registry with the last cluster that pulls from it; whether the registry went too.

    Blocks; cancelled by the scope, then the cluster may be half gone. Raises: UsageError when devloop did not make it, or that cannot
    be told; StepFailed.
    """
    if not is_forced and not is_ours(scope, tool, name, world):
        raise UsageError(
            f"devloop did not make cluster {name}",
            hint=f"{tool.word} deletes it; so does devloop cluster delete {name} --force",
        )
    tool.delete(scope, name, world.line)
    if tool.brings_registry or world.registries.is_used(scope):
        return False
    return world.registries.remove(scope)


def is_ours(scope: Scope, tool: Tool, name: str, world: World) -> bool:
    """Whether devloop made it, by the mark in it. Raises: UsageError when that cannot be told."""
    try:
        cluster = world.connect(tool.context(name))
        nodes = {each["metadata"]["name"] for each in cluster.list(scope, "v1", "Node")}
        # A context of this name may lead to a cluster elsewhere, and its mark says nothing of the one here.
        if nodes.isdisjoint(box.name for box in world.engine.containers(tool.labels(name))):
            raise UsageError(f"the nodes of context {cluster.context} are no containers of this engine")
        return cluster.get(scope, MARK) is not None
    except (UsageError, Unavailable, ApiRefusal) as exc:
        raise UsageError(
            f"whether devloop made cluster {name} cannot be told: {exc}",
            hint=f"start it, or devloop cluster delete {name} --force deletes it all the same",
        ) from exc


def mark(tool: Tool) -> Object:
    """What tells from any machine that devloop made the cluster."""
    metadata = {
        "namespace": MARK.namespace,
        "name": MARK.name,
        "labels": {"app.kubernetes.io/managed-by": "devloop"},
    }
    return {"apiVersion": "v1", "kind": MARK.kind, "metadata": metadata, "data": {"tool": tool.word}}


def _boxes(tool: Tool, name: str, world: World) -> list[str]:
    """The containers of a new cluster's nodes. Raises: StepFailed when they are none of this engine's."""
    found = [box.name for box in world.engine.containers(tool.labels(name))]
    if not found:
        raise StepFailed(
            f"{tool.word} made cluster {name} on another engine than this, where its nodes cannot reach the registry",
            hint="create it with --no-registry; or is KIND_EXPERIMENTAL_PROVIDER set?",
        )
    return found


def _write(scope: Scope, cluster: Cluster, obj: Object) -> None:
    try:
        cluster.apply(scope, obj)
    except ApiRefusal as refusal:
        raise StepFailed(f"the new cluster does not take {obj['metadata']['name']}: {refusal.message}") from refusal


@dataclass(frozen=True)
class _Half:
    """What may be half-made: how to remove it, and whether any of it is left."""

    what: str
    remove: Callable[[Scope], object]
    is_left: Callable[[Scope], bool]


def _half_made(tool: Tool, name: str, world: World) -> _Half:
    filters = [word for key, value in tool.labels(name).items() for word in ("--filter", f"label={key}={value}")]
    argv = ["docker", "ps", "--all", "--quiet", *filters]

    def is_left(scope: Scope) -> bool:
        return bool(world.processes.run(scope, argv, env=world.engine.environment()).stdout.strip())

    return _Half(f"cluster {name}", lambda scope: tool.delete(scope, name, world.line), is_left)


def _undo(scope: Scope, world: World, half: _Half) -> None:
    """Removes it for good: an engine goes on making a container although the one who asked for it is gone."""
    try:
        for _ in range(ATTEMPTS):
            half.remove(scope)
            scope.wait(world.settle_s)
            if not half.is_left(scope):
                world.tell(f"removed {half.what} again")
                return
        world.tell(f"{half.what} could not be removed again: some of its containers are left")
    except DevloopError as problem:
        world.tell(f"{half.what} could not be removed again: {problem.message}")
