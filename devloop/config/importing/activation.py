"""When a profile of Skaffold is active by itself, in devloop's words.

Comes in: a profile. Goes out: its list of activations. Pure, but for the notes. Skaffold's patterns match anywhere in a value, devloop's
the whole of it; only an empty one of `env` means that the variable is empty.
"""

from __future__ import annotations

import re

from devloop.config.importing.fields import Fields, listed, mapping, text
from devloop.config.tree import List, Map, Node, Scalar


def convert(profile: Fields) -> List | None:
    """The activations; None when it is active only when asked for."""
    found = [_one(each) for each in profile.records("activation")]
    if profile.is_true("requiresAllActivations") and len(found) > 1:
        keys = [key.text for each in found for key, _ in each.entries]
        if len(set(keys)) < len(keys):
            reason = "one activation cannot ask twice for the same; the profile is active only when asked for"
            profile.notes.add(profile.place, profile.at("requiresAllActivations"), reason, matters=True)
            return None
        found = [Map(found[0].place, tuple(entry for each in found for entry in each.entries))]
    return listed(profile.place, [each for each in found if each.entries])


def _one(activation: Fields) -> Map:
    env = activation.take("env")
    made = mapping(
        activation.place,
        ("env", _env(env)),
        ("kubeContext", _whole(activation.take("kubeContext"))),
        ("command", _whole(activation.take("command"))),
    )
    activation.done()
    return made


def _env(node: Node | None) -> Node | None:
    if not isinstance(node, Scalar):
        return node
    name, equals, pattern = node.text.partition("=")
    return text(node.place, name + equals + (anywhere(pattern) if pattern else ""))


def _whole(node: Node | None) -> Node | None:
    return text(node.place, anywhere(node.text)) if isinstance(node, Scalar) else node


def anywhere(pattern: str) -> str:
    """A pattern that matches a whole value wherever the other one matches in it."""
    no, inner = ("!", pattern[1:]) if pattern.startswith("!") else ("", pattern)
    if re.fullmatch(r"\^[^|^$]*\$", inner) or re.fullmatch(r"\^\([^()]*\)\$", inner):
        return no + inner[1:-1]
    return f"{no}.*({inner}).*"
