"""Paths and globs of the config: which files they name now, and whether a path would count.

Comes in: a folder and patterns relative to it. Goes out: sorted files, a pure predicate, the places to watch. A pattern is a
file, a folder (everything below it) or a glob: `*`, `?`, `[a-z]`, `[!a]` stop at `/`, a `**` part stands for any number of
folders; `..` and absolute paths work; hidden files are like others. What a pattern matches counts with everything below it.
It never follows a link that a wildcard or a walk met, and never reads a file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

_MAGIC = frozenset("*?[")
_WILDCARDS = {"*": "[^/]*", "?": "[^/]"}
_SET = re.compile(r"\[(?P<not>[!^]?)(?P<members>\]?[^\]]*)\]")


def expand(base: Path, patterns: Iterable[str], ignore: Iterable[str] = ()) -> tuple[Path, ...]:
    """The existing files (and links) that `patterns` name and `ignore` does not, absolute and sorted. Blocks on the disk.

    Ignored folders are not read. A folder named without wildcards may be a link; what cannot be read counts as not there.
    """
    is_ignored = _predicate(base, tuple(ignore))
    found: set[str] = set()
    for pattern in patterns:
        parts = _parts(base, pattern)
        fixed = _fixed_length(parts)
        is_named = _predicate(base, (pattern,))
        found.update(_find("/" + "/".join(parts[:fixed]), parts[fixed:], is_named, is_ignored))
    return tuple(Path(path) for path in sorted(found))


def matcher(base: Path, patterns: Iterable[str], ignore: Iterable[str] = ()) -> Callable[[Path], bool]:
    """Whether an absolute path counts, existing or not: it or a folder above it matches `patterns`, and none `ignore`."""
    is_named, is_ignored = _predicate(base, tuple(patterns)), _predicate(base, tuple(ignore))

    def matches(path: Path) -> bool:
        text = path.as_posix()
        return is_named(text) and not is_ignored(text)

    return matches


def roots(base: Path, patterns: Iterable[str]) -> tuple[Path, ...]:
    """The fewest folders and files that hold whatever `patterns` may ever name; they need not exist."""
    fixed = {tuple(parts[: _fixed_length(parts)]) for parts in (_parts(base, pattern) for pattern in patterns)}
    kept = (parts for parts in fixed if not any(parts[:length] in fixed for length in range(len(parts))))
    return tuple(sorted(Path("/", *parts) for parts in kept))


def escape(path: str) -> str:
    """The pattern that names this very path, whatever characters it has."""
    return re.sub(r"[*?\[]", r"[\g<0>]", path)


def _find(
    start: str, parts: Sequence[str], is_named: Callable[[str], bool], is_ignored: Callable[[str], bool]
) -> Iterator[str]:
    """Files below `start` that the remaining `parts` name, with everything below a folder that they name."""
    if is_ignored(start):
        return
    if not parts and not os.path.isdir(start):
        if os.path.lexists(start):
            yield start
    elif not parts:
        yield from _everything(start, is_ignored)
    elif parts[0] == "**":
        yield from filter(is_named, _everything(start, is_ignored))
    else:
        accepts = re.compile(_segment(parts[0]), re.DOTALL).fullmatch
        for entry in _entries(start):
            if not accepts(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _find(entry.path, parts[1:], is_named, is_ignored)
            elif len(parts) == 1 and not is_ignored(entry.path):
                yield entry.path


def _everything(folder: str, is_ignored: Callable[[str], bool]) -> Iterator[str]:
    folders = [folder]
    while folders:
        for entry in _entries(folders.pop()):
            if is_ignored(entry.path):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            else:
                yield entry.path


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


def _parts(base: Path, pattern: str) -> list[str]:
    """The pattern as an absolute path's parts. Windows' drive is not split off: patterns are written with `/`."""
    return [part for part in os.path.normpath(os.path.join(base.as_posix(), pattern)).split("/") if part]


def _fixed_length(parts: Sequence[str]) -> int:
    return next((index for index, part in enumerate(parts) if _MAGIC & set(part)), len(parts))


def _predicate(base: Path, patterns: tuple[str, ...]) -> Callable[[str], bool]:
    if not patterns:
        return lambda _path: False
    merged = "|".join(_regex(_parts(base, pattern)) for pattern in patterns)
    match = re.compile(f"(?:{merged})(?:/.*)?", re.DOTALL).fullmatch
    return lambda path: match(path) is not None


def _regex(parts: Sequence[str]) -> str:
    """A last `**` means what is below, not the folder itself."""
    out = []
    for index, part in enumerate(parts):
        if part != "**":
            out.append("/" + _segment(part))
        elif index == len(parts) - 1:
            out.append("/.+")
        else:
            out.append("(?:/[^/]+)*")
    return "".join(out)


def _segment(part: str) -> str:
    """One part of a pattern as a regular expression. A `[` that opens no valid set stands for itself."""
    out, at = [], 0
    while at < len(part):
        if (found := _SET.match(part, at)) and (members := _set(found)):
            out.append(members)
            at = found.end()
            continue
        out.append(_WILDCARDS.get(part[at]) or re.escape(part[at]))
        at += 1
    return "".join(out)


def _set(found: re.Match[str]) -> str | None:
    members = found["members"].replace("\\", r"\\").replace("[", r"\[").replace("^", r"\^").replace("]", r"\]")
    expression = f"(?!/)[{'^' if found['not'] else ''}{members}]"
    try:
        re.compile(expression)
    except re.error:
        return None
    return expression
