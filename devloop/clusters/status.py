"""What local clusters are and hold: nodes, versions, registry, devloop's images, disk.

Comes in: a cluster by its tool and name. Goes out: events that describe it. What cannot be told is said, never guessed. It only looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from devloop import events
from devloop.clusters.make import MARK, World
from devloop.clusters.tools import Tool
from devloop.errors import DevloopError, UsageError
from devloop.place import hosting, node, tidy
from devloop.products import Object
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster, Container, Tools

_ROLES = ("io.x-k8s.kind.role", "k3d.role")


def status(scope: Scope, tool: Tool, name: str, world: World) -> Iterator[events.LocalCluster | events.LocalNode]:
    """The cluster, then its nodes. Blocks for some questions to each; cancelled by the scope."""
    context = tool.context(name)
    try:
        cluster = world.connect(context)
        nodes = cluster.list(scope, "v1", "Node")
        yield _cluster(scope, tool, name, cluster)
    except ApiRefusal as refusal:
        yield events.LocalCluster(name=name, tool=tool.word, context=context, state="unreachable", why=refusal.message)
        return
    except DevloopError as exc:
        why = f"{exc.message}; `{tool.adopting(name)}` adds it" if isinstance(exc, UsageError) else exc.message
        yield events.LocalCluster(name=name, tool=tool.word, context=context, state="unreachable", why=why)
        return
    boxes = {box.name: box for box in world.engine.containers(tool.labels(name))}
    for each in nodes:
        yield _node(scope, name, each, boxes.get(each["metadata"]["name"]), world)


def _cluster(scope: Scope, tool: Tool, name: str, cluster: Cluster) -> events.LocalCluster:
    why: list[str] = []

    def listen(event: events.AnyEvent) -> None:
        if isinstance(event, events.Notice):
            why.append(event.message)

    found = hosting.discover(scope, cluster, listen)
    return events.LocalCluster(
        name=name,
        tool=tool.word,
        context=tool.context(name),
        state="running",
        version=cluster.version(scope),
        registry=found.host if found else "",
        is_made_by_devloop=cluster.get(scope, MARK) is not None,
        why="; ".join(why),
    )


def _node(scope: Scope, cluster: str, obj: Object, box: Container | None, world: World) -> events.LocalNode:
    info = obj["status"].get("nodeInfo", {})
    found = events.LocalNode(
        cluster=cluster,
        name=obj["metadata"]["name"],
        role=next((box.labels[key] for key in _ROLES if key in box.labels), "") if box else "",
        is_ready=any(
            each["type"] == "Ready" and each["status"] == "True" for each in obj["status"].get("conditions", ())
        ),
        version=info.get("kubeletVersion", ""),
        runtime=info.get("containerRuntimeVersion", ""),
    )
    if box is None:
        return replace(found, why="its container does not run")
    try:
        used = node.use(scope, Tools(world.processes, world.engine), box)
    except DevloopError as exc:
        return replace(found, why=exc.message)
    images = tuple(sorted(each for each in used.images if tidy.is_ours(each)))
    return replace(found, images=images, disk_used_bytes=used.used_bytes, disk_free_bytes=used.free_bytes)
