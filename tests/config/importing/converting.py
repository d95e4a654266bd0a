"""Conversions for the tests of `devloop.config.importing`: from text, on a disk that is a dictionary.

Comes in: files by their paths. Goes out: what `skaffold.convert` makes of the first, and trees as plain data.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devloop.config.importing import skaffold, templates
from devloop.config.tree import List, Map, Node, parse
from devloop.errors import UsageError

BASE = Path("/shop")
HEAD = "apiVersion: skaffold/v4beta14\nkind: Config\n"


def converted(
    text: str,
    files: Mapping[str, str] | None = None,
    env: Mapping[str, str] | None = None,
    *,
    with_manifests: bool = False,
) -> skaffold.Imported:
    """`text`: the skaffold.yaml, with its first lines if it has other than the newest ones. `files`: others, by their paths below."""
    first = text if text.startswith(("apiVersion:", "---")) else HEAD + text
    there = {BASE / name: content for name, content in {"skaffold.yaml": first, **(files or {})}.items()}

    def read(path: Path) -> bytes:
        if path not in there:
            raise UsageError(f"no file {path}")
        return there[path].encode()

    disk = skaffold.Disk(
        read,
        lambda path: path.relative_to(BASE).as_posix(),
        lambda path: any(each.is_relative_to(path) and each != path for each in there),
        lambda _folder: with_manifests,
    )
    return skaffold.convert(BASE / "skaffold.yaml", disk, templates.from_environment(env or {}))


def plain(node: Node) -> Any:
    """Mappings, lists and text; the tags of `merge` with what they stand before."""
    match node:
        case Map():
            made: Any = {key.text: plain(value) for key, value in node.entries}
        case List():
            made = [plain(each) for each in node.items]
        case _:
            return None if node.kind == "nothing" else node.text
    return (node.tag, made) if node.tag else made


def written(text: str) -> Any:
    """The fields of a devloop.yaml as plain data."""
    return plain(parse(text.encode(), "devloop.yaml").root)
