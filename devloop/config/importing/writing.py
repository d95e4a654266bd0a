"""A tree of devloop's as the text of a file, with what was not carried in comments.

Comes in: a tree, whose lists and mappings may have tags of `merge`, and notes. Goes out: YAML that reads back as the same tree. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from devloop.config.importing.notes import Note
from devloop.config.tree import List, Map, Node, Scalar

_PLAIN = re.compile(r"[A-Za-z0-9_./][\w./@+-]*( [\w./@+-]+)*(:[\w./@+-]+)*")
# What YAML 1.1 and 1.2 take for something other than text.
_NO_TEXT = re.compile(
    r"~|null|true|false|yes|no|on|off|y|n|[-+]?[0-9][0-9_]*|0[ox][0-9a-f]+|[-+.]?[0-9][0-9_.:]*(e[-+]?[0-9]+)?|\.?(inf|nan)|[0-9]+-[0-9-]+.*",
    re.IGNORECASE,
)
_WIDTH = 110


def text(root: Map, notes: Sequence[Note], source: str) -> str:
    """The file. `source`: what it was made from."""
    lines = [f"# Made from {source}."]
    lines += [f"# not carried: {_told(each)}" for each in notes]
    for key, value in root.entries:
        lines += ["", *_entry(key.text, value, "")] if not isinstance(value, Scalar) else _entry(key.text, value, "")
    return "\n".join(lines) + "\n"


def _told(note: Note) -> str:
    mark = " (changes what is built or deployed)" if note.matters else ""
    profile = f", profile {note.profile}" if note.profile else ""
    return f"{note.place.file}, line {note.place.line}{profile}: {note.path}: {note.reason}{mark}"


def _entry(key: str, value: Node, indent: str) -> Iterator[str]:
    name = f"{indent}{_scalar(Scalar(value.place, key))}:"
    tag = f" {value.tag}" if isinstance(value, Map | List) and value.tag else ""
    inline = _inline(value)
    if inline is not None and len(name) + len(inline) < _WIDTH:
        yield f"{name}{tag} {inline}"
    else:
        yield name + tag
        yield from _block(value, indent + "  ")


def _inline(node: Node) -> str | None:
    """On one line, where it has no more than a level of its own; tags are the caller's."""
    match node:
        case Scalar():
            return _scalar(node)
        case List() if all(isinstance(each, Scalar) for each in node.items):
            return "[" + ", ".join(_scalar(each) for each in node.items) + "]"
        case Map() if not node.entries:
            return "{}"
    return None


def _block(node: Node, indent: str) -> Iterator[str]:
    match node:
        case Map():
            for key, value in node.entries:
                yield from _entry(key.text, value, indent)
        case List():
            for each in node.items:
                yield from _item(each, indent)
        case Scalar():
            yield indent + _scalar(node)


def _item(node: Node, indent: str) -> Iterator[str]:
    tag = node.tag if isinstance(node, Map | List) else ""
    inline = _inline(node)
    if inline is not None:
        yield f"{indent}- {tag} {inline}" if tag else f"{indent}- {inline}"
        return
    lines = list(_block(node, indent + "  "))
    if tag:
        yield f"{indent}- {tag}"
        yield from lines
    else:
        yield f"{indent}- {lines[0][len(indent) + 2 :]}"
        yield from lines[1:]


def _scalar(node: Node) -> str:
    assert isinstance(node, Scalar)
    if node.kind != "text" or (_PLAIN.fullmatch(node.text) and not _NO_TEXT.fullmatch(node.text)):
        return node.text
    return json.dumps(node.text, ensure_ascii=False)
