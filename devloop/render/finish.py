"""From what a renderer printed to what is applied, one stage after the other.

Comes in: the manifests of a unit, and the refs of the images that are to be had. Goes out: the manifests to apply, those that wait, and
what people are told. The order is that of `finish`: images first, for a ConfigMap may name one; then the hashes of ConfigMaps and Secrets;
then what `dev` has otherwise. The marks of ownership come last, in `deploy`. `devloop render` prints what comes out here. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from devloop import events
from devloop.config import model
from devloop.products import Manifest
from devloop.render import images, overrides, rolls
from devloop.render.objects import identity
from devloop.render.places import Table


@dataclass(frozen=True)
class Finish:
    """What is done to a unit's manifests. `namespace`: for objects that name none."""

    table: Table
    namespace: str
    is_rolling: bool = True
    overrides: model.DevOverrides | None = None


@dataclass(frozen=True)
class Images:
    """`refs`: artifact → what is put in its place, where it is to be had; `pulled`: artifacts that nodes get from a registry."""

    artifacts: Collection[str]
    refs: Mapping[str, str]
    pulled: Collection[str] = frozenset()


@dataclass(frozen=True)
class Finished:
    """`held`: manifests that wait for an image, with its artifact. `notices`: what was changed besides, and why."""

    manifests: tuple[Manifest, ...]
    held: tuple[tuple[Manifest, str], ...] = ()
    notices: tuple[events.Notice, ...] = ()


def finish(manifests: Iterable[Manifest], given: Images, how: Finish) -> Finished:
    """Takes the manifests through all stages."""
    found = tuple(manifests)
    filled = images.fill(found, given.refs, given.artifacts, how.table, given.pulled)
    ready, held = filled.manifests, filled.held
    if how.is_rolling:
        ready, held = rolls.marked(ready, held, how.namespace)
    if how.overrides is None:
        return Finished(ready, held, filled.warnings)
    ours = {identity(each.manifest.object) for each in images.uses(found, given.artifacts, how.table)}
    ready, told = overrides.overridden(ready, ours, how.overrides)
    return Finished(ready, held, (*filled.warnings, *told))
