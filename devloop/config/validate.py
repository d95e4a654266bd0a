"""The rules of the configuration that need nothing but the configuration.

Comes in: a project with its defaults, and where its values are written. Goes out: what breaks a rule. One pure function a rule, all of
them in the table at the end; rules about the disk are in `files`. No rule stops another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from devloop.config import model, names
from devloop.config.defaults import KINDS
from devloop.config.names import did_you_mean
from devloop.config.paths import Finding, KeyPath, Positions

Rule = Callable[[model.Project, Positions], list[Finding]]
T = TypeVar("T")

ARTIFACTS: KeyPath = ("build", "artifacts")
UNITS: KeyPath = ("deploy",)
FORWARDS: KeyPath = ("portForward",)
ROOT: KeyPath = ()

_LABEL_HINT = "use lower-case letters, digits and `-`, a letter or digit at both ends"
_LONGEST_RELEASE = 53  # https://helm.sh/docs/chart_template_guide/getting_started/


def check(project: model.Project, positions: Positions) -> list[Finding]:
    """Everything that breaks a rule."""
    return [finding for rule in RULES for finding in rule(project, positions)]


def numbered(entries: Sequence[T], path: KeyPath) -> Iterator[tuple[T, KeyPath]]:
    """Entries of a list with their paths."""
    return ((each, (*path, index)) for index, each in enumerate(entries))


def there_is_work(project: model.Project, _: Positions) -> list[Finding]:
    if project.build.artifacts or project.deploy:
        return []
    hint = "list images below `build.artifacts`, or manifests below `deploy`"
    return [Finding(ROOT, "nothing to build or deploy", hint, basis=(("build",), UNITS))]


def project_name_is_a_label(project: model.Project, _: Positions) -> list[Finding]:
    name = project.metadata.name
    return [] if names.is_label(name) else [_no_label(("metadata", "name"), name)]


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
    for cycle in _cycles(edges):
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
            found += _globs(artifact.custom.dependencies.paths, (*inner, "paths"))
            found += _globs(artifact.custom.dependencies.ignore, (*inner, "ignore"))
        if artifact.buildpacks is not None:
            inner = (*path, "buildpacks", "dependencies")
            found += _globs(artifact.buildpacks.dependencies.paths, (*inner, "paths"))
            found += _globs(artifact.buildpacks.dependencies.ignore, (*inner, "ignore"))
    for unit, path in numbered(project.deploy, UNITS):
        found += _globs(unit.manifests, (*path, "manifests"))
    return found


def hook_systems_are_known(project: model.Project, _: Positions) -> list[Finding]:
    known = ("linux", "darwin", "windows")
    found = []
    for artifact, path in numbered(project.build.artifacts, ARTIFACTS):
        hooks = artifact.hooks or model.Hooks()
        for when, listed in (("before", hooks.before), ("after", hooks.after)):
            for hook, inner in numbered(listed, (*path, "hooks", when)):
                for system, place in numbered(hook.os, (*inner, "os")):
                    if system not in known:
                        hint = did_you_mean(system, known, f"known are {', '.join(known)}")
                        found.append(Finding(place, f"`{system}` is no system", hint))
    return found


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


def unit_names_are_labels(project: model.Project, _: Positions) -> list[Finding]:
    return [
        _no_label((*path, "name"), unit.name)
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


def needed_units_exist(project: model.Project, _: Positions) -> list[Finding]:
    known = dict.fromkeys(each.name for each in project.deploy)
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        for need, inner in numbered(unit.needs, (*path, "needs")):
            if need not in known:
                others = [each for each in known if each != unit.name]
                hint = did_you_mean(need, others, f"units are {', '.join(known)}" if len(known) <= 10 else None)
                found.append(Finding(inner, f"no unit is named `{need}`", hint, basis=(UNITS,)))
    return found


def needs_has_no_cycle(project: model.Project, _: Positions) -> list[Finding]:
    edges = {each.name: each.needs for each in project.deploy}
    index = {each.name: number for number, each in enumerate(project.deploy)}
    found = []
    for cycle in _cycles(edges):
        path: KeyPath = (*UNITS, index[cycle[0]], "needs", edges[cycle[0]].index(cycle[1]))
        found.append(Finding(path, f"a cycle: {' → '.join(cycle)}", "one of them has to be applied first"))
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
                found.append(_no_label(here, release))
    return found


def namespaces_are_labels(project: model.Project, _: Positions) -> list[Finding]:
    given: list[tuple[str | None, KeyPath]] = [(project.cluster.namespace, ("cluster", "namespace"))]
    for unit, path in numbered(project.deploy, UNITS):
        given.append((unit.helm.namespace if unit.helm is not None else None, (*path, "helm", "namespace")))
    for forward, path in numbered(project.port_forward, FORWARDS):
        given.append((forward.namespace, (*path, "namespace")))
    return [_no_label(path, name) for name, path in given if name is not None and not names.is_label(name)]


def registry_is_an_address(project: model.Project, _: Positions) -> list[Finding]:
    registry = project.cluster.registry
    if registry is None or names.is_registry(registry):
        return []
    bare = registry.rpartition("://")[2].rstrip("/")
    hint = f"write `{bare}`" if names.is_registry(bare) else "for example localhost:5001 or registry.example.com/team"
    return [Finding(("cluster", "registry"), f"`{registry}` is no address of a registry", hint)]


def forwarded_resources_are_known(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for forward, path in numbered(project.port_forward, FORWARDS):
        here = (*path, "resource")
        kind, slash, name = forward.resource.partition("/")
        if not (slash and name):
            message = f"`{forward.resource}` does not say both kind and name"
            example = forward.resource if names.is_subdomain(forward.resource) else "api"
            found.append(Finding(here, message, f"for example `deployment/{example}`"))
        elif kind not in KINDS:
            hint = did_you_mean(kind, KINDS, f"kinds are {', '.join(KINDS)}")
            found.append(Finding(here, f"`{kind}` is no kind that can be forwarded to", hint))
        elif not names.is_subdomain(name):
            message = f"`{name}` is no name of a {kind}"
            found.append(Finding(here, message, "use lower-case letters, digits, `-` and `.`"))
    return found


def ports_are_valid(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for forward, path in numbered(project.port_forward, FORWARDS):
        port, here = forward.port, (*path, "port")
        if isinstance(port, int):
            if not 1 <= port <= 65535:
                found.append(Finding(here, f"{port} is no port", "ports are 1 to 65535"))
        elif not names.is_label(port) or not any(character.isalpha() for character in port):
            found.append(Finding(here, f"`{port}` is neither a port nor the name of one", _LABEL_HINT))
        elif forward.local_port is None:
            message = f"the port `{port}` has a name only, so the one on this machine has to be said"
            found.append(Finding(here, message, "add `localPort`, for example `localPort: 8080`"))
    return found


def local_ports_are_distinct(project: model.Project, positions: Positions) -> list[Finding]:
    seen: dict[int, list[tuple[str, KeyPath]]] = {}
    found = []
    for forward, path in numbered(project.port_forward, FORWARDS):
        if forward.local_port is None:
            continue
        here = positions.first((*path, "localPort"), (*path, "port"))
        taken = seen.setdefault(forward.local_port, [])
        other = next((place for address, place in taken if _collide(address, forward.address)), None)
        if other is not None:
            message = f"two forwards listen on port {forward.local_port} of this machine, the first at {positions.where(other)}"
            found.append(Finding(here, message, "give one of them another `localPort`"))
        taken.append((forward.address, here))
    return found


def addresses_are_valid(project: model.Project, _: Positions) -> list[Finding]:
    found = []
    for forward, path in numbered(project.port_forward, FORWARDS):
        if forward.address != "localhost" and not _is_address(forward.address):
            message = f"`{forward.address}` is no address of this machine"
            found.append(Finding((*path, "address"), message, "127.0.0.1 for this machine only, 0.0.0.0 for all"))
    return found


def _no_label(path: KeyPath, name: str) -> Finding:
    better = names.to_label(name)
    hint = f"write `{better}`" if better and better != name else _LABEL_HINT
    return Finding(path, f"`{name}` is not a valid name", hint)


def _globs(patterns: Sequence[str], path: KeyPath) -> list[Finding]:
    found: list[Finding] = []
    for pattern, here in numbered(patterns, path):
        parts = pattern.split("/")
        wrong = next((part for part in parts if "**" in part and part != "**"), None)
        if wrong is not None:
            better = pattern.replace(wrong, f"**/{re.sub('[*]+', '*', wrong)}")
            message = f"`**` has to stand alone between slashes, not in `{wrong}`"
            found.append(Finding(here, message, f"write `{better}` for any depth, one `*` for one level"))
    return found


def _cycles(edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Cycles that share no node, each as `a, b, a`, beginning with what stands first in the file."""
    from graphlib import CycleError, TopologicalSorter

    order = {name: index for index, name in enumerate(edges)}
    left = {name: {each for each in targets if each in edges} for name, targets in edges.items()}
    found: list[list[str]] = []
    while True:
        try:
            TopologicalSorter(left).prepare()
            return sorted(found, key=lambda cycle: order[cycle[0]])
        except CycleError as exc:
            # Of two neighbours in its list the first is what the second depends on.
            cycle = list(reversed(exc.args[1]))[:-1]
            start = cycle.index(min(cycle, key=order.__getitem__))
            found.append([*cycle[start:], *cycle[:start], cycle[start]])
            left = {name: targets - set(cycle) for name, targets in left.items() if name not in cycle}


def _collide(one: str, other: str) -> bool:
    same = {"127.0.0.1" if each == "localhost" else each for each in (one, other)}
    return len(same) == 1 or not same.isdisjoint({"0.0.0.0", "::"})


def _is_address(text: str) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


RULES: tuple[Rule, ...] = (
    there_is_work,
    project_name_is_a_label,
    image_names_are_valid,
    images_are_unique,
    required_images_exist,
    requires_has_no_cycle,
    required_variables_are_distinct,
    globs_are_valid,
    hook_systems_are_known,
    variables_of_builds_are_valid,
    unit_names_are_labels,
    unit_names_are_unique,
    needed_units_exist,
    needs_has_no_cycle,
    releases_are_valid,
    namespaces_are_labels,
    registry_is_an_address,
    forwarded_resources_are_known,
    ports_are_valid,
    local_ports_are_distinct,
    addresses_are_valid,
)
