"""The driver itself, against a small program that talks like devloop. Needs neither engine nor cluster."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.processes import MARK, started_by

Make = Callable[[str], Devloop]

PRELUDE = """
import json, os, signal, subprocess, sys, time
def say(**event): print(json.dumps(event), flush=True)
def sleep_for_ever(): return subprocess.Popen([sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)"], start_new_session=True)
"""


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A driver of a program with this text. What it leaves is each test's own to judge."""
    drivers = []

    def make_driver(text: str) -> Devloop:
        script = tmp_path / "program.py"
        script.write_text(PRELUDE + textwrap.dedent(text))
        drivers.append(Devloop([sys.executable, "-I", str(script)], tmp_path, {"COLOUR": "blue"}, "kind-x", "ns-1"))
        return drivers[-1]

    yield make_driver
    for driver in drivers:
        driver.close()


def test_a_run_gives_code_streams_and_events(make: Make) -> None:
    done = make("""
        say(v=1, kind="step", step="build", state="started")
        print("{not an event", flush=True)
        say(v=1, kind="step", step="build", state="finished", duration_s=0.5)
        print("a warning", file=sys.stderr)
        sys.exit(3)
    """).run("run")
    assert done.code == 3
    assert done.stdout.splitlines()[1] == "{not an event"
    assert done.stderr == "a warning\n"
    assert [event["state"] for event in done.of(kind="step")] == ["started", "finished"]


def test_context_namespace_and_output_are_added_where_they_are_taken(make: Make) -> None:
    driver = make("say(kind='args', args=sys.argv[1:], cwd=os.getcwd(), colour=os.environ['COLOUR'])")
    bound = ["dev", "--context", "kind-x", "--namespace", "ns-1", "--output", "json", "-v"]
    assert driver.run("dev", "-v").events[0]["args"] == bound
    assert driver.run("dev", "-n", "other", as_json=False).events[0]["args"] == [
        "dev",
        "--context",
        "kind-x",
        "-n",
        "other",
    ]
    assert driver.run("version").events[0]["args"] == ["version"]
    assert driver.run("version").events[0]["colour"] == "blue"
    assert driver.at(driver.cwd.parent).run("version").events[0]["cwd"] == str(driver.cwd.parent)


def test_events_and_text_arrive_while_it_runs(make: Make) -> None:
    session = make("""
        say(kind="update", update=1, state="started")
        print("hello from stderr", file=sys.stderr, flush=True)
        sys.stdout.flush()
        time.sleep(0.1)
        say(kind="update", update=1, state="ready")
        say(kind="update", update=2, state="ready")
        time.sleep(600)
    """).start("dev")
    assert session.wait_event(kind="update", state="ready")["update"] == 1
    assert session.wait_event(lambda event: event["update"] > 1)["update"] == 2
    assert session.wait_text("hello (from) stderr").group(1) == "from"
    assert session.is_running
    assert session.wait_event(since=1)["state"] == "ready"


def test_waiting_for_what_never_comes_says_what_came(make: Make) -> None:
    ended = make("say(kind='error', message='no such thing'); sys.exit(2)").start("dev")
    with pytest.raises(AssertionError, match=r"(?s)no event .*ready.*ended with 2.*no such thing"):
        ended.wait_event(kind="update", state="ready")
    running = make("print('I am busy', flush=True); time.sleep(600)").start("dev")
    running.wait_text("busy")
    with pytest.raises(AssertionError, match=r"(?s)running.*I am busy"):
        running.wait_event(kind="update", timeout_s=0.2)
    with pytest.raises(AssertionError, match=r"(?s)still running.*I am busy"):
        running.wait(0.1)


def test_ctrl_c_reaches_it_as_from_a_terminal(make: Make) -> None:
    session = make("""
        try:
            say(kind="session", state="started")
            time.sleep(600)
        except KeyboardInterrupt:
            say(kind="session", state="ended")
            sys.exit(130)
    """).start("dev")
    session.wait_event(state="started")
    session.interrupt()
    done = session.wait(20)
    assert done.code == 130
    assert done.events[-1]["state"] == "ended"


def test_on_a_terminal_it_is_typed_and_the_terminal_is_watched(make: Make) -> None:
    text = """
        import termios, tty
        assert sys.stdin.isatty() and sys.stdout.isatty() and os.tcgetpgrp(0) == os.getpgrp()
        before = termios.tcgetattr(0)
        tty.setcbreak(0)
        try:
            print("ready", flush=True)
            time.sleep(600)
        except KeyboardInterrupt:
            {restore}
            print("goodbye", flush=True)
            sys.exit(130)
    """
    for restore, is_restored in (("termios.tcsetattr(0, termios.TCSANOW, before)", True), ("pass", False)):
        session = make(text.format(restore=restore)).start("dev", with_terminal=True)
        session.wait_text("ready")
        assert not session.is_terminal_restored
        session.interrupt()
        done = session.wait(20)
        assert done.code == 130
        assert "goodbye" in done.stdout
        assert session.is_terminal_restored is is_restored


def test_on_a_terminal_events_come_in_any_pieces(make: Make) -> None:
    script = """
    import sys, time
    for piece in ('{"kind": "a"}\\n{"kind": "b"}\\n{"ki', 'nd": "c"}\\n'):
        sys.stdout.write(piece)
        sys.stdout.flush()
        time.sleep(0.3)
    """
    session = make(script).start("dev", with_terminal=True)
    for kind in "abc":
        session.wait_event(kind=kind)
    session.wait(10)


def test_children_are_found_even_when_their_parents_are_gone(make: Make) -> None:
    session = make("""
        child = sleep_for_ever()
        subprocess.run(["sh", "-c", "setsid sleep 600 > /dev/null 2>&1 & echo $!"])
        say(kind="ready", child=child.pid)
        time.sleep(600)
    """).start("dev")
    child = session.wait_event(kind="ready")["child"]
    orphan = int(session.text.splitlines()[0])
    assert {process.pid for process in session.children()} == {child, orphan}
    session.kill()
    assert {process.pid for process in session.children()} == {child, orphan}
    with pytest.raises(AssertionError, match="processes left after"):
        session.wait_childless(0.1)
    assert sum("left process" in wrong for wrong in session.close()) == 2
    assert session.children() == ()


def test_closing_ends_what_ignores_ctrl_c_and_says_so(make: Make) -> None:
    driver = make("signal.signal(signal.SIGINT, signal.SIG_IGN); say(kind='ready'); time.sleep(600)")
    session = driver.start("dev")
    session.wait_event(kind="ready")
    assert ["did not end" in wrong for wrong in driver.close(patience_s=0.3)] == [True]
    assert not session.is_running


def test_closing_a_session_that_left_nothing_is_silent(make: Make) -> None:
    driver = make("print('done')")
    driver.run("run")
    assert driver.close() == []
    assert driver.close() == []


def test_the_variable_alone_makes_a_process_ours() -> None:
    assert MARK == "DEVLOOP_E2E"
    with subprocess.Popen(["sleep", "600"]) as childless:
        try:
            assert started_by(childless.pid, "no such mark") == ()
        finally:
            childless.kill()
