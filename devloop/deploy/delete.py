"""Takes out of the cluster exactly what a project put there.

Comes in: the project's name and namespace. Goes out: what was deleted and what was kept. It reads the inventory in the cluster, so it
needs no manifests and no memory; done twice it does nothing the second time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from devloop.deploy import marks, prune
from devloop.deploy.inventory import Contents, Inventory
from devloop.errors import StepFailed
from devloop.products import ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster

PATIENCE_S = 10.0


@dataclass(frozen=True)
class Deleted:
    """`kept`: with the reason why."""

    deleted: tuple[ObjectRef, ...] = ()
    kept: tuple[tuple[ObjectRef, str], ...] = ()


def delete(
    scope: Scope,
    cluster: Cluster,
    *,
    project: str,
    namespace: str,
    unit: str | None = None,
    asked: Collection[str] = (),
    is_dry_run: bool = False,
    patience_s: float = PATIENCE_S,
    on_line: Callable[[str], None] = lambda _line: None,
) -> Deleted:
    """Deletes the project's objects (or one unit's), the last applied first, and waits until they are gone.

    `asked`: `kind/name` of what is kept otherwise: Namespaces, volumes, definitions, what was there before. `is_dry_run`: only says
    what would go. `patience_s`: how long to wait for each wave of objects; what takes longer is told to `on_line`. Blocks; the scope ends
    it between two objects, and doing it again goes on. Raises: StepFailed when the cluster refuses; Unavailable.
    """
    inventory = Inventory(project, namespace)
    try:
        contents = inventory.read(scope, cluster)
        if not contents.version:
            return Deleted()
        everything = inventory.members(scope, cluster, contents)
        members = [live for live in everything if unit is None or marks.annotation(live, marks.UNIT) == unit]
        if is_dry_run:
            going, staying = prune.split(members, asked)
            return Deleted(
                tuple(marks.ref_of(live) for live in going), tuple((marks.ref_of(live), why) for live, why in staying)
            )
        removed = prune.remove(
            scope,
            cluster,
            members,
            asked=asked,
            still=lambda live: (
                marks.label(live, marks.PART_OF) == inventory.applyset
            ),  # or another project has it by now
            patience_s=patience_s,
        )
        for ref in removed.lasting:
            on_line(f"{ref} is still being deleted: a finalizer holds it")
        remaining = {ref for ref, _ in removed.kept} - removed.released | set(removed.lasting)
        if not remaining and len(members) == len(everything):
            # Only as it was read: another session may have made it name more since, for objects that it writes now.
            cluster.delete(scope, inventory.parent, resource_version=contents.version)
            _keep_late(scope, cluster, inventory, contents)
    except ApiRefusal as exc:
        raise StepFailed(
            f"the cluster refused: {exc.message}", where=f"project {project} in namespace {namespace}"
        ) from exc
    return Deleted(removed.deleted, removed.kept)


def _keep_late(scope: Scope, cluster: Cluster, inventory: Inventory, contents: Contents) -> None:
    """An apply that had nothing to add to the inventory may have written objects just before it went; they are not to be orphans."""
    late = inventory.members(scope, cluster, contents)
    if any(not live["metadata"].get("deletionTimestamp") for live in late):
        inventory.grow(scope, cluster, Contents(), Contents(contents.kinds, contents.namespaces))
