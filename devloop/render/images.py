"""Images in manifests: which artifacts they use, and the refs that were built put in their place.

Comes in: rendered manifests, artifact names, and the table of places where images stand. Goes out: new manifests; what came in is never
changed. An image is an artifact's when their names are the same but for `docker.io/`, `library/` and a tag; with a digest it is what
somebody else pinned. Pure.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from devloop import events
from devloop.products import Manifest, Object
from devloop.render.places import Place, Table
from devloop.render.workloads import named


@dataclass(frozen=True)
class Filled:
    """`manifests`: ready to apply. `held`: those that name an artifact which has no ref yet, with that artifact's name.
    `warnings`: what had to be changed besides, one for each object.
    """

    manifests: tuple[Manifest, ...]
    held: tuple[tuple[Manifest, str], ...] = ()
    warnings: tuple[events.Notice, ...] = ()


@dataclass(frozen=True)
class Use:
    """A place in a manifest that names an artifact."""

    artifact: str
    place: Place
    manifest: Manifest


def uses(manifests: Iterable[Manifest], artifacts: Collection[str], table: Table) -> Iterator[Use]:
    """Each place that names an artifact."""
    known = by_name(artifacts)
    for each in manifests:
        for artifact, place in _named(each.object, known, table):
            yield Use(artifact, place, each)


def used(manifests: Iterable[Manifest], artifacts: Collection[str], table: Table) -> frozenset[str]:
    """The artifacts whose images the manifests name."""
    return frozenset(each.artifact for each in uses(manifests, artifacts, table))


def fill(
    manifests: Iterable[Manifest],
    refs: Mapping[str, str],
    artifacts: Collection[str],
    table: Table,
    pulled: Collection[str] = frozenset(),
) -> Filled:
    """Puts `refs` (artifact → ref) where the manifests name artifacts, and lets nodes use images that they have already.

    `imagePullPolicy: Always` would have the kubelet ask a registry for an image that is nowhere but on the node; since a ref is
    unique to its content, `IfNotPresent` runs the same. `pulled`: artifacts that nodes get from a registry; theirs stays.
    """
    known = by_name(artifacts)
    filled: list[Manifest] = []
    held: list[tuple[Manifest, str]] = []
    warnings: list[events.Notice] = []
    for each in manifests:
        mine = [artifact for artifact, _ in _named(each.object, known, table)]
        missing = next((artifact for artifact in mine if artifact not in refs), None)
        if missing is not None:
            held.append((each, missing))
        elif not mine:
            filled.append(each)
        else:
            changed = Manifest(copy.deepcopy(each.object), each.source)
            mended = []
            for artifact, place in list(_named(changed.object, known, table)):
                place.put(refs[artifact])
                if artifact not in pulled and place.may_pull_less():
                    mended.append(place.name)
            filled.append(changed)
            if mended:
                warnings.append(_never_pulled(changed, mended))
    return Filled(tuple(filled), tuple(held), tuple(warnings))


def of(obj: Mapping[str, Any]) -> tuple[str, ...]:
    """The images that an object names where any object of its kind does, each once, in their order."""
    return tuple(dict.fromkeys(place.image for place in Table().places(obj)))


def without_registry(manifests: Iterable[Manifest], registry: str, table: Table) -> tuple[Manifest, ...]:
    """The manifests with `registry/` taken off the images that begin with it."""
    found = []
    for each in manifests:
        changed = Manifest(copy.deepcopy(each.object), each.source)
        for place in list(table.places(changed.object)):
            if place.image.startswith(f"{registry}/"):
                place.put(place.image.removeprefix(f"{registry}/"))
        found.append(changed)
    return tuple(found)


def normal(image: str) -> str | None:
    """The image's name without what goes without saying and without its tag; None when it has a digest."""
    name, _, digest = image.strip().partition("@")
    return None if digest else bare(name)


def bare(name: str) -> str:
    """The name without what goes without saying, and without a tag."""
    head, slash, last = name.rpartition("/")
    name = head + slash + last.partition(":")[0]
    for implied in ("index.docker.io/", "docker.io/", "library/"):
        name = name.removeprefix(implied)
    return name


def tag(image: str) -> str:
    """The tag of an image without a digest; "" for none."""
    return image.rpartition("/")[2].partition(":")[2]


def by_name(artifacts: Collection[str]) -> dict[str, str]:
    """Normal name → artifact."""
    return {name: artifact for artifact in artifacts if (name := normal(artifact))}


def _named(obj: Object, known: Mapping[str, str], table: Table) -> Iterator[tuple[str, Place]]:
    """Each place with an artifact's image, and the artifact."""
    for place in table.places(obj):
        name = normal(place.image)
        if name is not None and name in known:
            yield known[name], place


def _never_pulled(manifest: Manifest, containers: list[str]) -> events.Notice:
    of = f"imagePullPolicy Always of container{'' if len(containers) == 1 else 's'} {', '.join(containers)}"
    return events.Notice(
        message=f"{named(manifest.object)}: {of} is applied as IfNotPresent: the image is on the nodes, and in no registry",
        hint="write IfNotPresent there, or leave imagePullPolicy out: a tag stands for its content, so it runs the same",
        where=manifest.source,
    )
