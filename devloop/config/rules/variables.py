"""The rules of `vars`.

Comes in: a project with its defaults, and where its values are written. Goes out: what breaks a rule. Pure; no rule stops another.
"""

from __future__ import annotations

from devloop.config import model, names
from devloop.config.paths import Finding, KeyPath, Positions
from devloop.config.rules.places import Rule, numbered

VARS: KeyPath = ("vars",)


def names_are_unique_and_usable(project: model.Project, positions: Positions) -> list[Finding]:
    first: dict[str, KeyPath] = {}
    found = []
    for variable, path in numbered(project.vars, VARS):
        here = (*path, "name")
        if not names.is_variable(variable.name):
            hint = "letters, digits and `_`, no digit first"
            found.append(Finding(here, f"`{variable.name}` is no name of a variable", hint))
        elif variable.name in first:
            place = positions.where(first[variable.name])
            message = f"two variables are named `{variable.name}`, the first at {place}"
            found.append(Finding(here, message, "leave one of them out", basis=(first[variable.name],)))
        first.setdefault(variable.name, here)
    return found


def inputs_are_those_of_a_command(project: model.Project, _: Positions) -> list[Finding]:
    return [
        Finding((*path, "inputs"), "only a `command` has inputs", "leave it out", basis=((*path, "command"),))
        for variable, path in numbered(project.vars, VARS)
        if variable.inputs and variable.command is None
    ]


RULES: tuple[Rule, ...] = (names_are_unique_and_usable, inputs_are_those_of_a_command)
