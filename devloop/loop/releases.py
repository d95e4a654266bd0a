"""What a unit with `mode: release` is to be, and what its release is.

Comes in: a unit as rendered, refs of images, revisions. Goes out: the digest that a revision is made from, the objects that it is made
of, and which releases are nobody's. It writes nothing; `release_steps` and the commands that only look share it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from devloop.config import model
from devloop.deploy import parallel
from devloop.deploy.helm_storage import Release, Revision
from devloop.deploy.resolve import Wanted, resolve
from devloop.errors import StepFailed
from devloop.loop.surroundings import Plan
from devloop.products import AppliedObject, Manifest, Rendered
from devloop.render import chart_source, helm
from devloop.render.objects import rendered_digest
from devloop.scope import Scope
from devloop.stages import Cluster


def is_release(unit: model.Unit) -> bool:
    """Whether helm deploys it."""
    return unit.helm is not None and unit.helm.mode == "release"


def release_of(unit: model.Unit, namespace: str) -> Release:
    """The release that a unit is. `namespace`: the project's."""
    assert unit.helm is not None
    return Release(unit.name, unit.helm.release or unit.name, unit.helm.namespace or namespace)


def digest(
    plan: Plan, unit: model.Unit, rendered: Rendered, filled: Sequence[Manifest], refs: Mapping[str, str]
) -> str:
    """Of all that decides what a release deploys. `filled`: what was rendered, with `refs` in it. Blocks on the disk.

    Raises: StepFailed when no value takes an image that the chart uses.
    """
    assert unit.helm is not None
    unsaid = rendered.images - {each.image for each in unit.helm.images}
    if unsaid:
        raise _unsaid(unit, sorted(unsaid))
    content = (rendered_digest(filled), helm.values_digest(unit, plan.base), sorted(refs.items()))
    return hashlib.sha256(repr(content).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def manifests(revision: Revision, unit: model.Unit | None = None, base: Path = Path()) -> tuple[Manifest, ...]:
    """The objects of a revision, without hooks. `unit`: by which paths in its chart are told as people know them.

    Raises: StepFailed when they cannot be read.
    """
    if unit is not None and unit.helm is not None:
        name, place = chart_source.named(unit.helm, base), helm.places(unit.helm, base)
        return helm.read(revision.manifest, name, None, place)
    return helm.read(revision.manifest, revision.chart, None, lambda path: f"{revision.chart_name}/{path}")


def objects(scope: Scope, cluster: Cluster, release: Release, made_of: Sequence[Manifest]) -> tuple[AppliedObject, ...]:
    """A revision's objects (see `manifests`) as the cluster holds them, without those that are not there.

    Blocks. Raises: StepFailed, ApiRefusal, Unavailable.
    """
    wanted = resolve(scope, cluster, made_of, release.namespace)

    def look(scope: Scope, each: Wanted) -> AppliedObject | None:
        live = cluster.get(scope, each.ref)
        return AppliedObject(each.ref, live, each.source, is_changed=False) if live else None

    return tuple(each for each in parallel.each(scope, "get", wanted, look) if each is not None)


def strays(plan: Plan, namespace: str, unit: model.Unit, owned: Iterable[Release]) -> list[Release]:
    """Those of the releases of the unit's project that are no unit's any more. `namespace`: the project's.

    Raises: StepFailed when this unit is a release though it is not to be one.
    """
    releases = [release_of(each, namespace) for each in plan.units.values() if is_release(each)]
    wanted = {(each.namespace, each.name) for each in releases}
    found = []
    for release in owned:
        if (release.namespace, release.name) in wanted:
            continue  # perhaps under another unit's name: that unit takes it over
        if release.unit == unit.name and not is_release(unit):
            raise _still_a_release(release)
        named = plan.units.get(release.unit)  # None: it is known, and not of this session; whoever has it decides
        if release.unit not in plan.owner(unit.name).known_units or (named is not None and is_release(named)):
            found.append(release)
    return found


def _still_a_release(release: Release) -> StepFailed:
    return StepFailed(
        f"{release} in {release.namespace} is what this unit is in the cluster, and it is not to be one any more",
        where=f"deploy/{release.unit}",
        hint=f"`helm uninstall {release.name} -n {release.namespace}` makes way, `mode: release` keeps it",
    )


def _unsaid(unit: model.Unit, images: Sequence[str]) -> StepFailed:
    assert unit.helm is not None
    return StepFailed(
        f"the chart uses {', '.join(images)}, and nothing says which values take the image",
        where=f"deploy/{unit.name}",
        hint=f"`helm.images: [{{image: {images[0]}, value: image}}]`, with the path of a value that the template prints as its image",
    )
