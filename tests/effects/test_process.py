"""The real door to other programs: what only a real process can show."""

from __future__ import annotations

import os
import re
import signal
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devloop.effects.process import RealProcesses, pasteable
from devloop.errors import StepFailed, Unavailable, UsageError
from devloop.scope import Cancelled, Scope
from devloop.stages import Completed


def run(scope: Scope, script: str, **options: object) -> Completed:
    return RealProcesses().run(scope, ["sh", "-c", script], **options)  # type: ignore[arg-type]


@pytest.fixture
def scope() -> Iterator[Scope]:
    with Scope("test") as made:
        yield made


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def cancel_at_first_line(script: str, *, times_at: list[float] | None = None) -> list[str]:
    """Runs the script, cancels it at its first line, and returns the lines that came."""
    lines: list[str] = []
    with Scope("test") as scope:

        def on_line(line: str) -> None:
            lines.append(line)
            scope.cancel()

        began_at = time.monotonic()
        with pytest.raises(Cancelled):
            run(scope, script, on_line=on_line)
        if times_at is not None:
            times_at.append(time.monotonic() - began_at)
    return lines


def test_a_child_leads_a_group_of_its_own(scope: Scope) -> None:
    group = run(scope, "ps -o pgid= $$ 2>/dev/null || cut -d' ' -f5 /proc/$$/stat").stdout
    assert int(group) != os.getpgrp()


def test_cancelling_ends_grandchildren_too() -> None:
    lines = cancel_at_first_line("sleep 300 & echo $!; wait")
    assert not is_alive(int(lines[0]))


def test_what_died_of_cancelling_is_never_taken_for_a_failure() -> None:
    """Busy threads take turns all the time here, so that one is at work between any two words of another."""
    turn_s, is_over = sys.getswitchinterval(), threading.Event()

    def be_busy() -> None:
        while not is_over.is_set():
            sum(range(1000))

    busy = [threading.Thread(target=be_busy) for _ in range(4)]
    sys.setswitchinterval(1e-6)
    try:
        for thread in busy:
            thread.start()
        for _ in range(100):
            with Scope("test") as scope:
                timer = threading.Timer(0.02, scope.cancel)
                timer.start()
                with pytest.raises(Cancelled):
                    run(scope, "exec sleep 300", check=False)
                timer.join()
    finally:
        is_over.set()
        sys.setswitchinterval(turn_s)
        for thread in busy:
            thread.join()


def test_a_grandchild_that_ignores_term_is_killed_after_five_seconds() -> None:
    times: list[float] = []
    lines = cancel_at_first_line("sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.05; done' & wait", times_at=times)
    assert not is_alive(int(lines[0]))
    assert times[0] > 4.5


def test_a_group_whose_leader_has_died_is_ended_when_cancelled() -> None:
    lines: list[str] = []
    with Scope("test") as scope:

        def on_line(line: str) -> None:
            lines.append(line)
            os.kill(int(line.split(maxsplit=1)[0]), signal.SIGKILL)
            scope.cancel()

        with pytest.raises(Cancelled):
            run(scope, "sleep 300 & echo $$ $!; wait", on_line=on_line)
    assert not is_alive(int(lines[0].split()[1]))


def test_what_a_program_leaves_behind_with_our_pipes_open_is_ended(scope: Scope) -> None:
    done = run(scope, "sleep 300 & echo $!; exit 7", check=False)
    assert done.code == 7
    assert not is_alive(int(done.stdout))


def test_what_left_the_group_and_holds_our_pipes_cannot_hang_us(scope: Scope, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    done = run(scope, f"setsid sh -c 'echo $$ > {note}; exec sleep 300' & echo started")
    assert done.stdout == "started\n"
    pid = int(note.read_text())
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_a_daemon_that_let_go_of_our_pipes_is_left_alone(scope: Scope) -> None:
    done = run(scope, "sleep 300 >/dev/null 2>&1 & echo $!")
    pid = int(done.stdout)
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)


def test_output_that_comes_after_the_leader_ended_is_read(scope: Scope) -> None:
    assert run(scope, "(sleep 0.2; echo late) & echo early").stdout == "early\nlate\n"


def test_a_program_that_prints_without_end_while_it_is_cancelled_does_not_hang_us() -> None:
    assert cancel_at_first_line("trap 'yes x | head -c 500000; exit 0' TERM; echo y; while :; do sleep 0.01; done")


def test_carriage_returns_leave_the_last_state_of_a_line(scope: Scope) -> None:
    lines: list[str] = []
    run(scope, r"printf '1%%\r50%%\r100%%\nwindows\r\n\nlast\r'", on_line=lines.append)
    assert lines == ["100%", "windows", "", "last"]


def test_endless_progress_on_one_line_takes_no_memory_and_keeps_its_last_state(scope: Scope) -> None:
    lines: list[str] = []
    program = "import sys\nfor i in range(400000): sys.stdout.write(f'progress {i}\\r')\nprint('done')"
    RealProcesses().run(scope, [sys.executable, "-c", program], on_line=lines.append)
    assert lines == ["done"]


def test_bytes_that_are_no_utf8_are_replaced(scope: Scope) -> None:
    assert run(scope, r"printf 'a\377b'").stdout == "a\N{REPLACEMENT CHARACTER}b"


def test_a_character_that_comes_in_two_pieces_stays_whole(scope: Scope) -> None:
    lines: list[str] = []
    run(scope, r"printf '\303'; sleep 0.1; printf '\244\n'", on_line=lines.append)
    assert lines == ["ä"]


def test_a_line_without_end_is_cut(scope: Scope) -> None:
    lines: list[str] = []
    run(scope, "head -c 3000000 /dev/zero | tr '\\0' x", on_line=lines.append)
    assert len(lines) > 1
    assert sum(map(len, lines)) == 3_000_000


