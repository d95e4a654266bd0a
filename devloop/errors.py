"""What went wrong, in words for the person who has to mend it.

Comes in: facts at the place where something failed. Goes out: an exception that carries a message, the next step,
the place and the evidence. It never prints, logs or exits; only `cli.app` turns it into an exit code.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class DevloopError(Exception):
    """A failure that a user can understand and mend.

    `message`: what failed, lower case, without a full stop. `hint`: what to do next. `where`: `file:line:column` or an
    object such as `deployment/api`. `evidence`: lines that show the cause, the last output lines of a command for one.
    """

    exit_code = 1

    def __init__(
        self, message: str, *, hint: str | None = None, where: str | None = None, evidence: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where
        self.evidence = evidence


class StepFailed(DevloopError):
    """A build, render, apply or wait did not succeed; the same inputs would fail again."""


class Unavailable(DevloopError):
    """The engine, the cluster or a registry does not answer now; trying again later may succeed."""


class UsageError(DevloopError):
    """The command line, or what it refers to (a context, a tool), cannot be used as it is."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the configuration: where (file, 1-based line and column), what, and what to do."""

    file: str
    line: int
    column: int
    message: str
    hint: str | None = None

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" + (f"; {self.hint}" if self.hint else "")


class Bug(Exception):
    """An exception that nobody foresaw, as it may be told: `trace` is its traceback, without secrets."""

    def __init__(self, said: str, trace: str) -> None:
        super().__init__(said)
        self.trace = trace


class ConfigError(DevloopError):
    """The configuration cannot be used; `problems` (at least one) says everything that is wrong with it at once.

    `missing`: paths of other configurations that it names and that are not there. `notes`: what is worth knowing about how it came to be.
    """

    exit_code = 2

    def __init__(
        self, problems: tuple[Problem, ...], missing: tuple[Path, ...] = (), notes: tuple[str, ...] = ()
    ) -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(first.message + more, hint=first.hint, where=first.where)
        self.problems = problems
        self.missing = missing
        self.notes = notes
