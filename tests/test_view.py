"""The picture that screens draw, folded from events."""

from __future__ import annotations

from devloop.events import AnyEvent, Error, Forward, Log, Notice, Session, Step, Update
from devloop.view import KEPT_MESSAGES, Counts, View, apply, fold


def step(state: str, target: str = "image/a", name: str = "build", **more: object) -> Step:
    return Step(step=name, target=target, state=state, **more)  # type: ignore[arg-type]  # one short line a step


def test_a_target_shows_its_steps_and_the_reason_of_the_last() -> None:
    view = fold(
        [
            step("started", reason="app.py changed"),
            step("finished", reason="app.py changed", result="a:1"),
            step("started", name="place", reason="a:1 is new"),
            step("started", "deploy/b", "render"),
        ]
    )
    target = view.targets["image/a"]
    assert (target.steps["build"].result, target.steps["place"].state) == ("a:1", "started")
    assert target.reason == "a:1 is new"
    assert target.is_running
    assert not target.is_failed
    assert list(view.targets) == ["image/a", "deploy/b"]


def test_a_failure_stands_until_its_target_does_something_else() -> None:
    failed = step("failed", error="boom")
    view = fold([failed, step("failed", "deploy/b", "apply", error="no"), step("started", "deploy/b", "apply")])
    assert view.failures == (failed,)
    assert apply(view, step("finished")).failures == ()


def test_steps_and_updates_are_counted_by_how_they_ended() -> None:
    states = ("started", "finished", "skipped", "skipped", "failed", "cancelled")
    events: list[AnyEvent] = [step(state) for state in states]
    events += [Update(state="started"), Update(state="ready"), Update(state="failed")]
    assert fold(events).counts == Counts(
        finished=1, skipped=2, failed=1, cancelled=1, updates_ready=1, updates_failed=1
    )


def test_the_last_update_is_kept() -> None:
    last = Update(update=2, state="started", changed=("app.py",))
    assert fold([Update(update=1, state="ready"), last]).update == last


def test_a_forward_is_known_by_what_it_forwards() -> None:
    api = Forward(resource="deployment/api", port="80", local_port=8080, state="listening")
    other = Forward(resource="deployment/api", port="81", local_port=8081, state="listening")
    connected = Forward(resource="deployment/api", port="80", local_port=8080, state="connected", pod="api-1")
    assert list(fold([api, other, connected]).forwards.values()) == [connected, other]


def test_the_session_keeps_what_it_said_first() -> None:
    view = fold(
        [
            Session(state="started", command="dev", project="shop", context="kind", namespace="default"),
            Session(state="ended", exit_code=1),
        ]
    )
    assert view.session == Session(
        state="ended", command="dev", project="shop", context="kind", namespace="default", exit_code=1
    )


def test_only_the_newest_messages_are_kept() -> None:
    view = fold([each for i in range(60) for each in (Error(message=f"e{i}"), Notice(message=f"n{i}"))])
    assert [error.message for error in view.errors] == [f"e{i}" for i in range(60 - KEPT_MESSAGES, 60)]
    assert [notice.message for notice in view.notices] == [f"n{i}" for i in range(60 - KEPT_MESSAGES, 60)]


def test_a_view_never_changes_and_logs_leave_it_as_it_is() -> None:
    before = fold([step("started")])
    after = apply(before, step("finished"))
    assert before.targets["image/a"].is_running
    assert not after.targets["image/a"].is_running
    assert apply(after, Log(line="x")) is after
    assert View() == View()
