"""Whether a cluster's nodes can run what an image was built for.

Comes in: an image of the engine, and the cluster. Goes out: a warning that names both platforms, once for each artifact. It decides
nothing: nodes may know how to run a foreign program.
"""

from __future__ import annotations

import threading

from devloop import events
from devloop.products import Image
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster, Tools


class NodePlatforms:
    """The platforms of a cluster's nodes, asked once. Safe from many threads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._known: frozenset[str] | None = None
        self._warned: set[str] = set()

    def warning(self, scope: Scope, image: Image, tools: Tools) -> events.Notice | None:
        """None where some node has the platform, or nobody says. Blocks for a question to each, the first time. Raises: Unavailable."""
        found = tools.engine.inspect(image.image_id) if image.image_id else None
        if found is None or not found.architecture:
            return None
        platform = f"{found.os}/{found.architecture}"
        with self._lock:
            nodes = self._nodes(scope)
            if not nodes or platform in nodes or image.artifact in self._warned:
                return None
            self._warned.add(image.artifact)
        said = ", ".join(sorted(nodes))
        return events.Notice(
            message=f"{image.artifact} was built for {platform}, and the nodes of {self._cluster.context} are {said}",
            hint=f"name the nodes' platform where it is built; for a Dockerfile `docker.platforms: [{min(nodes)}]`",
            where=f"image/{image.artifact}",
        )

    def _nodes(self, scope: Scope) -> frozenset[str]:
        if self._known is None:
            try:
                listed = self._cluster.list(scope, "v1", "Node")
            except ApiRefusal:
                listed = []  # on a shared cluster nodes may be none of our business
            infos = [each.get("status", {}).get("nodeInfo", {}) for each in listed]
            self._known = frozenset(
                f"{info['operatingSystem']}/{info['architecture']}" for info in infos if info.get("architecture")
            )
        return self._known
