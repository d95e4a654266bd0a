"""Manifests from `helm template`.

Comes in: a chart with values. Goes out: what `helm install` would create, to be applied like everything else: no release is recorded
here (`deploy.helm` does that, for units that ask for one). Of hooks, those of install and upgrade are kept as ordinary objects; those of
delete, rollback and test are not, since helm would not run them now. Charts see helm's own idea of the cluster unless the unit says
otherwise, `lookup` finds nothing, and what a chart makes up at random differs at each render. It changes neither the chart nor helm's
own files.
"""

from __future__ import annotations

import json
import os.path
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from devloop.config import model
from devloop.errors import UsageError
from devloop.products import Inputs, Manifest
from devloop.render import chart_source, charts, documents, helm_words, objects
from devloop.render.documents import Document
from devloop.render.files import listed, program_value, shown
from devloop.render.helm_failures import failure
from devloop.scope import Scope
from devloop.stages import Tools

_HOOK = "helm.sh/hook"
_KEPT_HOOKS = frozenset({"pre-install", "post-install", "pre-upgrade", "post-upgrade", "crd-install"})


class HelmRenderer:
    """Renders units that name a chart."""

    def inputs(self, scope: Scope, unit: model.Unit, base: Path, tools: Tools) -> Inputs:
        """The files of the chart, and of dependencies in folders, that can decide what it renders; values files and those of
        `setFile`. Blocks on the disk.
        """
        named = _named(unit, base)
        folders = _charts(unit, base)
        rules = _rules(_spec(unit), folders, named)

        def rule(path: Path) -> charts.Rules | None:
            return next((each for each in rules if path == each.chart or each.chart in path.parents), None)

        def matches(path: Path) -> bool:
            return path in named or ((owner := rule(path)) is not None and owner.matches(path))

        def why(path: Path) -> str:
            if path in named:
                return named[path]
            if (owner := rule(path)) is None:
                return f"it is neither a values file nor in the chart {chart_source.named(_spec(unit), base)}"
            return owner.why_not(path) or f"it is part of the chart {shown(owner.chart, base)}"

        there = [path for each in rules for path in charts.files(each.chart) if matches(path)]
        missing = [each.chart for each in rules if not each.chart.is_dir()]
        found = listed(
            base,
            {*there, *named, *missing},
            roots={*(each.chart for each in rules), *named},
            matches=matches,
            why=why,
            values=(
                ("helm", program_value(tools.processes.find("helm"))),
                ("options", "\n".join(helm_words.template(unit, base, chart_source.named(_spec(unit), base), ""))),
            ),
            definitions={each.chart / ".helmignore" for each in rules},
        )

        def is_definition(path: Path) -> bool:
            if path in named or any(each.is_definition(path) for each in rules):
                return True
            return found.is_definition is not None and found.is_definition(path)

        return replace(found, is_definition=is_definition)

    def render(self, scope: Scope, unit: model.Unit, base: Path, namespace: str, tools: Tools) -> tuple[Manifest, ...]:
        """Runs helm. Objects that name no namespace get the release's where the unit sets one.

        Blocks; cancelled by the scope. Raises: StepFailed with helm's message and the template's place; UsageError without helm.
        """
        if not tools.processes.find("helm"):
            raise UsageError("helm is not installed", hint="install Helm: https://helm.sh/docs/intro/install/")
        spec = _spec(unit)
        name = chart_source.named(spec, base)
        place = places(spec, base)
        with chart_source.complete(scope, unit, base, tools) as chart:
            words = helm_words.template(unit, base, chart, spec.namespace or namespace)
            completed = tools.processes.run(scope, ["helm", *words], cwd=base, check=False)
        if completed.code:
            raise failure(completed.tail, completed.code, name, unit.name, place)
        text = completed.stdout
        if spec.post_renderer and spec.mode == "template":
            command = helm_words.split(spec.post_renderer, base)
            text = tools.processes.run(scope, command, cwd=base, stdin=text.encode()).stdout
        return read(text, name, spec.namespace, place)


def read(
    text: str, chart: str, namespace: str | None, place: Callable[[str], str] = lambda path: path
) -> tuple[Manifest, ...]:
    """What helm printed, without the hooks that it would not run now. `place`: a path in the chart as people know it.

    Raises: StepFailed for all that is wrong with it.
    """
    parsed, wrong = documents.parse(text, chart)
    manifests, wrong_objects = objects.manifests(parsed, chart, _sources(chart, place))
    kept = [_placed(each, namespace) for each in manifests if _is_deployed(each.object)]
    return objects.checked(kept, [*wrong, *wrong_objects])


