"""The rules of `docker` in `build.artifacts`.

Comes in: a project with its defaults, and where its values are written. Goes out: what breaks a rule. Pure; no rule stops another.
"""

from __future__ import annotations

from devloop.config import model, names
from devloop.config.paths import Finding, Positions
from devloop.config.rules.places import ARTIFACTS, TESTS, Rule, numbered


def platforms_are_valid(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for artifact, path in numbered(project.build.artifacts, ARTIFACTS):
        given = artifact.docker.platforms if artifact.docker else ()
        for index, (platform, here) in enumerate(numbered(given, (*path, "docker", "platforms"))):
            if not names.is_platform(platform):
                better = f"linux/{platform}"
                hint = (
                    f"write `{better}`"
                    if names.is_platform(better)
                    and "/" not in platform
                    and platform not in ("darwin", "linux", "windows")
                    else "for example linux/arm64"
                )
                found.append(Finding(here, f"`{platform}` is no platform", hint))
            elif platform in given[:index]:
                found.append(
                    Finding(here, f"`{platform}` stands there twice", "an image is built once for each platform")
                )
    return found


def build_contexts_are_valid(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for artifact, path in numbered(project.build.artifacts, ARTIFACTS):
        for name, value in (artifact.docker.build_contexts if artifact.docker else {}).items():
            here = (*path, "docker", "buildContexts", name)
            image = names.image_of_context(value)
            if not names.is_repository(names.without_tag(name)):
                hint = "it is written as an image or a stage is: lower-case letters, digits, `.`, `_`, `-`, `/`"
                found.append(Finding(here, f"`{name}` cannot name a context", hint))
            elif image is not None and not names.is_repository(names.without_tag(image)):
                found.append(Finding(here, f"`{value}` names no image", "for example docker-image://golang:1.26"))
            elif image is None and not names.is_folder(value) and not names.is_address(value):
                hint = "a folder, `docker-image://REF`, or the address of a git repository or archive"
                found.append(Finding(here, f"`{value}` is no context that is known here", hint))
    return found


def what_is_needed_here_is_loaded(project: model.Project, _: Positions) -> list[Finding]:
    only_pushed = {each.image for each in project.build.artifacts if not each.is_for_engine}
    found = []
    for artifact, path in numbered(project.build.artifacts, ARTIFACTS):
        for require, inner in numbered(artifact.requires, (*path, "requires")):
            if require.image in only_pushed:
                message = f"`{require.image}` is built for several platforms, so no engine has it to build on"
                found.append(Finding((*inner, "image"), message, "name one platform in its `docker.platforms`"))
    for test, path in numbered(project.test, TESTS):
        if test.image in only_pushed:
            message = f"`{test.image}` is built for several platforms, so no engine has it to test"
            found.append(Finding((*path, "image"), message, "name one platform in its `docker.platforms`"))
    return found


RULES: tuple[Rule, ...] = (platforms_are_valid, build_contexts_are_valid, what_is_needed_here_is_loaded)
