"""Runs the installed `devloop` command for real, as a person or an editor would, and watches what it says and starts.

Comes in: a command line and a folder. Goes out: lines and events as they come, the exit code, the processes that are left. It shares
no code with devloop: what it finds out is what a user could.
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.e2e.processes import MARK, Process, started_by
from tests.e2e.web import eventually

Event = dict[str, Any]
T = TypeVar("T")

# Commands that take --context, --namespace and --output.
ON_A_CLUSTER = frozenset(
    {
        "dev",
        "run",
        "build",
        "test",
        "render",
        "apply",
        "delete",
        "explain",
        "cache",
        "diff",
        "ls",
        "history",
        "rollback",
        "doctor",
    }
)
# A session of its own with the terminal as its controlling one, as a shell in a window would; done by a program between, because
# Python warns of functions that run between fork and exec in a process with threads.
WITH_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)


@dataclass(frozen=True)
class Completed:
    """A `devloop` that ended. With a terminal both streams are in `stdout`."""

    code: int
    stdout: str
    stderr: str
    events: tuple[Event, ...]

    def of(self, **fields: object) -> list[Event]:
        """The events with these fields."""
        return [event for event in self.events if _has(event, fields)]


@dataclass
class Devloop:
    """The command, bound to a folder to run in and, where `context` is set, to a cluster and namespace.

    `program`: its argv; `environment` is added to this process's. All sessions that it started are ended by `close`.
    """

    program: Sequence[str]
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    context: str = ""
    namespace: str = ""
    sessions: list[Session] = field(default_factory=list)

    def at(self, cwd: Path) -> Devloop:
        """The same in another folder."""
        return Devloop(self.program, cwd, self.environment, self.context, self.namespace, self.sessions)

    def run(
        self, *args: str, timeout_s: float = 90, as_json: bool = True, env: Mapping[str, str] | None = None
    ) -> Completed:
        """Runs it to its end. Raises: AssertionError when it takes longer (it is then ended)."""
        return self.start(*args, as_json=as_json, env=env).wait(timeout_s)

    def start(
        self, *args: str, as_json: bool = True, with_terminal: bool = False, env: Mapping[str, str] | None = None
    ) -> Session:
        """Starts it and returns at once. `as_json`: with `--output json`, without which there are no events.

        Context, namespace and output are added for the commands that take them, unless given. `with_terminal`: on a
        pseudo-terminal of its own, as text.
        """
        mark = uuid.uuid4().hex
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("DEVLOOP_", "PYTEST_"))}
        environment |= {**self.environment, **(env or {}), MARK: mark}
        argv = [*self.program, *self._with_defaults(args, as_json and not with_terminal)]
        session = Session(argv, self.cwd, environment, mark, with_terminal)
        self.sessions.append(session)
        return session

    def _with_defaults(self, args: Sequence[str], as_json: bool) -> list[str]:
        if not args or args[0] not in ON_A_CLUSTER:
            return list(args)
        added: list[str] = []
        if self.context and "--context" not in args:
            added += ["--context", self.context]
        if self.namespace and not {"-n", "--namespace"} & set(args):
            added += ["--namespace", self.namespace]
        if as_json and "--output" not in args:
            added += ["--output", "json"]
        words = 2 if args[0] == "cache" else 1
        return [*args[:words], *added, *args[words:]]

    def close(self, patience_s: float = 15) -> list[str]:
        """Ends every session that still runs; returns what went wrong in that: processes that had to be killed."""
        return [wrong for session in self.sessions for wrong in session.close(patience_s)]

    def report(self) -> str:
        return "\n".join(session.report() for session in self.sessions)


class Session:
    """One running `devloop`. Its output is read in the background as it comes. All waits raise AssertionError with the output's end."""

    def __init__(
        self, argv: Sequence[str], cwd: Path, environment: Mapping[str, str], mark: str, with_terminal: bool
    ) -> None:
        self.argv = argv
        self._mark = mark
        self._news = threading.Condition()
        self._lines: list[tuple[str, str]] = []
        self._events: list[Event] = []
        self._terminal: tuple[int, int] | None = None
        stdin, stdout, stderr = subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE
        if with_terminal:
            self._terminal = pty.openpty()
            self._modes = termios.tcgetattr(self._terminal[1])
            stdin = stdout = stderr = self._terminal[1]
            argv = [sys.executable, "-I", "-S", "-c", WITH_TERMINAL, *argv]
            environment = {**environment, "TERM": "xterm-256color"}
        self._process = subprocess.Popen(
            argv, cwd=cwd, env=environment, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
        )
        self._readers = [
            threading.Thread(target=self._read, args=(name, lines), name=f"{name} of {self.pid}", daemon=True)
            for name, lines in self._streams().items()
        ]
        for thread in self._readers:
            thread.start()

    # ---- what it says

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def text(self) -> str:
        """Both streams so far, in the order in which they came."""
        with self._news:
            return "".join(line for _, line in self._lines)

    @property
    def events(self) -> tuple[Event, ...]:
        """The events so far."""
        with self._news:
            return tuple(self._events)

    def wait_event(
        self,
        predicate: Callable[[Event], object] | None = None,
        *,
        timeout_s: float = 60,
        since: int = 0,
        **fields: object,
    ) -> Event:
        """Blocks until there is an event with these fields for which `predicate` is true: the first one after the first `since`."""

        def found() -> Event | None:
            return next(
                (e for e in self._events[since:] if _has(e, fields) and (predicate is None or predicate(e))), None
            )

        return self._wait(found, timeout_s, f"no event {fields or ''} {predicate or ''}")

    def wait_text(self, pattern: str, *, timeout_s: float = 60) -> re.Match[str]:
        """Blocks until the regular expression is found in `text`."""

        def found() -> re.Match[str] | None:
            return re.search(pattern, "".join(line for _, line in self._lines))

        return self._wait(found, timeout_s, f"no text {pattern!r}")

    def _wait(self, found: Callable[[], T | None], timeout_s: float, what: str) -> T:
        end = time.monotonic() + timeout_s
        with self._news:
            while True:
                # Asked before looking: what it said last must not be missed.
                is_over = not self.is_running and not any(thread.is_alive() for thread in self._readers)
                answer = found()
                if answer is not None:
                    return answer
                if is_over or time.monotonic() > end:
                    break
                self._news.wait(0.1)
        raise AssertionError(f"{what} within {timeout_s} s\n{self.report()}")

    # ---- how it ends

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def wait(self, timeout_s: float = 60) -> Completed:
        """Blocks until it has ended. Raises: AssertionError when it has not within `timeout_s`."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout_s} s\n{self.report()}") from None
        for thread in self._readers:
            thread.join(2)  # a child that outlived it may hold the stream open
        with self._news:
            streams = {
                name: "".join(line for each, line in self._lines if each == name) for name in ("stdout", "stderr")
            }
            return Completed(code, streams["stdout"], streams["stderr"], tuple(self._events))

    def interrupt(self) -> None:
        """Ctrl-C: SIGINT to its process group, typed where it has a terminal."""
        if self._terminal:
            self.type("\x03")
        else:
            self.send(signal.SIGINT)

    def send(self, number: signal.Signals) -> None:
        """The signal to its process group; nothing when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def kill(self) -> None:
        """kill -9 of it alone: what it started lives on."""
        self._process.kill()
        self._process.wait()

    def type(self, text: str) -> None:
        """Types on its terminal."""
        assert self._terminal, "started without a terminal"
        os.write(self._terminal[0], text.encode())

    @property
    def is_terminal_restored(self) -> bool:
        """Echo, line mode and the rest of its terminal are as they were when it started."""
        assert self._terminal, "started without a terminal"
        return termios.tcgetattr(self._terminal[1]) == self._modes

    def children(self) -> tuple[Process, ...]:
        """What it started, directly or not, and still lives."""
        return started_by(self.pid, self._mark)

    def wait_childless(self, timeout_s: float = 5) -> None:
        """Blocks until no process that it started lives."""
        try:
            eventually(lambda: not self.children(), timeout_s=timeout_s, every_s=0.05)
        except AssertionError:
            raise AssertionError(f"processes left after {timeout_s} s: {self.children()}\n{self.report()}") from None

    def close(self, patience_s: float = 15) -> list[str]:
        """Ends it: Ctrl-C, `patience_s` later kill -9; and all that it started. Returns a line for each process that was left."""
        wrong = []
        if self.is_running:
            self.send(signal.SIGINT)
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                wrong.append(f"{self.argv}: did not end within {patience_s} s of SIGINT")
                self.kill()
        with contextlib.suppress(AssertionError):
            self.wait_childless(2)
        for process in self.children():
            wrong.append(f"{self.argv}: left process {process.pid}: {process.command}")
            process.kill()
        self.wait_childless(10)
        for thread in self._readers:
            thread.join(5)
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()
        for descriptor in self._terminal or ():
            os.close(descriptor)
        self._terminal = None
        return wrong

    def report(self, last_lines: int = 60) -> str:
        """For people: the command, what became of it, and the end of its output."""
        state = "running" if self.is_running else f"ended with {self._process.returncode}"
        lines = self.text.splitlines()
        left_out = [f"… {len(lines) - last_lines} lines"] if len(lines) > last_lines else []
        return "\n".join([f"$ {' '.join(self.argv)}  ({state})", *left_out, *lines[-last_lines:]])

    # ---- reading, in threads

    def _streams(self) -> dict[str, Iterator[bytes]]:
        if self._terminal:
            return {"stdout": self._terminal_chunks(self._terminal[0])}
        assert self._process.stdout
        assert self._process.stderr
        return {"stdout": iter(self._process.stdout), "stderr": iter(self._process.stderr)}

    def _read(self, stream: str, lines: Iterator[bytes]) -> None:
        begun = ""
        for raw in lines:
            text = raw.decode(errors="replace")
            *whole, begun = (begun + text).split("\n")  # a terminal gives what there is: several lines, or parts of one
            events = filter(None, map(_event, whole)) if stream == "stdout" else ()
            with self._news:
                self._lines.append((stream, text))
                self._events += events
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _terminal_chunks(self, master: int) -> Iterator[bytes]:
        """What comes out of the pseudo-terminal. We hold its other side open, so its end is that the process ended and nothing came."""
        while True:
            is_running = self.is_running
            if select.select([master], [], [], 0.05)[0]:
                yield os.read(master, 65536)
            elif not is_running:
                return


def _event(line: str) -> Event | None:
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "kind" in event else None


def _has(event: Event, fields: Mapping[str, object]) -> bool:
    return all(event.get(key) == value for key, value in fields.items())
