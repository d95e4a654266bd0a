"""How images get to the cluster, and whether there is room for them.

Comes in: the configuration's `cluster`, the cluster, the engine. Goes out: findings. The way is the one that a session would take; nothing
is sent on it.
"""

from __future__ import annotations

from collections.abc import Iterator

from devloop import events
from devloop.config import model
from devloop.diagnosis.checks import doubtful, ill, well
from devloop.diagnosis.engine import disk_verdict
from devloop.errors import StepFailed
from devloop.place import choose, hosting, minikube, node, nodes, registry, shared
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster, Engine, Placer, Tools


def way(scope: Scope, spec: model.Cluster, cluster: Cluster, tools: Tools) -> Iterator[events.Check]:
    """How images get to the cluster, and whether registries that are named answer. Blocks for some questions.

    Raises: UsageError when there is no way; Unavailable.
    """
    told: list[events.Notice] = []

    def listen(event: events.AnyEvent) -> None:
        if isinstance(event, events.Notice) and event.hint:
            told.append(event)

    placer = choose.choose(scope, spec, cluster, tools.engine, tools.processes, emit=listen)
    yield way_verdict(placer)
    if isinstance(placer, registry.RegistryPlacer):
        yield answers(placer.registry, tools.engine, is_needed=True)
    elif found := hosting.discover(scope, cluster, listen):
        yield answers(found.host, tools.engine, is_needed=False)
    yield from (doubtful("registry", each.message, each.hint, each.where) for each in told if each.where)


def way_verdict(placer: Placer) -> events.Check:
    """What a way means for whoever waits for it."""
    match placer:
        case registry.RegistryPlacer():
            return well("images", f"they are pushed to {placer.registry or 'where their names say'}")
        case nodes.NodesPlacer():
            return well("images", "the layers that the nodes lack are put into them")
        case shared.SharedPlacer():
            return well("images", "nothing has to be sent: the cluster runs on this engine")
        case minikube.MinikubePlacer():
            fix = "minikube start --driver=docker --container-runtime=containerd lets devloop send only what changed"
            return doubtful("images", "they go whole, through minikube image load", fix)
        case _:
            return well("images", f"through {type(placer).__name__}")


def answers(host: str, engine: Engine, *, is_needed: bool) -> events.Check:
    """Whether a registry answers the engine, which is what pushes. Blocks for a question. Raises: Unavailable."""
    if not host:
        return well("registry", "images are pushed where their names say, so none was asked")
    try:
        engine.pushed(f"{host}/devloop-doctor:none")
    except StepFailed as exc:
        say = ill if is_needed else doubtful
        return say("registry", f"{host}: {exc.message}", "is it running, and does the engine reach it?")
    return well("registry", f"{host} answers" + ("" if is_needed else "; the cluster names it, nothing needs it"))


def disks(scope: Scope, cluster: Cluster, tools: Tools) -> Iterator[events.Check]:
    """Room on the nodes that are containers of the engine. Blocks for a command on each; cancelled by the scope."""
    try:
        boxes = choose.own_nodes(cluster.list(scope, "v1", "Node"), tools.engine)
    except ApiRefusal as refusal:
        if refusal.code != 403:
            raise
        return  # that one may not look at nodes is said with their conditions
    for box in boxes:
        yield node_disk_verdict(node.use(scope, tools, box), box.name)


def node_disk_verdict(use: node.NodeUse, name: str) -> events.Check:
    """Whether there is room for images, and whether those that are there stay."""
    fix = "devloop cache prune makes room; so does docker system prune, where the engine has the same disk"
    found = disk_verdict("node disk", use.free_bytes, use.used_bytes + use.free_bytes, fix, name)
    if found.verdict == "problem" or not use.is_collected:
        return found
    return doubtful("node disk", f"{found.found}: the kubelet removes images that no pod runs at the time", fix, name)
