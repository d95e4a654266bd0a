"""A folder as a bounded list of files, so that looking at it never takes long.

Comes in: a folder. Goes out: the files that may say something about the project, and a way to read them. It follows no link to a folder
and enters nothing that is hidden, ignored by git, or that package managers and compilers fill. Blocks on the disk; writes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from devloop.errors import UsageError
from devloop.setup import gitignore

MOST_FILES = 20_000
DEEPEST = 8
MOST_BYTES = 1_000_000

_FOREIGN = frozenset(
    {
        "node_modules",
        "bower_components",
        "vendor",
        "venv",
        "env",
        "site-packages",
        "__pycache__",
        "target",
        "dist",
        "obj",
        "coverage",
        "tmp",
        "testdata",
    }
)


@dataclass(frozen=True)
class Tree:
    """`files`: relative to `root`, with `/`, sorted. `is_cut`: there are more. `unreadable`: folders that could not be read."""

    root: Path
    files: tuple[str, ...]
    is_cut: bool = False
    unreadable: tuple[str, ...] = ()

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.files)

    @cached_property
    def _below(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for each in self.files:
            found.setdefault(parent(each), []).append(each.rpartition("/")[2])
        return {folder: tuple(names) for folder, names in found.items()}

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders that hold files, `.` for the root."""
        return tuple(sorted(self._below))

    def names(self, folder: str) -> tuple[str, ...]:
        """The names of the files in a folder."""
        return self._below.get(folder, ())

    def has(self, *parts: str) -> bool:
        """Whether there is such a file."""
        return join(*parts) in self._known

    def read(self, *parts: str) -> str:
        """A file's text; empty when it is not there, is too large or is no text."""
        try:
            with (self.root / join(*parts)).open("rb") as stream:
                data = stream.read(MOST_BYTES + 1)
        except OSError:
            return ""
        return "" if len(data) > MOST_BYTES or b"\0" in data else data.decode("utf-8", "replace")


def parent(path: str) -> str:
    """The folder of a path, `.` for the root; of `.` itself too."""
    return os.path.dirname(path) or "."


def join(*parts: str) -> str:
    """The path, without `./` and `..`."""
    return os.path.normpath("/".join(parts))


def below(path: str, folder: str) -> bool:
    """Whether the path is the folder or in it."""
    return folder in (".", path) or path.startswith(f"{folder}/")


def look(root: Path, most_files: int = MOST_FILES) -> Tree:
    """The folder's files. Raises: UsageError when it cannot be read at all."""
    try:
        os.listdir(root)
    except OSError as exc:
        raise UsageError(f"cannot look into {root}: {exc.strerror}", hint="name a folder that can be read") from exc
    unreadable: list[str] = []
    files: list[str] = []
    is_cut = False
    for each in _files(root, unreadable):
        if len(files) == most_files:
            is_cut = True
            break
        files.append(each)
    return Tree(root, tuple(sorted(files)), is_cut, tuple(sorted(unreadable)))


def _files(root: Path, unreadable: list[str]) -> Iterator[str]:
    """Nearest first, so that what a limit leaves out is what lies deepest."""
    waiting: list[tuple[str, tuple[gitignore.Pattern, ...]]] = [("", ())]
    while waiting:
        folder, rules = waiting.pop(0)
        try:
            with os.scandir(root / folder) as found:
                entries = sorted(found, key=lambda each: each.name)
        except OSError:
            unreadable.append(folder)
            continue
        if any(each.name == ".gitignore" for each in entries):
            rules += gitignore.parse(Tree(root, ()).read(folder or ".", ".gitignore"), folder)
        for each in entries:
            path = f"{folder}/{each.name}".lstrip("/")
            is_folder = each.is_dir(follow_symlinks=False)
            if gitignore.ignores(rules, path, is_folder=is_folder):
                continue
            if not is_folder and each.is_file():
                yield path
            elif (
                is_folder and path.count("/") < DEEPEST and not each.name.startswith(".") and each.name not in _FOREIGN
            ):
                waiting.append((path, rules))
