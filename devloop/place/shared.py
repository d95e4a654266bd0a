"""Clusters that run on the very engine that builds: nothing has to be sent.

Comes in: the cluster's nodes as it describes them, and the engine. Goes out: whether they are one, by what both say of
themselves and never by a context's name; and a placer that has nothing to do.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from devloop.errors import StepFailed
from devloop.products import Image, Object, Placed
from devloop.refs import full_name
from devloop.scope import Scope
from devloop.stages import Engine, Tools


class SharedPlacer:
    """For docker-desktop, minikube's own engine, Rancher Desktop, OrbStack and colima with dockerd."""

    def place(self, scope: Scope, image: Image, tools: Tools) -> tuple[Placed, bool]:
        """Makes sure that the engine has the image under its name. Raises: StepFailed when it has it no more."""
        scope.check()
        found = tools.engine.inspect(image.image_id)
        if found is None:
            raise StepFailed(
                f"the engine has no image {image.image_id} any more", where=image.ref, hint="build it again"
            )
        if full_name(image.ref) not in map(full_name, found.tags):
            tools.engine.tag(image.image_id, image.ref)
        return Placed(image.artifact, image.ref, image.image_id, "the cluster runs on this engine"), False

    def find(self, image: Image, tools: Tools) -> Placed | None:
        """Nothing: the engine is where it would be."""
        return None

    def repository(self, artifact: str) -> str:
        """None: they go to no registry."""
        return ""

    def tidy(self, scope: Scope, refs: Collection[str], tools: Tools) -> frozenset[str]:
        """Nothing: what the engine has is what the cluster has."""
        return frozenset()


def is_shared(nodes: Sequence[Object], engine: Engine) -> bool:
    """Whether the cluster's only node is this engine: dockerd runs its containers, and it has the engine's name or images."""
    if len(nodes) != 1:
        return False
    (node,) = nodes
    status = node.get("status", {})
    if not status.get("nodeInfo", {}).get("containerRuntimeVersion", "").startswith("docker://"):
        return False
    if node["metadata"]["name"] == engine.info().name:
        return True
    # The kubelet lists up to 50 images by all their names; those of another engine would not all be here.
    names = [name for image in status.get("images", []) for name in image.get("names", []) if "@" not in name]
    return bool(names) and all(engine.inspect(name) is not None for name in names)
