"""What git would leave out, by the patterns of .gitignore files.

Comes in: the texts of ignore files, each with the folder it lies in. Goes out: whether a path below stays out. Pure. It knows only the
files of the project: not the user's own ignore file, and not what git tracks all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Pattern:
    """One line. `base`: the folder of its file, "" for the root. `expression` matches a path relative to it."""

    base: str
    expression: re.Pattern[str]
    is_exception: bool
    is_for_folders: bool


def parse(text: str, base: str) -> tuple[Pattern, ...]:
    """The patterns of a file; what is no pattern is left out. Source of the rules: https://git-scm.com/docs/gitignore."""
    return tuple(_patterns(text, base))


def ignores(patterns: tuple[Pattern, ...], path: str, *, is_folder: bool) -> bool:
    """Whether the last pattern that matches keeps the path out. Folders above it are the caller's to ask for."""
    for each in reversed(patterns):
        if each.is_for_folders and not is_folder:
            continue
        below = path[len(each.base) + 1 :] if each.base else path
        if each.expression.fullmatch(below):
            return not each.is_exception
    return False


def _patterns(text: str, base: str) -> Iterator[Pattern]:
    for line in text.splitlines():
        pattern = line.rstrip()
        if not pattern or pattern.startswith("#"):
            continue
        is_exception = pattern.startswith("!")
        pattern = pattern.removeprefix("!").removeprefix("\\")
        is_for_folders = pattern.endswith("/")
        pattern = pattern.rstrip("/")
        is_anchored = "/" in pattern
        expression = _expression(pattern.removeprefix("/"))
        if not is_anchored:
            expression = f"(?:.*/)?{expression}"
        try:
            yield Pattern(base, re.compile(expression, re.DOTALL), is_exception, is_for_folders)
        except re.error:
            continue  # a set that is none matches nothing, for git too


def _expression(pattern: str) -> str:
    out, at = [], 0
    while at < len(pattern):
        rest = pattern[at:]
        if rest.startswith("**/"):
            out.append("(?:.*/)?")
            at += 3
        elif rest.startswith("**"):
            out.append(".*")
            at += 2
        elif rest[0] == "[" and "]" in rest[2:]:
            end = at + rest.index("]", 2)
            members = pattern[at + 1 : end].replace("\\", r"\\").replace("[", r"\[")
            out.append("[" + ("^" + members[1:] if members.startswith("!") else members) + "]")
            at = end + 1
        else:
            out.append({"*": "[^/]*", "?": "[^/]"}.get(rest[0]) or re.escape(rest[0]))
            at += 1
    return "".join(out)
