"""Gets images to a cluster through a registry that both the engine and the cluster reach.

Comes in: an image of the engine and the registry's address, which nodes may know by another name. Goes out: the pushed ref with
its digest, so that what runs is what was pushed. What the registry has is not sent again: the engine asks it layer by layer, with the
docker CLI's credentials, which devloop never reads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from devloop.errors import StepFailed
from devloop.products import Image, Placed
from devloop.scope import Scope
from devloop.stages import Tools


class RegistryPlacer:
    """Pushes images below one registry (and path); "" for where their own names say.

    `runtime_registry`: what the nodes call the same place, if not so too.
    """

    def __init__(self, registry: str, runtime_registry: str = "") -> None:
        self._registry = registry.rstrip("/")
        self._runtime_registry = runtime_registry.rstrip("/") or self._registry

    @property
    def registry(self) -> str:
        """Where it pushes to; "" for where their names say."""
        return self._registry

    def place(self, scope: Scope, image: Image, tools: Tools) -> tuple[Placed, bool]:
        """Pushes it; False when the registry had all layers. Blocks; cancelled by the scope.

        Raises: StepFailed when the registry refuses, with the login to try; Unavailable when the engine is away.
        """
        ref = pushed_ref(self._registry, image.ref)
        if image.pushed:
            _name(scope, image.pushed, [ref, *(pushed_ref(self._registry, tag) for tag in image.tags)], tools)
            return self._placed(image, ref, image.pushed.partition("@")[2], f"pushed by its build → {self._name}"), True
        lines: list[str] = []

        def take(line: str) -> None:
            lines.append(line)
            tools.line(line)

        digest = _push(scope, image, ref, tools, take)
        for tag in image.tags:
            _push(scope, image, pushed_ref(self._registry, tag), tools, tools.line)
        sent = sum(line.endswith(": Pushed") for line in lines)
        way = f"{sent} layer{'' if sent == 1 else 's'} → {self._name}" if sent else f"in {self._name} already"
        return self._placed(image, ref, digest, way), sent > 0

    def find(self, image: Image, tools: Tools) -> Placed | None:
        """See stages.Placer.find. The tag stands for the inputs, so whoever pushed it, built it from the same."""
        ref = pushed_ref(self._registry, image.ref)
        try:
            digest = tools.engine.pushed(ref)
        except StepFailed as failed:
            tools.line(f"{failed.message}; building")  # pushing will say what is wrong
            return None
        return self._placed(image, ref, digest, f"in {self._name} already") if digest else None

    def repository(self, artifact: str) -> str:
        """See stages.Placer.repository."""
        return pushed_ref(self._registry, f"{artifact}:tag").removesuffix(":tag")

    def tidy(self, scope: Scope, refs: Collection[str], tools: Tools) -> frozenset[str]:
        """Nothing: what a registry keeps is its owner's affair."""
        return frozenset()

    @property
    def _name(self) -> str:
        return self._registry or "its registry"

    def _placed(self, image: Image, ref: str, digest: str, way: str) -> Placed:
        pulled = self._runtime_registry + ref.removeprefix(self._registry)
        return Placed(image.artifact, f"{pulled}@{digest}", image.image_id, way)


def _push(scope: Scope, image: Image, ref: str, tools: Tools, on_line: Callable[[str], None]) -> str:
    tools.engine.tag(image.image_id, ref)
    try:
        return tools.engine.push(scope, ref, on_line)
    finally:
        if ref not in (image.ref, *image.tags):
            tools.engine.untag(ref)


def _name(scope: Scope, pushed: str, refs: Sequence[str], tools: Tools) -> None:
    """Gives names to what has none but its digest. The registry does that, no layer moves."""
    names = [word for ref in refs for word in ("--tag", ref)]
    argv = ["docker", "buildx", "imagetools", "create", *names, pushed]
    tools.processes.run(scope, argv, env=tools.engine.environment(), on_line=tools.line)


def pushed_ref(registry: str, ref: str) -> str:
    """The ref below the registry; one that is there already stays, and any for a registry "".

    A port in the ref's own host becomes part of a path.
    """
    if not registry or ref.startswith(f"{registry}/"):
        return ref
    name, _, tag = ref.rpartition(":")
    return f"{registry}/{name.replace(':', '_')}:{tag}"
