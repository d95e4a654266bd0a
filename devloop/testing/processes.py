"""Programs that are not run: a fake of the door to other programs, for tests of stages.

Comes in: what a command, known by the words it begins with, prints and how it ends. Goes out: the calls that were made. It
starts nothing, and which command comes first never matters.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devloop.effects.process import TAIL_LINES, checked, masking, not_installed, pasteable
from devloop.scope import Scope
from devloop.stages import Completed


@dataclass(frozen=True)
class Call:
    """A command that was run, with all that it was given."""

    argv: tuple[str, ...]
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes = b""


@dataclass(frozen=True)
class Reply:
    """What a command does: prints, perhaps blocks (until the event is set, or the scope is cancelled), then ends."""

    stdout: str = ""
    stderr: str = ""
    code: int = 0
    until: threading.Event | None = None


class FakeProcesses:
    """Answers commands as `when` told it to. `calls`: every command that was run, in order. Safe from many threads."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._news = threading.Condition()
        self._replies: dict[tuple[str, ...], Callable[[Call], Reply]] = {}

    def when(
        self,
        *prefix: str,
        stdout: str = "",
        stderr: str = "",
        code: int = 0,
        until: threading.Event | None = None,
        does: Callable[[Call], Reply] | None = None,
    ) -> None:
        """From now on a command that begins with these words does this; of several that fit, the longest prefix counts.

        `does` decides by the call instead. A program of which nothing was told is not installed.
        """
        reply = Reply(stdout, stderr, code, until)
        self._replies[prefix] = does if does is not None else lambda _call: reply

    def blocks(self, *prefix: str) -> None:
        """From now on such a command runs until it is cancelled."""
        self.when(*prefix, until=threading.Event())

    def called(self, *prefix: str) -> list[Call]:
        """The calls that begin with these words."""
        with self._news:
            return [call for call in self.calls if call.argv[: len(prefix)] == prefix]

    def wait_for(self, *prefix: str, timeout_s: float = 10.0) -> Call:
        """Blocks until such a command was started. Raises: TimeoutError."""
        with self._news:
            if not self._news.wait_for(lambda: self.called(*prefix), timeout_s):
                raise TimeoutError(f"{' '.join(prefix)} was not run in {timeout_s} s")
        return self.called(*prefix)[-1]

    def find(self, name: str) -> str | None:
        return f"/usr/bin/{name}" if any(prefix[:1] == (name,) for prefix in self._replies) else None

    def run(
        self,
        scope: Scope,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | Iterator[bytes] | None = None,
        on_line: Callable[[str], None] | None = None,
        check: bool = True,
        secrets: Sequence[str] = (),
    ) -> Completed:
        scope.check()
        if self.find(argv[0]) is None:
            raise not_installed(argv[0])
        given = stdin if isinstance(stdin, bytes) else b"".join(stdin or ())
        call = Call(tuple(argv), cwd, dict(env or {}), given)
        with self._news:
            self.calls.append(call)
            self._news.notify_all()
        reply = self._reply(call)
        mask = masking(secrets)
        lines = [mask(line) for text in (reply.stdout, reply.stderr) for line in text.splitlines()]
        for line in lines if on_line is not None else ():
            assert on_line is not None
            on_line(line)
        if reply.until is not None:
            _wait(scope, reply.until)
        stdout = mask(reply.stdout) if on_line is None else ""
        completed = Completed(reply.code, stdout, tuple(lines[-TAIL_LINES:]), pasteable(argv, cwd, secrets))
        return checked(completed) if check else completed

    def _reply(self, call: Call) -> Reply:
        fitting = [prefix for prefix in self._replies if call.argv[: len(prefix)] == prefix]
        if not fitting:
            raise AssertionError(f"no reply was given for: {pasteable(call.argv)}")
        return self._replies[max(fitting, key=len)](call)


def _wait(scope: Scope, event: threading.Event) -> None:
    while not event.is_set():
        scope.wait(0.002)
