"""Profiles: which are active, and the configuration with them.

Comes in: the tree of a file, the profiles that were asked for, and what is so on this machine. Goes out: one tree without them, and what
is worth knowing about how it came to be. Pure; what is so is told, never looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from devloop.config import defaults, merge, model, patches
from devloop.config.decode import decode
from devloop.config.names import did_you_mean
from devloop.config.paths import KeyPath, spelled
from devloop.config.tree import List, Map, Node, Scalar
from devloop.errors import UsageError

_SECTIONS = frozenset(
    {"metadata", "build", "deploy", "test", "cluster", "portForward", "logs", "imagePaths", "devOverrides", "vars"}
)


@dataclass(frozen=True)
class Facts:
    """What profiles are activated by. `context`: the name of the kubeconfig context, asked only where a profile wants to know it."""

    command: str = ""
    os: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    context: Callable[[], str] = lambda: ""


NOWHERE = Facts()  # where nothing is known, and no profile is active by itself


@dataclass(frozen=True)
class Chosen:
    """An active profile, and why it is. `tree`: as it is written."""

    profile: model.Profile
    tree: Map
    index: int
    why: str


@dataclass(frozen=True)
class Applied:
    """`root`: the configuration with its active profiles laid over it. `active`: names and reasons, in the order in which they were laid.
    `warnings`: where two of them say different things.
    """

    root: Map
    active: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()


def apply(root: Map, asked: Sequence[str], facts: Facts, whys: Mapping[str, str] = MappingProxyType({})) -> Applied:
    """Lays the active profiles over the rest of the file: those active by themselves in the order of the file, then those that were asked
    for, in the order of asking. A name in `asked` may have `-` before it: that one is not active, whatever holds. `whys`: of names
    that somebody else than the user asks for.

    Raises: UsageError for a name that is no profile's; ConfigError for a patch that leads nowhere.
    """
    written = root.values.get("profiles")
    known = decode(
        Map(root.place, (*_only(root, "apiVersion"), *_only(root, "profiles"))), model.Project
    ).value.profiles
    trees = [each for each in written.items if isinstance(each, Map)] if isinstance(written, List) else []
    if len(known) != len(trees):
        return Applied(root)  # what is wrong with them is told by whoever reads the whole
    chosen = list(_chosen([(each, tree) for each, tree in zip(known, trees, strict=True)], asked, facts, whys))
    made = root
    for each in chosen:
        body = Map(each.tree.place, tuple(entry for entry in each.tree.entries if entry[0].text in _SECTIONS))
        made = merge.over(made, body, model.Project, _default_name)
        made = patches.apply(made, each.profile.patches, ("profiles", each.index, "patches"), each.tree)
    if written is not None and chosen:
        # The rules speak of profiles where they are written, and all else as it came to be.
        made = Map(
            root.place,
            tuple(entry for entry in made.entries if entry[0].text != "profiles") + tuple(_only(root, "profiles")),
        )
    return Applied(made, tuple((each.profile.name, each.why) for each in chosen), tuple(_conflicts(chosen)))


def names(root: Map) -> tuple[str, ...]:
    """The names of the profiles that the file has."""
    written = root.values.get("profiles")
    given = (
        [each.values.get("name") for each in written.items if isinstance(each, Map)]
        if isinstance(written, List)
        else []
    )
    return tuple(each.text for each in given if isinstance(each, Scalar))


def require_known(asked: Sequence[str], known: Sequence[str]) -> None:
    """Raises: UsageError for a name that is no profile's."""
    for each in asked:
        if each.removeprefix("-") not in known:
            hint = did_you_mean(each.removeprefix("-"), known, _listed(known))
            raise UsageError(f"no profile is named `{each.removeprefix('-')}`", hint=hint)


def _only(root: Map, key: str) -> Iterator[tuple[Scalar, Node]]:
    return (entry for entry in root.entries if entry[0].text == key)


def _chosen(
    known: Sequence[tuple[model.Profile, Map]], asked: Sequence[str], facts: Facts, whys: Mapping[str, str]
) -> Iterator[Chosen]:
    order = [profile.name for profile, _ in known]
    require_known(asked, order)
    off = {each[1:] for each in asked if each.startswith("-")}
    wanted = [each for each in dict.fromkeys(asked) if not each.startswith("-") and each not in off]
    for index, (profile, tree) in enumerate(known):
        why = next(filter(None, (_why(each, facts) for each in profile.activation)), "")
        if why and profile.name not in off and profile.name not in wanted:
            yield Chosen(profile, tree, index, why)
    for name in wanted:
        index = order.index(name)
        yield Chosen(known[index][0], known[index][1], index, whys.get(name, "asked for"))


def _listed(names: Sequence[str]) -> str:
    return f"profiles are {', '.join(names)}" if names else "the file has no `profiles`"


def _why(activation: model.Activation, facts: Facts) -> str:
    """In words why it holds; "" when it does not."""
    held: list[str] = []
    checks: list[tuple[str | None, str, Callable[[], str]]] = [
        (activation.command, "command", lambda: facts.command),
        (activation.os, "os", lambda: facts.os),
        (activation.kube_context, "context", facts.context),
    ]
    if activation.env is not None:
        name, _, wanted = activation.env.partition("=")
        checks.append((wanted, name, lambda: facts.env.get(name, "")))
    for pattern, what, ask in checks:
        if pattern is None:
            continue
        value = ask()
        if not matches(pattern, value):
            return ""
        held.append(f"{what} {value}".rstrip() if value else f"no {what}")
    return ", ".join(held)


def matches(pattern: str, value: str) -> bool:
    """Whether the value as a whole is what the regular expression says; with `!` before it, is not. One that is none matches nothing."""
    try:
        is_match = re.fullmatch(pattern.removeprefix("!"), value) is not None
    except re.error:
        return False  # a rule names it
    return is_match != pattern.startswith("!")


def _default_name(record: type[object], node: Map) -> str:
    """The name that a unit without one gets, as far as what is written of it tells."""
    return defaults.unit_name(decode(node, model.Unit).value) if record is model.Unit else ""


def _conflicts(chosen: Sequence[Chosen]) -> Iterator[str]:
    """Single values that two active profiles set to different things."""
    seen: dict[KeyPath, tuple[str, str]] = {}
    for each in chosen:
        name = each.profile.name
        for path, value in _values(each.tree, ()):
            before = seen.get(path)
            if before is not None and before[1] != value:
                yield f"the profiles {before[0]} and {name} both set {spelled(path)}; what {name} says stands, for it comes later"
            seen[path] = (name, value)


def _values(node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Single values of mappings; an entry of a list is known by its name."""
    if isinstance(node, Scalar):
        if path and path[0] in _SECTIONS:
            yield path, node.text
    elif isinstance(node, Map):
        for key, value in node.entries:
            yield from _values(value, (*path, key.text))
    else:
        for item in node.items:
            name = _any_name(item)
            if name:
                yield from _values(item, (*path, name))


def _any_name(item: Node) -> str:
    keys = ("image", "name", "id", "resource")
    found = [item.values.get(key) for key in keys] if isinstance(item, Map) else []
    return next((each.text for each in found if isinstance(each, Scalar)), "")
