"""Skaffold's lifecycle hooks on this machine as devloop's; those in containers name pods by a glob, which has no equal.

Comes in: a `hooks` mapping. Goes out: lists of hooks. Pure, but for the notes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from devloop.config.importing.around import Around
from devloop.config.importing.fields import Fields, listed, mapping, text
from devloop.config.tree import List, Node, Scalar

# What devloop calls the variables that Skaffold gives a hook.
_BUILD = {f"SKAFFOLD_{each}": each for each in ("IMAGE", "IMAGE_REPO", "IMAGE_TAG", "BUILD_CONTEXT", "PUSH_IMAGE")}
_DEPLOY = {"SKAFFOLD_KUBE_CONTEXT": "DEVLOOP_CONTEXT", "SKAFFOLD_NAMESPACES": "DEVLOOP_NAMESPACE"}
_VARIABLE = re.compile(r"SKAFFOLD_\w+")
_SHELLS = frozenset({"sh", "bash", "/bin/sh", "/bin/bash"})


def of_build(around: Around, fields: Fields) -> Node | None:
    """`hooks` of an artifact."""
    hooks = fields.record("hooks")
    if hooks is None:
        return None
    before = [_hook(around, each, _BUILD) for each in hooks.records("before")]
    after = [_hook(around, each, _BUILD) for each in hooks.records("after")]
    hooks.done()
    return _made(hooks, ("before", before), ("after", after))


def of_units(around: Around, fields: Fields, when: str) -> Iterator[tuple[str, Node]]:
    """The lists of a unit's hooks under their names; `when`: Render or Deploy."""
    hooks = fields.record("hooks")
    if hooks is None:
        return
    for key in ("before", "after"):
        made = []
        for entry in hooks.records(key):
            entry.leave(
                "its command runs in pods by a glob of their names: write a hook with `resource: deployment/NAME`",
                "container",
                matters=True,
            )
            host = entry.record("host")
            entry.done()
            if host is not None:
                host.leave(
                    "what a hook prints does not replace what was rendered: use `then`", "withChange", matters=True
                )
                made.append(_hook(around, host, _DEPLOY))
        if made:
            yield f"{key}{when}", List(hooks.place, tuple(filter(None, made)))
    hooks.done()


def _made(hooks: Fields, *lists: tuple[str, list[Node | None]]) -> Node | None:
    entries = [(key, listed(hooks.place, [each for each in found if each is not None])) for key, found in lists]
    made = mapping(hooks.place, *entries)
    return made if made.entries else None


def _hook(around: Around, hook: Fields, names: dict[str, str]) -> Node | None:
    given = hook.take("command")
    words = [each.text for each in given.items if isinstance(each, Scalar)] if isinstance(given, List) else []
    made = mapping(
        hook.place,
        ("command", _command(around, hook, given, words, names) if given is not None else None),
        ("dir", around.path(hook.take("dir"))),
        ("os", hook.take("os")),
    )
    hook.done()
    if not words:
        around.notes.add(hook.place, hook.at("command"), "a list of words is wanted here", matters=True)
        return None
    return made


def _command(around: Around, hook: Fields, given: Node, words: list[str], names: dict[str, str]) -> Node:
    is_script = len(words) == 3 and words[0] in _SHELLS and words[1] == "-c"
    written = words[2] if is_script else shlex.join(words)
    for name in sorted(set(_VARIABLE.findall(written))):
        if name not in names:
            reason = f"the variable {name} has no equal; there are {', '.join(names.values())}"
            around.notes.add(given.place, hook.at("command"), reason, matters=True)
    return text(given.place, _VARIABLE.sub(lambda found: names.get(found[0], found[0]), written))
