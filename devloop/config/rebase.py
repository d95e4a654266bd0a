"""Paths of one file as another folder's: what a module says, as the session's main folder sees it.

Comes in: a record of the model, and how its folder is called from the other one. Goes out: the same record, in which every field that is
marked as a path means the same place. Pure. What is relative to something else that moves (a context, say) is left as it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from typing import Any, TypeVar

from devloop import globs
from devloop.config.shapes import Field, fields

T = TypeVar("T")


def rebased(record: T, folder: str) -> T:
    """The record with its paths put below `folder`, which is absolute or relative to the other folder; `.`: nothing changes."""
    return _Rebase(folder).record(record) if folder != "." else record


class _Rebase:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._known: dict[type[Any], tuple[Field, ...]] = {}

    def record(self, record: Any) -> Any:
        kind = type(record)
        if kind not in self._known:
            self._known[kind] = fields(kind)
        changed = {each.name: self._field(each, getattr(record, each.name), record) for each in self._known[kind]}
        return replace(record, **changed)

    def _field(self, field: Field, value: Any, record: Any) -> Any:
        if field.shape == "anything":
            return value
        if value is None:
            return self._folder if field.path == "here" else None
        if field.path == "chart" and record.repo:
            return value
        if isinstance(value, tuple):
            return tuple(self._field(field, each, record) for each in value)
        if isinstance(value, Mapping):
            return {name: self._path(each, field.path) for name, each in value.items()} if field.path else value
        if field.path:
            return self._path(value, field.path)
        return self.record(value) if is_dataclass(value) else value

    def _path(self, text: str, kind: str) -> str:
        if kind == "program":
            program, space, words = text.partition(" ")
            return (self._path(program, "path") if "/" in program else program) + space + words
        # The empty text stands for one that could not be read.
        if not text or "://" in text or os.path.isabs(text):
            return text
        is_pattern = kind == "glob" and set("*?[") & set(text)
        folder = globs.escape(self._folder) if is_pattern else self._folder
        joined = os.path.normpath(os.path.join(folder, text))
        return joined + "/" if text.endswith("/") else joined
