"""Builds images with any command.

Comes in: an artifact with its command and what it declares to read. Goes out: what the build reads, and the image that the command
left in the engine under the name it was given. It never looks into what the command does.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from devloop import commands
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
        values = (("builder", "custom"), ("command", spec.command))
        found = commands.inputs(scope, spec.dependencies, context, tools, where=_where(artifact), values=values)
        return replace(found, is_for_engine=True)  # PLATFORMS says which

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
                f"the build command failed: {commands.ending(done.code)}: {spec.command}",
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


def _spec(artifact: model.Artifact) -> model.Custom:
    if artifact.custom is None:
        raise TypeError(f"{artifact.image} has no custom builder")
    return artifact.custom


def _where(artifact: model.Artifact) -> str:
    return f"image/{artifact.image}"
