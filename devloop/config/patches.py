"""JSON patches (RFC 6902) on a tree that keeps its places.

Comes in: a tree and patches of a profile. Goes out: the tree as they leave it, or a ConfigError that names the patch. Pure. A value keeps
the place where the patch is written. RFC 6901 says how a pointer is read.
"""

from __future__ import annotations

from collections.abc import Sequence

from devloop.config import model
from devloop.config.decode import decode
from devloop.config.names import number
from devloop.config.paths import KeyPath, problem
from devloop.config.tree import List, Map, Node, Place, Scalar
from devloop.errors import ConfigError


def apply(root: Map, wanted: Sequence[model.Patch], path: KeyPath, written: Map) -> Map:
    """The tree with the patches, one after the other. `path`: of their list; `written`: the profile that they stand in.

    Raises: ConfigError for one that leads nowhere, or a `test` that fails.
    """
    listed = written.values.get("patches")
    for index, patch in enumerate(wanted):
        node = listed.items[index] if isinstance(listed, List) else written
        if not isinstance(node, Map) or decode(node, model.Patch).problems:
            continue  # whoever reads the profiles tells them
        changed = _Patch(node.place, (*path, index)).apply(root, patch)
        if not isinstance(changed, Map):
            raise _Patch(node.place, (*path, index)).wrong("a configuration is a mapping", "name a place below the top")
        root = changed
    return root


class _Patch:
    def __init__(self, place: Place, path: KeyPath) -> None:
        self._place = place
        self._path = path

    def wrong(self, message: str, hint: str | None = None) -> ConfigError:
        return ConfigError((problem(self._place, message, self._path, hint),))

    def apply(self, root: Node, patch: model.Patch) -> Node:
        parts = self._parts(patch.path)
        match patch.op:
            case "add":
                return self._put(root, parts, self._given(patch))
            case "replace":
                return self._put(self._without(root, parts), parts, self._given(patch))
            case "remove":
                return self._without(root, parts)
            case "test":
                if _plain(self._at(root, parts)) != _plain(self._given(patch)):
                    raise self.wrong(f"the test of `{patch.path}` fails: another value is there")
                return root
        source = self._parts(self._source(patch))
        moved = self._at(root, source)
        return self._put(self._without(root, source) if patch.op == "move" else root, parts, moved)

    def _source(self, patch: model.Patch) -> str:
        if patch.from_ is None:
            raise self.wrong(f"`{patch.op}` needs `from`", "for example `from: /build/artifacts/0`")
        return patch.from_

    def _given(self, patch: model.Patch) -> Node:
        if patch.value is None:
            raise self.wrong(f"`{patch.op}` needs a `value`", "`remove` needs none")
        assert isinstance(patch.value, Map | List | Scalar)
        return patch.value

    def _parts(self, pointer: str) -> list[str]:
        if not pointer.startswith("/"):
            raise self.wrong(f"`{pointer}` is no JSON pointer", "for example `/build/artifacts/0/context`")
        return [each.replace("~1", "/").replace("~0", "~") for each in pointer[1:].split("/")]

    def _at(self, node: Node, parts: Sequence[str]) -> Node:
        for index, part in enumerate(parts):
            node = self._child(node, part, parts[: index + 1])
        return node

    def _child(self, node: Node, part: str, way: Sequence[str]) -> Node:
        if isinstance(node, Map) and part in node.values:
            return node.values[part]
        if isinstance(node, List) and (at := number(part)) is not None and at < len(node.items):
            return node.items[at]
        shown = "/" + "/".join(way)
        there = ", ".join(node.values) if isinstance(node, Map) else ""
        if isinstance(node, List):
            there = f"a list of {len(node.items)}"
        raise self.wrong(
            f"there is no `{shown}`",
            f"there is {there}" if there else "profiles are laid over in order; see what is there before",
        )

    def _put(self, node: Node, parts: Sequence[str], value: Node, way: tuple[str, ...] = ()) -> Node:
        part, *rest = parts
        here = (*way, part)
        if rest:
            child = self._put(self._child(node, part, here), rest, value, here)
            return _with(node, part, child)
        if isinstance(node, Map):
            return _with(node, part, value)
        at = len(node.items) if isinstance(node, List) and part == "-" else number(part)
        if isinstance(node, List) and at is not None and at <= len(node.items):
            return List(node.place, (*node.items[:at], value, *node.items[at:]))
        places = f"0 to {len(node.items)}, or `-` for the end" if isinstance(node, List) else ""
        raise self.wrong(
            f"`/{'/'.join(here)}` is no place for a value",
            f"a list takes it at {places}" if places else "a mapping or a list has such places, text has none",
        )

    def _without(self, node: Node, parts: Sequence[str], way: tuple[str, ...] = ()) -> Node:
        part, *rest = parts
        here = (*way, part)
        child = self._child(node, part, here)
        if rest:
            return _with(node, part, self._without(child, rest, here))
        if isinstance(node, Map):
            return Map(node.place, tuple(entry for entry in node.entries if entry[0].text != part))
        assert isinstance(node, List)
        return List(node.place, tuple(each for index, each in enumerate(node.items) if index != int(part)))


def _with(node: Node, part: str, child: Node) -> Node:
    if isinstance(node, List):
        return List(node.place, tuple(child if index == int(part) else each for index, each in enumerate(node.items)))
    assert isinstance(node, Map)
    if part not in node.values:
        return Map(node.place, (*node.entries, (Scalar(child.place, part), child)))
    return Map(node.place, tuple((key, child if key.text == part else value) for key, value in node.entries))


def _plain(node: Node) -> object:
    match node:
        case Map():
            return {key.text: _plain(value) for key, value in node.entries}
        case List():
            return [_plain(each) for each in node.items]
        case _:
            return node.kind, node.text
