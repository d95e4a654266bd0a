"""A user's own settings, which hold for all projects: from a file, and from the environment.

Comes in: the file's path, or environment variables. Goes out: `Settings`, or everything that is wrong with them. The file is read like a
devloop.yaml: unknown fields are errors, each with its position. Which source wins is for `cli.preferences` to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from devloop.config import names, syntax, tree
from devloop.config.decode import decode
from devloop.config.documented import doc as _doc
from devloop.config.paths import Finding, KeyPath, Positions
from devloop.config.rules.places import no_label
from devloop.config.shapes import Many, fields
from devloop.config.tree import List, Map, Node, Place, Scalar
from devloop.errors import ConfigError, UsageError

PREFIX = "DEVLOOP_"


@dataclass(frozen=True)
class ContextSettings:
    """What holds where this kubeconfig context is used."""

    merged_by: ClassVar[tuple[str, ...]] = ("name",)

    name: str = _doc("The context.", examples=["kind-devloop"])
    namespace: str | None = _doc("For objects that name none.", default=None)
    registry: str | None = _doc("As `cluster.registry` of a project.", default=None)
    profile: tuple[str, ...] = _doc("Profiles, as for `--profile`.", default=())


@dataclass(frozen=True)
class Settings:
    """What a user has set."""

    context: str | None = _doc("The kubeconfig context.", default=None)
    namespace: str | None = _doc("For objects that name none.", default=None)
    registry: str | None = _doc("As `cluster.registry` of a project.", default=None)
    profile: tuple[str, ...] = _doc("Profiles, as for `--profile`.", default=())
    output: str | None = _doc("As `--output`.", default=None, choices=("text", "json"))
    watch: str | None = _doc("As `dev --watch`.", default=None, choices=("native", "poll", "manual"))
    verbose: int | None = _doc("How many `-v`.", default=None, minimum=0, maximum=3)
    contexts: tuple[ContextSettings, ...] = _doc("What holds for single contexts.", default=())

    def of(self, context: str) -> ContextSettings:
        """What holds for this context."""
        return next((each for each in self.contexts if each.name == context), ContextSettings(context))


def read(file: Path) -> Settings:
    """What the file says; nothing when there is none. Raises: ConfigError with every problem; UsageError when it cannot be read."""
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return Settings()
    except OSError as exc:
        raise UsageError(f"cannot be read: {exc.strerror}", where=str(file)) from exc
    text = syntax.to_text(data, str(file))
    if all(not line.strip() or line.lstrip().startswith(("#", "---")) for line in text.splitlines()):
        return Settings()
    found = tree.parse(data, str(file), "context: kind-devloop")
    decoded = decode(found.root, Settings)
    positions = Positions(found.root)
    problems = [*found.problems, *decoded.problems, *(positions.problem(each) for each in _wrong(decoded.value))]
    if problems:
        raise ConfigError(tuple(problems))
    return decoded.value


def of_environment(env: Mapping[str, str]) -> Settings:
    """What `DEVLOOP_CONTEXT` and the like say; lists with commas. Raises: UsageError naming the variable."""
    entries = tuple(
        (
            Scalar(Place(name, 1, 1), field.key),
            _node(Place(name, 1, 1), env[name], is_list=isinstance(field.shape, Many)),
        )
        for field in fields(Settings)
        if env.get(name := variable(field.key)) and field.key != "contexts"
    )
    root = Map(Place("", 1, 1), entries)
    decoded = decode(root, Settings)
    problems = [*decoded.problems, *(Positions(root).problem(each) for each in _wrong(decoded.value))]
    if problems:
        raise UsageError(problems[0].message, where=problems[0].file, hint=problems[0].hint)
    return decoded.value


def variable(key: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + re.sub(r"([A-Z])", r"_\1", key).upper()


def _node(place: Place, text: str, *, is_list: bool) -> Node:
    if is_list:
        return List(place, tuple(Scalar(place, each.strip()) for each in text.split(",") if each.strip()))
    kind = tree.kind_of(text)
    return Scalar(place, text, kind if kind == "whole" else "text")


def _wrong(settings: Settings) -> list[Finding]:
    written: list[tuple[KeyPath, Settings | ContextSettings]] = [((), settings)]
    written += [(("contexts", index), each) for index, each in enumerate(settings.contexts)]
    found = [
        Finding((*path, "registry"), f"`{each.registry}` is no registry", "for example `localhost:5001`")
        for path, each in written
        if each.registry and not names.is_registry(each.registry)
    ]
    found += [
        no_label((*path, "namespace"), each.namespace)
        for path, each in written
        if each.namespace and not names.is_label(each.namespace)
    ]
    named = [each.name for each in settings.contexts]
    found += [
        Finding(("contexts", index, "name"), f"`{name}` is there already", "put all of it into one entry")
        for index, name in enumerate(named)
        if name and name in named[:index]
    ]
    return found
