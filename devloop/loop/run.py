"""The loop's shell: one queue, one thread, and a thread for each step in flight.

Comes in: messages, from any thread. Goes out: steps that are started and cancelled as `decide` says, and events about them.
It decides nothing, and knows neither the engine nor the cluster: a step is a function that it is given.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from devloop import events
from devloop.errors import DevloopError, Unavailable
from devloop.graph import Node
from devloop.loop.decide import decide, is_idle
from devloop.loop.messages import (
    Action,
    Asked,
    Cancel,
    Cancelled,
    Changed,
    Done,
    Failed,
    Forget,
    Message,
    Reconfigured,
    Start,
    Update,
    UpdateEnded,
    UpdateStarted,
)
from devloop.loop.state import State
from devloop.loop.timing import Phases
from devloop.products import Outcome, Product
from devloop.scope import Cancelled as ScopeCancelled
from devloop.scope import Scope


class RunStep(Protocol):
    """Carries out one step, in a thread of its own; blocks, and is cancelled by the scope. Raises: DevloopError."""

    def __call__(self, scope: Scope, start: Start, product: Callable[[Node], Product]) -> Outcome: ...


@dataclass(frozen=True)
class _Posted:
    message: Message
    at_s: float


@dataclass(frozen=True)
class _Ended:
    """A step's thread has come to its end, with an outcome or with what it raised."""

    node: Node
    at_s: float
    outcome: Outcome | None = None
    error: BaseException | None = None


@dataclass(frozen=True)
class _Flight:
    start: Start
    scope: Scope
    began_s: float
    cancelled_why: str = ""


