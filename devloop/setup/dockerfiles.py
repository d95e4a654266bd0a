"""Dockerfiles, with the folder that each wants as its context.

Comes in: a tree. Goes out: sources. The context is the folder that has what the Dockerfile copies: its own, or one above it. A broken
Dockerfile is found all the same; what is wrong with it is for the build to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from devloop.build import dockerfile
from devloop.config import names
from devloop.errors import StepFailed
from devloop.setup.records import Source
from devloop.setup.walk import Tree, below, join, parent

_NAME = re.compile(r"(?:Dockerfile(?:[.-](?P<after>[\w-]+))?|(?P<before>[\w-]+)\.(?:Dockerfile|dockerfile))")
_PORT = re.compile(r"(?P<port>\d+)(?:/tcp)?")


def find(tree: Tree) -> tuple[Source, ...]:
    """The Dockerfiles, sorted by path; of several in a folder, each by itself."""
    return tuple(_source(tree, each) for each in tree.files if is_dockerfile(each))


def is_dockerfile(path: str) -> bool:
    """Whether a file of this name is one."""
    name = path.rpartition("/")[2]
    return _NAME.fullmatch(name) is not None and not name.endswith(".dockerignore")


def word(path: str) -> str:
    """What the Dockerfile's own name says: `api` for Dockerfile.api and api.Dockerfile."""
    found = _NAME.fullmatch(path.rpartition("/")[2])
    return (found["after"] or found["before"] or "") if found else ""


def exposed(text: str) -> tuple[int, ...]:
    """The TCP ports that the last stage exposes."""
    try:
        stages = dockerfile.parse(text).stages
    except StepFailed:
        return ()
    words = [
        each
        for stage in stages[-1:]
        for one in stage.instructions
        if one.keyword == "EXPOSE"
        for each in one.text.split()
    ]
    ports = (names.number(found["port"]) for each in words if (found := _PORT.fullmatch(each)))
    return tuple(each for each in ports if each is not None and 0 < each < 65536)


def _source(tree: Tree, path: str) -> Source:
    text = tree.read(path)
    return Source(parent(path), path, _context(tree, path, text), exposed(text))


def _context(tree: Tree, path: str, text: str) -> str:
    """The nearest folder that has the most of what is copied by name."""
    names = tuple(_copied(text))
    folders = [parent(path)]
    while folders[-1] != ".":
        folders.append(parent(folders[-1]))
    present = frozenset(tree.files) | frozenset(tree.folders)

    def count(folder: str) -> int:
        wanted = (join(folder, name) for name in names)
        return sum(each in present or any(below(other, each) for other in tree.folders) for each in wanted)

    return max(folders, key=count)


def _copied(text: str) -> Iterator[str]:
    """What COPY and ADD take from the context, as far as it is named without wildcards and variables."""
    try:
        found = dockerfile.parse(text)
    except StepFailed:
        return
    for each in found.instructions():
        if each.keyword not in ("COPY", "ADD") or each.flag("from") is not None:
            continue
        for name in dockerfile.arguments(each.text)[:-1]:
            plain = name.strip("/")
            if plain not in ("", ".") and "://" not in name and not set("*?[$<") & set(name):
                yield plain
