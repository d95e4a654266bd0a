"""Which files of the contexts count for a Dockerfile's build, and by which rule.

Comes in: a recipe. Goes out: the files that are there, and predicates for those that may come. Blocks on the disk while it lists; what
it says of a path afterwards it says without looking, but for links.
"""

from __future__ import annotations

import os
from pathlib import Path

from devloop.build.context import list_context
from devloop.build.reasons import reason
from devloop.build.recipe import Folder, Recipe
from devloop.build.sources import Source


class Counted:
    """See products.Inputs, whose fields have the same names."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._parts = [_Part(each, recipe) for each in recipe.folders]
        self._ignore_files = {each.ignore_file for each in recipe.folders if each.ignore_file is not None}
        self._fixed = {each.as_posix() for each in (recipe.file, *self._ignore_files)}
        named = {recipe.file, *(file for each in recipe.folders for file in each.ignore_files)}
        roots = {*named, *(root for part in self._parts for root in part.roots)}
        files = {recipe.file, *self._ignore_files, *(file for part in self._parts for file in part.files)}
        self.definitions = frozenset(named).union(*(part.links for part in self._parts))
        self.files = tuple(sorted(files, key=str))
        self.roots = tuple(sorted(each for each in roots if not any(other in each.parents for other in roots)))

    def matches(self, path: Path) -> bool:
        text = path.as_posix()
        return text in self._fixed or any(part.counts(text) for part in self._parts)

    def is_new_link(self, path: Path) -> bool:
        text = path.as_posix()
        return any(part.is_new_link(text) for part in self._parts)

    def skips(self, folder: Path) -> bool:
        """Whether it lies in a context, and in none of them anything in it can count."""
        text = folder.as_posix()
        said = [each for part in self._parts if (each := part.skips(text)) is not None]
        return bool(said) and all(said)

    def why(self, path: Path) -> str:
        if path == self._recipe.file:
            return "it is the Dockerfile"
        if path in self._ignore_files:
            return "it is the ignore file"
        if any(path in each.ignore_files for each in self._recipe.folders):
            return "an ignore file has this name"
        text = path.as_posix()
        around = [part for part in self._parts if part.holds(text)] or self._parts[:1]
        return next((part for part in around if part.counts(text)), around[0]).why(path)


class _Part:
    """What counts of one context."""

    def __init__(self, folder: Folder, recipe: Recipe) -> None:
        self._folder = folder
        self._shown = recipe.dockerfile.file
        self._sources: tuple[Source, ...] = tuple(each for each in recipe.reads.sources if each.context == folder.name)
        self._listing = list_context(folder.path, self._sources, folder.rules)
        self._prefix = os.path.join(folder.path.as_posix(), "")
        self.files = tuple(map(folder.path.joinpath, self._listing.files))
        self.roots = tuple(map(folder.path.joinpath, self._listing.roots))
        # A folder above a source that comes, goes or becomes a link decides where the source lies.
        above = {os.path.dirname(way) for way in self._listing.ways} - {""}
        self.links = frozenset(map(folder.path.joinpath, (*self._listing.links, *above)))

    def holds(self, path: str) -> bool:
        return path.startswith(self._prefix)

    def counts(self, path: str) -> bool:
        return self.holds(path) and self._listing.counts(path[len(self._prefix) :])

    def is_new_link(self, path: str) -> bool:
        if not self.holds(path) or not os.path.islink(path):
            return False
        return path[len(self._prefix) :] in self._listing.ways or self.counts(path)

    def skips(self, folder: str) -> bool | None:
        """None for a folder elsewhere, about which nothing is said here."""
        if self.holds(folder):
            return self._listing.skips(folder[len(self._prefix) :])
        return False if self._prefix.startswith(os.path.join(folder, "")) else None

    def why(self, path: Path) -> str:
        return reason(path, self._folder.path, sources=self._sources, rules=self._folder.rules, dockerfile=self._shown)
