"""What builders share that bring an image to the engine by themselves: base images from the engine, archives, what went wrong.

Comes in: names of images, an archive as `docker save` writes it, the output of a tool. Goes out: an image's id, or an error with cause
and place. It knows no builder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from devloop import commands
from devloop.config import model
from devloop.errors import StepFailed
from devloop.scope import Scope
from devloop.stages import BuildJob, Completed, Tools

EVIDENCE_LINES = 20
# main.go:3:5: …, Main.java:[3,5] …, Main.java:3: error: …
_PLACE = re.compile(
    r"(?P<file>[^\s:\[\]()\"'`]+):\[?(?P<line>\d+)(?:[:,](?P<column>\d+))?\]?:? +(?:error: )?(?P<cause>\S.*)"
)
_CAUSE = re.compile(r"(?:\S+ ){0,2}(?:(?:error|fatal|failed):|\[error\]) +(?P<cause>\S.*)", re.IGNORECASE)
_LOADED = re.compile(r"Loaded image(?: ID)?: (?P<name>\S+)")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def base_images(artifact: model.Artifact, *names: str | None) -> tuple[str, ...]:
    """Those of the base images that no artifact of this file makes; the others count by their own inputs."""
    required = {each.image for each in artifact.requires}
    return tuple(name for name in names if name and name not in required)


def base_ref(job: BuildJob, name: str) -> str:
    """The name of a base image; the ref of the artifact when it is a required one."""
    variables = {each.image: each.variable for each in job.artifact.requires}
    return job.requires[variables[name]] if name in variables else name


def environment(scope: Scope, tools: Tools) -> Mapping[str, str]:
    """Variables for a tool that speaks to the engine itself, and knows nothing of the CLI's contexts. Runs the CLI where there is one."""
    found = dict(tools.engine.environment())
    if "DOCKER_HOST" not in found and (context := found.get("DOCKER_CONTEXT", "default")) != "default":
        argv = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}", context]
        found["DOCKER_HOST"] = tools.processes.run(scope, argv).stdout.strip()
    return found


def load(scope: Scope, archive: Path, job: BuildJob, tools: Tools) -> str:
    """Loads an archive of one image, names it `job.ref`, returns its id. Blocks; cancelled by the scope. Raises: StepFailed.

    The names that the archive itself gives are taken off again.
    """
    done = tools.processes.run(
        scope, [*tools.engine.cli(), "load", "--input", str(archive)], env=tools.engine.environment(), check=False
    )
    names = [found["name"] for found in map(_LOADED.match, done.stdout.splitlines()) if found]
    if done.code != 0 or not names:
        raise StepFailed(
            f"the engine does not load {archive.name}",
            where=f"image/{job.artifact.image}",
            hint="it has to be an archive as `docker save` writes it",
            evidence=done.tail,
        )
    image_id = built(names[-1], job, tools, done.tail)
    tools.engine.tag(image_id, job.ref)
    for name in names:
        if name != job.ref and not name.startswith("sha256:"):
            tools.engine.untag(name)
    return image_id


def built(ref: str, job: BuildJob, tools: Tools, evidence: tuple[str, ...] = ()) -> str:
    """The id of what a tool that ended well left in the engine. Raises: StepFailed when it is not there."""
    found = tools.engine.inspect(ref)
    if found is None:
        raise StepFailed(
            f"the build ended well but left no image {ref} in the engine",
            where=f"image/{job.artifact.image}",
            evidence=evidence,
        )
    return found.image_id


def explain(
    tool: str, done: Completed, lines: Sequence[str], *, folder: Path, artifact: model.Artifact, said: str = ""
) -> StepFailed:
    """The error that the output of a tool amounts to: its first line with the place of a file, else `said`, else what it calls an error.

    `folder`: what paths are relative to.
    """
    shown = [_COLOURS.sub("", line).rstrip() for line in lines]
    for line in shown:
        for found in _PLACE.finditer(line):
            file = Path(os.path.normpath(folder / found["file"]))
            if "warning" not in found["cause"].lower() and file.is_file():
                place = ":".join(filter(None, (_relative(file, folder), found["line"], found["column"])))
                return StepFailed(
                    f"{tool}: {found['cause']}", where=place, hint=f"it ran as: {done.command}", evidence=_last(shown)
                )
    said = said or next((found["cause"] for found in map(_CAUSE.match, shown) if found), "")
    return StepFailed(
        f"{tool}: {said or commands.ending(done.code)}",
        where=f"image/{artifact.image}",
        hint=f"it ran as: {done.command}",
        evidence=_last(shown),
    )


def ancestors(folders: Collection[Path]) -> frozenset[Path]:
    """The folders and all above them."""
    return frozenset(above for folder in folders for above in (folder, *folder.parents))


def _last(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(lines[-EVIDENCE_LINES:])


def _relative(file: Path, folder: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.as_posix()