def test_much_output_arrives_whole(scope: Scope) -> None:
    assert len(run(scope, "head -c 20000000 /dev/zero | tr '\\0' x").stdout) == 20_000_000


def test_variables_are_added_to_ours(scope: Scope) -> None:
    done = run(scope, 'echo "$MINE ${PATH:+path}"', env={"MINE": "yes"})
    assert done.stdout == "yes path\n"


def test_an_error_of_the_child_counts_not_that_it_read_no_input(scope: Scope) -> None:
    endless = (b"x" * 65536 for _ in iter(int, 1))
    with pytest.raises(StepFailed, match=r"exit code 4$") as caught:
        run(scope, "echo no room >&2; exit 4", stdin=endless)
    assert caught.value.evidence == ("no room",)


def test_input_is_closed_when_the_program_takes_no_more(scope: Scope) -> None:
    closed = threading.Event()

    def chunks() -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
        finally:
            closed.set()

    assert run(scope, "head -c 1000 | wc -c", stdin=chunks()).stdout.strip() == "1000"
    assert closed.is_set()


def test_input_that_breaks_off_ends_the_program_and_is_the_error(scope: Scope) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise Unavailable("the engine went away")

    with pytest.raises(Unavailable, match="went away"):
        run(scope, "cat; sleep 300", stdin=chunks())


def test_cancelling_ends_a_program_that_does_not_read_its_input() -> None:
    with Scope("test") as scope:

        def chunks() -> Iterator[bytes]:
            for i in range(1000):
                if i == 1:
                    threading.Timer(0.1, scope.cancel).start()
                yield b"x" * 65536

        with pytest.raises(Cancelled):
            run(scope, "sleep 300", stdin=chunks())


def test_an_error_of_the_one_who_takes_the_lines_ends_the_program(scope: Scope) -> None:
    pids: list[int] = []

    def on_line(line: str) -> None:
        pids.append(int(line))
        raise ValueError("cannot draw this")

    with pytest.raises(ValueError, match="cannot draw this"):
        run(scope, "echo $$; sleep 300", on_line=on_line)
    assert not is_alive(pids[0])


def test_a_signal_is_named(scope: Scope) -> None:
    with pytest.raises(StepFailed, match=r"killed by SIGKILL$"):
        run(scope, "kill -9 $$")


def test_a_known_tool_that_is_missing_comes_with_how_to_get_it(scope: Scope) -> None:
    with pytest.raises(UsageError, match=r"^helm is not installed$") as caught:
        RealProcesses().run(scope, ["helm", "version"], env={"PATH": "/nowhere"})
    assert caught.value.hint is not None
    assert "helm.sh" in caught.value.hint


def test_a_folder_that_is_missing_is_not_taken_for_a_missing_program(scope: Scope, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="no folder"):
        run(scope, "true", cwd=tmp_path / "gone")


def test_a_file_that_is_no_program_is_said_so(scope: Scope, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("hello")
    with pytest.raises(UsageError, match="cannot be run: Permission denied"):
        RealProcesses().run(scope, [str(plain)])


def test_a_missing_interpreter_is_not_taken_for_a_missing_program(scope: Scope, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(UsageError, match="interpreter"):
        RealProcesses().run(scope, [str(script)])


def test_the_command_can_be_pasted(tmp_path: Path) -> None:
    folder = tmp_path / "my app"
    folder.mkdir()
    assert pasteable(["echo", "two words", "$X"], folder) == f"cd '{folder}' && echo 'two words' '$X'"


def test_nothing_is_left_open_and_no_zombie_stays() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    def children() -> int:
        return len(Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split())

    cancel_at_first_line("echo begun; sleep 300")
    before = descriptors(), children(), threading.active_count()
    for _ in range(10):
        cancel_at_first_line("sleep 300 & echo begun; wait")
        with Scope("test") as scope:
            run(scope, "cat", stdin=iter([b"x"]))
            with pytest.raises(StepFailed):
                run(scope, "exit 1")
            with pytest.raises(UsageError):
                RealProcesses().run(scope, ["no-such-program"])
    assert (descriptors(), children(), threading.active_count()) == before


def test_a_scope_that_is_cancelled_while_the_program_starts_leaves_none() -> None:
    class Late(Scope):
        @contextmanager
        def child(self, name: str) -> Iterator[Scope]:
            self.cancel()
            with super().child(name) as inner:
                yield inner

    children = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    before = children.read_text()
    with Late("test") as scope, pytest.raises(Cancelled):
        run(scope, "sleep 300")
    assert children.read_text() == before


def test_programs_that_run_at_once_do_not_hold_each_others_pipes() -> None:
    outputs: list[str] = []
    with Scope("test") as scope:
        for i in range(12):
            scope.spawn(f"run {i}", lambda i=i: outputs.append(run(scope, f"cat; echo {i}", stdin=b"in ").stdout))  # type: ignore[misc]
    assert sorted(outputs) == sorted(f"in {i}\n" for i in range(12))


def test_a_line_is_given_as_soon_as_it_is_printed(scope: Scope, tmp_path: Path) -> None:
    go_on = tmp_path / "go"
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        go_on.touch()

    run(scope, f"echo first; while [ ! -e {go_on} ]; do sleep 0.01; done; echo second", on_line=on_line)
    assert lines == ["first", "second"]


def test_the_evidence_never_spans_more_than_twenty_lines(scope: Scope) -> None:
    with pytest.raises(StepFailed) as caught:
        run(scope, "seq 100; exit 1")
    assert len(caught.value.evidence) == 20
    assert all(re.fullmatch(r"\d+", line) for line in caught.value.evidence)