def values_digest(unit: model.Unit, base: Path) -> str:
    """What the unit says of values, comments and order aside: equal when a release would get the same ones. Blocks on the disk."""
    spec = _spec(unit)
    files = [_plain((base / each).read_text(encoding="utf-8"), each) for each in spec.values]
    # Where the program lies hangs on the folder that the session was started in; what it prints counts for itself.
    program = _called(spec.post_renderer) if spec.post_renderer else None
    given = [files, dict(spec.set), dict(spec.set_string), dict(spec.set_json), list(spec.args), program]
    given += [{key: (base / each).read_text(encoding="utf-8") for key, each in spec.set_file.items()}]
    return json.dumps(given, sort_keys=True, default=str)


def _called(command: str) -> str:
    """The command without the way to its program."""
    program, space, words = command.partition(" ")
    return os.path.basename(program) + space + words


def _plain(text: str, name: str) -> list[Any]:
    return [each.value for each in documents.parse(text, name)[0]]


def _spec(unit: model.Unit) -> model.Helm:
    if unit.helm is None:
        raise TypeError(f"unit {unit.name} names no chart")
    return unit.helm


# Inputs


def _named(unit: model.Unit, base: Path) -> dict[Path, str]:
    """The files that the unit names itself, with why they count."""
    spec = _spec(unit)
    named = {Path(os.path.normpath(base / each)): "it is a values file" for each in spec.values}
    for key, each in spec.set_file.items():
        named[Path(os.path.normpath(base / each))] = f"`setFile` puts it into {key}"
    if spec.post_renderer and "/" in (program := helm_words.split(spec.post_renderer, base)[0]):
        named[Path(program)] = "it is the post-renderer"
    chart = chart_source.local(spec, base)
    if not chart_source.remote(spec) and chart.suffix == ".tgz":
        named[chart] = "it is the chart"
    return named


def _charts(unit: model.Unit, base: Path) -> tuple[Path, ...]:
    """The chart's folder, and those of all dependencies in folders; of charts from elsewhere none."""
    spec = _spec(unit)
    chart = chart_source.local(spec, base)
    if chart_source.remote(spec) or chart.suffix == ".tgz":
        return ()
    found = [chart]
    for each in found:
        found += [near.folder for near in charts.lacking(each) if near.folder and near.folder not in found]
    return tuple(found)


def _rules(spec: model.Helm, folders: Iterable[Path], named: Iterable[Path]) -> list[charts.Rules]:
    """The rules of each folder, that of the deepest first: a chart may lie in another's."""
    given = [text for pair in (*spec.set.items(), *spec.set_string.items(), *spec.set_json.items()) for text in pair]
    given += [
        each.read_text(encoding="utf-8", errors="replace") for each in named if each.is_file() and each.suffix != ".tgz"
    ]
    asked = charts.Asked(
        is_all=not all(charts.asked_in_text(each) == charts.Asked() for each in given)
    )  # by way of `tpl`
    for chart in folders:
        asked = asked.joined(charts.asked_by(chart))
        for each in charts.lacking(chart):
            if each.folder is None and each.repository:
                archive = chart_source.of_dependency(chart, each).archive
                asked = asked.joined(charts.asked_in(archive) if archive else charts.Asked(is_all=True))
    found = [charts.rules(each, asked, has_crds=not spec.skip_crds) for each in folders]
    return sorted(found, key=lambda each: len(each.chart.parts), reverse=True)


# What helm printed


def places(spec: model.Helm, base: Path) -> Callable[[str], str]:
    """A path in the chart as people know it: in the folder of the dependency that it comes from."""
    name = chart_source.named(spec, base)
    chart = chart_source.local(spec, base)
    is_folder = not chart_source.remote(spec) and chart.is_dir()
    near = {each.name: each.folder for each in charts.lacking(chart) if each.folder} if is_folder else {}

    def place(path: str) -> str:
        head, _, rest = path.partition("/")
        dependency, _, inner = rest.partition("/")
        folder = near.get(dependency) if head == "charts" else None
        return f"{shown(folder, base)}/{inner}" if folder else f"{name}/{path}"

    return place


def _is_deployed(obj: dict[str, Any]) -> bool:
    annotations = obj["metadata"].get("annotations") or {}
    hooks = {each.strip() for each in str(annotations.get(_HOOK, "")).split(",") if each.strip()}
    return not hooks or bool(hooks & _KEPT_HOOKS)


def _placed(manifest: Manifest, namespace: str | None) -> Manifest:
    """In the release's namespace, which may not be the project's; that cluster-scoped kinds have none is seen at the apply."""
    metadata = manifest.object["metadata"]
    if namespace is None or metadata.get("namespace"):
        return manifest
    return Manifest({**manifest.object, "metadata": {**metadata, "namespace": namespace}}, manifest.source)


def _sources(chart: str, place: Callable[[str], str]) -> Callable[[Document], str]:
    """The template behind an object, from the comment that helm writes above it."""

    def source(document: Document) -> str:
        told = next((line for line in document.comment if line.startswith("Source: ")), "")
        path = told.removeprefix("Source: ").partition("/")[2]
        return place(path) if path else chart

    return source
