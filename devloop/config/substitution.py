"""A tree with its variables filled in.

Comes in: the tree with its profiles laid over it, and the variables. Goes out: the same tree, each value where it was written, with what
gave it; and a problem for each that cannot be had. Keys, `profiles` and `vars` stay as they are. A number or a flag is read again as YAML
reads plain text; what becomes empty counts as left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from devloop.config import model
from devloop.config.expansion import Malformed
from devloop.config.paths import KeyPath, problem
from devloop.config.shapes import Field, Many, Record, Shape, fields
from devloop.config.tree import List, Map, Node, Scalar, kind_of
from devloop.config.variables import Command, Unresolved, Value, Variables
from devloop.errors import Problem

_AS_WRITTEN = frozenset({"apiVersion", "profiles", "vars"})


@dataclass(frozen=True)
class Substituted:
    """`root`: without variables. `problems`: in spite of which it could be made."""

    root: Map
    problems: tuple[Problem, ...]


def substitute(root: Map, variables: Variables) -> Substituted:
    """Fills in what the configuration names, and nothing else. May run commands and ask the user, through `variables`."""
    walk = _Walk(variables)
    kept = {key.text for key, _ in root.entries} & _AS_WRITTEN
    return Substituted(walk.record(root, model.Project, (), frozenset(kept)), tuple(walk.problems))


class _Walk:
    def __init__(self, variables: Variables) -> None:
        self.problems: list[Problem] = []
        self._variables = variables
        self._fields: dict[type[object], Mapping[str, Field]] = {}

    def record(self, node: Map, record: type[object], path: KeyPath, kept: frozenset[str] = frozenset()) -> Map:
        if record not in self._fields:
            self._fields[record] = {each.key: each for each in fields(record)}
        known = self._fields[record]
        entries = (
            (key, value if key.text in kept or key.text not in known else self._field(value, known[key.text], path))
            for key, value in node.entries
        )
        return replace(node, entries=tuple(entries))

    def _field(self, node: Node, field: Field, path: KeyPath) -> Node:
        made = self._value(node, field.shape, (*path, field.key), is_shell=field.is_shell)
        return self._exported(made, (*path, field.key)) if field.is_variable and isinstance(made, Scalar) else made

    def _value(self, node: Node, shape: Shape, path: KeyPath, *, is_shell: bool = False) -> Node:
        match shape, node:
            case Record(record), Map():
                return self.record(node, record, path)
            case Record(record), Scalar() if shape.shorthand:
                inner = next(each for each in fields(record) if each.key == shape.shorthand)
                return self._value(node, inner.shape, path, is_shell=inner.is_shell)
            case Many(item), List():
                items = (self._value(each, item, (*path, index)) for index, each in enumerate(node.items))
                return replace(node, items=tuple(items))
            case "texts" | "anything", Map():
                entries = ((key, self._value(value, shape, (*path, key.text))) for key, value in node.entries)
                return replace(node, entries=tuple(entries))
            case "anything", List():
                items = (self._value(each, shape, (*path, index)) for index, each in enumerate(node.items))
                return replace(node, items=tuple(items))
            case _, Scalar():
                return self._scalar(node, shape, path, is_shell=is_shell)
        return node

    def _scalar(self, node: Scalar, shape: Shape, path: KeyPath, *, is_shell: bool) -> Scalar:
        if node.kind != "text" or not (node.tag or is_shell or "$" in node.text):
            return node
        try:
            value = self._text(node, is_shell=is_shell)
        except Malformed as exc:
            return self._broken(
                node, path, (str(exc), "`${NAME}`, `${NAME:-default}` or `${NAME:?message}`; `$$` is a dollar")
            )
        except Unresolved as exc:
            return self._broken(node, path, *exc.reasons)
        if node.tag == "!secret":
            self._variables.hide(value.text)
        made = replace(node, text=value.text, tag="", origins=value.origins)
        if node.text and not value.text and shape != "texts":
            return replace(made, kind="nothing")
        return made if shape in ("text", "texts") else replace(made, kind=kind_of(value.text))

    def _exported(self, node: Scalar, path: KeyPath) -> Scalar:
        """The name under which the environment has the variable that the node names."""
        try:
            return replace(node, text=self._variables.exported(node.text)) if node.kind == "text" else node
        except Unresolved as exc:
            return self._broken(node, path, *exc.reasons)

    def _text(self, node: Scalar, *, is_shell: bool) -> Value:
        if node.tag == "!cmd":
            output = self._variables.output(Command(node.text, self._variables.base))
            return Value(output, (f"the output of {node.text}",))
        if not is_shell:
            value = self._variables.expand(node.text)
            return replace(value, origins=("!secret", *value.origins)) if node.tag else value
        return Value(self._variables.in_shell(node.text))

    def _broken(self, node: Scalar, path: KeyPath, *reasons: tuple[str, str | None]) -> Scalar:
        self.problems += (problem(node.place, message, path, hint) for message, hint in reasons)
        return replace(node, is_broken=True)
