"""The `.env` file beside a configuration.

Comes in: its text. Goes out: names with their values and lines, or every line that cannot be read. `NAME=value`, with `export` before it
or without; `#` begins a comment at the start of a line or after a space; in single quotes everything is as it is, in double quotes `\\n`,
`\\t`, `\\"`, `\\\\` and `\\$` mean what they do elsewhere. Nothing is filled in. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from devloop.errors import ConfigError, Problem

_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*
    (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<plain>[^'"\s\#].*?|))\s*(?:(?<=[\s=])\#.*)?""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True)
class Entry:
    """A value, and the line that says it, 1-based."""

    value: str
    line: int


def parse(text: str, file: str) -> dict[str, Entry]:
    """The entries; the last one of a name stands. Raises: ConfigError with every line that is none."""
    found: dict[str, Entry] = {}
    wrong: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if (match := _LINE.fullmatch(line.rstrip())) is None:
            # What is on the line may be a secret, so it is not repeated.
            hint = "write `NAME=value`, on one line; a value with quotes in it goes into quotes"
            wrong.append(Problem(file, number, 1, "this line is no variable", hint))
            continue
        found[match["name"]] = Entry(_value(match), number)
    if wrong:
        raise ConfigError(tuple(wrong))
    return found


def _value(match: re.Match[str]) -> str:
    if match["single"] is not None:
        return match["single"]
    if match["double"] is not None:
        return re.sub(r"\\(.)", lambda each: _ESCAPES.get(each[1], each[1]), match["double"])
    return match["plain"] or ""
