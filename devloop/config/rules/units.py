"""The rules of `deploy`.

Comes in: a project with its defaults, and where its values are written. Goes out: what breaks a rule. Pure; no rule stops another.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

from devloop import fieldpaths
from devloop.config import model, names
from devloop.config.defaults import KINDS, RESOURCES
from devloop.config.names import did_you_mean
from devloop.config.paths import Finding, KeyPath, Positions
from devloop.config.rules.places import ARTIFACTS, UNITS, Rule, cycles, globs, no_label, numbered, systems

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
        for finding in globs(["" if model.is_url(each) else each for each in unit.manifests], (*path, "manifests"))
    ]


def globs_of_commands_are_valid(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        given = [(unit.custom, (*path, "custom"))]
        given += [(each.custom, (*here, "custom")) for each, here in numbered(unit.then, (*path, "then"))]
        for spec, here in given:
            if spec is not None:
                for field in ("paths", "ignore"):
                    found += globs(getattr(spec.dependencies, field), (*here, "dependencies", field))
    return found


def urls_are_pinned_well(project: model.Project, _: Positions) -> list[Finding]:
    """That there is a digest at all is said where it can be fetched, and told."""
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        for entry, here in numbered(unit.manifests, (*path, "manifests")):
            url, has_pin, pin = entry.partition("#")
            if not model.is_url(entry):
                continue
            if "@" in urlsplit(url).netloc:
                found.append(
                    Finding(here, "a URL with credentials would show them in logs", "keep a copy in the project")
                )
            elif has_pin and not re.fullmatch(r"sha256=[0-9a-fA-F]{64}", pin):
                found.append(Finding(here, f"`#{pin}` is no digest", "write `#sha256=` and 64 hex digits"))
    return found


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


def releases_are_distinct(project: model.Project, positions: Positions) -> list[Finding]:
    first: dict[tuple[str | None, str | None], KeyPath] = {}
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        if unit.helm is None or unit.helm.mode != "release":
            continue
        here = positions.first((*path, "helm", "release"), (*path, "name"), (*path, "helm"))
        other = first.setdefault((unit.helm.namespace, unit.helm.release), here)
        if other is not here:
            message = f"two units install the release `{unit.helm.release}`, the first at {positions.where(other)}"
            found.append(Finding(here, message, "give one of them another `helm.release` or `helm.namespace`"))
    return found


def chart_images_are_artifacts(project: model.Project, _: Positions) -> list[Finding]:
    known = dict.fromkeys(each.image for each in project.build.artifacts)
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        for each, here in numbered(unit.helm.images if unit.helm else (), (*path, "helm", "images")):
            if each.image not in known:
                hint = did_you_mean(each.image, known, "`images` names the `image` of an artifact of this file")
                message = f"no artifact is named `{each.image}`"
                found.append(Finding((*here, "image"), message, hint, basis=(ARTIFACTS,)))
            parts = {"tag": each.tag, "registry": each.registry, "digest": each.digest}
            for part in [name for name, given in parts.items() if given and each.value]:
                message = f"`{part}` has no meaning beside `value`, which takes the whole image"
                found.append(Finding((*here, part), message, "write `repository` in place of `value`, or leave it out"))
    return found


def charts_come_from_one_place(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        spec = unit.helm
        if spec is None:
            continue
        is_oci = spec.chart.startswith("oci://")
        if is_oci and spec.repo:
            message = "a chart at `oci://` is in no repository"
            found.append(Finding((*path, "helm", "repo"), message, "leave out `repo`"))
        elif spec.repo and "://" not in spec.repo:
            found.append(
                Finding((*path, "helm", "repo"), f"`{spec.repo}` is no URL", "for example https://host/charts")
            )
        if spec.version and not (is_oci or spec.repo):
            message = "a chart on this machine has the version that its Chart.yaml says"
            found.append(Finding((*path, "helm", "version"), message, "leave out `version`, or say the chart's `repo`"))
    return found


def chart_options_fit(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        spec, here = unit.helm, (*path, "helm")
        if spec is None:
            continue
        for key, text in spec.set_json.items():
            try:
                json.loads(text)
            except ValueError:
                found.append(
                    Finding((*here, "setJson", key), f"`{text}` is no JSON", "text needs its quotes: '\"text\"'")
                )
        for name, given in (("kubeVersion", spec.kube_version), ("apiVersions", spec.api_versions)):
            if given and spec.mode == "release":
                message = f"in `release` mode helm asks the cluster, so `{name}` has no effect"
                found.append(Finding((*here, name), message, "leave it out"))
    return found


def releases_are_helms_alone(project: model.Project, _: Positions) -> list[Finding]:
    """Helm deploys what the chart renders, so what devloop would do to rendered objects does not happen."""
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        if unit.helm is None or unit.helm.mode != "release":
            continue
        for name, steps in (("then", unit.then), ("transforms", unit.transforms)):
            if steps:
                message = f"in `release` mode helm deploys what the chart renders, so `{name}` has no effect"
                hint = "use `helm.postRenderer`, or `mode: template`"
                found.append(Finding((*path, name), message, hint))
    return found


RULES: tuple[Rule, ...] = (
    unit_names_are_labels,
    unit_names_are_unique,
    needed_units_exist,
    needs_has_no_cycle,
    needed_resources_are_known,
    hooks_are_valid,
    globs_are_valid,
    globs_of_commands_are_valid,
    urls_are_pinned_well,
    releases_are_valid,
    releases_are_distinct,
    chart_images_are_artifacts,
    charts_come_from_one_place,
    chart_options_fit,
    releases_are_helms_alone,
)
