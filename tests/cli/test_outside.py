"""What the configuration hears of besides its files, and that what is secret of it is not told again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devloop import events
from devloop.cli.outside import Outside
from devloop.config.variables import Command
from devloop.errors import StepFailed
from devloop.scope import Scope


def test_secrets_are_masked_wherever_an_event_has_text_and_nowhere_else() -> None:
    told: list[events.Event] = []
    outside = Outside()
    outside.keep(["s3cr3t", "ended", "s3cr3t-longer"], {})
    emit = outside.masking(told.append)
    emit(events.Session(state="ended", project="a s3cr3t-longer", exit_code=1, images={"a": "b:s3cr3t"}))
    emit(events.Error(message="s3cr3t", evidence=("x", "xs3cr3tx")))
    assert told == [
        events.Session(state="ended", project="a ***", exit_code=1, images={"a": "b:***"}),
        events.Error(message="***", evidence=("x", "x***x")),
    ]


def test_every_event_is_told_as_it_is_when_nothing_is_secret() -> None:
    told: list[events.Event] = []
    notice = events.Notice(message="a")
    Outside().masking(told.append)(notice)
    assert told[0] is notice


def test_a_command_runs_once_for_each_content_of_its_inputs(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1")
    outside = Outside()
    command = Command("echo run >> runs; cat *.txt", tmp_path, 10, ("*.txt",))
    with Scope("test") as scope:
        run = outside.sources(scope, (), may_ask=False).run
        assert (run(command), run(command)) == ("1", "1")
        (tmp_path / "b.txt").write_text("2")
        assert run(command) == "12"
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


def test_a_command_has_the_secrets_that_it_names(tmp_path: Path) -> None:
    command = Command("echo $KEY", tmp_path, env=(("KEY", "s3cr3t"),))
    with Scope("test") as scope:
        assert Outside().sources(scope, (), may_ask=False).run(command) == "s3cr3t"
    assert "s3cr3t" not in repr(command)
    assert "KEY" not in os.environ


def test_a_command_that_fails_says_how(tmp_path: Path) -> None:
    with Scope("test") as scope, pytest.raises(StepFailed) as raised:
        Outside().sources(scope, (), may_ask=False).run(Command("echo no tags >&2; exit 7", tmp_path))
    assert (raised.value.message, raised.value.evidence) == (
        "`echo no tags >&2; exit 7` failed: exit code 7",
        ("no tags",),
    )


def test_nobody_is_asked_where_nobody_is() -> None:
    with Scope("test") as scope:
        assert Outside().sources(scope, (), may_ask=False).ask("Which?", "", False) is None


def test_the_environment_is_that_of_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPORTED", "before")  # put back at the end
    outside = Outside()
    outside.keep([], {"EXPORTED": "after"})
    assert (outside.env["EXPORTED"], os.environ["EXPORTED"]) == ("before", "after")
