"""The rules of `profiles`.

Comes in: a project with its defaults, and where its values are written. Goes out: what breaks a rule. Pure; no rule stops another.
"""

from __future__ import annotations

import re

from devloop.config import model, names
from devloop.config.paths import Finding, KeyPath, Positions
from devloop.config.rules.places import Rule, no_label, numbered

PROFILES: KeyPath = ("profiles",)


def names_are_unique_labels(project: model.Project, positions: Positions) -> list[Finding]:
    first: dict[str, KeyPath] = {}
    found = []
    for profile, path in numbered(project.profiles, PROFILES):
        here = (*path, "name")
        if not names.is_label(profile.name):
            found.append(no_label(here, profile.name))
        elif profile.name in first:
            place = positions.where(first[profile.name])
            message = f"two profiles are named `{profile.name}`, the first at {place}"
            found.append(Finding(here, message, "give one of them another `name`", basis=(first[profile.name],)))
        first.setdefault(profile.name, here)
    return found


def patterns_are_regular_expressions(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for profile, path in numbered(project.profiles, PROFILES):
        for activation, inner in numbered(profile.activation, (*path, "activation")):
            name, equals, pattern = (activation.env or "").partition("=")
            if activation.env is not None and not (equals and names.is_variable(name)):
                message = f"`{activation.env}` does not say a variable and a pattern"
                found.append(Finding((*inner, "env"), message, "for example `CI=true`"))
            for field, text in (
                ("env", pattern),
                ("kubeContext", activation.kube_context or ""),
                ("command", activation.command or ""),
            ):
                if wrong := _wrong(text.removeprefix("!")):
                    found.append(Finding((*inner, field), f"`{text}` is no regular expression: {wrong}"))
            if activation == model.Activation():
                found.append(
                    Finding(inner, "nothing is said here, so it would always hold", "say when, or leave it out")
                )
    return found


def _wrong(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as exc:
        return str(exc)
    return ""


RULES: tuple[Rule, ...] = (names_are_unique_labels, patterns_are_regular_expressions)
