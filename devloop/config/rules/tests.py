"""The rules of `test`.

Comes in: a project with its defaults, and where its values are written. Goes out: what breaks a rule. Pure; no rule stops another.
"""

from __future__ import annotations

from devloop.config import model
from devloop.config.names import did_you_mean
from devloop.config.paths import Finding, Positions
from devloop.config.rules.places import ARTIFACTS, TESTS, Rule, globs, numbered


def tested_images_exist(project: model.Project, _: Positions) -> list[Finding]:
    known = dict.fromkeys(each.image for each in project.build.artifacts)
    found = []
    for test, path in numbered(project.test, TESTS):
        if test.image not in known:
            hint = did_you_mean(test.image, known, "`test` names the `image` of an artifact of this file")
            found.append(Finding((*path, "image"), f"no artifact is named `{test.image}`", hint, basis=(ARTIFACTS,)))
    return found


def there_is_something_to_test(project: model.Project, _: Positions) -> list[Finding]:
    return [
        Finding(path, f"no test of `{test.image}`", "list commands below `custom`, or files below `structureTests`")
        for test, path in numbered(project.test, TESTS)
        if not test.custom and not test.structure_tests
    ]


def globs_are_valid(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for test, path in numbered(project.test, TESTS):
        found += globs(test.structure_tests, (*path, "structureTests"))
        for custom, inner in numbered(test.custom, (*path, "custom")):
            found += globs(custom.dependencies.paths or (), (*inner, "dependencies", "paths"))
            found += globs(custom.dependencies.ignore, (*inner, "dependencies", "ignore"))
    return found


RULES: tuple[Rule, ...] = (tested_images_exist, there_is_something_to_test, globs_are_valid)
