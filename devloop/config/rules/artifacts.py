"""The rules of `build.artifacts`.

Comes in: a project with its defaults, and where its values are written. Goes out: what breaks a rule. Pure; no rule stops another.
"""

from __future__ import annotations

from devloop.config import model, names
from devloop.config.names import did_you_mean
from devloop.config.paths import Finding, KeyPath, Positions
from devloop.config.rules.places import ARTIFACTS, Rule, cycles, globs, numbered, systems


def image_names_are_valid(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for artifact, path in numbered(project.build.artifacts, ARTIFACTS):
        image = artifact.image
        if names.is_repository(image):
            continue
        bare = names.without_tag(image)
        if names.is_repository(bare):
            what = "a digest" if "@" in image else "a tag"
            message, hint = f"`{image}` has {what}", f"write `{bare}`; devloop gives the tag"
        else:
            message = f"`{image}` is no name of an image"
            better = bare.lower()
            hint = f"write `{better}`" if names.is_repository(better) else "for example shop/api"
        found.append(Finding((*path, "image"), message, hint))
    return found


def images_are_unique(project: model.Project, positions: Positions) -> list[Finding]:
    first: dict[str, KeyPath] = {}
    found = []
    for artifact, path in numbered(project.build.artifacts, ARTIFACTS):
        here = (*path, "image")
        if artifact.image in first:
            message = (
                f"two artifacts are named `{artifact.image}`, the first at {positions.where(first[artifact.image])}"
            )
            found.append(Finding(here, message, "an image is built once; `requires` it where it is needed"))
        first.setdefault(artifact.image, here)
    return found


def required_images_exist(project: model.Project, _: Positions) -> list[Finding]:
    known = dict.fromkeys(each.image for each in project.build.artifacts)
    found = []
    for artifact, path in numbered(project.build.artifacts, ARTIFACTS):
        for require, inner in numbered(artifact.requires, (*path, "requires")):
            if require.image not in known:
                hint = did_you_mean(
                    require.image, known, "`requires` names the `image` of another artifact of this file"
                )
                message = f"no artifact is named `{require.image}`"
                found.append(Finding((*inner, "image"), message, hint, basis=(ARTIFACTS,)))
    return found


def requires_has_no_cycle(project: model.Project, _: Positions) -> list[Finding]:
    entries = project.build.artifacts
    edges = {each.image: tuple(required.image for required in each.requires) for each in entries}
    index = {each.image: number for number, each in enumerate(entries)}
    found = []
    for cycle in cycles(edges):
        here = index[cycle[0]]
        at = edges[cycle[0]].index(cycle[1])
        path: KeyPath = (*ARTIFACTS, here, "requires", at, "image")
        found.append(Finding(path, f"a cycle: {' → '.join(cycle)}", "an image cannot be built on itself"))
    return found


def required_variables_are_distinct(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for artifact, path in numbered(project.build.artifacts, ARTIFACTS):
        taken: dict[str, str] = {}
        for require, inner in numbered(artifact.requires, (*path, "requires")):
            variable = require.variable
            if not names.is_variable(variable):
                message = f"`{variable}` is no name of a variable"
                found.append(Finding((*inner, "alias"), message, "set `alias` to letters, digits and `_`"))
            elif variable in taken:
                message = (
                    f"the ref of `{require.image}` would be passed as `{variable}`, as that of `{taken[variable]}` is"
                )
                found.append(Finding((*inner, "alias"), message, "give one of them another `alias`"))
            taken.setdefault(variable, require.image)
    return found


def globs_are_valid(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for artifact, path in numbered(project.build.artifacts, ARTIFACTS):
        if artifact.custom is not None:
            inner = (*path, "custom", "dependencies")
            found += globs(artifact.custom.dependencies.paths, (*inner, "paths"))
            found += globs(artifact.custom.dependencies.ignore, (*inner, "ignore"))
        if artifact.buildpacks is not None:
            inner = (*path, "buildpacks", "dependencies")
            found += globs(artifact.buildpacks.dependencies.paths, (*inner, "paths"))
            found += globs(artifact.buildpacks.dependencies.ignore, (*inner, "ignore"))
    return found


def hook_systems_are_known(project: model.Project, _: Positions) -> list[Finding]:
    return [
        finding
        for artifact, path in numbered(project.build.artifacts, ARTIFACTS)
        if (hooks := artifact.hooks)
        for when, listed in (("before", hooks.before), ("after", hooks.after))
        for hook, inner in numbered(listed, (*path, "hooks", when))
        for finding in systems(hook.os, (*inner, "os"))
    ]


def variables_of_builds_are_valid(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for artifact, path in numbered(project.build.artifacts, ARTIFACTS):
        for builder, given in (("ko", artifact.ko), ("buildpacks", artifact.buildpacks)):
            for entry, here in numbered(given.env if given else (), (*path, builder, "env")):
                name, equals, _value = entry.partition("=")
                if not names.is_variable(name):
                    found.append(Finding(here, f"`{name}` is no name of a variable", "write `NAME=value`"))
                elif builder == "ko" and not equals:
                    found.append(Finding(here, f"`{name}` has no value", f"write `{name}=value`"))
    return found


RULES: tuple[Rule, ...] = (
    image_names_are_valid,
    images_are_unique,
    required_images_exist,
    requires_has_no_cycle,
    required_variables_are_distinct,
    globs_are_valid,
    hook_systems_are_known,
    variables_of_builds_are_valid,
)
