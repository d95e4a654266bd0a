"""YAML's own rules, in words for the person who has to mend the file.

Comes in: the bytes of a file, or what the YAML parser says is wrong with them. Goes out: text, or a ConfigError with one problem and its
position. It knows nothing of devloop's fields, and words the same mistake the same way whichever parser found it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from devloop.errors import ConfigError, Problem

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"

# https://yaml.org/spec/1.2.2/#51-character-set
_NOT_PRINTABLE = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_LINE_BREAK = "\r\n|[\r\n\x85\u2028\u2029]"

# Fragments of what libyaml and PyYAML say, of the context and of the problem; what it means; what to do.
_WORDS = (
    ("quoted scalar", "end of stream", "the quotes that open here are never closed", "add the closing quote"),
    ("quoted scalar", "document", "the quotes that open here are never closed", "add the closing quote"),
    ("quoted scalar", "", "an unknown escape in double quotes", "in single quotes a backslash is a backslash"),
    ("flow sequence", "", "the list that opens here is never closed, or a comma is missing", "close it with `]`"),
    ("flow mapping", "", "the mapping that opens here is never closed, or a comma is missing", "close it with `}`"),
    ("", "mapping values are not allowed", "a `:` where no field can begin", "put text that holds `: ` in quotes"),
    ("", "sequence entries are not allowed", "a `-` where no list can begin", "begin the list on a line of its own"),
    (
        "block mapping",
        "",
        "this is no field of the mapping above it",
        "align it with its neighbours; quotes close once",
    ),
    (
        "block collection",
        "",
        "this is no entry of the list above it",
        "begin it with `- `, or align it with its parent",
    ),
    ("simple key", "", "a line without a `:`", "write `field: value`, or indent it when it belongs to the text above"),
    ("alias", "", "an alias without a name", "put text that begins with `*` in quotes"),
    ("anchor", "", "an anchor without a name", "put text that begins with `&` in quotes"),
    ("", "node content", "a value is wanted here", "put text in quotes that begins with a character such as `]`"),
    ("", "incompatible YAML", "this version of YAML is unknown", "leave the `%YAML` line out"),
    ("", "tag handle", "an unknown tag", "put text that begins with `!` in quotes"),
    ("", "maximum nesting depth", TOO_DEEP, "is it the right file?"),  # libyaml's own limit, which it reads ahead to
    ("", "cannot start any token", "text cannot begin with this character", "put it in quotes"),
)


def to_text(data: bytes, file: str) -> str:
    """The text of a file. Raises: ConfigError when it is too large, not UTF-8, or holds what YAML does not allow."""
    if len(data) > MAX_BYTES:
        raise refused(
            file, 1, 1, "the file is larger than 1 MB", "a configuration is a few kilobytes: is it the right file?"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        before = data[: exc.start].decode("utf-8-sig", errors="replace")
        raise refused(file, *_position(before), "the file is not UTF-8 text", "save it as UTF-8") from exc
    if found := re.search(_NOT_PRINTABLE, text):
        character = f"U+{ord(found[0]):04X}"
        hint = "is it UTF-16? save it as UTF-8" if found[0] == "\0" else "delete it; it may be invisible"
        raise refused(
            file, *_position(text[: found.start()]), f"the character {character} is not allowed in YAML", hint
        )
    return text


def invalid(error: yaml.YAMLError | ValueError | OverflowError, text: str, file: str, line: int) -> ConfigError:
    """What the parser says, in our words. `line`: the last one that was read well, for errors that bring no position."""
    import yaml

    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return refused(file, line, 1, f"not valid YAML: {str(error).splitlines()[0] if str(error) else 'unreadable'}")
    context, problem = error.context or "", error.problem or ""
    at, column = error.problem_mark.line, error.problem_mark.column
    if (tab := _tab(text, at, column)) is not None:
        return refused(file, at + 1, tab, "a tab in the indentation", "YAML is indented with spaces")
    if context.startswith("while parsing a flow") and (found := _bare_variable(text, at)):
        return refused(
            file, at + 1, found, "`${` opens a mapping here", 'put the text with the variable in quotes: "${NAME}"'
        )
    for in_context, in_problem, message, hint in _WORDS:
        if in_context in context and in_problem in problem:
            if "never closed" in message and error.context_mark is not None:
                at, column = error.context_mark.line, error.context_mark.column
            return refused(file, at + 1, column + 1, message, hint or None)
    return refused(file, at + 1, column + 1, f"not valid YAML: {problem}")


def refused(file: str, line: int, column: int, message: str, hint: str | None = None) -> ConfigError:
    """A problem after which nothing more can be read."""
    return ConfigError((Problem(file, line, column, message, hint),))


def _position(before: str) -> tuple[int, int]:
    lines = re.split(_LINE_BREAK, before)
    return len(lines), len(lines[-1]) + 1


def _bare_variable(text: str, index: int) -> int:
    """The column of a `${` between brackets that is in no quotes, 1-based; 0 when the line has none."""
    lines = re.split(_LINE_BREAK, text)
    line = lines[index] if index < len(lines) else ""
    bare = re.sub(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'", lambda quoted: "_" * len(quoted[0]), line)
    return bare.find("${") + 1


def _tab(text: str, index: int, column: int) -> int | None:
    """The column, from 1, of a tab that stands where a blank has to: before all else of the line, or where the parser is stuck."""
    lines = re.split(_LINE_BREAK, text)
    line = lines[index] if index < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return 1
    return column + 1 if line[column : column + 1] == "\t" else None