class Loop:
    """Owns the queue. `clock` tells seconds since the session began; `recover` blocks until what a failed step could not reach
    answers again; `forget` is told of targets that left the project; `prove` blocks until every change on disk is posted, and
    says whether that is so (None: there is nothing on disk).
    """

    def __init__(
        self,
        scope: Scope,
        run_step: RunStep,
        emit: events.Emit,
        clock: Callable[[], float],
        *,
        recover: Callable[[Scope, Unavailable], None],
        forget: Callable[[str], None],
        prove: Callable[[Scope], bool | None],
    ) -> None:
        self._scope = scope
        self._run_step = run_step
        self._emit = emit
        self._clock = clock
        self._recover = recover
        self._forget = forget
        self._prove = prove
        self._changes = 0
        self._is_once = False
        self._queue: queue.SimpleQueue[_Posted | _Ended | None] = queue.SimpleQueue()
        self._flights: dict[Node, _Flight] = {}
        self._phases: dict[int, Phases] = {}
        self._state: State | None = None

    def post(self, message: Message, at_s: float | None = None) -> None:
        """Tells the loop something; from any thread, or a signal handler. `at_s`: when it happened. Does not block."""
        self._changes += isinstance(message, Changed | Reconfigured)
        self._queue.put(_Posted(message, self._clock() if at_s is None else at_s))

    def run(self, state: State, *, until_idle: bool) -> State:
        """Runs until asked to quit, or, with `until_idle`, until nothing more can be done. Blocks; returns the last state.

        Raises: Cancelled when the scope is cancelled; whatever a step raised that is not a DevloopError: that is a bug. Steps in
        flight are cancelled then.
        """
        self._is_once = until_idle
        with self._scope.on_cancel(lambda: self._queue.put(None)):
            return self._run(state, until_idle=until_idle)

    def _run(self, state: State, *, until_idle: bool) -> State:
        while True:
            item = self._queue.get()
            if item is None:
                raise ScopeCancelled(self._scope.name)
            at_s = item.at_s
            message = item.message if isinstance(item, _Posted) else self._landed(item)
            state, actions = decide(state, message)
            self._state = state
            for action in actions:
                self._do(action, at_s)
            if not state.running and (state.is_stopping or (until_idle and is_idle(state))):
                return state

    # Actions

    def _do(self, action: Action, at_s: float) -> None:
        match action:
            case Start():
                self._start(action)
            case Cancel(node, reason):
                flight = self._flights[node] = replace(self._flights[node], cancelled_why=reason)
                flight.scope.cancel()
            case Forget(target):
                self._forget(target)
            case UpdateStarted(update):
                self._phases[update.number] = Phases(at_s)
                self._emit(self._update_event(update, "started"))
            case UpdateEnded(update, is_ready):
                phases = self._phases.pop(update.number)
                now_s = self._clock()
                phases.now_running((), now_s)
                ended = replace(
                    self._update_event(update, "ready" if is_ready else "failed"),
                    duration_s=now_s - phases.began_s,
                    phases={name: seconds for name, seconds in phases.seconds.items() if seconds > 0},
                )
                if not is_ready:
                    self._emit(ended)
                elif self._is_once:
                    self._emit_proven(ended)
                else:  # the next change must not wait for this
                    self._scope.spawn(f"prove update {update.number}", lambda: self._emit_proven(ended))

    def _emit_proven(self, ended: events.Update) -> None:
        changes = self._changes
        is_proven = self._prove(self._scope)
        self._emit(replace(ended, fresh=is_proven and changes == self._changes))

    def _update_event(self, update: Update, state: events.UpdateState) -> events.Update:
        return events.Update(
            update=update.number, state=state, changed=update.changed, targets=tuple(sorted(update.targets))
        )

    def _start(self, start: Start) -> None:
        node = start.node
        now_s = self._clock()
        flight = self._flights[node] = _Flight(start, Scope(str(node)), now_s)
        self._emit(self._step_event(start, "started", reason=start.reason))
        self._tell_phases(start.update, now_s)
        # A snapshot: the products of dependencies as they were when the step was decided on.
        have = {} if self._state is None else self._state.have

        def body() -> None:
            try:
                with self._scope.on_cancel(flight.scope.cancel), flight.scope as scope:
                    scope.check()
                    outcome = self._run_step(scope, start, lambda other: have[other].product)
                self._queue.put(_Ended(node, self._clock(), outcome=outcome))
            except BaseException as exc:  # noqa: BLE001 - whatever it is, the loop's thread must hear of it
                self._queue.put(_Ended(node, self._clock(), error=exc))

        self._scope.spawn(str(node), body)

    # Ends of steps

    def _landed(self, ended: _Ended) -> Message:
        flight = self._flights.pop(ended.node)
        start = flight.start
        self._tell_phases(start.update, ended.at_s)
        took_s = ended.at_s - flight.began_s
        if ended.outcome is not None:
            self._emit(self._finished_event(start, ended.outcome, took_s))
            return Done(start.node, start.digest, ended.outcome.product)
        if isinstance(ended.error, ScopeCancelled) or (flight.cancelled_why and isinstance(ended.error, DevloopError)):
            why = flight.cancelled_why or "its inputs changed meanwhile"
            self._emit(self._step_event(start, "cancelled", reason=why, duration_s=took_s))
            return Cancelled(start.node)
        if not isinstance(ended.error, DevloopError):
            assert ended.error is not None
            raise ended.error
        self._emit(self._failed_event(start, ended.error, took_s))
        if isinstance(ended.error, Unavailable) and self._state is not None and self._state.policy.is_partial:
            self._retry_later(start.node, ended.error)
        return Failed(start.node, start.digest)

    def _retry_later(self, node: Node, error: Unavailable) -> None:
        def body() -> None:
            self._recover(self._scope, error)
            self.post(Asked("retry", frozenset({node.target}), "it answers again"))

        self._scope.spawn(f"recover {node}", body)

    def _tell_phases(self, update: int, now_s: float) -> None:
        phases = self._phases.get(update)
        if phases is not None:
            running = {node.step for node, flight in self._flights.items() if flight.start.update == update}
            phases.now_running(running, now_s)

    def _step_event(
        self, start: Start, state: events.StepState, *, reason: str, duration_s: float | None = None
    ) -> events.Step:
        return events.Step(
            update=start.update,
            step=start.node.step,
            target=start.node.target,
            state=state,
            reason=reason,
            duration_s=duration_s,
        )

    def _finished_event(self, start: Start, outcome: Outcome, took_s: float) -> events.Step:
        state: events.StepState = "skipped" if outcome.skipped else "finished"
        event = self._step_event(start, state, reason=outcome.skipped or start.reason, duration_s=took_s)
        result = getattr(outcome.product, "ref", "")
        return replace(event, result=result, note=outcome.note)

    def _failed_event(self, start: Start, error: DevloopError, took_s: float) -> events.Step:
        return replace(
            self._step_event(start, "failed", reason=start.reason, duration_s=took_s),
            error=error.message,
            hint=error.hint or "",
            where=error.where or "",
            evidence=error.evidence,
        )
