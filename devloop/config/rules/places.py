"""What rules share: where lists of the configuration stand, and findings that several parts of the file can have.

Comes in: values with their paths. Goes out: paths and findings. Pure; it knows no rule of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from devloop.config import model, names
from devloop.config.paths import Finding, KeyPath, Positions

Rule = Callable[[model.Project, Positions], list[Finding]]
T = TypeVar("T")

ARTIFACTS: KeyPath = ("build", "artifacts")
UNITS: KeyPath = ("deploy",)
FORWARDS: KeyPath = ("portForward",)
TESTS: KeyPath = ("test",)
ROOT: KeyPath = ()

LABEL_HINT = "use lower-case letters, digits and `-`, a letter or digit at both ends"


def numbered(entries: Sequence[T], path: KeyPath) -> Iterator[tuple[T, KeyPath]]:
    """Entries of a list with their paths."""
    return ((each, (*path, index)) for index, each in enumerate(entries))


def no_label(path: KeyPath, name: str) -> Finding:
    """That a name is none that Kubernetes takes."""
    better = names.to_label(name)
    hint = f"write `{better}`" if better and better != name else LABEL_HINT
    return Finding(path, f"`{name}` is not a valid name", hint)


def globs(patterns: Sequence[str], path: KeyPath) -> list[Finding]:
    """What is wrong with patterns of files."""
    found: list[Finding] = []
    for pattern, here in numbered(patterns, path):
        parts = pattern.split("/")
        wrong = next((part for part in parts if "**" in part and part != "**"), None)
        if wrong is not None:
            better = pattern.replace(wrong, f"**/{re.sub('[*]+', '*', wrong)}")
            message = f"`**` has to stand alone between slashes, not in `{wrong}`"
            found.append(Finding(here, message, f"write `{better}` for any depth, one `*` for one level"))
    return found


def systems(given: Sequence[str], path: KeyPath) -> list[Finding]:
    """What is wrong with names of operating systems."""
    known = ("linux", "darwin", "windows")
    return [
        Finding(place, f"`{system}` is no system", names.did_you_mean(system, known, f"known are {', '.join(known)}"))
        for system, place in numbered(given, path)
        if system not in known
    ]


def cycles(edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Cycles that share no node, each as `a, b, a`, beginning with what stands first in the file."""
    from graphlib import CycleError, TopologicalSorter

    order = {name: index for index, name in enumerate(edges)}
    left = {name: {each for each in targets if each in edges} for name, targets in edges.items()}
    found: list[list[str]] = []
    while True:
        try:
            TopologicalSorter(left).prepare()
            return sorted(found, key=lambda cycle: order[cycle[0]])
        except CycleError as exc:
            # Of two neighbours in its list the first is what the second depends on.
            cycle = list(reversed(exc.args[1]))[:-1]
            start = cycle.index(min(cycle, key=order.__getitem__))
            found.append([*cycle[start:], *cycle[:start], cycle[start]])
            left = {name: targets - set(cycle) for name, targets in left.items() if name not in cycle}
