"""Plain manifests: folders and files of Kubernetes objects that no other tool renders.

Comes in: a tree, and what kustomizations and charts have taken. Goes out: one record with all of them, and what is wrong with a file that
means to be one.
"""

from __future__ import annotations

from collections.abc import Callable

from devloop import globs
from devloop.setup import objects
from devloop.setup.records import Manifests
from devloop.setup.walk import Tree, join, parent


def find(tree: Tree, is_taken: Callable[[str], bool]) -> tuple[tuple[Manifests, ...], tuple[str, ...]]:
    """The manifests, and the problems of files that cannot be read as such."""
    candidates = [each for each in tree.files if each.endswith(objects.SUFFIXES) and not is_taken(each)]
    read = [objects.read(tree, each) for each in candidates]
    found = [each for each in read if each.found]
    problems = tuple(each.problem for each in read if each.problem)
    if not found:
        return (), problems
    return (Manifests(_patterns(tree, found), objects.uses(found), objects.services(found)),), problems


def _patterns(tree: Tree, found: list[objects.Objects]) -> tuple[str, ...]:
    """A folder in which all YAML is manifests as a whole, so that a new file counts; of others, each file."""
    by_folder: dict[str, list[str]] = {}
    for each in found:
        by_folder.setdefault(parent(each.file), []).append(each.file)
    return tuple(
        pattern
        for folder, files in by_folder.items()
        for pattern in (_globs(folder, files) if folder != "." and _is_pure(tree, folder, files) else _names(files))
    )


def _is_pure(tree: Tree, folder: str, files: list[str]) -> bool:
    return all(join(folder, each) in files for each in tree.names(folder) if each.endswith(objects.SUFFIXES))


def _globs(folder: str, files: list[str]) -> list[str]:
    endings = sorted({each.rpartition(".")[2] for each in files}, reverse=True)
    return [f"{globs.escape(folder)}/*.{each}" for each in endings]


def _names(files: list[str]) -> list[str]:
    return [globs.escape(each) for each in files]
