"""The rules about what the configuration names on disk.

Comes in: a project, the folder of its file, and where its values are written. Goes out: what is not there, with what is. It looks at
names only and reads no file. Blocks on the disk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from devloop import globs
from devloop.config import model
from devloop.config.names import suggestion
from devloop.config.paths import Finding, KeyPath, Positions
from devloop.config.rules import tagging
from devloop.config.rules.places import ARTIFACTS, TESTS, UNITS, numbered

Rule = Callable[[model.Project, Path, Positions], list[Finding]]

_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_MANIFEST_SUFFIXES = frozenset({".yaml", ".yml", ".json"})
_MAGIC = frozenset("*?[")
_MOST_LISTED = 5


def check(project: model.Project, base: Path, positions: Positions) -> list[Finding]:
    """Everything that is named and not there. Blocks on the disk."""
    return [finding for rule in RULES for finding in rule(project, base, positions)]


def contexts_exist(project: model.Project, base: Path, positions: Positions) -> list[Finding]:
    found = []
    for artifact, path in numbered(project.build.artifacts, ARTIFACTS):
        if not os.path.isdir(base / artifact.context):
            here = positions.first((*path, "context"), (*path, "image"))
            found.append(_missing(here, "folder", artifact.context, base, is_folder=True))
    return found


def dockerfiles_exist(project: model.Project, base: Path, positions: Positions) -> list[Finding]:
    found = []
    for artifact, path in numbered(project.build.artifacts, ARTIFACTS):
        docker = artifact.docker or model.Docker()
        context = base / artifact.context
        if artifact.builder != "docker" or not os.path.isdir(context) or os.path.isfile(context / docker.dockerfile):
            continue
        here = positions.first((*path, "docker", "dockerfile"), (*path, "context"), (*path, "image"))
        message = f"no {docker.dockerfile} in the context `{artifact.context}`"
        there = [
            name for name in _listed(context) if "dockerfile" in name.lower() and not name.endswith(".dockerignore")
        ]
        hint = (
            f"there is {_some(there)}: set `docker.dockerfile`"
            if there
            else "write one, or set `context` to its folder"
        )
        found.append(Finding(here, message, hint, basis=(path,)))
    return found


def build_contexts_exist(project: model.Project, base: Path, _: Positions) -> list[Finding]:
    found = []
    known = {each.image for each in project.build.artifacts}
    for artifact, path in numbered(project.build.artifacts, ARTIFACTS):
        folder = base / artifact.context
        for name, value in artifact.build_folders.items():
            if os.path.isdir(folder) and not os.path.isdir(folder / value):
                here = (*path, "docker", "buildContexts", name)
                hint = f"to build on the artifact `{value}`, name it in `requires`" if value in known else None
                found.append(_missing(here, "folder", value, folder, is_folder=True, hint=hint))
    return found


def manifests_exist(project: model.Project, base: Path, _: Positions) -> list[Finding]:
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        for pattern, here in numbered(unit.manifests, (*path, "manifests")):
            # The empty text stands for one that could not be read.
            if not pattern or model.is_url(pattern) or _has_manifest(base, pattern):
                continue
            if not _MAGIC & set(pattern) and not os.path.lexists(base / pattern):
                found.append(_missing(here, "file or folder", pattern, base, is_folder=False))
            else:
                found.append(Finding(here, f"`{pattern}` matches no manifest", _nearest(base, pattern)))
    return found


def kustomizations_exist(project: model.Project, base: Path, _: Positions) -> list[Finding]:
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        found += _kustomization(unit.kustomize, (*path, "kustomize", "path"), base)
        for step, here in numbered(unit.then, (*path, "then")):
            found += _kustomization(step.kustomize, (*here, "kustomize", "path"), base)
    return found


def _kustomization(spec: model.Kustomize | None, here: KeyPath, base: Path) -> list[Finding]:
    folder = base / spec.path if spec is not None else base
    if spec is None or any(os.path.isfile(folder / name) for name in _KUSTOMIZATIONS):
        return []
    if not os.path.isdir(folder):
        is_file = os.path.basename(spec.path) in _KUSTOMIZATIONS
        hint = f"name its folder: {os.path.dirname(spec.path) or '.'}" if is_file else None
        return [_missing(here, "folder", spec.path, base, is_folder=True, hint=hint)]
    below = [name for name in _listed(folder) if any(os.path.isfile(folder / name / each) for each in _KUSTOMIZATIONS)]
    hint = f"there is one in {_some(below)}" if below else None
    return [Finding(here, f"no kustomization.yaml in `{spec.path}`", hint)]


def files_of_ytt_exist(project: model.Project, base: Path, _: Positions) -> list[Finding]:
    return [
        _missing(here, "file or folder" if key == "files" else "values file", name, base, is_folder=False)
        for unit, path in numbered(project.deploy, UNITS)
        if unit.ytt is not None
        for key, names in (("files", unit.ytt.files), ("dataValuesFiles", unit.ytt.data_values_files))
        for name, here in numbered(names, (*path, "ytt", key))
        if not os.path.lexists(base / name)
    ]


def folders_of_commands_exist(project: model.Project, base: Path, _: Positions) -> list[Finding]:
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        given = [(unit.custom, (*path, "custom", "dir"))]
        given += [(each.custom, (*here, "custom", "dir")) for each, here in numbered(unit.then, (*path, "then"))]
        found += [
            _missing(here, "folder", spec.dir, base, is_folder=True)
            for spec, here in given
            if spec is not None and not os.path.isdir(base / spec.dir)
        ]
    return found


def charts_exist(project: model.Project, base: Path, _: Positions) -> list[Finding]:
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        if unit.helm is None or unit.helm.repo or unit.helm.chart.startswith("oci://"):
            continue
        here = (*path, "helm", "chart")
        chart = base / unit.helm.chart
        if os.path.isfile(chart) and chart.suffix == ".tgz":
            continue
        if not os.path.isdir(chart):
            found.append(_missing(here, "chart", unit.helm.chart, base, is_folder=True))
        elif not os.path.isfile(chart / "Chart.yaml"):
            below = [name for name in _listed(chart) if os.path.isfile(chart / name / "Chart.yaml")]
            hint = f"there is one in {_some(below)}" if below else None
            found.append(Finding(here, f"no Chart.yaml in `{unit.helm.chart}`", hint))
    return found


def values_files_exist(project: model.Project, base: Path, _: Positions) -> list[Finding]:
    found = []
    for unit, path in numbered(project.deploy, UNITS):
        if unit.helm is not None:
            values = list(numbered(unit.helm.values, (*path, "helm", "values")))
            files = [(name, (*path, "helm", "setFile", key)) for key, name in unit.helm.set_file.items()]
            given = [("values file", *each) for each in values] + [("file", *each) for each in files]
            found += [
                _missing(here, what, name, base, is_folder=False)
                for what, name, here in given
                if not os.path.isfile(base / name)
            ]
    return found


def tests_exist(project: model.Project, base: Path, positions: Positions) -> list[Finding]:
    found = []
    for test, path in numbered(project.test, TESTS):
        context = base / test.context
        if not os.path.isdir(context):
            here = positions.first((*path, "context"), (*path, "image"))
            found.append(_missing(here, "folder", test.context, base, is_folder=True))
            continue
        for pattern, here in numbered(test.structure_tests, (*path, "structureTests")):
            if pattern and not globs.expand(context, (pattern,)):
                found.append(Finding(here, f"`{pattern}` matches no file", _nearest(context, pattern)))
    return found


def time_zones_exist(project: model.Project, _base: Path, _: Positions) -> list[Finding]:
    return [
        Finding((*path, "dateTime", "timezone"), f"there is no time zone `{name}`", hint)
        for part, path in tagging.parts(project)
        if part.date_time is not None and (name := part.date_time.timezone) not in ("", "Local")
        if (hint := _no_time_zone(name)) is not None
    ]


def _no_time_zone(name: str) -> str | None:
    """What to do about a name that this machine's database has not; None for another, or where there is no database."""
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = sorted(zoneinfo.available_timezones())
        last = name.rpartition("/")[2].lower()
        near = next((each for each in known if each.rpartition("/")[2].lower() == last), None)
        return (f"did you mean `{near}`?" if near else "such as UTC, Local or Europe/Berlin") if known else None
    return None


