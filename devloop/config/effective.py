"""The configuration as it came to be: every default filled in, profiles and variables gone; and where each value comes from.

Comes in: what `load` made. Goes out: plain data and YAML that load to the same again, and for a path what is there and why. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from devloop.config import model
from devloop.config.expansion import escape
from devloop.config.load import Loaded
from devloop.config.names import did_you_mean, number
from devloop.config.paths import KeyPath, spelled
from devloop.config.shapes import Field, Many, Record, Shape, fields
from devloop.config.tree import List, Map, Node, Place, Scalar, kind_of
from devloop.config.variables import mask
from devloop.errors import UsageError

_GONE = frozenset({"profiles", "vars"})
_STEP = re.compile(r"\.?([^.\[\]]+)|\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Explained:
    """`where`: `file:line:column`, or "" for what is not written: a default, unless there are `origins`. `profile`: the one that set it.
    `origins`: the variables and commands that gave it, or the option or setting.
    """

    path: str
    value: Any
    where: str = ""
    profile: str = ""
    origins: tuple[str, ...] = ()


def data(loaded: Loaded) -> dict[str, Any]:
    """The configuration as mappings, lists and single values; secrets are `***`."""
    artifacts = tuple(
        replace(each, docker=model.Docker()) if each.builder == "docker" and each.docker is None else each
        for each in loaded.project.build.artifacts
    )
    project = replace(loaded.project, build=replace(loaded.project.build, artifacts=artifacts))
    made: dict[str, Any] = _masked(_plain(project, Record(model.Project)), loaded)
    return {key: value for key, value in made.items() if key not in _GONE}


def text(loaded: Loaded) -> str:
    """The same as a devloop.yaml."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def represent(dumper: Any, value: str) -> Any:
        style = '"' if kind_of(value) != "text" else "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, represent)
    escaped = _escaped(data(loaded), Record(model.Project))
    return str(yaml.dump(escaped, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=140))


def explain(loaded: Loaded, asked: str) -> Explained:
    """What is at `build.artifacts[0].image`, or `build.artifacts[shop/api].image`, and why. Raises: UsageError for a path to nothing."""
    value, path = _found(data(loaded), asked)
    if spelled(path) in loaded.settled:
        return Explained(spelled(path), value, origins=(loaded.settled[spelled(path)],))
    node = loaded.positions.node(path)
    if not (loaded.positions.has(path) or isinstance(node, Scalar)):
        return Explained(spelled(path), value)
    origins = tuple(mask(loaded.secrets)(each) for each in getattr(node, "origins", ()))
    return Explained(spelled(path), value, str(node.place), _profile(loaded, node.place), origins)


def paths(loaded: Loaded) -> list[str]:
    """The paths of all values, single ones and others."""

    def below(value: Any, path: KeyPath) -> Iterator[str]:
        if path:
            yield spelled(path)
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, each in inner:
            yield from below(each, (*path, key))

    return list(below(data(loaded), ()))


def _plain(value: Any, shape: Shape) -> Any:
    match shape:
        case Record(record) if value is not None:
            found = {each.key: _plain(getattr(value, each.name), each.shape) for each in fields(record)}
            return {key: each for key, each in found.items() if each is not None and each not in ([], {})}
        case Many(item) if value is not None:
            return [_plain(each, item) for each in value]
        case "texts":
            return dict(value)
        case "anything":
            return None
    return None if value == "" else value


def _masked(value: Any, loaded: Loaded) -> Any:
    masked = mask(loaded.secrets)
    match value:
        case str():
            return masked(value)
        case dict():
            return {key: _masked(each, loaded) for key, each in value.items()}
        case list():
            return [_masked(each, loaded) for each in value]
    return value


def _escaped(value: Any, shape: Shape, *, is_shell: bool = False) -> Any:
    """With dollars written so that they are read as dollars."""
    match shape, value:
        case Record(record), dict():
            known: Mapping[str, Field] = {each.key: each for each in fields(record)}
            return {key: _escaped(each, known[key].shape, is_shell=known[key].is_shell) for key, each in value.items()}
        case Many(item), list():
            return [_escaped(each, item, is_shell=is_shell) for each in value]
        case "texts", dict():
            return {key: _escaped(each, "text") for key, each in value.items()}
        case _, str() if not is_shell:
            return escape(value)
    return value


def _found(root: Mapping[str, Any], asked: str) -> tuple[Any, KeyPath]:
    here: Any = root
    path: list[str | int] = []
    for step in _steps(asked):
        at = _index(here, step)
        if at is None:
            raise _nothing(here, step, tuple(path))
        here = here[at]
        path.append(at)
    return here, tuple(path)


def _steps(asked: str) -> Iterator[str]:
    at = 0
    while at < len(asked):
        match = _STEP.match(asked, at)
        if match is None:
            hint = "for example `build.artifacts[0].image`"
            raise UsageError(f"`{asked}` is no path", where="--explain", hint=hint)
        yield match[1] or match[2]
        at = match.end()


def _index(here: Any, step: str) -> str | int | None:
    if isinstance(here, dict):
        return step if step in here else None
    if not isinstance(here, list):
        return None
    if (at := number(step)) is not None:
        return at if at < len(here) else None
    return next((index for index, each in enumerate(here) if step in _names([each])), None)


def _names(items: Sequence[Any]) -> list[str]:
    keys = ("name", "image", "id", "resource")
    maps = [each for each in items if isinstance(each, dict)]
    return [str(each[key]) for each in maps for key in keys if key in each]


def _nothing(here: Any, step: str, path: KeyPath) -> UsageError:
    there = list(here) if isinstance(here, dict) else _names(here) if isinstance(here, list) else []
    listed = f"there is {', '.join(there)}" if there else "`devloop config show` prints all of it"
    place = spelled(path) or "the configuration"
    return UsageError(f"{place} has no `{step}`", where="--explain", hint=did_you_mean(step, there, listed))


def _profile(loaded: Loaded, place: Place) -> str:
    """The active profile in which the place is, as `loaded.active` calls it."""
    for module in loaded.every:
        written = module.positions.root.values.get("profiles")
        active = {name for name, _ in module.active}
        for each in written.items if isinstance(written, List) else ():
            name = each.values.get("name") if isinstance(each, Map) else None
            if isinstance(name, Scalar) and name.text in active and place in set(_places(each)):
                return loaded.prefix(module) + name.text
    return ""


def _places(node: Node) -> Iterator[Place]:
    yield node.place
    children = (
        [value for _, value in node.entries] if isinstance(node, Map) else node.items if isinstance(node, List) else ()
    )
    for each in children:
        yield from _places(each)
