"""Manifests from `kustomize build`.

Comes in: a folder with a kustomization. Goes out: what kustomize (or the one inside kubectl) prints for it; an object's source is the
resource file that holds it under the same name, else the kustomization. It reaches the network only where the kustomization names
something remote, which kustomize fetches at each render, and changes no file but for remote charts: kustomize keeps them in `chartHome`.
"""

from __future__ import annotations

import json
import os.path
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from devloop.config import model
from devloop.errors import StepFailed, UsageError
from devloop.products import Inputs, Manifest
from devloop.render import documents, objects
from devloop.render.files import listed, program_value, read, shown
from devloop.render.kustomization import NAMES, Closure, closure
from devloop.render.manifests import to_yaml
from devloop.render.sources import kept
from devloop.scope import Scope
from devloop.stages import Completed, Tools

_NOISE = re.compile(r"^(?:Error|error): ")
_KLOG = re.compile(r"^E\d{4} .* err=\"(?P<told>.*)\"$")  # how kubectl says it where it was built to log
_HINTS = (
    ("unable to find one of 'kustomization.yaml'", "`kustomize.path` is a folder with a kustomization.yaml"),
    (
        "is not in or below",
        "kustomize reads files only below the kustomization's folder; make what lies elsewhere a base",
    ),
    (
        "expected kind 'Component'",
        "what follows a renderer is a component: `apiVersion: kustomize.config.k8s.io/v1alpha1` and `kind: Component`",
    ),
    ("no such file or directory", "the paths in a kustomization are relative to its own folder"),
)


class KustomizeRenderer:
    """Renders units that name a kustomization."""

    def inputs(self, scope: Scope, unit: model.Unit, base: Path, tools: Tools) -> Inputs:
        """The kustomization and all it is built on; what is remote cannot be watched, and counts by its name. Blocks on the disk."""
        return inputs(_spec(unit), base, tools)

    def render(
        self,
        scope: Scope,
        unit: model.Unit,
        base: Path,
        namespace: str,
        tools: Tools,
    ) -> tuple[Manifest, ...]:
        """Runs kustomize. Blocks; cancelled by the scope. Raises: StepFailed with kustomize's message; UsageError without a
        kustomize.
        """
        folder = _folder(_spec(unit), base)
        found = closure(folder, base)
        name = shown(found.main or folder / NAMES[0], base)
        if not folder.is_dir():
            raise StepFailed(
                f"no folder {shown(folder, base)}", where=f"deploy/{unit.name}", hint="`kustomize.path` names it"
            )
        completed = tools.processes.run(scope, [*_command(found, tools), str(folder)], cwd=base, check=False)
        if completed.code:
            raise _failure(completed, found, name, folder, base)
        parsed, wrong = documents.parse(completed.stdout, name)
        manifests, wrong_objects = objects.manifests(parsed, name, kept(_written(found, base), name))
        return objects.checked(manifests, [*wrong, *wrong_objects])


def inputs(spec: model.Kustomize, base: Path, tools: Tools) -> Inputs:
    """See KustomizeRenderer.inputs."""
    found = closure(_folder(spec, base), base)
    below = {path for chart in found.charts for path in chart.rglob("*") if found.holds(path)}
    return listed(
        base,
        {*found.files, *found.definitions, *below},
        roots={*found.files, *found.charts, *found.definitions},
        matches=found.holds,
        why=lambda path: _why(path, found, base),
        definitions=found.definitions,
        values=(
            ("kustomize", program_value(tools.processes.find("kustomize") or tools.processes.find("kubectl"))),
            *([("helm", program_value(tools.processes.find("helm")))] if found.has_charts else []),
            *(("remote", each) for each in sorted(found.remote)),
        ),
    )


def over(
    scope: Scope, spec: model.Kustomize, given: Sequence[Manifest], base: Path, tools: Tools
) -> tuple[Manifest, ...]:
    """What a component of kustomize makes of objects. Blocks; cancelled by the scope. Raises: as KustomizeRenderer.render.

    A kustomization of ours, in a temporary folder, has the objects as its resources and adds the component: no file of the user's moves.
    """
    folder = _folder(spec, base)
    found = closure(folder, base)
    name = shown(found.main or folder / NAMES[0], base)
    with tempfile.TemporaryDirectory(prefix="devloop-") as made:
        top = Path(made).resolve()
        component = json.dumps(os.path.relpath(folder.resolve(), top))
        (top / "rendered.yaml").write_text(to_yaml(each.object for each in given), encoding="utf-8")
        (top / NAMES[0]).write_text(f"resources: [rendered.yaml]\ncomponents: [{component}]\n", encoding="utf-8")
        completed = tools.processes.run(scope, [*_command(found, tools), str(top)], cwd=base, check=False)
    if completed.code:
        raise _failure(completed, found, name, folder, base)
    parsed, wrong = documents.parse(completed.stdout, name)
    manifests, wrong_objects = objects.manifests(parsed, name, kept([*_written(found, base), *given], name))
    return objects.checked(manifests, [*wrong, *wrong_objects])


def _why(path: Path, found: Closure, base: Path) -> str:
    if path in found.definitions:
        return "it is, or would be, a kustomization that the unit is built on"
    chart = found.chart_of(path)
    if chart is not None:
        return f"it is part of the chart {shown(chart, base)}"
    return "a kustomization names it" if found.holds(path) else "no kustomization that the unit is built on names it"


def _spec(unit: model.Unit) -> model.Kustomize:
    if unit.kustomize is None:
        raise TypeError(f"unit {unit.name} names no kustomization")
    return unit.kustomize


def _folder(spec: model.Kustomize, base: Path) -> Path:
    return Path(os.path.normpath(base / spec.path))


def _command(found: Closure, tools: Tools) -> list[str]:
    if tools.processes.find("kustomize"):
        charts = ["--enable-helm", "--helm-command", "helm"] if found.has_charts else []
        return ["kustomize", "build", *charts]
    if tools.processes.find("kubectl"):
        return ["kubectl", "kustomize", *(["--enable-helm"] if found.has_charts else [])]
    raise UsageError(
        "neither kustomize nor kubectl is installed",
        hint="install one: https://kubectl.docs.kubernetes.io/installation/kustomize/",
    )


def _failure(completed: Completed, found: Closure, name: str, folder: Path, base: Path) -> StepFailed:
    """kustomize's own words, with paths as people know them."""
    lines = [_KLOG.sub(r"Error: \g<told>", line).replace(f"{base}/", "") for line in completed.tail if line.strip()]
    told = next(
        (line for line in reversed(lines) if _NOISE.match(line)), lines[-1] if lines else f"exit code {completed.code}"
    )
    message = _NOISE.sub("", told)
    evidence = tuple(line for line in lines if line != told)
    return StepFailed(
        f"kustomize build {shown(folder, base)}: {message}", where=name, hint=_hint(message, found), evidence=evidence
    )


def _hint(message: str, found: Closure) -> str | None:
    remote = next((each for each in sorted(found.remote) if each.split(maxsplit=1)[0] in message), None)
    if remote is not None:
        return (
            f"kustomize fetches {remote} itself, at each render; a copy in the project needs no network, and is watched"
        )
    return next((hint for text, hint in _HINTS if text in message), None)


def _written(found: Closure, base: Path) -> Iterator[Manifest]:
    """The objects of the resource files, where kustomize takes them from."""
    for path in sorted(found.resources):
        if path.is_file():
            parsed, _ = documents.parse(read(path, path.name), shown(path, base))
            yield from objects.manifests(parsed, shown(path, base))[0]
