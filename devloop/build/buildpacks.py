"""Builds images with Cloud Native Buildpacks, through `pack`.

Comes in: an artifact with its builder. Goes out: the sources that it declares, all of the context by default, and the image, left in the
engine under its ref. Images that the engine has are never pulled.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from devloop import globs
from devloop.build import local
from devloop.config import model
from devloop.errors import StepFailed
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import BuildJob, Tools


class BuildpacksBuilder:
    """See stages.Builder. `environment`: what variables are taken from that `env` only names."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._version = ""

    def inputs(self, scope: Scope, artifact: model.Artifact, base: Path, tools: Tools) -> Inputs:
        """See stages.Builder.inputs. Runs `pack version` once; blocks on the disk. Raises: UsageError without pack, too."""
        spec = _spec(artifact)
        context = _context(base / artifact.context)
        self._version = self._version or tools.processes.run(scope, ["pack", "version"]).stdout.strip()
        descriptor = globs.escape(spec.project_descriptor)
        ignore = spec.dependencies.ignore
        sources = (*spec.dependencies.paths, descriptor)
        return Inputs(
            base=context,
            files=globs.expand(context, sources, ignore),
            roots=globs.roots(context, sources),
            matches=globs.matcher(context, sources, ignore),
            skips=globs.matcher(context, ignore) if ignore else None,
            why=lambda path: _why(path, context, sources, ignore),
            images=local.base_images(artifact, spec.builder, spec.run_image),
            values=(
                ("builder", "buildpacks"),
                ("pack", self._version),
                ("platform", tools.engine.info().platform),
                ("spec", repr(spec)),
                *((name, self._environment.get(name, "")) for name in spec.env if "=" not in name),
            ),
        )

    def build(self, scope: Scope, job: BuildJob, tools: Tools) -> str:
        """See stages.Builder.build."""
        spec = _spec(job.artifact)
        context = _context(job.context)
        descriptor = context / spec.project_descriptor
        lines: list[str] = []

        def take(line: str) -> None:
            lines.append(line)
            tools.line(line)

        argv = [
            *("pack", "build", job.ref, "--path", str(context), "--pull-policy", "if-not-present", "--no-color"),
            *(("--builder", local.base_ref(job, spec.builder)) if spec.builder else ()),
            *(("--run-image", local.base_ref(job, spec.run_image)) if spec.run_image else ()),
            *(word for each in spec.buildpacks for word in ("--buildpack", each)),
            *(word for each in spec.env for word in ("--env", each)),
            *(word for name, ref in job.requires.items() for word in ("--env", f"{name}={ref}")),
            *(("--trust-builder",) if spec.trust_builder else ()),
            *(("--descriptor", str(descriptor)) if descriptor.is_file() else ()),
            *(("--clear-cache",) if job.is_uncached else ()),
        ]
        variables = local.environment(scope, tools)
        done = tools.processes.run(scope, argv, cwd=context, env=variables, on_line=take, check=False)
        if done.code != 0:
            raise local.explain("pack", done, lines, folder=context, artifact=job.artifact)
        return local.built(job.ref, job, tools, done.tail)


def _context(folder: Path) -> Path:
    context = Path(os.path.normpath(folder))
    if not context.is_dir():
        raise StepFailed("the build context is not a folder", where=str(context), hint="`context` names it")
    return context


def _spec(artifact: model.Artifact) -> model.Buildpacks:
    if artifact.buildpacks is None:
        raise TypeError(f"{artifact.image} has no buildpacks builder")
    return artifact.buildpacks


def _why(path: Path, context: Path, sources: tuple[str, ...], ignore: tuple[str, ...]) -> str:
    ignoring = [each for each in ignore if globs.matcher(context, (each,))(path)]
    naming = [each for each in sources if globs.matcher(context, (each,))(path)]
    if ignoring:
        return f"`dependencies.ignore` keeps it out: {ignoring[0]}"
    return f"`dependencies.paths` names it: {naming[0]}" if naming else "no entry of `dependencies.paths` names it"
