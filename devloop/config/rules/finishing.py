"""The rules of what becomes of rendered manifests: `imagePaths`.

Comes in: a project with its defaults, and where its values are written. Goes out: what breaks a rule. Pure; no rule stops another.
"""

from __future__ import annotations

from devloop import fieldpaths
from devloop.config import model
from devloop.config.paths import Finding, KeyPath, Positions
from devloop.config.rules.places import Rule, numbered

_ROWS: KeyPath = ("imagePaths",)
_PARTS = (2, 3)


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


RULES: tuple[Rule, ...] = (image_paths_are_valid, kinds_have_no_group)
