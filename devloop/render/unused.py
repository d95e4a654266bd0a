"""Artifacts that no manifest uses, and what was probably meant to.

Comes in: the manifests of all units, with their images as written. Goes out: one notice for each artifact that is built for nothing; it
names the place that looks like it: an image with a digest, the same name in another registry or folder, a name with a letter amiss, text
that no path of the table leads to. An image only ever looks like an artifact that nothing uses: beside one that is in use, a name much
like it is some other image. Pure.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from devloop import events, fieldpaths
from devloop.fieldpaths import Spot
from devloop.products import Manifest
from devloop.render import images, workloads
from devloop.render.places import Table

_ALIKE = 0.8  # of difflib's ratio: about one letter in six
_SHORTEST = 4  # in a shorter name one letter makes another word


@dataclass(frozen=True)
class _Named:
    """An image as a manifest names it. `name`: without a tag or a digest."""

    name: str
    text: str
    manifest: Manifest

    @property
    def where(self) -> str:
        return workloads.named(self.manifest.object)


def notices(
    manifests: Iterable[Manifest], idle: Collection[str], artifacts: Collection[str], table: Table
) -> tuple[events.Notice, ...]:
    """What to tell of the artifacts `idle`, of all `artifacts`, that none of the manifests uses."""
    found = tuple(manifests)
    others = tuple(_others(found, artifacts, table))
    return tuple(_notice(each, found, others) for each in idle)


def is_like(artifact: str, image: str) -> bool:
    """Whether the name of an image looks like a slip of an artifact's; neither has a tag, and they are not the same."""
    folder, _, name = images.bare(artifact).rpartition("/")
    other_folder, _, other = images.bare(image).rpartition("/")
    if name == other:
        return folder != other_folder
    if folder != other_folder:
        return False
    if _plain(name) == _plain(other):
        return True
    is_other_number = re.sub("[0-9]", "", name) == re.sub("[0-9]", "", other)  # v1 and v2 are no slips of each other
    return not is_other_number and min(len(name), len(other)) >= _SHORTEST and _ratio(name, other) >= _ALIKE


def _others(manifests: Sequence[Manifest], artifacts: Collection[str], table: Table) -> Iterator[_Named]:
    known = images.by_name(artifacts)
    for each in manifests:
        for place in table.places(each.object):
            if images.normal(place.image) not in known:
                yield _Named(images.bare(place.image.partition("@")[0]), place.image, each)


def _notice(artifact: str, manifests: Sequence[Manifest], others: Sequence[_Named]) -> events.Notice:
    message, name = f"no manifest uses image {artifact}", images.bare(artifact)
    if pinned := next((each for each in others if each.name == name), None):
        return events.Notice(
            message=f"{message}: {pinned.where} names it with a digest, which stays as it is",
            hint=f"write `{artifact}` there to deploy what is built",
            where=pinned.manifest.source,
        )
    alike = [each for each in others if is_like(name, each.name)]
    if alike:
        closest = max(alike, key=lambda each: _ratio(name, each.name))
        return events.Notice(
            message=f"{message}, but {closest.where} names {closest.text}",
            hint=f"did you mean `{artifact}`?",
            where=closest.manifest.source,
        )
    if unread := next(((each, spot) for each in manifests for spot in _standing(each, name)), None):
        each, spot = unread
        return events.Notice(
            message=f"{message}, but it stands at {spot} of {workloads.named(each.object)}, where no image is looked for",
            hint=f"to have it filled in there: imagePaths: [{_row(each, spot)}]",
            where=each.source,
        )
    return events.Notice(
        message=f"{message}: it is built for nothing", hint="name it in a manifest, or take it out of `build.artifacts`"
    )


def _standing(manifest: Manifest, name: str) -> Iterator[Spot]:
    """Where the artifact's name stands as text."""
    for spot in fieldpaths.everywhere(manifest.object):
        if isinstance(spot.value, str) and len(spot.value) < 512 and images.normal(spot.value) == name:
            yield spot


def _row(manifest: Manifest, spot: Spot) -> str:
    """The row of `imagePaths` that leads there."""
    obj = manifest.object
    path = fieldpaths.general(obj, spot.trail)
    if spot.key == "repository":
        path = path.removesuffix(".repository") + "{repository,tag}"
    group = workloads.group(obj)
    return f"{{kind: {obj['kind']}{f', group: {group}' if group else ''}, paths: ['{path}']}}"


def _plain(name: str) -> str:
    return re.sub("[-_.]", "", name.lower())


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()
