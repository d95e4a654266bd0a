"""Where the releases of a project stand, for the commands that only look.

Comes in: units as rendered, with a digest of what each release would be made from. Goes out: what a run would do to the releases, and why.
It writes nothing and starts no helm.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from devloop.cli.rendering import RenderedUnits
from devloop.config import model
from devloop.deploy import helm_storage, release_diff, release_state
from devloop.deploy.diff import Difference, Differences
from devloop.deploy.helm_storage import Release
from devloop.deploy.inventory import Inventory
from devloop.deploy.release_state import Standing
from devloop.errors import StepFailed
from devloop.loop import releases
from devloop.loop.surroundings import Plan
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster


def inventory_of(plan: Plan, unit: str, cluster: Cluster) -> Inventory:
    """The inventory that a unit belongs to."""
    return Inventory(plan.owner(unit).project, cluster.namespace)


@contextmanager
def told_of(where: str) -> Iterator[None]:
    """Raises: StepFailed in place of the API server's refusal to tell of releases."""
    try:
        yield
    except ApiRefusal as exc:
        hint = "releases are kept in Secrets, which takes the right to list those" if exc.code == 403 else None
        raise StepFailed(f"the cluster refused to tell of releases: {exc.message}", where=where, hint=hint) from exc


def owned(scope: Scope, cluster: Cluster, inventory: Inventory) -> tuple[Release, ...]:
    """The releases of a project that are installed. Blocks. Raises: StepFailed, Unavailable."""
    with told_of(f"project {inventory.project} in namespace {inventory.namespace}"):
        contents = inventory.read(scope, cluster)
        return helm_storage.owned(scope, cluster, inventory, contents) if contents.version else ()


def standing(scope: Scope, cluster: Cluster, unit: model.Unit, digest: str) -> Standing:
    """Where the release of a unit stands. Blocks. Raises: StepFailed, Unavailable."""
    release = releases.release_of(unit, cluster.namespace)
    with told_of(f"deploy/{unit.name}"):
        return release_state.standing(helm_storage.revisions(scope, cluster, release), digest)


def compared(scope: Scope, cluster: Cluster, units: RenderedUnits, unit: model.Unit) -> tuple[Differences, Standing]:
    """What a run would do to the release of a unit. Blocks. Raises: StepFailed, Unavailable."""
    assert unit.helm is not None
    inventory = inventory_of(units.plan, unit.name, cluster)
    found = standing(scope, cluster, unit, units.digest(unit.name))
    was = releases.manifests(found.latest, unit, units.plan.base) if found.latest else ()
    with told_of(f"deploy/{unit.name}"):
        changes = release_diff.differences(
            scope,
            inventory,
            cluster,
            releases.release_of(unit, cluster.namespace),
            found,
            was=was,
            now=units.finished[unit.name].manifests,
            definitions=[each for one in units.finished.values() for each in one.manifests],
            is_adopting="--take-ownership" in unit.helm.args,
        )
    return changes, found


def going(scope: Scope, cluster: Cluster, plan: Plan) -> list[tuple[str, Difference]]:
    """The releases that a run of the whole plan would uninstall, each with the unit that it was.

    Blocks. Raises: StepFailed, also for a unit that is a release in the cluster and is not to be one.
    """
    of = {unit: inventory_of(plan, unit, cluster) for unit in plan.units}
    found = {each: owned(scope, cluster, each) for each in dict.fromkeys(of.values())}
    gone = {
        each
        for unit in plan.units.values()
        for each in releases.strays(plan, cluster.namespace, unit, found[of[unit.name]])
    }
    return [
        (each.unit, Difference(release_diff.ref_of(each), "uninstall", "", "is no unit's any more", None, None))
        for each in sorted(gone, key=str)
    ]
