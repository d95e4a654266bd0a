"""What the configuration hears of besides its files: the environment, the output of commands, the user's answers; and what of that is
secret.

Comes in: questions of one reading of the configuration after another. Goes out: answers, the same for the same question as long as
nothing that they hang on changed. Nobody is asked twice, and nobody who is not there.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from devloop import events, globs
from devloop.config.variables import Command, Sources, mask
from devloop.errors import DevloopError, StepFailed, UsageError
from devloop.scope import Scope


class Outside:
    """One for a command, over all its readings. `env`: the environment as it was at the start: children get more than that."""

    def __init__(self) -> None:
        self.env: Mapping[str, str] = dict(os.environ)
        self._answers: dict[str, str] = {}
        self._outputs: dict[tuple[Command, str], str] = {}
        self._secrets: dict[str, None] = {}

    def sources(self, scope: Scope, given: Sequence[str], *, may_ask: bool) -> Sources:
        """For one reading. `given`: as `NAME=VALUE`. `may_ask`: whether a person is there for new questions. Raises: UsageError."""
        return Sources(
            given_values(given),
            self.env,
            lambda command: self._output(scope, command),
            lambda question, default, is_secret: self._answer(
                scope, question, default, is_secret=is_secret, may_ask=may_ask
            ),
        )

    def keep(self, secrets: Sequence[str], exports: Mapping[str, str]) -> None:
        """These are never shown again; `exports` are given to all programs that are started from now on."""
        self._secrets |= dict.fromkeys(secrets)
        os.environ.update(exports)

    def masking(self, emit: events.Emit) -> events.Emit:
        """The same without secrets."""

        def masked(event: Any) -> None:
            emit(without(event, mask(tuple(self._secrets))) if self._secrets else event)

        return masked

    def shown(self, text: str) -> str:
        """The text without secrets."""
        return mask(tuple(self._secrets))(text)

    def _output(self, scope: Scope, command: Command) -> str:
        key = command, _digest(command)
        if not command.inputs or key not in self._outputs:
            self._outputs[key] = _run(scope, command)
        return self._outputs[key]

    def _answer(self, scope: Scope, question: str, default: str, *, is_secret: bool, may_ask: bool) -> str | None:
        if question not in self._answers:
            if not (may_ask and sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
                return None
            from devloop.cli import prompting

            self._answers[question] = prompting.ask(scope, question, default, is_secret=is_secret)
        return self._answers[question]


def given_values(given: Sequence[str]) -> dict[str, str]:
    """What `--var` says, by name. Raises: UsageError."""
    from devloop.config.names import is_variable

    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (equals and is_variable(name)):
            # A value without a name may be a secret, so it is not repeated.
            raise UsageError("this is no variable with a value", where="--var", hint="write --var NAME=VALUE")
        found[name] = value
    return found


def without(event: Any, masked: Callable[[str], str]) -> Any:
    """The event, or what it holds, with all its text masked. Words of a fixed set are none."""
    match event:
        case str():
            return masked(event)
        case tuple():
            return tuple(without(each, masked) for each in event)
        case Mapping():
            return {key: without(value, masked) for key, value in event.items()}
        case _ if dataclasses.is_dataclass(event) and not isinstance(event, type):
            texts = {each.name: getattr(event, each.name) for each in dataclasses.fields(event) if _is_text(each)}
            return dataclasses.replace(event, **{name: without(value, masked) for name, value in texts.items()})
    return event


def _is_text(field: dataclasses.Field[Any]) -> bool:
    return not str(field.type).startswith("Literal") and re.search(r"\bstr\b", str(field.type)) is not None


def _run(scope: Scope, command: Command) -> str:
    from devloop import commands
    from devloop.effects.process import RealProcesses

    try:
        with commands.limited(scope, command.timeout_s) as inner:
            done = RealProcesses().run(
                inner, ["sh", "-c", command.text], cwd=command.folder, env=dict(command.env), check=False
            )
    except commands.TimedOut as exc:
        hint = "give it more `timeoutSeconds`, as an entry of `vars`"
        raise StepFailed(f"`{command.text}` took longer than {command.timeout_s:g} s", hint=hint) from exc
    except DevloopError as exc:
        raise StepFailed(f"`{command.text}` could not be run: {exc.message}", hint=exc.hint) from exc
    if done.code != 0:
        raise StepFailed(f"`{command.text}` failed: {commands.ending(done.code)}", evidence=tuple(done.tail))
    return done.stdout.rstrip("\r\n")


def _digest(command: Command) -> str:
    """Of what the output hangs on. A file that is gone by the time it is read counts as empty."""
    seen = hashlib.sha256()
    for path in globs.expand(command.folder, command.inputs):
        seen.update(f"\0{path}\0".encode())
        seen.update(_content(path))
    return seen.hexdigest()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
