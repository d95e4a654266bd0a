"""YAML and JSON texts, read the way kubectl reads them.

Comes in: the text of a file or the output of a tool. Goes out: plain JSON-like values with the line that each begins at, and every
problem with its line. Scalars mean what they mean to Kubernetes (sigs.k8s.io/yaml): `0644` is octal, `12:30` and `2024-01-01` are
text. It never runs a tag's constructor, and lets no duplicate key pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from devloop.errors import Problem

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Any = yaml.resolver.Resolver()  # its tables are never changed
_TAG = "tag:yaml.org,2002:"
_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0b(?P<two>[01]+)|0o?(?P<eight>[0-7]+)|0x(?P<sixteen>[0-9a-fA-F]+)|(?P<ten>\d+))"
)
_FLOAT = re.compile(r"[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?")
_BASES = {"two": 2, "eight": 8, "sixteen": 16, "ten": 10}
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Document:
    """A document that is not empty. `line`: 1-based. `comment`: its comment lines up to there, without `#`."""

    value: Any
    line: int
    comment: tuple[str, ...] = ()


def parse(text: str, file: str) -> tuple[list[Document], list[Problem]]:
    """All documents of a text and all that is wrong with it; a broken document costs only itself. Pure."""
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        documents = _parse_json(text)
        if documents is not None:
            return documents, []
    documents, problems = [], []
    for chunk, first_line in _chunks(text.removeprefix("\ufeff")):
        reader = _Reader(file, first_line, chunk)
        try:
            for node in yaml.compose_all(chunk, Loader=_LOADER):
                value = reader.value(node)
                if value is not None:
                    documents.append(Document(value, first_line + node.start_mark.line, _comment(chunk, node)))
        except yaml.MarkedYAMLError as exc:
            problems.append(reader.syntax_problem(exc))
        except yaml.reader.ReaderError as exc:
            line = first_line + chunk.count("\n", 0, max(0, int(exc.position)))
            problems.append(Problem(file, line, 1, f"not YAML: {exc.reason}"))
        problems += reader.problems
    return documents, problems


def reads_as_text(text: str) -> bool:
    """Whether kubectl takes this for text though it has no quotes, as far as PyYAML does not know it."""
    return isinstance(_number(text), str) and text.lower() not in ("y", "n")


def _chunks(text: str) -> Iterator[tuple[str, int]]:
    """The text of each document, with its `---`, and its first line."""
    starts = [0, *(found.start() for found in _SEPARATOR.finditer(text) if found.start())]
    line = 1
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield text[start:end], line
        line += text.count("\n", start, end)


def _comment(chunk: str, node: yaml.Node) -> tuple[str, ...]:
    lines = chunk.splitlines()[: node.start_mark.line]
    return tuple(line.lstrip("# ").rstrip() for line in lines if line.startswith("#"))


def _parse_json(text: str) -> list[Document] | None:
    """One JSON value after another; None when it is not JSON (it may be YAML in braces then) or has a duplicate key."""
    decoder = json.JSONDecoder(object_pairs_hook=_without_duplicates)
    documents = []
    at = 0
    while at < len(text):
        found = re.compile(r"[\ufeff\s]*").match(text, at)
        at = found.end() if found else at
        if at == len(text):
            break
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            return None
        documents.append(Document(value, text.count("\n", 0, at) + 1))
        at = end
    return documents


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("duplicate key")  # the YAML reader, which knows lines, tells it
    return dict(pairs)


class _Reader:
    """Turns nodes into values. Lives as long as a document."""

    def __init__(self, file: str, first_line: int, text: str) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._first_line = first_line
        self._text = text
        self._known: dict[int, Any] = {}
        self._open: set[int] = set()

    def value(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            self._complain(node, "an alias that holds itself")
            return None
        if id(node) not in self._known:
            self._open.add(id(node))
            if isinstance(node, yaml.SequenceNode):
                self._known[id(node)] = [self.value(each) for each in node.value]
            else:
                self._known[id(node)] = self._mapping(node)
            self._open.discard(id(node))
        return self._known[id(node)]

    def _mapping(self, node: yaml.Node) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge" and not key_node.style:
                merged = self._merged(value_node) | merged
                continue
            key = _key(self.value(key_node))
            if key is None:
                hint = "quote text that begins with a brace" if isinstance(key_node, yaml.MappingNode) else None
                self._complain(key_node, "a key that is neither text nor a number", hint)
                continue
            if key in own:
                self._complain(key_node, f"duplicate key {key!r}, first at line {lines[key]}")
            own[key] = self.value(value_node)
            lines[key] = self._first_line + key_node.start_mark.line
        return {**merged, **own}

    def _merged(self, node: yaml.Node) -> dict[str, Any]:
        """What `<<` brings; the first of several wins."""
        found: dict[str, Any] = {}
        for each in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            value = self.value(each)
            if not isinstance(value, dict):
                self._complain(each, "`<<` wants a mapping")
                continue
            found = {**value, **found}
        return found

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        tag = node.tag.removeprefix(_TAG)
        text: str = node.value
        if node.style and node.tag == _TAG + "str":
            return text
        match tag:
            case "null":
                return None
            case "bool" if text.lower() in _WORDS:
                return _WORDS[text.lower()]
            case "str" if _RESOLVER.resolve(yaml.ScalarNode, text, (True, False)) != node.tag:
                return text  # `!!str 12`
            case "int" | "float" | "str" | "timestamp" | "value" | "bool":
                return _number(text)
            case "binary":
                return text
        self._complain(node, f"unknown tag {node.tag}")
        return None

    def syntax_problem(self, exc: yaml.MarkedYAMLError) -> Problem:
        mark = exc.problem_mark or exc.context_mark
        what = (exc.problem or exc.context or "it cannot be read").strip()
        line, column = (mark.line, mark.column) if mark else (0, 0)
        at_fault = [each[column : column + 1] for each in self._text.split("\n")[line : line + 1]]
        hint = "indent with spaces, not tabs" if at_fault == ["\t"] else None
        return Problem(self._file, self._first_line + line, column + 1, f"not YAML: {what}", hint)

    def _complain(self, node: yaml.Node, message: str, hint: str | None = None) -> None:
        mark = node.start_mark
        self.problems.append(Problem(self._file, self._first_line + mark.line, mark.column + 1, message, hint))


def _key(value: Any) -> str | None:
    """A mapping's key as JSON has it."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | int | float) else None


def _number(text: str) -> Any:
    """A plain scalar as a number, if it is one."""
    plain = text.replace("_", "") if text[:1] not in ("_", "") else text
    if found := _INTEGER.fullmatch(plain):
        digits = next(name for name in _BASES if found[name])
        value = int(found[digits], _BASES[digits])
        return -value if found["sign"] == "-" else value
    if not _FLOAT.fullmatch(plain):
        return text
    number = float(plain)
    # Go writes a whole float without its fraction, and integer fields take it.
    return int(number) if number.is_integer() else number