def _missing(here: KeyPath, what: str, name: str, base: Path, *, is_folder: bool, hint: str | None = None) -> Finding:
    return Finding(here, f"no {what} `{name}`", hint or _neighbour(base, name, is_folder=is_folder))


def _neighbour(base: Path, name: str, *, is_folder: bool) -> str:
    """What lies there under a name like it; else what paths are relative to."""
    head, last = os.path.split(name.rstrip("/"))
    others = [each for each in _listed(base / head) if os.path.isdir(base / head / each) is is_folder]
    if close := suggestion(last, others):
        return f"did you mean `{os.path.join(head, close)}`?"
    return f"in {head} there is {_some(others)}" if head and others else "paths are relative to the folder of this file"


def _nearest(base: Path, pattern: str) -> str:
    """Where a glob comes to nothing: at a folder that is not there, or at files with other names."""
    start = globs.roots(base, (pattern,))[0]
    name = os.path.relpath(start, base)
    if not os.path.isdir(start):
        what = "folder" if set("*?[") & set(pattern) or pattern.endswith("/") else "file"
        return f"there is no {what} {name}; paths are relative to the folder of this file"
    there = _listed(start)
    return f"in {name} there is {_some(there)}" if there else f"the folder {name} is empty"


def _has_manifest(base: Path, pattern: str) -> bool:
    """Whether there is a file to render: of a folder only those directly in it count, with a manifest's suffix."""
    if _MAGIC & set(pattern):
        return any(file.suffix in _MANIFEST_SUFFIXES for file in globs.expand(base, (pattern,)))
    path = base / pattern
    return os.path.isfile(path) or any(os.path.splitext(name)[1] in _MANIFEST_SUFFIXES for name in _listed(path))


def _listed(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _some(found: Sequence[str]) -> str:
    more = f" and {len(found) - _MOST_LISTED} more" if len(found) > _MOST_LISTED else ""
    return ", ".join(found[:_MOST_LISTED]) + more


RULES: tuple[Rule, ...] = (
    contexts_exist,
    dockerfiles_exist,
    build_contexts_exist,
    manifests_exist,
    kustomizations_exist,
    files_of_ytt_exist,
    folders_of_commands_exist,
    charts_exist,
    values_files_exist,
    tests_exist,
    time_zones_exist,
)
