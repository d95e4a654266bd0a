"""Loading: a skaffold.yaml in the place of a devloop.yaml.

Comes in: its path, an environment, and how files are read. Goes out: what `skaffold.convert` makes of it. Blocks on the disk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from devloop.config import dotenv, syntax
from devloop.config.importing import skaffold, templates

ENV_FILE = "skaffold.env"
_SKAFFOLD = re.compile(rb"""^apiVersion[ \t]*:[ \t]*["']?skaffold/""", re.MULTILINE)


def is_skaffold(data: bytes) -> bool:
    """Whether a file says that it is Skaffold's; looked at before it is read as YAML."""
    return _SKAFFOLD.search(data) is not None


def in_memory(
    file: Path, env: Mapping[str, str], read: Callable[[Path], bytes], shown: Callable[[Path], str]
) -> skaffold.Imported:
    """The project, its templates filled in from the environment. Raises: ConfigError, UsageError."""
    made = skaffold.convert(file, disk(read, shown), templates.from_environment(_with_file(file, env, read, shown)))
    return replace(made, is_filled=True, files=(*made.files, file.with_name(ENV_FILE)))


def _with_file(
    file: Path, env: Mapping[str, str], read: Callable[[Path], bytes], shown: Callable[[Path], str]
) -> Mapping[str, str]:
    """The environment, and what `skaffold.env` says besides."""
    there = file.with_name(ENV_FILE)
    if not there.is_file():
        return env
    entries = dotenv.parse(syntax.to_text(read(there), shown(there)), shown(there))
    return {name: entry.value for name, entry in entries.items()} | dict(env)


def disk(read: Callable[[Path], bytes], shown: Callable[[Path], str]) -> skaffold.Disk:
    """This machine's."""
    return skaffold.Disk(read, shown, Path.is_dir, lambda folder: any(folder.glob("k8s/*.yaml")))
