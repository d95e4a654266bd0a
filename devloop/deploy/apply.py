"""Makes the cluster hold what a unit renders, with as few writes as there are differences.

Comes in: manifests with their images filled in. Goes out: the objects as the API server holds them, what was written and pruned. Once
the first write is out it is finished, whatever becomes of the scope (DESIGN: law 11). It never deletes what devloop did not make, and
takes no object from another project, nor a field from another manager.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from devloop.deploy import marks, plan, prune
from devloop.deploy.inventory import Inventory
from devloop.deploy.plan import Consent, Job, Owner, Planned, Prepared, Tell
from devloop.deploy.send import send
from devloop.errors import StepFailed
from devloop.products import Applied, Manifest, Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster

__all__ = ["Consent", "Owner", "Planned", "Prepared", "apply", "looking", "preview"]


def apply(
    scope: Scope,
    cluster: Cluster,
    *,
    owner: Owner,
    namespace: str,
    manifests: Sequence[Manifest],
    images: Mapping[str, str],
    held: Sequence[tuple[Manifest, str]] = (),
    consent: Consent = Consent(),  # noqa: B008 - frozen
    on_line: Tell = lambda _line: None,
    on_left: Tell | None = None,
    before: Callable[[bool], None] = lambda _is_due: None,
) -> tuple[Applied, int]:
    """Applies a unit, prunes what it no longer renders, and says how many objects were written.

    `namespace`: for objects that name none, and the inventory's. `images`: artifact → ref, for the product. `held`: manifests that
    wait for an image, with its artifact: neither applied nor pruned. `consent`: what the user allowed. `on_line` is told what was done
    besides: objects made anew, fields taken over, drift put right; `on_left` (the same, by default) what stays as it is, which is the
    same every time: objects that are kept, replicas of an autoscaler. `before` is called before the first write, with whether there is
    one. Blocks; the scope ends it before the first write only. Objects of one wave (`order`) that are refused do not stop each other;
    later waves are not begun then and nothing is pruned.

    Raises: StepFailed with the first refusal and its place, the others as evidence; Unavailable.
    """
    job = Job(cluster, Inventory(owner.project, namespace), owner, consent, on_line, on_left or on_line)
    prepared = plan.prepare(scope, job, manifests, held)
    stale, postponed = (prepared.stale, ()) if owner.elsewhere is not None else ((), prepared.stale)
    before(any(each.is_due for each in prepared.planned) or bool(stale))
    scope.check()
    # From here on the scope cannot stop it: half of a change is worse than one too many.
    with Scope(f"apply {owner.unit}") as uncancelled:
        objects = send(uncancelled, job, prepared)
        pruned = _prune(uncancelled, job, stale)
    applied = Applied(
        owner.unit,
        namespace,
        tuple(objects),
        images=tuple(sorted(images.items())),
        pruned=tuple(pruned),
        held=prepared.waiting,
        postponed=tuple(map(marks.ref_of, postponed)),
    )
    return applied, sum(each.is_changed for each in objects)


def preview(
    scope: Scope, cluster: Cluster, *, owner: Owner, namespace: str, manifests: Sequence[Manifest]
) -> tuple[tuple[ObjectRef, str], ...]:
    """What `apply` would do now: each object that it would write or remove, and why; empty when there is nothing to do.

    Writes nothing. Blocks, cancelled by the scope. Raises: StepFailed, Unavailable.
    """
    prepared = plan.prepare(scope, looking(cluster, owner, namespace), manifests, ())
    going, staying = prune.split(prepared.stale)
    adopted = [live for live, _ in staying if marks.is_adopted(live)]
    written = [(each.wanted.ref, each.why) for each in prepared.planned if each.is_due]
    return (*written, *((marks.ref_of(each), "is rendered no longer") for each in (*going, *adopted)))


def looking(cluster: Cluster, owner: Owner, namespace: str, consent: Consent = Consent()) -> Job:  # noqa: B008 - frozen
    """The job of whoever only looks at what an apply would do."""
    return Job(cluster, Inventory(owner.project, namespace), owner, consent, _nobody, _nobody)


def _nobody(_line: str) -> None:
    """Listens to what a mere look has to tell: nothing."""


def _prune(scope: Scope, job: Job, stale: Sequence[Object]) -> list[ObjectRef]:
    """Deletes what is rendered no longer, and says what stays and why. Blocks until the deletes are accepted."""
    owner, applyset = job.owner, job.inventory.applyset

    def is_still_stale(live: Object) -> bool:
        """Another unit may have taken it over since it was looked at."""
        unit = marks.annotation(live, marks.UNIT)
        return marks.label(live, marks.PART_OF) == applyset and (unit == owner.unit or unit not in owner.known_units)

    try:
        removed = prune.remove(scope, job.cluster, stale, still=is_still_stale)
    except ApiRefusal as exc:
        raise StepFailed(
            f"the cluster refused to delete what {owner.unit} no longer renders: {exc.message}", where=job.where
        ) from exc
    for ref, why in removed.kept:
        job.on_left(f"kept {ref}, which is no longer rendered: {why}")
    return list(removed.deleted)
