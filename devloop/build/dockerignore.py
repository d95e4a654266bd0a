"""The rules of a .dockerignore file, exactly as BuildKit reads and applies them.

Comes in: the file's text, or patterns. Goes out: `Rules`, which say of a path relative to the context whether it stays out, and of
an ignored folder whether something below it may come back. It never looks at the disk. The semantics are those of moby/patternmatcher
(`ignorefile.ReadAll`, `MatchesUsingParentResults`) as tonistiigi/fsutil walks with it, oddities included: patterns are
anchored at the root, the last match wins, and what a pattern matches takes everything below with it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from devloop import errors

_BELOW = r"(?:/[\s\S]*)?"
_BYTE_ORDER_MARK = "\ufeff"
_WELL_FORMED = re.compile(
    r"(?:[^\\\[]|\\.|\[\^?(?:SIGN(?:-SIGN)?)+\])*".replace("SIGN", r"(?:[^\\\]-]|\\.)"), re.DOTALL
)
_SET = re.compile(r"(?<!\\)(\[\^?)(\]?(?:[^\]\\]|\\.)*)\]", re.DOTALL)
_IN_SETS = re.compile(r"\\.|[\[&|~]", re.DOTALL)


def parse(text: str, file: str = ".dockerignore") -> Rules:
    """The rules of an ignore file's text. Raises: StepFailed with `file:line` for a pattern that BuildKit refuses."""
    patterns = []
    for number, line in enumerate(text.removeprefix(_BYTE_ORDER_MARK).split("\n"), start=1):
        if line.startswith("#") or not (pattern := line.strip()):
            continue
        is_exception = pattern.startswith("!")
        pattern = pattern[1:].strip() if is_exception else pattern
        if pattern:
            pattern = clean(pattern)
            pattern = pattern[1:] if len(pattern) > 1 and pattern[0] == "/" else pattern
        patterns.append((f"{'!' if is_exception else ''}{pattern}", f"{file}:{number}"))
    return _rules(patterns)


def from_patterns(patterns: Iterable[str], where: str) -> Rules:
    """Rules from patterns that stand elsewhere, such as `COPY --exclude`. Raises: StepFailed with `where`."""
    return _rules((pattern, where) for pattern in patterns)


def clean(path: str) -> str:
    """Go's `path.Clean`: the shortest form; unlike Python's, two leading slashes become one."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


@dataclass(frozen=True)
class _Pattern:
    is_exception: bool
    text: str
    expression: str
    matches: Callable[[str], object]


class Rules:
    """What stays out. Immutable; safe to use from many threads."""

    def __init__(self, patterns: tuple[_Pattern, ...]) -> None:
        self._patterns = patterns
        exceptions = [pattern for pattern in patterns if pattern.is_exception]
        self._takes = _merged(pattern for pattern in patterns if not pattern.is_exception)
        self._gives_back = _merged(exceptions)
        self._reaches = tuple(_reach(pattern.text) for pattern in exceptions)

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def ignores(self, path: str) -> bool:
        """Whether the file or folder at `path` (relative, with `/`) stays out. Pure; about a microsecond without exceptions."""
        if self._takes is None or not self._takes(path):
            return False
        if self._gives_back is None or not self._gives_back(path):
            return True
        return self._walk(path)

    def may_reinclude_below(self, folder: str) -> bool:
        """Whether an exception (`!…`) could match anything below `folder`; if not, an ignored folder need not be read."""
        parts = folder.split("/")
        return any(_may_enter(reach, parts) for reach in self._reaches)

    def _walk(self, path: str) -> bool:
        """BuildKit's walk from the root to `path`. It hands down what matched a folder, but a pattern that it skipped there (because
        the verdict stood already) is not tried on that folder again, which no single expression can say."""
        parts = path.split("/")
        inherited = [False] * len(self._patterns)
        is_ignored = False
        for length in range(1, len(parts) + 1):
            here = "/".join(parts[:length])
            is_ignored = False
            for index, pattern in enumerate(self._patterns):
                if not inherited[index] and pattern.is_exception == is_ignored:
                    inherited[index] = bool(pattern.matches(here))
                if inherited[index]:
                    is_ignored = not pattern.is_exception
        return is_ignored


def _rules(patterns: Iterable[tuple[str, str]]) -> Rules:
    return Rules(tuple(_compile(pattern.strip(), where) for pattern, where in patterns if pattern.strip()))


def _compile(pattern: str, where: str) -> _Pattern:
    text = clean(pattern)
    is_exception = text.startswith("!")
    text = text[1:] if is_exception else text
    if not text:
        raise errors.StepFailed('the pattern "!" names nothing', where=where, hint='write what to keep after the "!"')
    expression = _expression(text) if is_well_formed(text) else None
    if expression is None:
        raise errors.StepFailed(
            f'"{text}" is not a valid pattern',
            where=where,
            hint="close the `[`, or write `\\[` for the character itself",
        )
    return _Pattern(is_exception, text, expression, re.compile(expression).fullmatch)


def _merged(patterns: Iterable[_Pattern]) -> Callable[[str], object] | None:
    """One expression for "the path or a folder above it matches one of these"."""
    merged = "|".join(pattern.expression for pattern in patterns)
    return re.compile(f"(?:{merged}){_BELOW}").fullmatch if merged else None


def is_well_formed(pattern: str) -> bool:
    """Whether Go's `filepath.Match` takes the pattern: sets are closed and not empty, ranges have both ends, no `\\` at the end."""
    return (
        re.fullmatch(r"(?:[^\\\[]|\\.|\[\^?(?:{0}(?:-{0})?)+\])*".format(r"(?:[^\\\]-]|\\.)"), pattern, re.DOTALL)
        is not None
    )


