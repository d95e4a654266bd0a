"""What a Dockerfile reads from its build context.

Comes in: a Dockerfile's text, the target stage and build arguments. Goes out: patterns of the context's paths that reachable stages
copy or mount, and where each instruction stands. Pure. When in doubt, the whole context counts: what BuildKit reads is always
within what is said here. Rules: https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from devloop.errors import StepFailed

WHOLE_CONTEXT = "."

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z]+)\s*=\s*(\S+)\s*$")
_HEREDOC = re.compile(r"<<(-?)\s*([\"']?)([A-Za-z_][A-Za-z0-9_]*)\2")
_FLAG = re.compile(r"--([a-z-]+)(?:=(\S*))?\s+")
_VARIABLE = re.compile(
    r"\\(?P<escaped>.)|\$(?:(?P<name>\w+)|\{(?P<braced>\w+)(?::?(?P<operator>[-+?])(?P<word>[^}]*)|(?P<other>[^}]+))?\})"
)
_REMOTE = re.compile(r"^(https?://|git@|git://|ssh://|.+\.git(#|$))")
_TAKES_HEREDOCS = frozenset({"RUN", "COPY", "ADD"})


@dataclass(frozen=True)
class Instruction:
    """`line`: its first line, from 1. `heredocs`: names of inline files that follow it."""

    keyword: str
    text: str
    line: int
    heredocs: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Stage:
    """`base`: an image or another stage, not yet expanded. `line`: of its FROM."""

    name: str
    base: str
    line: int
    instructions: tuple[Instruction, ...] = ()


@dataclass(frozen=True)
class Dockerfile:
    """A parsed Dockerfile; `globals` are the ARGs before the first FROM."""

    globals: tuple[Instruction, ...]
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Reads:
    """`sources`: cleaned patterns relative to the context (`.`: all of it). `bases`: images that FROM and COPY --from name."""

    sources: tuple[str, ...]
    bases: tuple[str, ...] = ()


def parse(text: str, file: str = "Dockerfile") -> Dockerfile:
    """Takes a Dockerfile apart. Raises: StepFailed with `file:line` when it has no stage or an instruction before one."""
    leading: list[Instruction] = []
    stages: list[Stage] = []
    for each in _instructions(text):
        if each.keyword == "FROM":
            words = [word for word in each.text.split() if not word.startswith("--")]
            if not words:
                raise StepFailed("FROM names no image", where=f"{file}:{each.line}")
            name = words[2] if len(words) >= 3 and words[1].upper() == "AS" else ""
            stages.append(Stage(name.lower(), words[0], each.line))
        elif stages:
            stages[-1] = Stage(stages[-1].name, stages[-1].base, stages[-1].line, (*stages[-1].instructions, each))
        elif each.keyword == "ARG":
            leading.append(each)
        else:
            raise StepFailed(f"{each.keyword} stands before the first FROM", where=f"{file}:{each.line}")
    if not stages:
        raise StepFailed("the Dockerfile has no FROM", where=file, hint="it has to begin with a base image: FROM name")
    return Dockerfile(tuple(leading), tuple(stages))


def reads(dockerfile: Dockerfile, target: str | None, build_args: Mapping[str, str]) -> Reads:
    """What the build of `target` (None: the last stage) reads from the context."""
    leading = _Variables(build_args)
    for each in dockerfile.globals:
        leading.declare(each.text)
    sources: dict[str, None] = {}
    bases: dict[str, None] = {}
    for index in _reachable(dockerfile, target, leading, bases):
        stage = dockerfile.stages[index]
        variables = _Variables(build_args, leading.values)
        for each in stage.instructions:
            match each.keyword:
                case "ARG":
                    variables.declare(each.text)
                case "ENV":
                    variables.set_all(each.text)
                case "COPY" | "ADD":
                    sources |= dict.fromkeys(_copied(each, variables))
                case "RUN":
                    sources |= dict.fromkeys(_mounted(each, variables))
                case "ONBUILD":
                    continue  # runs in builds on top of this image, and reads their context
    return Reads((WHOLE_CONTEXT,) if WHOLE_CONTEXT in sources else tuple(sources), tuple(bases))


# Lines


def _instructions(text: str) -> Iterator[Instruction]:
    lines = text.removeprefix("\ufeff").splitlines()
    escape = _escape(lines)
    number = 0
    while number < len(lines):
        first = number
        line = lines[number].strip()
        number += 1
        if not line or line.startswith("#"):
            continue
        parts = [line]
        while parts[-1].endswith(escape) and number < len(lines):
            following = lines[number].strip()
            number += 1
            if following.startswith("#") or not following:
                continue  # comments and blank lines inside a continuation are left out
            parts[-1] = parts[-1][: -len(escape)]
            parts.append(following)
        keyword, _, rest = " ".join(parts).partition(" ")
        keyword = keyword.upper()
        heredocs = [(m[1] == "-", m[3]) for m in _HEREDOC.finditer(rest)] if keyword in _TAKES_HEREDOCS else []
        for is_indented, name in heredocs:
            while number < len(lines) and (lines[number].lstrip("\t") if is_indented else lines[number]) != name:
                number += 1
            number += 1
        yield Instruction(keyword, rest.strip(), first + 1, frozenset(name for _, name in heredocs))


def _escape(lines: list[str]) -> str:
    for line in lines:
        found = _DIRECTIVE.match(line.strip())
        if not found:
            return "\\"
        if found[1].lower() == "escape":
            return found[2]
    return "\\"


# Stages


def _reachable(dockerfile: Dockerfile, target: str | None, leading: _Variables, bases: dict[str, None]) -> list[int]:
    names = {stage.name: index for index, stage in enumerate(dockerfile.stages) if stage.name}

    def find(name: str, before: int) -> int | None:
        if name.isdigit() and int(name) < before:
            return int(name)
        index = names.get(name.lower())
        return index if index is not None and index < before else None

    count = len(dockerfile.stages)
    start = find(target, count) if target else count - 1
    waiting = [start] if start is not None else list(range(count))
    reached: set[int] = set()
    while waiting:
        index = waiting.pop()
        if index in reached:
            continue
        reached.add(index)
        stage = dockerfile.stages[index]
        base = leading.expand(stage.base)
        for name in [base, *_froms(stage, leading)]:
            if name is None:
                continue
            other = find(name, index)
            if other is not None:
                waiting.append(other)
            elif name.lower() != "scratch":
                bases[name] = None
    return sorted(reached)


def _froms(stage: Stage, variables: _Variables) -> Iterator[str | None]:
    for each in stage.instructions:
        if each.keyword in ("COPY", "ADD"):
            flags, _ = _flags(each.text)
            yield from (variables.expand(value) for name, value in flags if name == "from")
        elif each.keyword == "RUN":
            for options in _mounts(each.text):
                if "from" in options:
                    yield variables.expand(options["from"])


# Sources


def _copied(each: Instruction, variables: _Variables) -> Iterator[str]:
    flags, rest = _flags(each.text)
    if any(name == "from" for name, _ in flags):
        return
    for word in _words(rest)[:-1]:
        if word.startswith("<<") and each.heredocs:
            continue
        path = variables.expand(word)
        if path is None:
            yield WHOLE_CONTEXT
        elif not (each.keyword == "ADD" and _REMOTE.match(path)):
            yield _cleaned(path)


def _mounted(each: Instruction, variables: _Variables) -> Iterator[str]:
    for options in _mounts(each.text):
        if options.get("type", "bind") == "bind" and "from" not in options:
            path = variables.expand(options.get("source") or options.get("src") or WHOLE_CONTEXT)
            yield WHOLE_CONTEXT if path is None else _cleaned(path)


def _mounts(text: str) -> Iterator[dict[str, str]]:
    flags, _ = _flags(text)
    for name, value in flags:
        if name == "mount":
            pairs = (part.partition("=") for part in value.strip("\"'").split(","))
            yield {key.strip().lower(): val for key, _, val in pairs}


def _flags(text: str) -> tuple[list[tuple[str, str]], str]:
    found: list[tuple[str, str]] = []
    while match := _FLAG.match(text):
        found.append((match[1], match[2] or ""))
        text = text[match.end() :].lstrip()
    return found, text


def _words(text: str) -> list[str]:
    if text.startswith("["):
        try:
            words = json.loads(text)
            if isinstance(words, list) and all(isinstance(word, str) for word in words):
                return words
        except ValueError:
            pass  # not the JSON form: the bracket is part of a path
    return text.split()


def _cleaned(path: str) -> str:
    """Relative to the context; nothing of what a path says leads out of it."""
    return posixpath.normpath("/" + path).lstrip("/") or WHOLE_CONTEXT


@dataclass
class _Variables:
    """ARGs and ENVs in scope. `outer`: values of the ARGs before the first FROM, which a stage sees once it declares them."""

    build_args: Mapping[str, str]
    outer: Mapping[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)

    def declare(self, text: str) -> None:
        for word in text.split():
            name, equals, default = word.partition("=")
            expanded = self.expand(default.strip("\"'")) if equals else self.outer.get(name, "")
            value = self.build_args.get(name, expanded)
            if value is not None:
                self.values[name] = value

    def set_all(self, text: str) -> None:
        name, _, rest = text.partition(" ")
        pairs = re.findall(r"(\w+)=(\"(?:[^\"\\]|\\.)*\"|'[^']*'|\S*)", text) if "=" in name else [(name, rest)]
        for key, value in pairs:
            expanded = self.expand(value.strip().strip("\"'"))
            if expanded is None:
                self.values.pop(key, None)
            else:
                self.values[key] = expanded

    def expand(self, text: str) -> str | None:
        """The text with variables filled in; None when one is not known (the base image may set it)."""
        is_known = True

        def fill(found: re.Match[str]) -> str:
            nonlocal is_known
            if found["escaped"] is not None:
                return found[0]
            name = found["name"] or found["braced"]
            value, operator = self.values.get(name), found["operator"]
            if found["other"] is not None or (value is None and operator != "-") or "$" in (found["word"] or ""):
                is_known = False
                return ""
            if operator == "+":
                return found["word"] if value else ""
            return value or (found["word"] if operator == "-" else "")

        expanded = _VARIABLE.sub(fill, text)
        return expanded if is_known else None
