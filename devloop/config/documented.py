"""Fields of the configuration that carry their own documentation.

Comes in: a sentence, limits, examples. Goes out: dataclass fields with these in `metadata`, from which schema and reference are made.
"""

from __future__ import annotations

import dataclasses
from typing import Any


def doc(text: str, **options: Any) -> Any:
    """A dataclass field with its documentation, limits (of a list: of its length), examples, and the names under which other tools know
    it (`also`); `part`: it holds a part of what it stands for, to be laid over the whole; `shell`: a shell fills in its variables;
    `variable`: it names one, whose value is a secret. Other options are those of `dataclasses.field`.

    `path`: it is relative to the folder of the file: `path`, or `glob`; `here`: and without it that folder is meant; `chart`: unless
    the record has a `repo`; `program`: the first word of a command.
    """
    metadata = {"doc": text} | {
        key: options.pop(key)
        for key in ("choices", "examples", "minimum", "maximum", "also", "part", "path", "shell", "variable")
        if key in options
    }
    return dataclasses.field(metadata=metadata, **options)


def mapping(text: str, **options: Any) -> Any:
    return doc(text, default_factory=dict, **options)
