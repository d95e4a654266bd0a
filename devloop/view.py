"""What every screen shows: the events so far, folded into one picture.

Comes in: a view and the next event. Goes out: the next view; the one before is unchanged. Pure: no clock, no I/O, no decision.
Log lines are not kept: they leave the view as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce

from devloop.events import AnyEvent, Error, Forward, Notice, Session, Step, StepName, Update

KEPT_MESSAGES = 50


@dataclass(frozen=True)
class TargetView:
    """A target: the last event of each of its steps, and the last of all of them."""

    name: str
    steps: Mapping[StepName, Step]
    last: Step

    @property
    def is_failed(self) -> bool:
        return self.last.state == "failed"

    @property
    def is_running(self) -> bool:
        return any(step.state == "started" for step in self.steps.values())

    @property
    def reason(self) -> str:
        """Why it did last what it did."""
        return self.last.reason


@dataclass(frozen=True)
class Counts:
    """Steps that ended, by how they ended, and updates."""

    finished: int = 0
    skipped: int = 0
    failed: int = 0
    cancelled: int = 0
    updates_ready: int = 0
    updates_failed: int = 0


@dataclass(frozen=True)
class View:
    """`session`: its last event with what earlier ones said. `update`: the last one. `errors`, `notices`: the newest 50, oldest first."""

    session: Session | None = None
    targets: Mapping[str, TargetView] = field(default_factory=dict)
    update: Update | None = None
    forwards: Mapping[tuple[str, str, int], Forward] = field(default_factory=dict)
    errors: tuple[Error, ...] = ()
    notices: tuple[Notice, ...] = ()
    counts: Counts = Counts()

    @property
    def failures(self) -> tuple[Step, ...]:
        """The failures that stand: of each target whose last step failed."""
        return tuple(target.last for target in self.targets.values() if target.is_failed)


def apply(view: View, event: AnyEvent) -> View:
    """The view after the event."""
    match event:
        case Step():
            return replace(view, targets=_with_step(view.targets, event), counts=_count(view.counts, event.state))
        case Update():
            return replace(view, update=event, counts=_count(view.counts, f"updates_{event.state}"))
        case Forward():
            return replace(view, forwards={**view.forwards, (event.resource, event.port, event.local_port): event})
        case Error():
            return replace(view, errors=(*view.errors, event)[-KEPT_MESSAGES:])
        case Notice():
            return replace(view, notices=(*view.notices, event)[-KEPT_MESSAGES:])
        case Session():
            return replace(view, session=_with_session(view.session, event))
        case _:
            return view


def fold(events: Iterable[AnyEvent]) -> View:
    """The view after all these events."""
    return reduce(apply, events, View())


def _with_step(targets: Mapping[str, TargetView], event: Step) -> Mapping[str, TargetView]:
    steps = targets[event.target].steps if event.target in targets else {}
    return {**targets, event.target: TargetView(event.target, {**steps, event.step: event}, event)}


def _with_session(before: Session | None, event: Session) -> Session:
    """Later events leave out what the first one said."""
    if before is None:
        return event
    return replace(
        event,
        command=event.command or before.command,
        project=event.project or before.project,
        context=event.context or before.context,
        namespace=event.namespace or before.namespace,
    )


def _count(counts: Counts, name: str) -> Counts:
    return replace(counts, **{name: getattr(counts, name) + 1}) if hasattr(counts, name) else counts
