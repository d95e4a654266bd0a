"""The rules of `build.tagPolicy`.

Comes in: a project with its defaults, and where its values are written. Goes out: what breaks a rule. Pure; no rule stops another. Which
variables the environment has is known only when a tag is made.
"""

from __future__ import annotations

from collections.abc import Iterator

from devloop import readable_tags
from devloop.config import model
from devloop.config.names import did_you_mean
from devloop.config.paths import Finding, KeyPath, Positions
from devloop.config.rules.places import Rule, numbered

POLICY: KeyPath = ("build", "tagPolicy")
COMPONENTS: KeyPath = (*POLICY, "customTemplate", "components")


def parts(project: model.Project) -> Iterator[tuple[model.TagPolicy | model.TagComponent, KeyPath]]:
    """What makes a tag or a part of one, with its path."""
    policy = project.build.tag_policy
    if policy is not None:
        yield policy, POLICY
        yield from numbered(policy.custom_template.components if policy.custom_template else (), COMPONENTS)


def fixed_tags_are_tags(project: model.Project, _: Positions) -> list[Finding]:
    text = project.build.tag_policy.fixed if project.build.tag_policy else None
    here = (*POLICY, "fixed")
    if text is None or (readable_tags.is_tag(text) and not readable_tags.is_digest(text)):
        return []
    if readable_tags.is_digest(text):
        return [Finding(here, f"`{text}` could be taken for a digest of inputs", readable_tags.DIGEST_HINT)]
    return [Finding(here, f"`{text}` is no tag of an image", readable_tags.TAG_HINT)]


def templates_can_be_filled_in(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for part, path in parts(project):
        if part.env_template is not None:
            found += _not_understood(part.env_template.template, (*path, "envTemplate", "template"))
    custom = project.build.tag_policy.custom_template if project.build.tag_policy else None
    if custom is not None:
        here = (*POLICY, "customTemplate", "template")
        found += [*_not_understood(custom.template, here), *_without_component(custom, here)]
    return found


def components_have_names_of_their_own(project: model.Project, positions: Positions) -> list[Finding]:
    first: dict[str, KeyPath] = {}
    found = []
    custom = project.build.tag_policy.custom_template if project.build.tag_policy else None
    for component, path in numbered(custom.components if custom else (), COMPONENTS):
        here = (*path, "name")
        if readable_tags.name_of(f".{component.name}") is None:
            hint = "letters, digits and `_`, no digit first"
            found.append(Finding(here, f"`{component.name}` is no name that a template can have", hint))
        elif component.name in first:
            message = (
                f"two components are named `{component.name}`, the first at {positions.where(first[component.name])}"
            )
            found.append(Finding(here, message, "leave one of them out", basis=(first[component.name],)))
        first.setdefault(component.name, here)
    return found


def _not_understood(template: str, here: KeyPath) -> list[Finding]:
    return [
        Finding(here, f"`{{{{{inside}}}}}` is not understood", "only `{{.NAME}}` is")
        for inside in readable_tags.placeholders(template)
        if readable_tags.name_of(inside) is None
    ]


def _without_component(custom: model.CustomTemplate, here: KeyPath) -> list[Finding]:
    known = [each.name for each in custom.components]
    named = dict.fromkeys(filter(None, map(readable_tags.name_of, readable_tags.placeholders(custom.template))))
    listed = f"components are {', '.join(known)}" if known else "there are no `components`"
    return [
        Finding(here, f"no component is named `{name}`", did_you_mean(name, known, listed), basis=(COMPONENTS,))
        for name in named
        if name not in known
    ]


RULES: tuple[Rule, ...] = (fixed_tags_are_tags, templates_can_be_filled_in, components_have_names_of_their_own)
