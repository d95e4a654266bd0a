"""The rules of what becomes of rendered manifests: `imagePaths`, `devOverrides`.

Comes in: a project with its defaults, and where its values are written. Goes out: what breaks a rule. Pure; no rule stops another.
"""

from __future__ import annotations

import re

from devloop import fieldpaths
from devloop.config import model
from devloop.config.paths import Finding, KeyPath, Positions
from devloop.config.rules.places import Rule, numbered

_ROWS: KeyPath = ("imagePaths",)
_OVERRIDES: KeyPath = ("devOverrides",)
_PARTS = (2, 3)
_NONE = ("0", "0%")


def image_paths_are_valid(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for row, path in numbered(project.image_paths, _ROWS):
        for text, here in numbered(row.paths, (*path, "paths")):
            try:
                parsed = fieldpaths.parse(text)
            except fieldpaths.PathError as exc:
                found.append(Finding(here, f"`{text}` is no path: {exc.message}, at character {exc.at}", exc.hint))
                continue
            if parsed.parts and len(parsed.parts) not in _PARTS:
                message = f"`{text}` names {len(parsed.parts)} field" + ("s" if len(parsed.parts) > 1 else "")
                found.append(Finding(here, message, "write `{repository,tag}` or `{registry,repository,tag}`"))
    return found


def kinds_have_no_group(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for row, path in numbered(project.image_paths, _ROWS):
        if not row.kind.isalnum() and row.kind != "*":
            kind, _dot, rest = row.kind.partition(".")
            is_both = bool(rest) and kind.isalnum()
            hint = f"write `kind: {kind}` and `group: {rest}`" if is_both else "for example `kind: MyApp`"
            found.append(Finding((*path, "kind"), f"`{row.kind}` is no kind", hint))
        if row.group is not None and "/" in row.group:
            group = row.group.partition("/")[0]
            found.append(Finding((*path, "group"), f"`{row.group}` has a version", f"write `{group}`"))
    return found


def surges_are_counts(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    spec = project.dev_overrides or model.DevOverrides()
    for field, value in (("maxSurge", spec.max_surge), ("maxUnavailable", spec.max_unavailable)):
        if isinstance(value, str) and not re.fullmatch("[0-9]{1,4}%", value):
            hint = "write a whole number, or one with %: 1, 100%"
            found.append(Finding((*_OVERRIDES, field), f"`{value}` is no number of pods", hint))
    if str(spec.max_surge) in _NONE and str(spec.max_unavailable) in _NONE:
        message = "with `maxSurge` and `maxUnavailable` both 0 no pod could be replaced"
        found.append(Finding((*_OVERRIDES, "maxUnavailable"), message, "give one of them at least 1"))
    return found


RULES: tuple[Rule, ...] = (image_paths_are_valid, kinds_have_no_group, surges_are_counts)
