"""YAML of files that anybody may have written.

Comes in: a tree and a path. Goes out: documents and problems, as `render.documents` has them. Nothing in a file makes it raise.
"""

from __future__ import annotations

from typing import Any

from devloop.errors import Problem
from devloop.render import documents
from devloop.setup.walk import Tree


def parse(tree: Tree, file: str) -> tuple[list[documents.Document], list[Problem]]:
    """The documents of a file, and all that is wrong with it."""
    try:
        return documents.parse(tree.read(file), file)
    except RecursionError:
        return [], [Problem(file, 1, 1, "not YAML that anything reads: nested too deeply")]


def mapping(tree: Tree, file: str) -> dict[str, Any]:
    """The file's first document if it is a mapping, else an empty one."""
    parsed, _ = parse(tree, file)
    value = parsed[0].value if parsed else None
    return value if isinstance(value, dict) else {}
