"""Which folders have to be watched for a set of roots, and how the roots spell what happens there.

Comes in: roots as they were asked for, each with what can be left out below it. Goes out: a plan in real paths, where no symlink is
left, and the way back from them. It registers nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

PRUNED = ".git"

Skips = Callable[[Path], bool]


def nothing(_folder: Path) -> bool:
    """Leaves nothing out."""
    return False


@dataclass(frozen=True)
class Below:
    """What to watch below a real folder: all but what every root that it stands for leaves out. Equal while nothing changed."""

    real: str
    asked: tuple[tuple[str, Skips], ...]

    def wants(self, folder: str) -> bool:
        """Whether a real folder below may hold something that counts; asked from the top down."""
        if os.path.basename(folder) == PRUNED:
            return False
        rest = folder[len(self.real) :]
        return not all(skips(Path(root + rest)) for root, skips in self.asked)


Tops = Mapping[str, Below | None]  # real folder → what of all below it; None: the folder alone


@dataclass(frozen=True)
class Plan:
    """`tops`: real folders to register. `names`: real path → the roots that it is, as asked for. `gates`: real paths whose coming or
    going moves a root. `found`: what each root was when this was made.
    """

    tops: Tops
    names: Mapping[str, tuple[str, ...]]
    gates: frozenset[str]
    found: Mapping[str, tuple[int, int] | None]


def plan(roots: Mapping[str, Skips]) -> Plan:
    """The plan for absolute roots, existing or not, as the disk is now. Blocks on the disk."""
    below: dict[str, list[tuple[str, Skips]]] = {}
    alone: dict[str, None] = {}
    names: dict[str, tuple[str, ...]] = {}
    gates: set[str] = set()
    found: dict[str, tuple[int, int] | None] = {}
    for root, skips in sorted(roots.items(), key=lambda each: each[0]):
        real = os.path.realpath(root)
        names[real] = (*names.get(real, ()), root)
        found[root] = identity(real)
        for link in _links(root):
            gates.add(link)
            names[link] = (*names.get(link, ()), root)
            alone[os.path.dirname(link)] = None
        if os.path.isdir(real):
            below.setdefault(real, []).append((root, skips))
            gates.add(real)
        elif found[root] is not None:
            alone[os.path.dirname(real)] = None
        else:
            gates.add(_missing(real))
            alone[os.path.dirname(_missing(real))] = None
    deep = {real: Below(real, tuple(asked)) for real, asked in below.items()}
    shallow = dict.fromkeys(path for path in alone if path not in deep and not covers(deep, path))
    return Plan({**deep, **shallow}, names, frozenset(gates), found)


def covers(tops: Tops, path: str) -> bool:
    """Whether a folder that is watched with what is below it has `path` below it, and does not leave it out."""
    way = [path]
    folder = os.path.dirname(path)
    while folder != way[-1]:
        below = tops.get(folder)
        if below is not None and all(below.wants(each) for each in reversed(way)):
            return True
        way.append(folder)
        folder = os.path.dirname(folder)
    return False


def spelt(names: Mapping[str, tuple[str, ...]], path: str) -> list[str]:
    """A real path as the roots that it belongs to spell it; none for what nobody asked for."""
    found = list(names.get(path, ()))
    below, folder = path, os.path.dirname(path)
    while folder != below and os.path.basename(below) != PRUNED:
        found += (root + path[len(folder) :] for root in names.get(folder, ()))
        below, folder = folder, os.path.dirname(folder)
    return found


def identity(path: str) -> tuple[int, int] | None:
    """Device and inode; None when there is nothing."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def absolute(roots: Mapping[Path, Skips]) -> dict[str, Skips]:
    """The roots by their absolute paths, links in them kept."""
    return {os.path.abspath(root): skips for root, skips in roots.items()}


def everything(roots: Iterable[Path]) -> dict[Path, Skips]:
    """Roots of which nothing is left out."""
    return dict.fromkeys(roots, nothing)


def _links(path: str) -> list[str]:
    """Where the symlinks on the way to `path` are, itself included."""
    found = []
    while path != os.path.dirname(path):
        if os.path.islink(path):
            found.append(os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path)))
        path = os.path.dirname(path)
    return found


def _missing(path: str) -> str:
    """The first part of a path that does not exist."""
    while not os.path.isdir(os.path.dirname(path)):
        path = os.path.dirname(path)
    return path
