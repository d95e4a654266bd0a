"""Where in the tree: paths to values, what was found there, and where it is written.

Comes in: a tree. Goes out: positions of its values, and findings turned into problems. A path is spelt with the names of the
YAML, for example `("build", "artifacts", 0, "image")`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from devloop.config.names import one_line
from devloop.config.tree import List, Map, Node, Place
from devloop.errors import Problem

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Finding:
    """Something wrong with a value that has the right shape. `basis`: other values that it depends on."""

    path: KeyPath
    message: str
    hint: str | None = None
    basis: tuple[KeyPath, ...] = ()


@dataclass(frozen=True)
class Positions:
    """Where each value of the configuration is written."""

    root: Map

    def has(self, path: KeyPath) -> bool:
        """Whether the value is written in the file, and not a default."""
        return len(self._trail(path)) == len(path) + 1

    def place(self, path: KeyPath) -> Place:
        """Where the value begins; of a default, where that begins which it belongs to."""
        return self._trail(path)[-1].place

    def node(self, path: KeyPath) -> Node:
        """What is written there; of a default, what it belongs to."""
        return self._trail(path)[-1]

    def where(self, path: KeyPath) -> str:
        """The place as `file:line:column`."""
        return str(self.place(path))

    def first(self, *paths: KeyPath) -> KeyPath:
        """The first of the paths that is written in the file, else the last."""
        return next((each for each in paths if self.has(each)), paths[-1])

    def problem(self, finding: Finding) -> Problem:
        return problem(self.place(finding.path), finding.message, finding.path, finding.hint)

    def _trail(self, path: KeyPath) -> list[Node]:
        """The nodes on the way, as far as they exist."""
        trail: list[Node] = [self.root]
        for part in path:
            here = trail[-1]
            if isinstance(here, Map) and isinstance(part, str) and part in here.values:
                trail.append(here.values[part])
            elif isinstance(here, List) and isinstance(part, int) and 0 <= part < len(here.items):
                trail.append(here.items[part])
            else:
                break
        return trail


def problem(place: Place, message: str, path: KeyPath, hint: str | None) -> Problem:
    """What is wrong at a place in the file, with its place in the tree."""
    where = f", at {one_line(spelled(path))}" if path else ""
    return Problem(place.file, place.line, place.column, one_line(message) + where, one_line(hint) if hint else None)


def spelled(path: KeyPath) -> str:
    """`build.artifacts[0].image`"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def untainted(findings: Iterable[Finding], tainted: Iterable[KeyPath]) -> list[Finding]:
    """Without those that may only follow from what has the wrong shape already: from a value that is, holds, or is part of
    what they are about. An unknown top-level field taints nothing below it.
    """
    wrong = frozenset(tainted)
    holds_wrong = {path[:length] for path in wrong for length in range(1, len(path) + 1)}

    def follows(path: KeyPath) -> bool:
        parts = (path[:length] for length in range(1, len(path) + 1))
        return path in holds_wrong or any(part in wrong for part in parts) or (not path and path in wrong)

    return [each for each in findings if not any(follows(path) for path in (each.path, *each.basis))]
