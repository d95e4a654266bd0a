"""Text with variables in it: `${NAME}`, `${NAME:-default}`, `${NAME:?message}`, and `$$` for a dollar.

Comes in: text. Goes out: its plain parts and its references, in order; or what is wrong with it. A `$` before anything else is a `$`. Pure;
it does not know which variables there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_REFERENCE = re.compile(
    r"(?P<name>git\.[A-Za-z]+|[A-Za-z_][A-Za-z0-9_]*)(?:(?P<operator>:[-?])(?P<argument>.*))?", re.DOTALL
)
_SHELL_NAME = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_MOST_NESTED = 10


@dataclass(frozen=True)
class Reference:
    """`${name}`; with `:-` the argument stands for a value that is not there or empty, with `:?` it says what is missing then."""

    name: str
    operator: Literal["", ":-", ":?"] = ""
    argument: str = ""


class Malformed(Exception):
    """A reference that is none. The message says how."""


def pieces(text: str) -> Iterator[str | Reference]:
    """The text's parts. Raises: Malformed."""
    at = 0
    while (dollar := text.find("$", at)) >= 0:
        yield text[at:dollar]
        if text.startswith("${", dollar):
            end = _end(text, dollar)
            yield _reference(text[dollar + 2 : end])
            at = end + 1
        else:
            yield "$"
            at = dollar + (2 if text.startswith("$$", dollar) else 1)
    yield text[at:]


def escape(text: str) -> str:
    """Text that is read as this text."""
    return re.sub(r"\$(?=[${])", "$$", text)


def shell_names(command: str) -> tuple[str, ...]:
    """The variables that a shell command mentions, each once."""
    return tuple(dict.fromkeys(_SHELL_NAME.findall(command)))


def _end(text: str, start: int) -> int:
    """Where the reference that begins at `start` is closed; a default may hold others."""
    depth = 0
    for found in re.compile(r"\$\$|\$\{|\}").finditer(text, start):
        depth += {"${": 1, "}": -1}.get(found[0], 0)
        if depth > _MOST_NESTED:
            raise Malformed("variables are nested too deep")
        if depth == 0:
            return found.start()
    raise Malformed("a `${` here is never closed")


def _reference(inside: str) -> Reference:
    found = _REFERENCE.fullmatch(inside)
    if found is None:
        raise Malformed(f"`${{{inside}}}` is no variable")
    operator: Literal["", ":-", ":?"] = found["operator"] or ""  # type: ignore[assignment]  # the pattern knows no others
    return Reference(found["name"], operator, found["argument"] or "")
