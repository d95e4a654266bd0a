"""Manifests from `helm template`.

Comes in: a chart's folder with values. Goes out: what `helm install` would create, to be applied like everything else: no release is
recorded. Of hooks, those of install and upgrade are kept as ordinary objects; those of delete, rollback and test are not, since
helm would not run them now. Charts see helm's own idea of the cluster's version, `lookup` finds nothing, and what a chart makes up
at random differs at each render. It changes neither the chart nor helm's own files.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devloop.config import model
from devloop.errors import StepFailed, UsageError
from devloop.products import Inputs, Manifest
from devloop.render import documents, objects
from devloop.render.documents import Document
from devloop.render.files import listed, program_value, shown
from devloop.render.helmignore import ignored
from devloop.scope import Scope
from devloop.stages import Tools

_HOOK = "helm.sh/hook"
_KEPT_HOOKS = frozenset({"pre-install", "post-install", "pre-upgrade", "post-upgrade", "crd-install"})
# `chart/templates/api.yaml:12:20`, as helm names places in its errors.
_PLACE = re.compile(
    r"(?P<chart>[\w.-]+)/(?P<path>(?:charts/[\w.-]+/)*(?:templates|crds)/[\w./-]+)(?P<at>(?::\d+){0,2})"
)
_NOISE = re.compile(r"^Error: ")


class HelmRenderer:
    """Renders units that name a chart."""

    def inputs(self, scope: Scope, unit: model.Unit, base: Path, tools: Tools) -> Inputs:
        """The chart's files, without what its .helmignore leaves out, and the values files. Blocks on the disk."""
        spec = _spec(unit)
        chart = _chart(unit, base)
        values = frozenset(Path(os.path.normpath(base / each)) for each in spec.values)
        is_ignored = ignored(_text(chart / ".helmignore"))

        def matches(path: Path) -> bool:
            if path in values or path == chart:
                return True
            return chart in path.parents and not is_ignored(path.relative_to(chart).as_posix())

        def why(path: Path) -> str:
            if path in values:
                return "it is a values file"
            if chart not in path.parents:
                return f"it is neither a values file nor in the chart {shown(chart, base)}"
            return ".helmignore keeps it out" if not matches(path) else f"it is part of the chart {shown(chart, base)}"

        return listed(
            base,
            {*filter(matches, chart.rglob("*")), *values, *([] if chart.is_dir() else [chart])},
            roots={chart, *values},
            matches=matches,
            why=why,
            definitions={chart / ".helmignore"},
            values=(
                ("helm", program_value(tools.processes.find("helm"))),
                ("options", "\n".join(_options(unit, base, ""))),
            ),
        )

    def render(self, scope: Scope, unit: model.Unit, base: Path, namespace: str, tools: Tools) -> tuple[Manifest, ...]:
        """Runs helm. Objects that name no namespace get the release's where the unit sets one.

        Blocks; cancelled by the scope. Raises: StepFailed with helm's message and the template's place; UsageError without helm.
        """
        chart = _chart(unit, base)
        if not tools.processes.find("helm"):
            raise UsageError("helm is not installed", hint="install Helm: https://helm.sh/docs/intro/install/")
        if not chart.exists():
            raise StepFailed(
                f"no chart {shown(chart, base)}", where=f"deploy/{unit.name}", hint="`helm.chart` names its folder"
            )
        own_namespace = _spec(unit).namespace
        command = ["helm", *_options(unit, base, own_namespace or namespace)]
        completed = tools.processes.run(scope, command, cwd=base, check=False)
        name = shown(chart, base)
        if completed.code:
            raise _failure(completed.tail, completed.code, name, unit.name)
        parsed, wrong = documents.parse(completed.stdout, name)
        manifests, wrong_objects = objects.manifests(parsed, name, _sources(name))
        kept = [_placed(each, own_namespace) for each in manifests if _is_deployed(each.object)]
        return objects.checked(kept, [*wrong, *wrong_objects])


def _spec(unit: model.Unit) -> model.Helm:
    if unit.helm is None:
        raise TypeError(f"unit {unit.name} names no chart")
    return unit.helm


def _chart(unit: model.Unit, base: Path) -> Path:
    return Path(os.path.normpath(base / _spec(unit).chart))


def _options(unit: model.Unit, base: Path, namespace: str) -> list[str]:
    spec = _spec(unit)
    options = ["template", spec.release or unit.name, str(_chart(unit, base)), "--include-crds"]
    if namespace:
        options += ["--namespace", namespace]
    for each in spec.values:
        options += ["--values", os.path.normpath(base / each)]
    for key, value in spec.set.items():
        options += ["--set", f"{key}={value}"]
    return options


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


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


def _sources(chart: str) -> Callable[[Document], str]:
    """The template behind an object, from the comment that helm writes above it."""

    def source(document: Document) -> str:
        told = next((line for line in document.comment if line.startswith("Source: ")), "")
        path = told.removeprefix("Source: ").partition("/")[2]
        return f"{chart}/{path}" if path else chart

    return source


def _failure(tail: tuple[str, ...], code: int, chart: str, unit: str) -> StepFailed:
    lines = [line for line in tail if line.strip()]
    told = next((line for line in lines if _NOISE.match(line)), lines[-1] if lines else f"exit code {code}")
    message = _NOISE.sub("", told)
    place = _PLACE.search(message)
    hint = None
    if "missing in charts/ directory" in message:
        hint = f"helm dependency build {chart}"
    elif place and not place["at"]:
        hint = "the line is one of the rendered text; `helm template --debug` shows it"
    where = f"{chart}/{place['path']}{place['at']}" if place else chart or f"deploy/{unit}"
    evidence = tuple(line for line in lines if line != told and "Use --debug flag" not in line)
    return StepFailed(f"helm template {chart}: {message}", where=where, hint=hint, evidence=evidence)
