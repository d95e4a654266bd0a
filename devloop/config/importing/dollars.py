"""Dollars in a tree that is to be written: those of variables, and those that are only dollars.

Comes in: a tree in which the dollar of a variable is `templates.MARK`. Goes out: the same, as devloop reads it: a dollar that could be
taken for a variable's is doubled, except in shell commands, whose variables are the shell's. Pure.
"""

from __future__ import annotations

from dataclasses import replace

from devloop.config import model
from devloop.config.expansion import escape
from devloop.config.importing.templates import MARK
from devloop.config.shapes import Many, Record, Shape, fields
from devloop.config.tree import List, Map, Node


def escaped(root: Map) -> Map:
    """The tree as it is to be written."""
    made = _value(root, Record(model.Project), is_shell=False)
    assert isinstance(made, Map)
    return made


def _value(node: Node, shape: Shape, *, is_shell: bool) -> Node:
    match shape, node:
        case Record(record), Map():
            known = {each.key: each for each in fields(record)}
            entries = (
                (key, _value(value, known[key.text].shape, is_shell=known[key.text].is_shell))
                if key.text in known
                else (key, value)
                for key, value in node.entries
            )
            return replace(node, entries=tuple(entries))
        case Many(item), List():
            return replace(node, items=tuple(_value(each, item, is_shell=is_shell) for each in node.items))
        case _, Map():
            return replace(
                node, entries=tuple((key, _value(value, shape, is_shell=is_shell)) for key, value in node.entries)
            )
        case _, List():
            return replace(node, items=tuple(_value(each, shape, is_shell=is_shell) for each in node.items))
        case _:
            text = node.text if is_shell else escape(node.text)
            return replace(node, text=text.replace(MARK, "$"))
