"""Sends what is planned, wave by wave, the inventory before its members.

Comes in: a plan. Goes out: the objects as the API server holds them. It takes no field from another manager and deletes nothing to make
it again, except where `sharing` allows it; whatever it does besides applying, it tells.
"""

from __future__ import annotations

from collections.abc import Sequence

from devloop.deploy import fields, marks, order, ownership, parallel, recreate, refusals, settle, sharing
from devloop.deploy.inventory import Contents
from devloop.deploy.plan import Job, Planned, Prepared
from devloop.errors import StepFailed
from devloop.products import AppliedObject, Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal


def send(scope: Scope, job: Job, prepared: Prepared) -> list[AppliedObject]:
    """Sends what is due, and returns all objects of the plan. Blocks. Raises: StepFailed, Unavailable."""
    done = {
        each.wanted.ref: AppliedObject(each.wanted.ref, each.live, each.wanted.source, is_changed=False)
        for each in prepared.planned
        if not each.is_due and each.live is not None
    }
    due = [each for each in prepared.planned if each.is_due]
    # The inventory cannot be written before the namespace that it lives in.
    home = [each for each in due if _is_home(job, each) and each.live is None]
    for each in home:
        done |= _wave(scope, job, [each])
    _grow(scope, job, prepared.known, prepared.needed)
    for wave in order.waves([each for each in due if each not in home], lambda each: each.wanted.ref):
        done |= _wave(scope, job, wave)
    if due:  # meanwhile the project may have been deleted, with an inventory that nothing had to be added to
        _grow(scope, job, None, prepared.needed)
    return [done[each.wanted.ref] for each in prepared.planned]


def _is_home(job: Job, planned: Planned) -> bool:
    ref = planned.wanted.ref
    return (ref.api_version, ref.kind, ref.name) == ("v1", "Namespace", job.namespace)


def _grow(scope: Scope, job: Job, known: Contents | None, needed: Contents) -> None:
    """`known`: as it was read; None: it is read now."""
    if not needed.kinds:
        return
    try:
        job.inventory.grow(scope, job.cluster, known or job.inventory.read(scope, job.cluster), needed)
    except ApiRefusal as exc:
        if exc.code == 404:
            raise StepFailed(
                f"no namespace {job.namespace}",
                where=job.where,
                hint=f"kubectl create namespace {job.namespace}",
            ) from exc
        refused = refusals.Refusal(job.inventory.parent, job.where, exc.code, exc.message)
        raise refusals.error([refused], job.namespace) from exc


def _wave(scope: Scope, job: Job, wave: Sequence[Planned]) -> dict[ObjectRef, AppliedObject]:
    """Sends the objects of one wave at the same time and waits until they can be used by the next."""
    results = parallel.each(scope, "apply", wave, lambda scope, each: _send(scope, job, each))
    refused = [each for each in results if isinstance(each, refusals.Refusal)]
    if refused:
        raise refusals.error(refused, job.namespace)
    sent = [each for each in results if isinstance(each, AppliedObject)]
    settle.await_usable(scope, job.cluster, sent)
    definitions = [each.body for each in wave if each.wanted.ref.kind == "CustomResourceDefinition"]
    settle.await_served(scope, job.cluster, definitions)
    return {each.ref: each for each in sent}


def _send(scope: Scope, job: Job, planned: Planned) -> AppliedObject | refusals.Refusal:
    ref, live, source = planned.wanted.ref, planned.live, planned.wanted.source
    if live is not None and live["metadata"].get("deletionTimestamp"):
        settle.await_gone(scope, job.cluster, ref, live, source)
        live = None
    try:
        new = _put(scope, job, planned, live)
    except sharing.Disputed as exc:
        return exc.refusal
    except ApiRefusal as exc:
        return refusals.refusal(ref, source, planned.body, exc)
    is_changed = live is None or fields.is_other(live, new)
    if is_changed and (told := marks.rolled_back(live)):
        job.on_line(f"{ref} {told}; it is again as on disk now")
    elif is_changed and planned.is_drifted:
        job.on_line(f"{ref} had been changed outside of devloop; put right")
    return AppliedObject(ref, new, source, is_changed)


def _put(scope: Scope, job: Job, planned: Planned, live: Object | None) -> Object:
    """The object as it is then. Raises: ApiRefusal, Disputed."""
    try:
        return _share(scope, job, planned, live)
    except ApiRefusal as exc:
        if live is None or not refusals.is_unchangeable(exc):
            raise
        sharing.check_recreate(job, planned, live, exc)
        return _recreate(scope, job, planned, live, recreate.reason(exc))


def _share(scope: Scope, job: Job, planned: Planned, live: Object | None) -> Object:
    """Applies the object and lets other managers have what is theirs. Raises: ApiRefusal, Disputed."""
    if live is not None and marks.is_adopted(live):
        ownership.take_whole(scope, job.cluster, live)  # an apply that was killed may have left this undone
    done = sharing.share(scope, job, planned, live)
    if done.left:
        job.on_left(f"{planned.wanted.ref} {done.left}")
    if done.taken:
        job.on_line(f"{planned.wanted.ref}: fields taken over: {done.taken.replace(' owns ', ' owned ')}")
    return _whole(scope, job, planned, done.object)


def _whole(scope: Scope, job: Job, planned: Planned, new: Object) -> Object:
    return ownership.take_whole(scope, job.cluster, new) if marks.is_adopted(planned.body) else new


def _recreate(scope: Scope, job: Job, planned: Planned, live: Object, why: str) -> Object:
    """Deletes the object and makes it anew. One that was deleted and not yet made, the next apply makes."""
    ref = planned.wanted.ref
    job.cluster.delete(scope, ref, uid=live["metadata"].get("uid"))
    settle.await_gone(scope, job.cluster, ref, live, planned.wanted.source)
    new = job.cluster.apply(scope, planned.body)
    job.on_line(f"{ref} was deleted and made again: {why}")
    return new
