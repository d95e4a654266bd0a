"""The part of a build context that counts: files now, and whether a path ever would.

Comes in: a folder, the sources that a Dockerfile names, the ignore rules. Goes out: existing files, links followed, and a pure
predicate. Only folders that can hold something are read; nothing outside the context ever is. A link counts by its text; what a
*source* is a link to counts too, for COPY follows it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from devloop.build import dockerignore, wildcards
from devloop.build.sources import Source

_REST = r"[\s\S]*"
_MAX_ROOTS = 8
_MAX_STEPS = 1000  # along a path with its links resolved; more is a loop


@dataclass(frozen=True)
class Listing:
    """`files`: relative to the context, sorted. `links`: those of them that were followed; another target makes another listing.

    `roots`: the fewest places that hold all that may ever count; "" is the context itself. `ways`: what sources name without
    wildcards, with every folder above; when one of these becomes a link, or a link that counts comes or goes, another listing is due.
    `skips`: whether a folder holds nothing that ever counts.
    """

    files: tuple[str, ...]
    links: frozenset[str]
    roots: tuple[str, ...]
    ways: frozenset[str]
    counts: Callable[[str], bool]
    skips: Callable[[str], bool]


def list_context(context: Path, sources: Iterable[Source], rules: dockerignore.Rules) -> Listing:
    """What counts of the context, from disk as it is now. Blocks. What cannot be read counts as not there."""
    disk = _Disk(context)
    named = tuple(dict.fromkeys(sources))
    links: dict[str, None] = {}
    picks = _Picks(tuple(dict.fromkeys(each for source in named for each in disk.followed(source, links))))

    def counts(path: str) -> bool:
        return (path in links or picks.take(path)) and not rules.ignores(path)

    def skips(folder: str) -> bool:
        return not picks.lead_into(folder) or (rules.ignores(folder) and not rules.may_reinclude_below(folder))

    found = {link for link in links if counts(link)}
    for top in picks.tops:
        found.update(_walk(disk, top, skips, counts))
    ways = frozenset(way for source in named for way in _ways(_fixed(source.path)))
    return Listing(tuple(sorted(found)), frozenset(links), _roots(picks.tops, links), ways, counts, skips)


class _Picks:
    """Sources as tests of paths."""

    def __init__(self, sources: tuple[Source, ...]) -> None:
        plain = [each for each in sources if not each.include and not each.exclude]
        self.tops = _fewest({_fixed(each.path) for each in sources})
        self._plain = _union(f"{_expression(each.path)}(?:/{_REST})?" if each.path else _REST for each in plain)
        self._leads = _union(_leading(each.path) for each in sources)
        self._special = tuple(map(_Special, (each for each in sources if each.include or each.exclude)))

    def take(self, path: str) -> bool:
        return self._plain(path) is not None or any(each.takes(path) for each in self._special)

    def lead_into(self, folder: str) -> bool:
        """Whether something below the folder may be taken."""
        return self._leads(folder) is not None


class _Special:
    """A source with --parents or --exclude, whose patterns are about what lies below it."""

    def __init__(self, source: Source) -> None:
        self._include = dockerignore.from_patterns([source.include], "COPY --parents") if source.include else None
        self._exclude = dockerignore.from_patterns(source.exclude, "COPY --exclude")
        top = f"{_expression(source.path)}(?:/(?P<below>{_REST}))?" if source.path else f"(?P<below>{_REST})"
        self._match = re.compile(top).fullmatch

    def takes(self, path: str) -> bool:
        found = self._match(path)
        if found is None:
            return False
        below = found["below"]
        if below is None:
            return self._include is None
        return (self._include is None or self._include.ignores(below)) and not self._exclude.ignores(below)


class _Disk:
    """Looks at the context, never beyond it."""

    def __init__(self, context: Path) -> None:
        self._prefix = os.path.join(context, "")

    def entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._prefix + folder) as entries:
                return list(entries)
        except OSError:
            return []

    def link(self, path: str) -> str | None:
        """Where a link leads, relative to the context; None for what is no link. The context is the root for it: no `..` leaves it."""
        try:
            text = os.readlink(self._prefix + path)
        except OSError:
            return None
        start = "" if text.startswith("/") else os.path.dirname(path)
        return wildcards.clean(f"/{start}/{text}").lstrip("/")

    def is_folder(self, path: str) -> bool:
        return os.path.isdir(self._prefix + path) and not os.path.islink(self._prefix + path)

    def is_file(self, path: str) -> bool:
        """A file or a link: sockets and devices are not sent."""
        full = self._prefix + path
        return os.path.islink(full) or os.path.isfile(full)

    def followed(self, source: Source, links: dict[str, None]) -> Iterator[Source]:
        """The source with links on its way resolved, and what else its wildcards lead to by links. Collects the links."""
        fixed = _fixed(source.path)
        path = self._resolved(fixed, links)
        if path is None:
            yield source  # a loop; the build will say so
            return
        rest = source.path[len(fixed) :].lstrip("/")
        yield Source("/".join(filter(None, (path, rest))), 0, source.include, source.exclude)
        for found in self._matching([path], rest.split("/")) if rest else ():
            if self.link(found) is not None and (target := self._resolved(found, links)) is not None:
                yield Source(target, 0, source.include, source.exclude)

    def _resolved(self, path: str, links: dict[str, None]) -> str | None:
        """The path without links in it, what is not there included as it is; None when they go round."""
        waiting = path.split("/")
        here = ""
        for _ in range(_MAX_STEPS):
            if not waiting:
                return here
            part = waiting.pop(0)
            here = f"{here}/{part}" if here else part
            target = self.link(here)
            if target is not None:
                links[here] = None
                waiting = [*filter(None, target.split("/")), *waiting]
                here = ""
        return None

    def _matching(self, folders: list[str], patterns: list[str]) -> list[str]:
        """Paths that the wildcards match, going through folders only."""
        for number, pattern in enumerate(patterns):
            match = re.compile(wildcards.expression(pattern)).fullmatch
            is_last = number == len(patterns) - 1
            folders = [
                f"{folder}/{entry.name}" if folder else entry.name
                for folder in folders
                for entry in self.entries(folder)
                if match(entry.name) and (is_last or entry.is_dir(follow_symlinks=False))
            ]
        return folders


def _walk(disk: _Disk, top: str, skips: Callable[[str], bool], counts: Callable[[str], bool]) -> Iterator[str]:
    if not disk.is_folder(top):
        if disk.is_file(top) and counts(top):
            yield top
        return
    folders = [top]
    while folders:
        folder = folders.pop()
        if folder and skips(folder):
            continue
        for entry in disk.entries(folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif (entry.is_symlink() or entry.is_file(follow_symlinks=False)) and counts(path):
                yield path


def _fixed(path: str) -> str:
    """The folders of a path before its first part with wildcards."""
    parts = path.split("/")
    count = next((index for index, part in enumerate(parts) if wildcards.has_wildcards(part)), len(parts))
    return "/".join(parts[:count])


def _ways(path: str) -> Iterator[str]:
    """The path and the folders above it."""
    while path:
        yield path
        path = os.path.dirname(path)


def _expression(path: str) -> str:
    """Only from its first wildcard on is a path a pattern; before it a backslash is one."""
    fixed = _fixed(path)
    rest = path[len(fixed) :]
    return re.escape(fixed) + wildcards.expression(rest)


def _leading(path: str) -> str:
    """Folders on the way to what a path names, and all below it: `a`, `a/b`, `a/b/…` for `a/b`."""
    fixed = _fixed(path)
    parts = [re.escape(part) for part in fixed.split("/") if part]
    rest = path[len(fixed) :].lstrip("/")
    if "[" not in rest:  # a set may match a `/`, so anything below the fixed folders may be on the way
        parts += [wildcards.expression(part) for part in rest.split("/") if part]
    out = f"/{_REST}"
    for part in reversed(parts):
        out = f"/{part}(?:{out})?"
    return f"(?:{out[1:]})" if parts else _REST


def _union(expressions: Iterable[str]) -> Callable[[str], object]:
    merged = "|".join(dict.fromkeys(expressions))
    return re.compile(merged or "(?!)").fullmatch


def _fewest(paths: set[str]) -> tuple[str, ...]:
    """Without those that lie below others."""
    if "" in paths:
        return ("",)
    return tuple(sorted(path for path in paths if not any(path.startswith(f"{other}/") for other in paths)))


def _roots(tops: tuple[str, ...], links: Iterable[str]) -> tuple[str, ...]:
    found = _fewest({*tops, *links})
    return found if len(found) <= _MAX_ROOTS else ("",)