def _expression(pattern: str) -> str | None:
    """What `Pattern.compile` of patternmatcher accepts, for `fullmatch`; None for a set that is no regular expression."""
    if (head := pattern.removesuffix("**")) != pattern and not _is_special(head):
        return re.escape(head) + r"[\s\S]*"
    if (tail := pattern.removeprefix("**")) != pattern and not _is_special(tail):
        return rf"(?:[\s\S]*/)?{re.escape(tail[1:])}" if tail.startswith("/") else rf"[\s\S]*{re.escape(tail)}"
    if not _is_special(pattern):
        return re.escape(pattern)
    expression = _translate(pattern)
    try:
        re.compile(expression)
    except re.error:
        return None
    return expression


def _is_special(pattern: str) -> bool:
    return any(char in "*?[]\\" for char in pattern)


def _translate(pattern: str) -> str:
    """A `^` outside a set stays an anchor, and wildcards work inside sets too, as they do there."""
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if pattern.startswith("**", at - 1):
            at += 1 + pattern.startswith("/", at + 1)
            out.append(".*" if at >= len(pattern) else "(.*/)?")
        elif char in "*?":
            out.append("[^/]*" if char == "*" else "[^/]")
        elif char == "\\":
            out.append("\\" + pattern[at : at + 1])
            at += 1
        else:
            out.append("\\" + char if char in ".+()|{}$" else char)
    return _SET.sub(lambda found: found[1] + _IN_SETS.sub(r"\\\g<0>", found[2]) + "]", "".join(out))


def _reach(pattern: str) -> tuple[tuple[Callable[[str], object], ...], bool]:
    """How far down an exception leads: a test for each folder above what it matches, and whether any depth follows.

    A set may match a `/`, so a pattern that has one reaches everywhere from there.
    """
    tests: list[Callable[[str], object]] = []
    for part in pattern.split("/"):
        if "**" in part or "[" in part:
            return tuple(tests), True
        tests.append(re.compile(_translate(part)).fullmatch)
    return tuple(tests[:-1]), False


def _may_enter(reach: tuple[tuple[Callable[[str], object], ...], bool], parts: list[str]) -> bool:
    tests, is_endless = reach
    if len(parts) > len(tests) and not is_endless:
        return False
    return all(test(part) for test, part in zip(tests, parts, strict=False))
