"""Variables of a Dockerfile, filled in as BuildKit does.

Comes in: a word and what is known of ARG and ENV where it stands. Goes out: the word, or `Unknown` when it hangs on something that
only the build can tell, such as the environment of a base image. Pure. Source: BuildKit's frontend/dockerfile/shell/lex.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_NAME = re.compile(r"[A-Za-z_]\w*|\d+|[@*#?$!-]")


class Unknown(Exception):
    """The text depends on what is not known here, or is written in a way that is not understood here."""


@dataclass
class Variables:
    """`values`: name → value, None for one that is set to what nobody here knows. `is_closed`: no others are set.

    `from_env`: names that an ENV set.
    """

    values: dict[str, str | None] = field(default_factory=dict)
    is_closed: bool = False
    from_env: set[str] = field(default_factory=set)

    def get(self, name: str) -> str | None:
        """The value, None when the variable is not set. Raises: Unknown."""
        if name in self.values:
            value = self.values[name]
            if value is None:
                raise Unknown(name)
            return value
        if self.is_closed and name != "PATH":
            return None
        raise Unknown(name)

    def set(self, name: str, word: str, escape: str) -> None:
        """Sets a variable to a word that may use others."""
        try:
            self.values[name] = expand(word, self, escape)
        except Unknown:
            self.values[name] = None

    def copy(self) -> Variables:
        return Variables(dict(self.values), self.is_closed, set(self.from_env))


def closed(values: Mapping[str, str | None]) -> Variables:
    """Variables of which all are known."""
    return Variables(dict(values), is_closed=True)


def expand(word: str, variables: Variables, escape: str = "\\") -> str:
    """The word with variables filled in, quotes and escapes taken away. Raises: Unknown."""
    return _Reader(word, variables, escape).read("")


@dataclass
class _Reader:
    word: str
    variables: Variables
    escape: str
    at: int = 0

    def read(self, stop: str) -> str:
        """Up to the character `stop` ("" for the end), which is taken too."""
        out: list[str] = []
        while self.at < len(self.word):
            char = self._next()
            if char == stop:
                return "".join(out)
            if char == "'":
                end = self.word.find("'", self.at)
                if end < 0:
                    raise Unknown(self.word)
                out.append(self.word[self.at : end])
                self.at = end + 1
            elif char == '"':
                out.append(self._double_quoted())
            elif char == "$":
                out.append(self._variable())
            else:
                out.append(self._next() if char == self.escape else char)
        if stop:
            raise Unknown(self.word)
        return "".join(out)

    def _next(self) -> str:
        char = self.word[self.at : self.at + 1]
        self.at += 1
        return char

    def _double_quoted(self) -> str:
        out: list[str] = []
        while self.at < len(self.word):
            char = self._next()
            if char == '"':
                return "".join(out)
            if char == "$":
                out.append(self._variable())
            elif char == self.escape:
                following = self.word[self.at : self.at + 1]
                out.append(self._next() if following in ('"', "$", self.escape) else char)
            else:
                out.append(char)
        raise Unknown(self.word)

    def _variable(self) -> str:
        if self.word[self.at : self.at + 1] != "{":
            name = self._name()
            return (self.variables.get(name) or "") if name else "$"
        self.at += 1
        name = self._name()
        operator = self._next()
        if not name:
            raise Unknown(self.word)
        if operator == "}":
            return self.variables.get(name) or ""
        is_empty_unset = operator == ":"
        operator = self._next() if is_empty_unset else operator
        if operator not in ("-", "+", "?"):
            raise Unknown(self.word)  # ${name#pattern} and such: not worth knowing exactly
        return self._operated(name, operator, is_empty_unset=is_empty_unset)

    def _operated(self, name: str, operator: str, *, is_empty_unset: bool) -> str:
        word = self.read("}")
        value = self.variables.get(name)
        is_set = value is not None and not (is_empty_unset and value == "")
        if operator == "+":
            return word if is_set else ""
        if is_set:
            return value or ""
        if operator == "?":
            raise Unknown(self.word)
        return word

    def _name(self) -> str:
        found = _NAME.match(self.word, self.at)
        if not found:
            return ""
        self.at = found.end()
        return found[0]
