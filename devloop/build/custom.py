"""Builds images with any command.

Comes in: an artifact with its command and what it declares to read. Goes out: what the build reads, and the image that the command
left in the engine under the name it was given. It never looks into what the command does.
"""

from __future__ import annotations

import os
from pathlib import Path

from devloop import globs
from devloop.config import model
from devloop.errors import StepFailed
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import BuildJob, Tools


class CustomBuilder:
    """See stages.Builder."""

    def inputs(self, scope: Scope, artifact: model.Artifact, base: Path, tools: Tools) -> Inputs:
        """See stages.Builder.inputs. Runs `dependencies.command`, if there is one; blocks on it, cancelled by the scope."""
        spec = _spec(artifact)
        context = Path(os.path.normpath(base / artifact.context))
        if not context.is_dir():
            raise StepFailed("the build context is not a folder", where=str(context), hint="`context` names it")
        wanted = spec.dependencies
        is_listed = wanted.command is not None
        paths = _listed(scope, artifact, wanted.command, context, tools) if wanted.command is not None else wanted.paths
        return Inputs(
            base=context,
            files=globs.expand(context, paths, wanted.ignore),
            roots=globs.roots(context, (".", *paths) if is_listed else paths),
            matches=globs.matcher(context, paths, wanted.ignore),
            skips=globs.matcher(context, wanted.ignore) if wanted.ignore else None,
            why=lambda path: _why(path, context, paths, wanted),
            values=(("builder", "custom"), ("command", spec.command)),
            # What a command lists may hang on anything in the context, so it is asked again.
            is_definition=globs.matcher(context, (".",), wanted.ignore) if is_listed else None,
        )

    def build(self, scope: Scope, job: BuildJob, tools: Tools) -> str:
        """See stages.Builder.build. The command's environment is this process's, and what config.model.Custom promises."""
        spec = _spec(job.artifact)
        context = Path(os.path.normpath(job.context))
        repository, _, tag = job.ref.rpartition(":")
        done = tools.processes.run(
            scope,
            ["sh", "-c", spec.command],
            cwd=context,
            env={
                **tools.engine.environment(),
                **job.requires,
                "IMAGE": job.ref,
                "IMAGE_REPO": repository,
                "IMAGE_TAG": tag,
                "BUILD_CONTEXT": str(context),
                "PLATFORMS": tools.engine.info().platform,
                "PUSH_IMAGE": "false",
                "NO_CACHE": "true" if job.is_uncached else "false",
            },
            on_line=tools.line,
            check=False,
        )
        if done.code != 0:
            raise StepFailed(
                f"the build command failed: {_ending(done.code)}: {spec.command}",
                where=_where(job.artifact),
                hint="it runs with `sh -c` in the context",
                evidence=done.tail,
            )
        found = tools.engine.inspect(job.ref)
        if found is None:
            raise StepFailed(
                f"the build command ended but left no image {job.ref} in the engine",
                where=_where(job.artifact),
                hint="it has to give the image the name in $IMAGE, such as: docker build -t $IMAGE .",
                evidence=done.tail,
            )
        return found.image_id


def _why(path: Path, context: Path, paths: tuple[str, ...], wanted: model.CustomDependencies) -> str:
    ignoring = [each for each in wanted.ignore if globs.matcher(context, (each,))(path)]
    naming = [each for each in paths if globs.matcher(context, (each,))(path)]
    if ignoring:
        return f"`dependencies.ignore` keeps it out: {ignoring[0]}"
    if wanted.command is not None:
        return f"the command that lists the inputs {'names' if naming else 'does not name'} it: {wanted.command}"
    return f"`dependencies.paths` names it: {naming[0]}" if naming else "no entry of `dependencies.paths` names it"


def _spec(artifact: model.Artifact) -> model.Custom:
    if artifact.custom is None:
        raise TypeError(f"{artifact.image} has no custom builder")
    return artifact.custom


def _where(artifact: model.Artifact) -> str:
    return f"image/{artifact.image}"


def _ending(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"killed by signal {-code}"


def _listed(scope: Scope, artifact: model.Artifact, command: str, context: Path, tools: Tools) -> tuple[str, ...]:
    done = tools.processes.run(scope, ["sh", "-c", command], cwd=context, check=False)
    if done.code != 0:
        raise StepFailed(
            f"the command that lists the inputs failed: {_ending(done.code)}: {command}",
            where=_where(artifact),
            hint="`dependencies.command` has to print paths, one a line",
            evidence=done.tail,
        )
    return tuple(globs.escape(line.strip()) for line in done.stdout.splitlines() if line.strip())
