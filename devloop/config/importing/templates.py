"""Go templates in fields of Skaffold, as far as they only name variables.

Comes in: text with `{{…}}`, and how a variable is to be spelt. Goes out: text without, or the reason why that cannot be. Pure.
Understood are `{{.NAME}}`, `{{default "x" .NAME}}` and `{{.NAME | default "x"}}`, alone or between other text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

# A variable and the text for when it is not set or empty; None when there is none. Raises: NotTold.
Spell = Callable[[str, str | None], str]

MARK = "\ue000"  # the dollar of a variable, while dollars of the text are not told apart from it yet
_ACTION = re.compile(r"\{\{-?(.*?)-?\}\}", re.DOTALL)
_TEXT = r'(?:"(?P<{0}>[^"\\]*)"|`(?P<{0}raw>[^`]*)`)'
_FORMS = (
    re.compile(r"\.(?P<name>\w+)"),
    re.compile(r"default\s+" + _TEXT.format("other") + r"\s+\.(?P<name>\w+)"),
    re.compile(r"\.(?P<name>\w+)\s*\|\s*default\s+" + _TEXT.format("other")),
)


class NotToldError(Exception):
    """A template that has no equal here; the text says why."""


def is_template(text: str) -> bool:
    return "{{" in text


def fill(text: str, spell: Spell) -> str:
    """The text with its variables spelt. Raises: NotToldError."""
    return _ACTION.sub(lambda found: _action(found[1].strip(), spell), text)


def _action(action: str, spell: Spell) -> str:
    for form in _FORMS:
        if found := form.fullmatch(action):
            given = found.groupdict()
            other = given.get("other")
            return spell(found["name"], given.get("otherraw") if other is None else other)
    raise NotToldError(f"`{{{{{action}}}}}` is more than a variable; only `{{{{.NAME}}}}` and `default` are understood")


def from_environment(env: Mapping[str, str]) -> Spell:
    """Variables by their values in an environment."""

    def spell(name: str, other: str | None) -> str:
        value = env.get(name, "")
        if value or (other is None and name in env):
            return value
        if other is None:
            raise NotToldError(f"the environment variable {name} is not set")
        return other

    return spell


def as_variables(name: str, other: str | None) -> str:
    """Variables as devloop's, marked as such: see `dollars`. Raises: NotToldError."""
    if other is None:
        return f"{MARK}{{{name}}}"
    if re.search(r"[$\\`{}\"]", other):
        raise NotToldError(f"the default of {name} cannot be written between brackets")
    return f"{MARK}{{{name}:-{other}}}"
