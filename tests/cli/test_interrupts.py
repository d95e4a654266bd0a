"""Signals reach whoever is in charge, once, and whenever they come."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

from devloop.cli.interrupts import Interrupts, listening


def test_answers_come_in_order() -> None:
    told: list[str] = []
    interrupts = Interrupts()
    with interrupts.during(lambda: told.append("first"), lambda: told.append("second")):
        interrupts.happened()
        interrupts.happened()
    assert told == ["first", "second"]


def test_one_that_came_before_anybody_was_in_charge_is_answered_later() -> None:
    told: list[str] = []
    interrupts = Interrupts()
    interrupts.happened()
    with interrupts.during(lambda: told.append("late")):
        pass
    assert told == ["late"]


def test_one_that_was_answered_is_not_answered_again_later() -> None:
    told: list[str] = []
    interrupts = Interrupts()
    with interrupts.during(lambda: told.append("first")):
        interrupts.happened()
    with interrupts.during(lambda: told.append("again")):
        pass
    assert told == ["first"]


def test_an_inner_block_is_in_charge_while_it_lasts() -> None:
    told: list[str] = []
    interrupts = Interrupts()
    with interrupts.during(lambda: told.append("outer")):
        with interrupts.during(lambda: told.append("inner")):
            interrupts.happened()
        interrupts.happened()
    assert told == ["inner", "outer"]


def test_a_real_signal_is_answered_from_a_thread_and_throws_nothing() -> None:
    answered = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    with listening() as interrupts, interrupts.during(answered.set):
        os.kill(os.getpid(), signal.SIGINT)
        assert answered.wait(10)
    assert signal.getsignal(signal.SIGINT) is before


def test_one_more_than_there_are_answers_ends_the_process() -> None:
    code = (
        "import os, signal, time\nfrom devloop.cli.interrupts import listening\n"
        "with listening() as interrupts, interrupts.during(lambda: None):\n"
        "    os.kill(os.getpid(), signal.SIGTERM); time.sleep(0.2); os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 130
