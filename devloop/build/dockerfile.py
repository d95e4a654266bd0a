"""A Dockerfile's text as stages of instructions, each with its line.

Comes in: the text. Goes out: `Dockerfile`, or an error with `file:line`. Variables stay as they are written; nothing is looked up on
disk. Source of the rules: BuildKit's frontend/dockerfile/parser, version 0.34.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from devloop.errors import StepFailed

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$")
_DIRECTIVES = frozenset({"syntax", "escape", "check"})
_HEREDOC = re.compile(r"\d*<<(?P<chomp>-?)\s*(?P<name>[^<]+)")
_TAKES_HEREDOCS = frozenset({"RUN", "COPY", "ADD"})
_STAGE_NAME = re.compile(r"[a-z][a-z0-9_.-]*")


@dataclass(frozen=True)
class Instruction:
    """`keyword` in capitals; `flags` as written (`--from=build`); `text`: the rest. `line`, `end`: from 1, its heredocs included."""

    keyword: str
    flags: tuple[str, ...]
    text: str
    line: int
    end: int
    heredocs: frozenset[str] = frozenset()

    def flag(self, name: str) -> str | None:
        """The value of `--name=…`, "" for a bare `--name`; None when it is not there."""
        return next(iter(self.flag_values(name)), None)

    def flag_values(self, name: str) -> list[str]:
        parts = (flag.removeprefix("--").partition("=") for flag in self.flags)
        return [value for key, _, value in parts if key == name]


@dataclass(frozen=True)
class Stage:
    """`base`: an image or another stage, variables not filled in. `name`: in lower case, "" for none."""

    name: str
    base: str
    line: int
    instructions: tuple[Instruction, ...] = ()


@dataclass(frozen=True)
class Dockerfile:
    """`file`: how messages call it. `arguments`: the ARGs before the first FROM. `syntax`: the frontend image it asks for."""

    file: str
    arguments: tuple[Instruction, ...]
    stages: tuple[Stage, ...]
    escape: str = "\\"
    syntax: str = ""

    def instructions(self) -> Iterator[Instruction]:
        """All but FROM, in order."""
        yield from self.arguments
        for stage in self.stages:
            yield from stage.instructions


def parse(text: str, file: str = "Dockerfile") -> Dockerfile:
    """Takes a Dockerfile apart. Raises: StepFailed with `file:line` for what no build could make sense of."""
    directives = _directives(text)
    escape = directives.get("escape", "\\")
    if escape not in ("\\", "`"):
        raise StepFailed(f'the escape character cannot be "{escape}"', where=f"{file}:1", hint="only \\ and ` can")
    leading: list[Instruction] = []
    stages: list[_OpenStage] = []
    for each in _instructions(text, escape, file):
        if each.keyword == "FROM":
            stages.append(_stage(each, file))
        elif stages:
            stages[-1].instructions.append(each)
        elif each.keyword == "ARG":
            leading.append(each)
        else:
            raise StepFailed(
                f"{each.keyword} stands before the first FROM", where=f"{file}:{each.line}", hint="only ARG may"
            )
    if not stages:
        raise StepFailed("the Dockerfile has no FROM", where=file, hint="begin it with a base image: FROM name")
    closed = tuple(Stage(each.name, each.base, each.line, tuple(each.instructions)) for each in stages)
    return Dockerfile(file, tuple(leading), closed, escape, directives.get("syntax", "").partition(" ")[0])


def instruction(line: str, escape: str, at: int, end: int) -> Instruction:
    """One instruction from its joined line: the trigger of an ONBUILD is one too."""
    keyword, _, rest = re.sub(r"[\t\v\f\r ]+", " ", line.strip(), count=1).partition(" ")
    flags, rest = _flags(rest, escape)
    return Instruction(keyword.upper(), flags, rest.strip(), at, end)


def words(text: str, escape: str) -> list[str]:
    """Words between spaces, their quotes and escapes kept; spaces in quotes do not part."""
    pattern = r"(?:E[\s\S]|\"(?:E[\s\S]|[^\"E])*(?:\"|E?$)|'[^']*(?:'|$)|[^\s\"'E])+".replace("E", re.escape(escape))
    return re.findall(pattern, text)


def arguments(text: str) -> list[str]:
    """The arguments of COPY and ADD: a JSON list, else words between spaces, where quotes mean nothing."""
    if text.startswith("["):
        try:
            found = json.loads(text)
        except ValueError:
            return text.split()  # the bracket is part of a path
        if isinstance(found, list) and all(isinstance(word, str) for word in found):
            return found
    return text.split()


@dataclass
class _OpenStage:
    name: str
    base: str
    line: int
    instructions: list[Instruction] = field(default_factory=list)


def _directives(text: str) -> dict[str, str]:
    """Parser directives: comments at the very top, each at most once; anything else ends them."""
    found: dict[str, str] = {}
    for line in text.removeprefix("\ufeff").split("\n"):
        match = _DIRECTIVE.match(line.strip())
        if not match or match[1].lower() not in _DIRECTIVES:
            return found
        found.setdefault(match[1].lower(), match[2])
    return found


def _instructions(text: str, escape: str, file: str) -> Iterator[Instruction]:
    continues = re.compile(r"(?:(?<!E)E|^E)[ \t]*$".replace("E", re.escape(escape)))
    lines = text.removeprefix("\ufeff").split("\n")
    at = 0
    while at < len(lines):
        first = at
        line = lines[at].rstrip("\r").lstrip()
        at += 1
        if not line or line.startswith("#"):
            continue
        joined = [continues.sub("", line)]
        is_open = joined[0] != line
        while is_open and at < len(lines):
            line = lines[at].rstrip("\r")
            at += 1
            if line.lstrip().startswith("#") or not line.strip():
                continue
            joined.append(continues.sub("", line))
            is_open = joined[-1] != line
        if not "".join(joined).strip():
            continue
        each = instruction("".join(joined), escape, first + 1, at)
        names = _heredocs(each, escape)
        for is_chomped, name in names:
            at = _heredoc_end(lines, at, name, is_chomped=is_chomped)
            if at > len(lines):
                raise StepFailed(f"nothing ends the heredoc {name}", where=f"{file}:{first + 1}")
        found = frozenset(name for _, name in names)
        yield Instruction(each.keyword, each.flags, each.text, first + 1, at, found)


def _heredocs(each: Instruction, escape: str) -> list[tuple[bool, str]]:
    if each.keyword == "ONBUILD":
        each = instruction(each.text, escape, each.line, each.end)
    if each.keyword not in _TAKES_HEREDOCS or "<<" not in each.text or each.text.startswith("["):
        return []
    joined = re.sub(r"(<<-?)[\t\r ]+", r"\1", each.text)
    found = (_HEREDOC.fullmatch(word) for word in words(joined, escape))
    return [(bool(each["chomp"]), re.sub(r"[\"']", "", each["name"])) for each in found if each]


def _heredoc_end(lines: list[str], at: int, name: str, *, is_chomped: bool) -> int:
    """The index after the line that ends it; more than there are lines when none does."""
    while at < len(lines):
        line = lines[at].rstrip("\r")
        at += 1
        if (line.lstrip("\t") if is_chomped else line) == name:
            return at
    return len(lines) + 1


def _stage(each: Instruction, file: str) -> _OpenStage:
    parts = each.text.split()
    if len(parts) == 1:
        return _OpenStage("", parts[0], each.line)
    if len(parts) != 3 or parts[1].upper() != "AS":
        raise StepFailed(
            f"FROM {each.text} is not understood", where=f"{file}:{each.line}", hint="FROM image [AS name]"
        )
    if not _STAGE_NAME.fullmatch(parts[2].lower()):
        raise StepFailed(
            f'"{parts[2]}" cannot name a stage',
            where=f"{file}:{each.line}",
            hint="a name begins with a letter; letters, digits, _ . - may follow",
        )
    return _OpenStage(parts[2].lower(), parts[0], each.line)


def _flags(text: str, escape: str) -> tuple[tuple[str, ...], str]:
    """The `--flag`s that a line begins with, without their quotes, and what follows them."""
    word = re.compile(
        r"(?:E(?P<one>[\s\S])|(?P<quote>[\"'])(?P<quoted>(?:E[\s\S]|(?!(?P=quote))[^E])*)(?P=quote)?|(?P<plain>[^\s\"'E]))".replace(
            "E", re.escape(escape)
        )
    )
    found = []
    text = text.lstrip()
    while text.startswith("--"):
        flag, at = "", 0
        while at < len(text) and (part := word.match(text, at)):
            flag += re.sub(f"{re.escape(escape)}(.)", r"\1", part["quoted"] or "") + (
                part["one"] or part["plain"] or ""
            )
            at = part.end()
        text = text[max(at, 2) :].lstrip()
        if flag == "--":
            break
        found.append(flag)
    return tuple(found), text
