"""Commands that the configuration gives: what they declare to read, and running them for so long and no longer.

Comes in: a shell command, its folder, and what is declared of it. Goes out: its inputs, or how it ended. It never looks into what a
command does.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from devloop import globs
from devloop.config import model
from devloop.errors import StepFailed
from devloop.products import Inputs
from devloop.scope import Cancelled, Scope
from devloop.stages import Completed, Tools

SHOWN_LINES = 20
_SYSTEMS = {"linux": "linux", "darwin": "darwin", "win32": "windows"}


def inputs(
    scope: Scope,
    wanted: model.CustomDependencies,
    folder: Path,
    tools: Tools,
    *,
    where: str,
    values: tuple[tuple[str, str], ...],
) -> Inputs:
    """What a command reads that runs in `folder`. Runs `dependencies.command`, if there is one; blocks on it, cancelled by the scope.

    `where`: whose command it is, for errors. Raises: StepFailed.
    """
    is_listed = wanted.command is not None
    paths = listed(scope, wanted.command, folder, tools, where=where) if wanted.command is not None else wanted.paths
    return Inputs(
        base=folder,
        files=globs.expand(folder, paths, wanted.ignore),
        roots=globs.roots(folder, (".", *paths) if is_listed else paths),
        matches=globs.matcher(folder, paths, wanted.ignore),
        skips=globs.matcher(folder, wanted.ignore) if wanted.ignore else None,
        why=lambda path: _why(path, folder, paths, wanted),
        values=values,
        # What a command lists may hang on anything in the folder, so it is asked again.
        is_definition=globs.matcher(folder, (".",), wanted.ignore) if is_listed else None,
    )


def is_for_here(systems: Sequence[str]) -> bool:
    """Whether a command that is for these systems (`os`; none: for all) is for this one."""
    return not systems or _SYSTEMS.get(sys.platform) in systems


def ending(code: int) -> str:
    """How a command that failed ended, in words."""
    return f"exit code {code}" if code > 0 else f"killed by signal {-code}"


class TimedOut(Exception):
    """A command took too long, and was ended. `tail`: the last lines that it wrote."""

    def __init__(self, tail: Sequence[str]) -> None:
        super().__init__()
        self.tail = tuple(tail)


def late_hook(hook: model.Hook | model.UnitHook, late: TimedOut, *, where: str) -> StepFailed:
    """The failure of a hook that took too long. `where`: its place in the configuration."""
    message = f"the hook did not end within {hook.timeout_seconds} s: {hook.command}"
    return StepFailed(message, where=where, hint="`timeoutSeconds` gives it longer", evidence=late.tail)


def failed_hook(
    hook: model.Hook | model.UnitHook, code: int, tail: Sequence[str], *, where: str, hint: str
) -> StepFailed:
    """The failure of a hook that ended badly. `tail`: the last lines that it wrote; `hint`: how it was run."""
    message = f"the hook failed: {ending(code)}: {hook.command}"
    return StepFailed(message, where=where, hint=hint, evidence=tuple(tail))


def run(
    scope: Scope,
    argv: Sequence[str],
    *,
    timeout_s: float,
    cwd: Path,
    env: Mapping[str, str],
    tools: Tools,
    stdin: bytes | None = None,
) -> Completed:
    """Runs it to its end, whatever its exit code; `timeout_s`: 0 for no limit. What it prints is shown. Blocks; cancelled by the scope.

    Raises: TimedOut; otherwise as stages.Processes.run.
    """
    last: deque[str] = deque(maxlen=SHOWN_LINES)

    def line(text: str) -> None:
        last.append(text)
        tools.line(text)

    with limited(scope, timeout_s, last) as inner:
        return tools.processes.run(inner, argv, cwd=cwd, env=env, stdin=stdin, on_line=line, check=False)


@contextmanager
def limited(scope: Scope, timeout_s: float, last: Sequence[str] = ()) -> Iterator[Scope]:
    """A scope for what may take `timeout_s` (0: any time). `last`: what it has written by then, told with the time-out.

    Raises: TimedOut once what was begun in the scope is gone; Cancelled when `scope` is cancelled.
    """
    is_late = threading.Event()
    try:
        with scope.child("time-limited") as inner:

            def end() -> None:
                inner.wait(timeout_s)
                is_late.set()
                inner.cancel()

            if timeout_s:
                inner.spawn("time-out", end)
            yield inner
            inner.cancel()
    except Cancelled:
        scope.check()
        if is_late.is_set():
            raise TimedOut(last) from None
        raise


def _why(path: Path, folder: Path, paths: tuple[str, ...], wanted: model.CustomDependencies) -> str:
    ignoring = [each for each in wanted.ignore if globs.matcher(folder, (each,))(path)]
    naming = [each for each in paths if globs.matcher(folder, (each,))(path)]
    if ignoring:
        return f"`dependencies.ignore` keeps it out: {ignoring[0]}"
    if wanted.command is not None:
        return f"the command that lists the inputs {'names' if naming else 'does not name'} it: {wanted.command}"
    return f"`dependencies.paths` names it: {naming[0]}" if naming else "no entry of `dependencies.paths` names it"


def listed(
    scope: Scope, command: str, folder: Path, tools: Tools, *, where: str, what: str = "the inputs"
) -> tuple[str, ...]:
    """The paths that a command prints in `folder`, one a line, as globs. `what`: it lists, for errors. Blocks. Raises: StepFailed."""
    done = tools.processes.run(scope, ["sh", "-c", command], cwd=folder, check=False)
    if done.code != 0:
        raise StepFailed(
            f"the command that lists {what} failed: {ending(done.code)}: {command}",
            where=where,
            hint="`dependencies.command` has to print paths, one a line",
            evidence=done.tail,
        )
    return tuple(globs.escape(line.strip()) for line in done.stdout.splitlines() if line.strip())
