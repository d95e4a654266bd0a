"""Variables: where their values come from.

Comes in: what the file declares, the `.env` beside it, what the command line and the environment say, and two functions, to run a command
and to ask the user. Goes out: the value of a name with what gave it, or why there is none; which files that hangs on; which values are
secret. It starts nothing and prints nothing by itself. The first of these that knows a name decides: `--var`, the environment, `.env`,
`vars` of the file. Facts of git have names of their own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from devloop import globs
from devloop.config import model
from devloop.config.dotenv import Entry
from devloop.config.expansion import Malformed, Reference, pieces, shell_names
from devloop.config.names import did_you_mean
from devloop.errors import DevloopError, UsageError

_GIT = {
    "git.commit": "git rev-parse HEAD",
    "git.shortCommit": "git rev-parse --short HEAD",
    "git.branch": "git rev-parse --abbrev-ref HEAD",
    "git.dirty": 'test -z "$(git status --porcelain)" && echo false || echo true',
}
_GIT_FILES = "git rev-parse --git-path HEAD --git-path logs/HEAD"
COMMAND_S = 30


@dataclass(frozen=True)
class Command:
    """A shell command whose output is a value. `inputs`: patterns of what the output hangs on; without any, it is asked each time.

    `env`: secrets that it names, for its environment.
    """

    text: str
    folder: Path
    timeout_s: float = COMMAND_S
    inputs: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def _runs_nothing(command: Command) -> str:
    raise UsageError(f"no command is run here: {command.text}")


@dataclass(frozen=True)
class Value:
    """A value. `origins`: what gave it, in words."""

    text: str
    origins: tuple[str, ...] = ()
    is_secret: bool = False


@dataclass(frozen=True)
class Sources:
    """What is known outside the file. `given`: by `--var`. `passed`: by a module that requires this one. `run`: a command's output,
    without the line's end; raises DevloopError.

    `ask`: the user, with a question, the default answer and whether the answer is a secret; the answer is None when nobody can be asked.
    """

    given: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    run: Callable[[Command], str] = _runs_nothing
    ask: Callable[[str, str, bool], str | None] = lambda _question, _default, _is_secret: None
    passed: Mapping[str, Value] = field(default_factory=dict, repr=False)

    @property
    def firm(self) -> frozenset[str]:
        """Names whose values win over the environment."""
        return frozenset((*self.given, *self.passed))


NOTHING = Sources()


class Unresolved(Exception):
    """There is no value. Every reason, with what to do about it."""

    def __init__(self, *reasons: tuple[str, str | None]) -> None:
        super().__init__(reasons[0][0])
        self.reasons = reasons


class Variables:
    """The values of one reading of the file. Each is made when it is first asked for, so that what nothing names need not be there.

    `used`: the names that were asked for. `patterns`: the files that values hang on. `secrets`: values that must not be shown. `exports`:
    secrets that a shell command names, which are given to it in its environment, not in its text; in names that no other module has, for
    its own may be another secret there. `owner`: what this module is called.
    """

    def __init__(
        self, base: Path, sources: Sources, dotenv: Mapping[str, Entry], declared: Iterable[model.Variable], owner: str
    ) -> None:
        self.used: dict[str, None] = {}
        self.patterns: dict[str, None] = {}
        self.secrets: dict[str, None] = {}
        self.exports: dict[str, str] = {}
        self.base = base
        self._owner = owner
        self._sources = sources
        self._dotenv = dotenv
        self._declared = {each.name: each for each in declared}
        self._known: dict[str, Value | Unresolved] = {}
        self._open: list[str] = []

    def of(self, name: str) -> Value:
        """The variable's value. May run a command or ask the user, once. Raises: Unresolved."""
        self.used[name] = None
        if name in self._open:
            way = " → ".join((*self._open[self._open.index(name) :], name))
            raise Unresolved((f"`{name}` hangs on itself: {way}", "give one of them a value of its own"))
        if name not in self._known:
            self._open.append(name)
            try:
                self._known[name] = self._found(name)
            except Unresolved as exc:
                self._known[name] = exc
            finally:
                self._open.pop()
        known = self._known[name]
        if isinstance(known, Unresolved):
            raise known
        if known.is_secret:
            self.hide(known.text)
        return known

    def expand(self, text: str) -> Value:
        """The text with its variables filled in. Raises: Unresolved with all that have no value; Malformed."""
        made, is_secret = "", False
        origins: list[str] = []
        wrong: list[tuple[str, str | None]] = []
        for piece in pieces(text):
            if isinstance(piece, str):
                made += piece
                continue
            try:
                value = self._referred(piece)
            except Unresolved as exc:
                wrong += exc.reasons
                continue
            made, is_secret = made + value.text, is_secret or value.is_secret
            origins += value.origins
        if wrong:
            raise Unresolved(*dict.fromkeys(wrong))
        return Value(made, tuple(dict.fromkeys(origins)), is_secret)

    def output(self, command: Command) -> str:
        """What the command prints, once it has the variables that it names. Raises: Unresolved."""
        text, secrets = self._assigned(command.text)
        command = replace(command, text=text, env=tuple(secrets.items()))
        self.patterns |= dict.fromkeys(command.inputs)
        try:
            return self._sources.run(command)
        except DevloopError as exc:
            last = f": {exc.evidence[-1]}" if exc.evidence else ""
            raise Unresolved((exc.message + last, exc.hint)) from exc

    def in_shell(self, command: str) -> str:
        """The command with assignments before it of the variables that it names and its environment does not have.

        So they are part of what it is, and it counts as changed when they do. What devloop itself sets for the command stands.
        """
        text, secrets = self._assigned(command)
        self.exports |= secrets
        return text

    def exported(self, name: str) -> str:
        """What a variable that holds a secret is called in the environment: as it is, where that has it; else as only this module calls
        it. Raises: Unresolved.
        """
        is_firm = name in self._sources.firm
        if not is_firm and (not self._is_ours(name) or name in self._sources.env):
            return name
        value = self.of(name).text
        self.hide(value)
        self.exports[self._own(name)] = value
        return self._own(name)

    def _own(self, name: str) -> str:
        plain = re.sub("[^A-Za-z0-9_]", "_", self._owner)
        if plain != self._owner:
            plain += f"_{hashlib.sha256(self._owner.encode()).hexdigest()[:8]}"
        return f"DEVLOOP_SECRET_{plain}_{name}"

    def _assigned(self, command: str) -> tuple[str, dict[str, str]]:
        """The command with its assignments, and what has to be in its environment for them. Raises: Unresolved."""
        before, secrets = "", {}
        for name in shell_names(command):
            is_firm = name in self._sources.firm
            if not is_firm and not self._is_ours(name):
                continue
            value = self.of(name)
            if name in self._sources.env and not is_firm:
                continue  # it has it already
            if value.is_secret:
                own = self._own(name)
                secrets[own] = value.text
                before += f'export {name}="${{{own}-${name}}}"; ' if is_firm else _default(name, f"${own}")
            else:
                text = shlex.quote(value.text)
                before += f"export {name}={text}; " if is_firm else _default(name, text)
        return before + command, secrets

    def hide(self, text: str) -> None:
        """The text must not be shown, and no line of it."""
        self.secrets |= dict.fromkeys(each for each in (text, *text.splitlines()) if each.strip())

    def hide_known(self) -> None:
        """Secrets that are there already are not shown either where nothing names them: a program may, that has the same environment."""
        for name in (each.name for each in self._declared.values() if each.secret):
            if (known := self._outside(name, is_secret=True)) is not None:
                self.hide(known.text)

    def _is_ours(self, name: str) -> bool:
        return name in self._dotenv or name in self._declared

    def _referred(self, reference: Reference) -> Value:
        try:
            found = self.of(reference.name)
        except Unresolved:
            if not reference.operator or self._is_known(reference.name):
                raise
            found = Value("")
        if found.text or not reference.operator:
            return found
        argument = self.expand(reference.argument)
        if reference.operator == ":?":
            raise Unresolved((argument.text or f"`{reference.name}` is not set", _how_to_set(reference.name)))
        return Value(argument.text, (*argument.origins, f"the default of {reference.name}"), argument.is_secret)

    def _is_known(self, name: str) -> bool:
        return name in _GIT or name in self._declared

    def _found(self, name: str) -> Value:
        if name.startswith("git."):
            return self._of_git(name)
        declared = self._declared.get(name)
        is_secret = declared is not None and declared.secret
        if (known := self._outside(name, is_secret=is_secret)) is not None:
            return known
        if declared is None:
            names = [*self._declared, *self._sources.firm, *self._dotenv, *self._sources.env]
            raise Unresolved((f"`{name}` is not set", did_you_mean(name, names, _how_to_set(name))))
        return self._of_file(declared)

    def _outside(self, name: str, *, is_secret: bool) -> Value | None:
        """What is said of it elsewhere than in the file."""
        sources = self._sources
        if name in sources.given:
            return Value(sources.given[name], (f"--var {name}",), is_secret)
        if name in sources.passed:
            passed = sources.passed[name]
            return replace(passed, is_secret=is_secret or passed.is_secret)
        if name in sources.env:
            return Value(sources.env[name], (f"{name} of the environment",), is_secret)
        if name in self._dotenv:
            return Value(self._dotenv[name].value, (f"{name} of .env:{self._dotenv[name].line}",), is_secret)
        return None

    def _of_file(self, declared: model.Variable) -> Value:
        origin = (f"{declared.name} of vars",)
        if declared.command is not None:
            command = Command(declared.command, self.base, declared.timeout_seconds, declared.inputs)
            return Value(self.output(command), (*origin, f"the output of {declared.command}"), declared.secret)
        default = Value("") if declared.default is None else self._default(declared)
        answer = self._sources.ask(declared.prompt, default.text, declared.secret) if declared.prompt else None
        if answer is not None:
            return Value(answer, (*origin, "the answer to its prompt"), declared.secret)
        if declared.default is not None:
            return Value(default.text, (*origin, *default.origins), declared.secret or default.is_secret)
        how = "nobody can be asked for it here" if declared.prompt is not None else "its entry in `vars` gives no value"
        raise Unresolved((f"`{declared.name}` is not set, and {how}", _how_to_set(declared.name)))

    def _default(self, declared: model.Variable) -> Value:
        try:
            return self.expand(declared.default or "")
        except Malformed as exc:
            raise Unresolved((f"the default of `{declared.name}`: {exc}", "`$$` is a dollar")) from exc

    def _of_git(self, name: str) -> Value:
        if name not in _GIT:
            raise Unresolved((f"`{name}` is no fact of git", did_you_mean(name, _GIT, f"known are {_listed(_GIT)}")))
        text = self.output(Command(_GIT[name], self.base))
        self.patterns |= dict.fromkeys(
            globs.escape(each) for each in self.output(Command(_GIT_FILES, self.base)).splitlines()
        )
        return Value(text, (f"git, {name}",))


def _default(name: str, text: str) -> str:
    """Shell that gives the variable this value where it has none."""
    return f"{name}=${{{name}-{text}}}; export {name}; "


def _how_to_set(name: str) -> str:
    return f"set it with `--var {name}=…`, in the environment or in `.env`"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def mask(secrets: Sequence[str]) -> Callable[[str], str]:
    """Writes `***` for each of the secrets, also as programs quote them: in a shell, in JSON, in a URL, in a Secret of Kubernetes."""
    hidden = _spellings(tuple(secrets))

    def masked(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, "***")
        return text

    return masked


@lru_cache(maxsize=4)  # every event is masked
def _spellings(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """The longest first, so that none is left over of another."""
    found: dict[str, None] = {}
    for text in secrets:
        data = text.encode("utf-8", "surrogatepass")
        quoted = text.replace("'", "'\"'\"'"), json.dumps(text)[1:-1], repr(text)[1:-1], quote(data, safe="")
        found |= dict.fromkeys((text, *quoted, base64.b64encode(data).decode()))
    return tuple(sorted(found, key=len, reverse=True))
