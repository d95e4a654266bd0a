"""The shell around `decide`: threads, cancelling, events and timings, with steps that the test lets go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from devloop import events
from devloop.errors import StepFailed, Unavailable
from devloop.graph import Graph, Node
from devloop.loop.messages import Asked, Changed, Start
from devloop.loop.run import Loop
from devloop.loop.state import Policy, State
from devloop.products import Applied, Image, Outcome, Placed, Product, Ready, Rendered
from devloop.scope import Scope

A, U = "image/a", "deploy/u"
GRAPH = Graph({"a": ()}, {"u": ()})


class Steps:
    """Steps that succeed at once, unless told to block or to fail."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.blocked: dict[str, threading.Event] = {}
        self.failures: dict[str, list[Exception]] = {}

    def __call__(self, scope: Scope, start: Start, product: Callable[[Node], Product]) -> Outcome:
        node = start.node
        self.ran.append(str(node))
        if gate := self.blocked.get(str(node)):
            with scope.on_cancel(gate.set):
                gate.wait()
            scope.check()
        if self.failures.get(str(node)):
            raise self.failures[str(node)].pop(0)
        name = node.target.partition("/")[2]
        products: dict[str, Product] = {
            "build": Image(name, f"{name}:{start.digest[:8]}", ""),
            "place": Placed(name, f"{name}:{start.digest[:8]}", ""),
            "render": Rendered(name, (), frozenset({"a"}), ""),
            "apply": Applied(name, "", ()),
            "ready": Ready(name),
        }
        return Outcome(products[node.step])


class Session:
    def __init__(self, scope: Scope) -> None:
        self.steps = Steps()
        self.events: list[events.AnyEvent] = []
        self.recovered: list[str] = []
        self.prove: Callable[[], bool] = lambda: True
        self.loop = Loop(
            scope,
            self.steps,
            self.events.append,
            time.monotonic,
            recover=self._recover,
            forget=lambda target: None,
            prove=lambda scope: self.prove(),
        )

    def _recover(self, scope: Scope, error: Unavailable) -> None:
        self.recovered.append(error.message)

    def step_states(self, step: str) -> list[str]:
        return [each.state for each in self.events if isinstance(each, events.Step) and each.step == step]

    def eventually(self, is_true: Callable[[], bool]) -> None:
        for _ in range(2000):
            if is_true():
                return
            time.sleep(0.005)
        raise AssertionError(f"did not come true; {self.events}")


@contextmanager
def developing() -> Iterator[Session]:
    """A loop that runs in a thread until the block is left."""
    with Scope() as scope:
        session = Session(scope)
        scope.spawn("loop", lambda: void(session.loop.run(State(GRAPH), until_idle=False)))
        try:
            yield session
        finally:
            session.loop.post(Asked("quit"))


def void(_: object) -> None:
    return


def once(session: Session, *, is_partial: bool = False) -> State:
    session.loop.post(Changed({A: "1", U: "1"}))
    return session.loop.run(State(GRAPH, Policy(is_partial)), until_idle=True)


def test_one_pass_runs_every_step_and_ends() -> None:
    with Scope() as scope:
        session = Session(scope)
        assert once(session).is_all_current
    assert sorted(session.steps.ran) == [
        "apply deploy/u",
        "build image/a",
        "place image/a",
        "ready deploy/u",
        "render deploy/u",
    ]
    ended = session.events[-1]
    assert isinstance(ended, events.Update)
    assert ended.state == "ready"
    assert ended.duration_s is not None
    assert sum(ended.phases.values()) == pytest.approx(ended.duration_s)


def test_an_update_is_fresh_only_if_nothing_changed_while_that_was_proven() -> None:
    with Scope() as scope:
        session = Session(scope)
        session.prove = lambda: False
        once(session)
    assert isinstance(session.events[-1], events.Update)
    assert session.events[-1].fresh is False
    with developing() as session:

        def edit_then_say_yes() -> bool:
            session.prove = lambda: True
            session.loop.post(Changed({A: "2"}))
            return True

        session.prove = edit_then_say_yes
        session.loop.post(Changed({A: "1", U: "1"}))
        session.eventually(lambda: len(ended(session)) == 2)
        assert sorted((each.update, each.fresh) for each in ended(session)) == [(1, False), (2, True)]


def ended(session: Session) -> list[events.Update]:
    return [each for each in session.events if isinstance(each, events.Update) and each.state == "ready"]


def test_a_failure_in_run_ends_it_with_the_reason_in_the_event() -> None:
    with Scope() as scope:
        session = Session(scope)
        session.steps.failures["build image/a"] = [StepFailed("no luck", hint="try", where="f:1", evidence=("x",))]
        assert not once(session).is_all_current
    (failed,) = [each for each in session.events if isinstance(each, events.Step) and each.state == "failed"]
    assert (failed.error, failed.hint, failed.where, failed.evidence) == ("no luck", "try", "f:1", ("x",))
    assert "apply deploy/u" not in session.steps.ran


def test_an_edit_during_a_build_cancels_it_and_builds_the_newer_one() -> None:
    with developing() as session:
        session.steps.blocked["build image/a"] = threading.Event()
        session.loop.post(Changed({A: "1", U: "1"}))
        session.eventually(lambda: "build image/a" in session.steps.ran)
        session.steps.blocked.clear()
        session.loop.post(Changed({A: "2"}))
        session.eventually(
            lambda: session.step_states("ready")[-1:] == ["finished"] and session.step_states("place") != []
        )
        assert session.step_states("build") == ["started", "cancelled", "started", "finished"]


def test_what_could_not_be_reached_is_tried_again_when_it_answers() -> None:
    with developing() as session:
        session.steps.failures["place image/a"] = [Unavailable("the engine does not answer")]
        session.loop.post(Changed({A: "1", U: "1"}))
        session.eventually(lambda: session.step_states("place") == ["started", "failed", "started", "finished"])
        assert session.recovered == ["the engine does not answer"]


def test_a_bug_in_a_step_reaches_the_caller() -> None:
    def run() -> None:
        with Scope() as scope:
            session = Session(scope)
            session.steps.failures["build image/a"] = [ZeroDivisionError("a bug")]
            once(session)

    with pytest.raises(ZeroDivisionError):
        run()


def test_a_bug_in_a_thread_of_the_session_ends_the_loop_with_it() -> None:
    def fail() -> None:
        raise ZeroDivisionError("a bug")

    def run() -> None:
        with Scope() as scope:
            session = Session(scope)
            session.steps.blocked["build image/a"] = threading.Event()
            session.loop.post(Changed({A: "1", U: "1"}))
            scope.spawn("some thread", fail)
            session.loop.run(State(GRAPH), until_idle=False)

    with pytest.raises(ZeroDivisionError):
        run()


def test_quitting_cancels_what_runs_and_waits_for_an_apply() -> None:
    with Scope() as scope:
        session = Session(scope)
        gate = session.steps.blocked["build image/a"] = threading.Event()
        session.loop.post(Changed({A: "1", U: "1"}))
        session.loop.post(Asked("quit"))
        state = session.loop.run(State(GRAPH), until_idle=False)
        assert state.is_stopping
        assert gate.is_set()
    assert session.step_states("build") == ["started", "cancelled"]
