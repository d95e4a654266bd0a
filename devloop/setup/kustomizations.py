"""Kustomizations: which folder is deployed by default, and which are its variants for other places.

Comes in: a tree. Goes out: one record for each base with its overlays, and the files that belong to them, which are no manifests by
themselves. It reads what a kustomization names on disk, and never runs kustomize.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from devloop.config.names import to_label, without_tag
from devloop.setup import objects, reading
from devloop.setup.records import Kustomize, Use
from devloop.setup.walk import Tree, below, join, parent

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_FIRST = ("dev", "development", "local", "minikube", "kind", "default")  # what a developer's machine is called
_REFERENCES = ("resources", "bases", "components", "crds", "patchesStrategicMerge")


@dataclass(frozen=True)
class _Node:
    """A folder with a kustomization. `folders`: those that it builds on; `files`: those that it names."""

    path: str
    spec: Mapping[str, Any]
    folders: tuple[str, ...]
    files: tuple[str, ...]


def find(tree: Tree) -> tuple[tuple[Kustomize, ...], frozenset[str]]:
    """What can be deployed, and every folder or file that belongs to a kustomization."""
    nodes = {each.path: each for folder in tree.folders if (each := _node(tree, folder))}
    built_on = {each for node in nodes.values() for each in node.folders}
    tops = [each for each in nodes.values() if each.path not in built_on and each.spec.get("kind") != "Component"]
    groups: dict[str, list[_Node]] = {}
    for each in tops:
        groups.setdefault(_group(each), []).append(each)
    taken = {file for node in nodes.values() for file in node.files} | set(nodes)
    return tuple(_record(tree, nodes, group) for group in groups.values()), frozenset(taken)


def _node(tree: Tree, folder: str) -> _Node | None:
    name = next((each for each in NAMES if tree.has(folder, each)), None)
    if name is None:
        return None
    spec = reading.mapping(tree, join(folder, name))
    named = [join(folder, each) for each in _named(spec)]
    folders = tuple(each for each in named if any(tree.has(each, one) for one in NAMES))
    return _Node(folder, spec, folders, tuple(each for each in named if tree.has(each)))


def _named(spec: Mapping[str, Any]) -> Iterator[str]:
    for key in _REFERENCES:
        entries = spec.get(key)
        yield from (each for each in entries if isinstance(each, str)) if isinstance(entries, list) else ()
    patches = spec.get("patches")
    for each in patches if isinstance(patches, list) else ():
        if isinstance(each, dict) and isinstance(each.get("path"), str):
            yield each["path"]


def _group(node: _Node) -> str:
    """Variants of one thing lie beside each other and are made from the same."""
    return ", ".join(sorted(node.folders)) if node.folders else node.path


def _record(tree: Tree, nodes: Mapping[str, _Node], group: list[_Node]) -> Kustomize:
    ordered = sorted(group, key=lambda each: (_rank(each.path), each.path))
    chosen, *others = ordered
    members = tuple(_members(nodes, chosen.path, frozenset()))
    found = [objects.read(tree, file) for node in members for file in node.files]
    renamed = {old: new for node in members for old, new in _renamed(node.spec)}
    uses = tuple(replace(each, image=renamed.get(each.image, each.image)) for each in objects.uses(found))
    is_renamed = any(node.spec.get("namePrefix") or node.spec.get("nameSuffix") for node in members)
    base = next((each for each in chosen.folders if nodes[each].spec.get("kind") != "Component"), chosen.path)
    return Kustomize(
        name=_name(base),
        path=chosen.path,
        others={_word(each.path): each.path for each in others},
        uses=tuple(_without_workload(each) for each in uses) if is_renamed else uses,
        services=() if is_renamed else objects.services(found),
    )


def _rank(path: str) -> int:
    word = _word(path)
    return _FIRST.index(word) if word in _FIRST else len(_FIRST)


def _word(path: str) -> str:
    return to_label(path.rpartition("/")[2]) or "default"


def _name(path: str) -> str:
    """What the base is for: the last folder whose name is not one of kustomize's customs."""
    words = [
        each
        for each in path.split("/")
        if each not in (".", "base", "overlays", "k8s", "kustomize", "deploy", "manifests")
    ]
    return to_label(words[-1]) if words else ""


def _members(nodes: Mapping[str, _Node], path: str, seen: frozenset[str]) -> Iterator[_Node]:
    """The bases first, so that what an overlay renames comes last."""
    if path in seen or path not in nodes:
        return
    for each in nodes[path].folders:
        yield from _members(nodes, each, seen | {path})
    yield nodes[path]


def _renamed(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    entries = spec.get("images")
    for each in entries if isinstance(entries, list) else ():
        if isinstance(each, dict) and isinstance(each.get("name"), str) and isinstance(each.get("newName"), str):
            yield each["name"], without_tag(each["newName"])


def _without_workload(use: Use) -> Use:
    return replace(use, workload="")


def belongs(path: str, taken: frozenset[str]) -> bool:
    """Whether the file is a kustomization's: named by one, or in the folder of one."""
    return path in taken or any(below(path, each) for each in taken if each != ".") or parent(path) in taken
