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
        """See stages.Builder.inputs. Runs `dependencies.command`, if there is one."""
        spec = _spec(artifact)
        context = Path(os.path.normpath(base / artifact.context))
        if not context.is_dir():
            raise StepFailed("the context is not a folder", where=str(context))
        wanted = spec.dependencies
        paths = _listed(scope, wanted.command, context, tools) if wanted.command else wanted.paths
        return Inputs(
            base=context,
            files=globs.expand(context, paths, wanted.ignore),
            roots=globs.roots(context, paths),
            matches=globs.matcher(context, paths, wanted.ignore),
            values=(("builder", "custom"), ("command", spec.command)),
        )

    def build(self, scope: Scope, job: BuildJob, tools: Tools) -> str:
        """See stages.Builder.build. The command's environment is that of this process, and what config.model.Custom promises."""
        spec = _spec(job.artifact)
        repository, _, tag = job.ref.rpartition(":")
        info = tools.engine.info()
        environment = {
            "IMAGE": job.ref,
            "IMAGE_REPO": repository,
            "IMAGE_TAG": tag,
            "BUILD_CONTEXT": str(job.context),
            "PLATFORMS": info.platform,
            "PUSH_IMAGE": "false",
            **job.requires,
        }
        tools.processes.run(
            scope,
            ["sh", "-c", spec.command],
            cwd=job.context,
            env={**tools.engine.environment(), **environment},
            on_line=tools.line,
        )
        found = tools.engine.inspect(job.ref)
        if found is None:
            raise StepFailed(
                f"the command ended well but left no image {job.ref} in the engine",
                hint="it has to name the image as $IMAGE says, such as: docker build -t $IMAGE .",
                where=spec.command,
            )
        return found.image_id


def _spec(artifact: model.Artifact) -> model.Custom:
    if artifact.custom is None:
        raise TypeError(f"{artifact.image} has no custom builder")
    return artifact.custom


def _listed(scope: Scope, command: str, context: Path, tools: Tools) -> tuple[str, ...]:
    done = tools.processes.run(scope, ["sh", "-c", command], cwd=context)
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip())
