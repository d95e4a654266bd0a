"""Runs checks side by side, each with a time-out, so that what is dead costs seconds.

Comes in: checks. Goes out: their findings, in the order of the checks. Whatever a door says went wrong is a finding; a check never ends
the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from devloop import commands, events
from devloop.errors import DevloopError
from devloop.scope import Scope
from devloop.stages import ApiRefusal

LIMIT_S = 10.0


@dataclass(frozen=True)
class Check:
    """Something to look at. `ask` blocks, and is cancelled by the scope that it gets; what it raises is a problem."""

    subject: str
    ask: Callable[[Scope], Iterable[events.Check]]
    limit_s: float = LIMIT_S


def run(scope: Scope, checks: Sequence[Check]) -> tuple[events.Check, ...]:
    """Blocks until all have been looked at, or their time is over. Raises: Cancelled."""
    found: list[tuple[events.Check, ...]] = [()] * len(checks)

    def look(inner: Scope, index: int) -> None:
        found[index] = _findings(inner, checks[index])

    with scope.child("checks") as inner:
        for index, each in enumerate(checks):
            inner.spawn(f"check {each.subject}", partial(look, inner, index))
    scope.check()
    return tuple(finding for each in found for finding in each)


def _findings(scope: Scope, check: Check) -> tuple[events.Check, ...]:
    try:
        with commands.limited(scope, check.limit_s) as inner:
            return tuple(check.ask(inner))
    except commands.TimedOut:
        return (ill(check.subject, f"no answer within {check.limit_s:g} s", "is it busy, or behind a slow network?"),)
    except ApiRefusal as refusal:
        return (ill(check.subject, f"the API server refuses: {refusal.message}", "ask who runs the cluster"),)
    except DevloopError as exc:
        return (ill(check.subject, exc.message, exc.hint or "", exc.where or ""),)


def well(subject: str, found: str, where: str = "") -> events.Check:
    """All is as it has to be."""
    return events.Check(subject=subject, verdict="ok", found=found, where=where)


def doubtful(subject: str, found: str, fix: str, where: str = "") -> events.Check:
    """Something may fail, or is slower than it could be."""
    return events.Check(subject=subject, verdict="warning", found=found, fix=fix, where=where)


def ill(subject: str, found: str, fix: str, where: str = "") -> events.Check:
    """Something will fail."""
    return events.Check(subject=subject, verdict="problem", found=found, fix=fix, where=where)
