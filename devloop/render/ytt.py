"""Manifests from `ytt`.

Comes in: files and folders of templates, overlays and values. Goes out: the objects that ytt prints for them. It changes no file.
"""

from __future__ import annotations

import os.path
from pathlib import Path

from devloop import globs
from devloop.config import model
from devloop.errors import StepFailed, UsageError
from devloop.products import Inputs, Manifest
from devloop.render import documents, objects
from devloop.render.files import listed, program_value
from devloop.scope import Scope
from devloop.stages import Tools

_NOISE = "ytt: Error: "


class YttRenderer:
    """Renders units that name files of ytt."""

    def inputs(self, scope: Scope, unit: model.Unit, base: Path, tools: Tools) -> Inputs:
        """The files that are named, and all below the folders. Blocks on the disk."""
        spec = _spec(unit)
        named = tuple(globs.escape(each) for each in (*spec.files, *spec.data_values_files))
        matches = globs.matcher(base, named)
        return listed(
            base,
            globs.expand(base, named),
            roots=globs.roots(base, named),
            matches=matches,
            why=lambda path: "`ytt` names it, or a folder above it" if matches(path) else "`ytt` does not name it",
            values=(
                ("ytt", program_value(tools.processes.find("ytt"))),
                ("arguments", "\n".join(_arguments(spec, base))),
            ),
        )

    def render(self, scope: Scope, unit: model.Unit, base: Path, namespace: str, tools: Tools) -> tuple[Manifest, ...]:
        """Runs ytt. Blocks; cancelled by the scope. Raises: StepFailed with ytt's message; UsageError without ytt."""
        if not tools.processes.find("ytt"):
            raise UsageError("ytt is not installed", hint="install ytt: https://carvel.dev/ytt/docs/latest/install/")
        spec = _spec(unit)
        done = tools.processes.run(scope, ["ytt", *_arguments(spec, base)], cwd=base, check=False)
        name = f"ytt {' '.join(spec.files)}"
        if done.code:
            raise _failure(done.tail, done.code, name, unit)
        parsed, wrong = documents.parse(done.stdout, name)
        manifests, wrong_objects = objects.manifests(parsed, name, lambda _document: name)
        return objects.checked(manifests, [*wrong, *wrong_objects])


def _spec(unit: model.Unit) -> model.Ytt:
    if unit.ytt is None:
        raise TypeError(f"unit {unit.name} names no files of ytt")
    return unit.ytt


def _arguments(spec: model.Ytt, base: Path) -> list[str]:
    """As `ytt --help` has them. Paths are normal ones, so that a dash at the beginning is no option."""
    found = [word for each in spec.files for word in ("--file", os.path.normpath(base / each))]
    found += [word for each in spec.data_values_files for word in ("--data-values-file", os.path.normpath(base / each))]
    found += [word for key, value in spec.data_values.items() for word in ("--data-value", f"{key}={value}")]
    found += [word for key, value in spec.data_values_yaml.items() for word in ("--data-value-yaml", f"{key}={value}")]
    return [*found, *spec.args]


def _failure(tail: tuple[str, ...], code: int, name: str, unit: model.Unit) -> StepFailed:
    """ytt says `ytt: Error:` and the causes below it, each with its place."""
    lines = [line for line in tail if line.strip()]
    told = next((line.strip() for line in lines if line.strip() not in ("ytt: Error:", "")), f"exit code {code}")
    return StepFailed(f"{name}: {told.removeprefix(_NOISE)}", where=f"deploy/{unit.name}", evidence=tuple(lines))
