"""What an upgrade or installation of a release would change.

Comes in: where the release stands, and the objects of its last revision and of what is on disk. Goes out: the release itself and each
object that helm would make, change, take over or delete, as it is written and as it would be. What others changed in the cluster since is
not asked for: helm has its own way with that. It writes nothing and lets no Secret's values out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from devloop.deploy import fields, marks, refusals
from devloop.deploy.diff import Difference, Differences, masked, plain
from devloop.deploy.helm_storage import Release
from devloop.deploy.inventory import Inventory
from devloop.deploy.release_state import Standing
from devloop.deploy.resolve import Wanted, resolve
from devloop.products import Manifest, Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import Cluster

_HOOK = "helm.sh/hook"
_POLICY = "helm.sh/resource-policy"
_RELEASE_NAME = "meta.helm.sh/release-name"

Objects = Mapping[marks.Key, Wanted]


def ref_of(release: Release) -> ObjectRef:
    """How a release is called among objects: `release/NAME`."""
    return ObjectRef("", "Release", release.namespace, release.name)


def differences(
    scope: Scope,
    inventory: Inventory,
    cluster: Cluster,
    release: Release,
    standing: Standing,
    *,
    was: Sequence[Manifest],
    now: Sequence[Manifest],
    definitions: Sequence[Manifest] = (),
    is_adopting: bool = False,
) -> Differences:
    """What helm would do. `was`: the objects of the last revision; `now`: as rendered, with images. `definitions`: manifests of others
    that may define kinds. `is_adopting`: helm may take over what is nobody's.

    Blocks. Raises: StepFailed for kinds that the cluster does not know; ApiRefusal, Unavailable.
    """
    before = {marks.key(each.ref): each for each in resolve(scope, cluster, was, release.namespace)}
    if not standing.is_due:
        return Differences(same=len(before))
    rendered = [each for each in now if _is_of_release(scope, cluster, each, is_new=standing.latest is None)]
    after = {
        marks.key(each.ref): each for each in resolve(scope, cluster, rendered, release.namespace, (*now, *definitions))
    }
    itself = Difference(
        ref_of(release), "install" if standing.latest is None else "upgrade", "", standing.why, None, None
    )
    gone = [each for key, each in before.items() if key not in after]
    kept = [each for each in gone if is_kept(each.body)]
    new = [each for key, each in after.items() if key not in before]
    made = [_new(scope, cluster, inventory, release, each, is_adopting=is_adopting) for each in new]
    base = f"revision {standing.latest.number}" if standing.latest else ""
    changed = changes(before, after, base)
    return Differences(
        (
            itself,
            *(each for each in made if isinstance(each, Difference)),
            *changed,
            *(_deleted(each, base) for each in _without(gone, kept)),
        ),
        same=len(after) - len(new) - len(changed),
        kept=tuple((each.ref, f"{_POLICY}: keep") for each in kept),
        refused=tuple(each for each in made if isinstance(each, refusals.Refusal)),
    )


def between(before: Objects, after: Objects, base: str) -> list[Difference]:
    """All that one revision has otherwise than another, which is called `base`. Pure."""
    new = [each for key, each in after.items() if key not in before]
    gone = [each for key, each in before.items() if key not in after and not is_kept(each.body)]
    made = [
        Difference(each.ref, "create", each.source, "is not there", *masked(None, plain(each.body))) for each in new
    ]
    return [*made, *changes(before, after, base), *(_deleted(each, base) for each in gone)]


def changes(before: Objects, after: Objects, base: str) -> list[Difference]:
    """The objects of both that are written differently. Pure."""
    found = []
    for key, each in after.items():
        if key in before and (one := plain(before[key].body)) != (other := plain(each.body)):
            why = "is rendered differently"
            found.append(Difference(each.ref, "change", each.source, why, *masked(one, other), base=base))
    return found


def _is_of_release(scope: Scope, cluster: Cluster, manifest: Manifest, *, is_new: bool) -> bool:
    """Hooks are no part of a revision. What is in `crds/` is installed once, unless it is there, and never upgraded."""
    if _HOOK in (manifest.object["metadata"].get("annotations") or {}):
        return False
    if manifest.object["kind"] != "CustomResourceDefinition" or "/crds/" not in manifest.source:
        return True
    return is_new and cluster.get(scope, marks.ref_of(manifest.object)) is None


def is_kept(obj: Object) -> bool:
    """Whether helm leaves the object where it would delete it. Pure."""
    return marks.annotation(obj, _POLICY) == "keep"


def _without(these: Sequence[Wanted], those: Sequence[Wanted]) -> list[Wanted]:
    return [each for each in these if each not in those]


def _new(
    scope: Scope, cluster: Cluster, inventory: Inventory, release: Release, wanted: Wanted, *, is_adopting: bool
) -> Difference | refusals.Refusal:
    """What becomes of an object that no revision has yet."""
    ref, after = wanted.ref, plain(wanted.body)
    is_served = cluster.resource(scope, ref.api_version, ref.kind) is not None
    live = cluster.get(scope, ref) if is_served else None
    if live is None:
        return Difference(ref, "create", wanted.source, "is not there", *masked(None, after))
    is_ours = marks.label(live, marks.PART_OF) == inventory.applyset
    if not (is_ours or is_adopting or marks.annotation(live, _RELEASE_NAME) == release.name):
        hint = "delete it, or have helm adopt it with `args: [--take-ownership]`"
        return refusals.Refusal(ref, wanted.source, 409, f"{ref} is there already, and no part of {release}", hint)
    why = "was applied without helm" if is_ours else "was there before the release"
    return Difference(ref, "adopt", wanted.source, why, *masked(plain(fields.owned(live) or live), after))


def _deleted(wanted: Wanted, base: str) -> Difference:
    before, _ = masked(plain(wanted.body), None)
    return Difference(wanted.ref, "delete", wanted.source, "is rendered no longer", before, None, base=base)
