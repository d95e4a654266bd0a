"""The rules of the configuration that need nothing but the configuration.

Comes in: a project with its defaults, and where its values are written. Goes out: what breaks a rule. Rules of a part of the file are
in `rules`, rules about the disk in `files`. No rule stops another.
"""

from __future__ import annotations

from devloop.config import model, names
from devloop.config.paths import Finding, Positions
from devloop.config.rules import around, artifacts, docker, finishing, profiles, tagging, tests, units, variables
from devloop.config.rules.places import ROOT, UNITS, Rule, no_label


def check(project: model.Project, positions: Positions) -> list[Finding]:
    """Everything that breaks a rule."""
    return [finding for rule in RULES for finding in rule(project, positions)]


def there_is_work(project: model.Project, _: Positions) -> list[Finding]:
    if project.build.artifacts or project.deploy:
        return []
    hint = "list images below `build.artifacts`, or manifests below `deploy`"
    return [Finding(ROOT, "nothing to build or deploy", hint, basis=(("build",), UNITS))]


def project_name_is_a_label(project: model.Project, _: Positions) -> list[Finding]:
    name = project.metadata.name
    return [] if names.is_label(name) else [no_label(("metadata", "name"), name)]


RULES: tuple[Rule, ...] = (
    there_is_work,
    project_name_is_a_label,
    *artifacts.RULES,
    *docker.RULES,
    *units.RULES,
    *around.RULES,
    *profiles.RULES,
    *tests.RULES,
    *finishing.RULES,
    *variables.RULES,
    *tagging.RULES,
)
