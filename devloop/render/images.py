"""Images in manifests: which artifacts they use, and the refs that were built put in their place.

Comes in: rendered manifests and artifact names. Goes out: new manifests; what came in is never changed. An image is an artifact's when
their names are the same but for `docker.io/`, `library/` and a tag; with a digest it is what somebody else pinned. Containers are
found wherever an object holds a list of them, whatever its kind. Pure.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from devloop import events
from devloop.products import Manifest

_LISTS = frozenset({"containers", "initContainers", "ephemeralContainers"})
_SINGLES = frozenset({"container", "script"})  # Argo's templates
# These hold text or schemas, never containers of their own.
_OPAQUE_KINDS = frozenset({"ConfigMap", "Secret", "CustomResourceDefinition"})


@dataclass(frozen=True)
class Filled:
    """`manifests`: ready to apply. `held`: those that name an artifact which has no ref yet, with that artifact's name.
    `warnings`: what had to be changed besides, one for each object.
    """

    manifests: tuple[Manifest, ...]
    held: tuple[tuple[Manifest, str], ...] = ()
    warnings: tuple[events.Notice, ...] = ()


def used(manifests: Iterable[Manifest], artifacts: Collection[str]) -> frozenset[str]:
    """The artifacts whose images the manifests name."""
    known = _by_name(artifacts)
    return frozenset(known[name] for each in manifests for name, _ in _named(each.object) if name in known)


def fill(
    manifests: Iterable[Manifest],
    refs: Mapping[str, str],
    artifacts: Collection[str],
    pulled: Collection[str] = frozenset(),
) -> Filled:
    """Puts `refs` (artifact → ref) where the manifests name artifacts, and lets nodes use images that they have already.

    `imagePullPolicy: Always` would have the kubelet ask a registry for an image that is nowhere but on the node; since a ref is
    unique to its content, `IfNotPresent` runs the same. `pulled`: artifacts that nodes get from a registry; theirs stays.
    """
    known = _by_name(artifacts)
    filled: list[Manifest] = []
    held: list[tuple[Manifest, str]] = []
    warnings: list[events.Notice] = []
    for each in manifests:
        mine = [known[name] for name, _ in _named(each.object) if name in known]
        missing = next((artifact for artifact in mine if artifact not in refs), None)
        if missing is not None:
            held.append((each, missing))
        elif not mine:
            filled.append(each)
        else:
            changed = Manifest(copy.deepcopy(each.object), each.source)
            mended: list[str] = []
            for name, container in _named(changed.object):
                if name in known:
                    container["image"] = refs[known[name]]
                    if known[name] not in pulled and container.get("imagePullPolicy") == "Always":
                        container["imagePullPolicy"] = "IfNotPresent"
                        mended.append(str(container.get("name", "")))
            filled.append(changed)
            if mended:
                warnings.append(_never_pulled(changed, mended))
    return Filled(tuple(filled), tuple(held), tuple(warnings))


def tags(manifests: Iterable[Manifest], artifacts: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Each use of an artifact, with the tag that stands there ("" for none) and the manifest's place."""
    known = _by_name(artifacts)
    for each in manifests:
        for name, container in _named(each.object):
            if name in known:
                yield known[name], container["image"].rpartition("/")[2].partition(":")[2], each.source


def of(obj: Mapping[str, Any]) -> tuple[str, ...]:
    """The images that an object's containers name, each once, in their order."""
    named = (each.get("image") for each in _containers(obj)) if obj.get("kind") not in _OPAQUE_KINDS else ()
    return tuple(dict.fromkeys(each for each in named if isinstance(each, str)))


def without_registry(manifests: Iterable[Manifest], registry: str) -> tuple[Manifest, ...]:
    """The manifests with `registry/` taken off the images that begin with it."""
    found = []
    for each in manifests:
        changed = Manifest(copy.deepcopy(each.object), each.source)
        for _, container in _named(changed.object):
            container["image"] = container["image"].removeprefix(f"{registry}/")
        found.append(changed)
    return tuple(found)


def normal(image: str) -> str | None:
    """The image's name without what goes without saying and without its tag; None when it has a digest."""
    name, _, digest = image.strip().partition("@")
    if digest:
        return None
    head, slash, last = name.rpartition("/")
    name = head + slash + last.partition(":")[0]
    for implied in ("index.docker.io/", "docker.io/", "library/"):
        name = name.removeprefix(implied)
    return name


def _by_name(artifacts: Collection[str]) -> dict[str, str]:
    return {name: artifact for artifact in artifacts if (name := normal(artifact))}


def _named(obj: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each container with an image, and the image's normal name."""
    if obj.get("kind") in _OPAQUE_KINDS:
        return
    for container in _containers(obj):
        image = container.get("image")
        name = normal(image) if isinstance(image, str) else None
        if name:
            yield name, container


def _containers(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for each in value:
            yield from _containers(each)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            if key in _LISTS and isinstance(each, list):
                yield from (item for item in each if isinstance(item, dict))
            elif key in _SINGLES and isinstance(each, dict) and "image" in each:
                yield each
            yield from _containers(each)


def _never_pulled(manifest: Manifest, containers: list[str]) -> events.Notice:
    name = f"{manifest.object['kind'].lower()}/{manifest.object['metadata']['name']}"
    of = f"container{'' if len(containers) == 1 else 's'} {', '.join(containers)}"
    return events.Notice(
        message=f"{name}: imagePullPolicy Always of {of} is applied as IfNotPresent: the image is on the nodes, and in no registry",
        hint="write IfNotPresent there, or leave imagePullPolicy out: a tag stands for its content, so it runs the same",
        where=manifest.source,
    )
