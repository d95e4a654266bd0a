"""Profiles of Skaffold laid over its configuration, by Skaffold's rules.

Comes in: a configuration and a profile, both as they are written. Goes out: the configuration with the profile. Pure. The rules: lists,
and everything that is written as a block of its own below a section, replace what is there as a whole; of blocks that exclude each other
the profile's stands; an empty list, `false`, 0 and "" change nothing. Patches follow.
"""

from __future__ import annotations

from collections.abc import Mapping

from devloop.config import model, patches
from devloop.config.importing.fields import is_nothing
from devloop.config.tree import List, Map, Node, Scalar

_LISTS = ("test", "portForward", "verify", "customActions")
_SECTIONS = ("build", "manifests", "deploy", "resourceSelector")
# Blocks whose fields merge one by one, by their section.
_MERGED: Mapping[str, tuple[str, ...]] = {
    "build": ("hooks",),
    "manifests": ("hooks",),
    "deploy": ("logs",),
}
_ENVIRONMENTS = frozenset({"local", "googleCloudBuild", "cluster"})


def with_profile(config: Map, profile: Map, path: tuple[str | int, ...]) -> Map:
    """The configuration with the profile. `path`: where the profile is. Raises: ConfigError for a patch that leads nowhere."""
    made = config
    for key, value in profile.entries:
        if key.text in _LISTS:
            made = _put(made, key, value)
        elif key.text in _SECTIONS and isinstance(value, Map):
            below = made.values.get(key.text)
            made = _put(made, key, _section(below, value, key.text) if isinstance(below, Map) else value)
    return patches.apply(made, _patches(profile), (*path, "patches"), profile)


def _section(below: Map, above: Map, section: str) -> Map:
    gone = _ENVIRONMENTS if section == "build" and _ENVIRONMENTS & above.values.keys() else frozenset()
    made = Map(below.place, tuple(entry for entry in below.entries if entry[0].text not in gone))
    for key, value in above.entries:
        old = made.values.get(key.text)
        if key.text in _MERGED.get(section, ()) and isinstance(old, Map) and isinstance(value, Map):
            made = _put(made, key, _section(old, value, ""))
        else:
            made = _put(made, key, value)
    return made


def _put(node: Map, key: Scalar, value: Node) -> Map:
    if _says_nothing(value):
        return node
    if key.text not in node.values:
        return Map(node.place, (*node.entries, (key, value)))
    return Map(node.place, tuple((key, value) if old.text == key.text else (old, there) for old, there in node.entries))


def _says_nothing(value: Node) -> bool:
    if isinstance(value, List):
        return not value.items
    return isinstance(value, Scalar) and (is_nothing(value) or value.text in ("", "0", "false"))


def _patches(profile: Map) -> list[model.Patch]:
    listed = profile.values.get("patches")
    found = []
    for each in listed.items if isinstance(listed, List) else ():
        given = {key.text: value for key, value in each.entries} if isinstance(each, Map) else {}
        words = {key: value.text for key, value in given.items() if isinstance(value, Scalar)}
        found.append(
            model.Patch(words.get("path", ""), words.get("op", "replace"), given.get("value"), words.get("from"))
        )
    return found
