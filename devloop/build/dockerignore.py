"""The rules of a .dockerignore file, exactly as BuildKit reads and applies them.

Comes in: the file's text, or patterns. Goes out: `Rules`, which say of a path relative to the context whether it stays out, and of
an ignored folder whether something below it may come back. It never looks at the disk. The semantics are those of moby/patternmatcher
(`ignorefile.ReadAll`, `MatchesUsingParentResults`) as tonistiigi/fsutil walks with it, oddities included: patterns are
anchored at the root, the last match wins, and what a pattern matches takes everything below with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from devloop.build.wildcards import clean, expression, is_well_formed, safe_set
from devloop.errors import StepFailed

_REST = r"[\s\S]*"
_BELOW = f"(?:/{_REST})?"
_BYTE_ORDER_MARK = "\ufeff"
_EXPRESSION_TERM = re.compile(r"\\.|(?P<open>\[\^?)(?P<members>\]?(?:[^\]\\]|\\.)*)\]|.", re.DOTALL)
# A piece between stars, with the stars before it; a star in brackets is none.
_CHUNK = re.compile(r"\**(?:[^*\[\\]|\\.|\\$|\[(?:[^\]\\]|\\.|\\$)*(?:\]|$))+", re.DOTALL)


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


@dataclass(frozen=True)
class _Pattern:
    is_exception: bool
    text: str
    where: str
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
        return self._verdict(path) is not None

    def may_reinclude_below(self, folder: str) -> bool:
        """Whether an exception (`!…`) could match anything below `folder`; if not, an ignored folder need not be read."""
        parts = folder.split("/")
        return any(_may_enter(reach, parts) for reach in self._reaches)

    def reason(self, path: str) -> str:
        """Where the pattern stands that keeps an ignored path out: `file:line`."""
        found = self._verdict(path)
        return found.where if found else ""

    def _verdict(self, path: str) -> _Pattern | None:
        """The pattern that keeps the path out, by BuildKit's walk from the root down. It hands on what matched a folder, but a
        pattern that it skipped there (for the verdict stood already) is not tried on that folder again, which no single
        expression can say."""
        parts = path.split("/")
        inherited = [False] * len(self._patterns)
        verdict: _Pattern | None = None
        for length in range(1, len(parts) + 1):
            here = "/".join(parts[:length])
            verdict = None
            for index, pattern in enumerate(self._patterns):
                if not inherited[index] and pattern.is_exception == (verdict is not None):
                    inherited[index] = bool(pattern.matches(here))
                if inherited[index]:
                    verdict = None if pattern.is_exception else pattern
        return verdict


def _rules(patterns: Iterable[tuple[str, str]]) -> Rules:
    return Rules(tuple(_compile(pattern.strip(), where) for pattern, where in patterns if pattern.strip()))


def _compile(pattern: str, where: str) -> _Pattern:
    text = clean(pattern)
    is_exception = text.startswith("!")
    text = text[1:] if is_exception else text
    if not text:
        raise StepFailed('the pattern "!" names nothing', where=where, hint='write what to keep after the "!"')
    translated = _expression(text) if _is_accepted(text) else None
    if translated is None:
        raise StepFailed(
            f'"{text}" is not a valid pattern',
            where=where,
            hint="close the `[`, or write `\\[` for the character itself",
        )
    return _Pattern(is_exception, text, where, translated, re.compile(translated).fullmatch)


def _merged(patterns: Iterable[_Pattern]) -> Callable[[str], object] | None:
    """One expression for "the path or a folder above it matches one of these"."""
    merged = "|".join(pattern.expression for pattern in patterns)
    return re.compile(f"(?:{merged}){_BELOW}").fullmatch if merged else None


def _is_accepted(pattern: str) -> bool:
    """Whether `filepath.Match(pattern, ".")` finds no fault, which is all that is checked: it does not look at what follows
    the first piece between stars that does not fit."""
    first, *others = _CHUNK.findall(pattern.lstrip("*")) or [""]
    if not is_well_formed(first):
        return False
    return not others or re.fullmatch(expression(first), ".") is None or is_well_formed(others[0].lstrip("*"))


def _expression(pattern: str) -> str | None:
    """What `Pattern.compile` of patternmatcher accepts, for `fullmatch`; None for what is no regular expression."""
    if (head := pattern.removesuffix("**")) != pattern and not _is_special(head):
        return re.escape(head) + _REST
    if (tail := pattern.removeprefix("**")) != pattern and not _is_special(tail):
        return f"(?:{_REST}/)?{re.escape(tail[1:])}" if tail.startswith("/") else _REST + re.escape(tail)
    if not _is_special(pattern):
        return re.escape(pattern)
    try:
        translated = _translate(pattern)
        re.compile(translated)
    except re.error:
        return None
    return translated


def _is_special(pattern: str) -> bool:
    return any(char in "*?[]\\" for char in pattern)


def _translate(pattern: str) -> str:
    """The expression that patternmatcher makes. It escapes neither `^` nor, for an overflow in its table, `|{}`, and knows no sets."""
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if pattern.startswith("**", at - 1):
            at += 1 + pattern.startswith("/", at + 1)
            out.append(".*" if at >= len(pattern) else "(?:.*/)?")
        elif char in "*?":
            out.append("[^/]*" if char == "*" else "[^/]")
        elif char == "\\":
            out.append(_escaped(pattern[at : at + 1]))
            at += 1
        else:
            out.append(f"\\{char}" if char in ".+()$" else char)
    alternatives = [""]
    for term in _EXPRESSION_TERM.finditer("".join(out)):
        if term["open"]:
            alternatives[-1] += f"{term['open']}{safe_set(term['members'])}]"
        elif term[0] == "|":
            alternatives.append("")
        else:
            alternatives[-1] += term[0]
    # As `^one|two$` is read: only the first is bound to the start, only the last to the end.
    return f"(?:{f'{_REST}|{_REST}'.join(alternatives)})" if len(alternatives) > 1 else alternatives[0]


def _escaped(char: str) -> str:
    """What a backslash and this character mean to Go's regular expressions. At the end it takes the sign for the end with it."""
    if not char:
        return rf"\${_REST}"
    if char.isascii() and char.isalnum() and char not in "dDsSwWbBAafnrtv":
        raise re.error(f"no such escape: {char}")
    return f"\\{char}" if char.isalnum() else re.escape(char)


def _reach(pattern: str) -> tuple[tuple[Callable[[str], object], ...], bool]:
    """How far down an exception leads: a test for each folder above what it matches, and whether any depth follows.

    A set may match a `/` and an escaped one is one, so a pattern reaches everywhere from where it has such things.
    """
    tests: list[Callable[[str], object]] = []
    for part in pattern.split("/") if "|" not in pattern else ["**"]:
        if "**" in part or any(char in part for char in "[\\"):
            return tuple(tests), True
        tests.append(re.compile(_translate(part)).fullmatch)
    return tuple(tests[:-1]), False


def _may_enter(reach: tuple[tuple[Callable[[str], object], ...], bool], parts: list[str]) -> bool:
    tests, is_endless = reach
    if len(parts) > len(tests) and not is_endless:
        return False
    return all(test(part) for test, part in zip(tests, parts, strict=False))
