"""What a user has set for all projects, and what wins over what.

Comes in: `DEVLOOP_*` variables and `~/.config/devloop/config.yaml`. Goes out: `Preferences`. The order, the strongest first: flags, the
environment, devloop.yaml with its profiles, what the user's file says of the context, what it says for all, and the defaults.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from devloop.config import settings
from devloop.config.model import Cluster
from devloop.config.settings import Settings


@dataclass(frozen=True)
class Preferences:
    """`stated`: by the environment. `general`: by the user's file."""

    stated: Settings = Settings()
    general: Settings = Settings()

    @property
    def output(self) -> str:
        return self.stated.output or self.general.output or "text"

    @property
    def watch(self) -> str:
        return self.stated.watch or self.general.watch or "native"

    @property
    def verbose(self) -> int:
        return self.stated.verbose if self.stated.verbose is not None else self.general.verbose or 0

    def profiles(self, asked: tuple[str, ...], context: Callable[[], str]) -> tuple[str, ...]:
        """The profiles that are asked for. `asked`: by flags. `context`: asked only where it has a say."""
        if asked or self.stated.profile:
            return asked or self.stated.profile
        here = self.general.of(context()).profile if self.general.contexts else ()
        return here or self.general.profile

    def cluster(self, written: Cluster, asked: str | None, context: Callable[[], str]) -> Cluster:
        """The cluster of a configuration, with what it leaves out. Flags and environment have their say in `Common`, but for the
        registry."""
        here = self.general.of(asked or written.context or context()) if self.general.contexts else None
        return replace(
            written,
            context=written.context or self.general.context,
            namespace=written.namespace or (here and here.namespace) or self.general.namespace,
            registry=self.stated.registry or written.registry or (here and here.registry) or self.general.registry,
        )


def file() -> Path:
    """The user's file. XDG_CONFIG_HOME decides where it has a say (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(base) / "devloop" / "config.yaml"


def read() -> Preferences:
    """What is set. Raises: ConfigError, UsageError."""
    stated = settings.of_environment(os.environ)
    path = file()
    return Preferences(stated, settings.read(path) if path.is_file() else Settings())
