"""The rules of `deploy`.

Comes in: a project with its defaults, and where its values are written. Goes out: what breaks a rule. Pure; no rule stops another.
"""

from __future__ import annotations

from devloop import fieldpaths
from devloop.config import model, names
from devloop.config.defaults import KINDS, RESOURCES
from devloop.config.names import did_you_mean
from devloop.config.paths import Finding, KeyPath, Positions
from devloop.config.rules.places import UNITS, Rule, cycles, globs, no_label, numbered, systems

_LONGEST_RELEASE = 53  # https://helm.sh/docs/chart_template_guide/getting_started/


def unit_names_are_labels(project: model.Project, _: Positions) -> list[Finding]:
    return [
        no_label((*path, "name"), unit.name)
        for unit, path in numbered(project.deploy, UNITS)
        if not names.is_label(unit.name)
    ]


def unit_names_are_unique(project: model.Project, positions: Positions) -> list[Finding]:
    first: dict[str, KeyPath] = {}
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        here = (*path, "name")
        if unit.name in first:
            place = positions.where(first[unit.name])
            are_written = positions.has(here) and positions.has(first[unit.name])
            verb = "are named" if are_written else "would both be named"
            hint = "give one of them another `name`" if are_written else "give this one a `name`"
            message = f"two units {verb} `{unit.name}`, the first at {place}"
            found.append(Finding(here, message, hint, basis=(path, first[unit.name][:-1])))
        first.setdefault(unit.name, here)
    return found


def needed_units_exist(project: model.Project, positions: Positions) -> list[Finding]:
    known = dict.fromkeys(each.name for each in project.deploy)
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        for need, inner in numbered(unit.needs, (*path, "needs")):
            if need.unit and need.unit not in known:
                others = [each for each in known if each != unit.name]
                hint = did_you_mean(need.unit, others, f"units are {', '.join(known)}" if len(known) <= 10 else None)
                here = positions.first((*inner, "unit"), inner)
                found.append(Finding(here, f"no unit is named `{need.unit}`", hint, basis=(UNITS,)))
    return found


def needs_has_no_cycle(project: model.Project, positions: Positions) -> list[Finding]:
    edges = {each.name: each.needed_units for each in project.deploy}
    index = {each.name: number for number, each in enumerate(project.deploy)}
    found = []
    for cycle in cycles(edges):
        unit = project.deploy[index[cycle[0]]]
        at = [each.unit for each in unit.needs].index(cycle[1])
        inner: KeyPath = (*UNITS, index[cycle[0]], "needs", at)
        here = positions.first((*inner, "unit"), inner)
        found.append(Finding(here, f"a cycle: {' → '.join(cycle)}", "one of them has to be applied first"))
    return found


def needed_resources_are_known(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        for need, inner in numbered(unit.needs, (*path, "needs")):
            if need.resource is None:
                continue
            here = (*inner, "resource")
            if not (need.kind and need.object_name):
                message = f"`{need.resource}` does not say both kind and name"
                found.append(Finding(here, message, "for example `job/migrate`"))
            elif need.api_version is None:
                hint = did_you_mean(
                    need.kind, RESOURCES, "for a kind that is not Kubernetes' own, say its `apiVersion` too"
                )
                found.append(Finding(here, f"`{need.kind}` is no kind that Kubernetes has by itself", hint))
            elif not names.is_subdomain(need.object_name):
                message = f"`{need.object_name}` is no name of a {need.kind}"
                found.append(Finding(here, message, "use lower-case letters, digits, `-` and `.`"))
            found += _paths(need, inner)
    return found


def _paths(need: model.Need, inner: KeyPath) -> list[Finding]:
    if need.jsonpath is None:
        return []
    try:
        fieldpaths.parse(need.field)
    except fieldpaths.PathError as exc:
        message = f"`{need.field}` is no path: {exc.message}, at character {exc.at}"
        return [Finding((*inner, "jsonpath"), message, exc.hint)]
    return []


def hooks_are_valid(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        hooks = unit.hooks or model.UnitHooks()
        for when, listed in (
            ("beforeRender", hooks.before_render),
            ("afterRender", hooks.after_render),
            ("beforeDeploy", hooks.before_deploy),
            ("afterDeploy", hooks.after_deploy),
        ):
            for hook, inner in numbered(listed, (*path, "hooks", when)):
                found += systems(hook.os, (*inner, "os"))
                found += globs(hook.inputs, (*inner, "inputs"))
                found += _place_of(hook, when, inner)
    return found


def _place_of(hook: model.UnitHook, when: str, inner: KeyPath) -> list[Finding]:
    if hook.resource is None:
        message = "a container is named, and no `resource` that it is in"
        return (
            [Finding((*inner, "container"), message, "for example `resource: deployment/api`")]
            if hook.container
            else []
        )
    here = (*inner, "resource")
    if when.endswith("Render"):
        return [Finding(here, "rendering needs no cluster, so its hooks run on this machine", "leave it out")]
    kind, _, name = hook.resource.partition("/")
    if not name:
        return [Finding(here, f"`{hook.resource}` does not say both kind and name", "for example `deployment/api`")]
    known = [each for each in KINDS if kind.lower() in (each, *KINDS[each])]
    if not known:
        hint = did_you_mean(kind, KINDS, f"kinds are {', '.join(KINDS)}")
        return [Finding(here, f"`{kind}` is no kind that has pods", hint)]
    return []


def globs_are_valid(project: model.Project, _: Positions) -> list[Finding]:
    return [
        finding
        for unit, path in numbered(project.deploy, UNITS)
        for finding in globs(unit.manifests, (*path, "manifests"))
    ]


def releases_are_valid(project: model.Project, positions: Positions) -> list[Finding]:
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        release = unit.helm.release if unit.helm is not None else None
        if release is not None and not names.is_label(release, _LONGEST_RELEASE):
            here = positions.first((*path, "helm", "release"), (*path, "name"))
            if names.is_label(release):
                message = f"helm allows {_LONGEST_RELEASE} characters for a release, `{release}` has {len(release)}"
                found.append(Finding(here, message, "set a shorter `helm.release`"))
            elif positions.has((*path, "helm", "release")):
                found.append(no_label(here, release))
    return found


RULES: tuple[Rule, ...] = (
    unit_names_are_labels,
    unit_names_are_unique,
    needed_units_exist,
    needs_has_no_cycle,
    needed_resources_are_known,
    hooks_are_valid,
    globs_are_valid,
    releases_are_valid,
)
