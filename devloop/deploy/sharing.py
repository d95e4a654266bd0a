"""Applies one object and lets other managers have what is theirs; or, as a dry run, asks what that would make of it.

Comes in: an object as it is planned. Goes out: the object as the API server holds it, or would, and what became of fields of others. What
somebody has to decide is a Disputed, with the option that decides it. An apply and what tells of one beforehand both go through here, so
that they agree. It deletes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from devloop.deploy import conflicts, marks, recreate, refusals
from devloop.deploy.conflicts import Settled
from devloop.deploy.plan import Job, Planned
from devloop.products import Object
from devloop.scope import Scope
from devloop.stages import ApiRefusal


class Disputed(Exception):
    """The user has to decide."""

    def __init__(self, refusal: refusals.Refusal) -> None:
        super().__init__(refusal.told)
        self.refusal = refusal


@dataclass(frozen=True)
class Shared:
    """`sent`: without what was left to others. `object`: what the server made of it."""

    sent: Object
    object: Object
    settled: Settled = Settled()

    @property
    def left(self) -> str:
        """What stays as others set it, in words; "" for nothing."""
        return f"keeps its replicas: {conflicts.words(self.settled.left)}, through scale" if self.settled.left else ""

    @property
    def taken(self) -> str:
        """Which fields are taken from whom, in words; "" for none."""
        return conflicts.words(self.settled.taken)


def share(scope: Scope, job: Job, planned: Planned, live: Object | None, *, is_dry_run: bool = False) -> Shared:
    """Applies the object. Blocks. Raises: ApiRefusal; Disputed for fields that another manager set to something else."""
    ref = planned.wanted.ref
    try:
        new = job.cluster.apply(scope, planned.body, is_forced=False, is_dry_run=is_dry_run)
        return Shared(planned.body, new)
    except ApiRefusal as exc:
        found = conflicts.found(exc)
        if not found:
            raise
        is_first = marks.label(live, marks.PART_OF) != job.inventory.applyset
        settled = conflicts.settle(found, is_forcing=job.consent.is_forcing, is_first=is_first)
        if settled.disputed:
            told = conflicts.words(settled.disputed)
            refusal = refusals.Refusal(ref, planned.wanted.source, exc.code, told, refusals.FORCE_HINT)
            raise Disputed(refusal) from exc
    sent = conflicts.without(planned.body, settled.left)
    new = job.cluster.apply(scope, sent, is_forced=bool(settled.taken), is_dry_run=is_dry_run)
    return Shared(sent, new, settled)


def check_recreate(job: Job, planned: Planned, live: Object, exc: ApiRefusal) -> None:
    """Raises: Disputed when the object, which the server refused to change in place, may not be deleted and made again."""
    ref = planned.wanted.ref
    if why := "" if str(ref) in job.consent.recreate else recreate.why_not(ref, live, job.inventory.applyset):
        told = refusals.masked(exc.message, planned.body)
        hint = refusals.recreate_hint(ref, why, recreate.losses(ref, live))
        raise Disputed(refusals.Refusal(ref, planned.wanted.source, exc.code, told, hint)) from exc
