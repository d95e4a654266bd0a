"""Images that were made before: something names them, and no step builds them.

Comes in: artifact → ref, from a file or from manifests. Goes out: a plan and steps that take the images as they are. The file is the one
that `skaffold build --file-output` writes too. It never goes by a tag alone where the image is not in the engine: tags move.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from devloop.config import model
from devloop.errors import StepFailed, UsageError
from devloop.graph import Node
from devloop.loop.messages import Start
from devloop.loop.steps import Steps
from devloop.loop.surroundings import Doors, Plan
from devloop.products import Image, Inputs, Outcome, Placed, Product
from devloop.scope import Scope
from devloop.stages import BuildJob, Tools

_BUILT_HINT = "`devloop build --file-output FILE` writes one"


def check_writable(file: Path) -> None:
    """Raises: UsageError when the file cannot be written later, so that no build is in vain."""
    folder = file.absolute().parent
    if file.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        what = "is a folder" if file.is_dir() else "cannot be written: its folder is not there, or not yours"
        raise UsageError(what, where=str(file), hint="name a file in a folder that exists")


def write(file: Path, refs: Mapping[str, str]) -> None:
    """Writes artifact → ref, in place of what was there, whole or not at all. Raises: UsageError."""
    builds = [{"imageName": name, "tag": ref} for name, ref in sorted(refs.items())]
    text = json.dumps({"builds": builds}, indent=2) + "\n"
    made = ""
    try:
        with tempfile.NamedTemporaryFile("w", dir=file.absolute().parent, prefix=f".{file.name}.", delete=False) as new:
            made = new.name
            new.write(text)
        os.chmod(made, 0o644)
        os.replace(made, file)
    except OSError as exc:
        with contextlib.suppress(OSError):
            os.unlink(made)
        raise UsageError(f"cannot be written: {exc.strerror}", where=str(file), hint="the images are built") from exc


def read(file: Path) -> dict[str, str]:
    """Artifact → ref, as the file says. Raises: UsageError when it cannot be read or is not of that kind."""
    try:
        said = json.loads(file.read_text())
        builds = said["builds"]
        refs = {each["imageName"]: each["tag"] for each in builds}
    except OSError as exc:
        raise UsageError(f"cannot be read: {exc.strerror}", where=str(file), hint=_BUILT_HINT) from exc
    except json.JSONDecodeError as exc:
        where = f"{file}:{exc.lineno}:{exc.colno}"
        raise UsageError(f"is not JSON: {exc.msg}", where=where, hint=_BUILT_HINT) from exc
    except (KeyError, TypeError, UnicodeDecodeError) as exc:
        wanted = '{"builds": [{"imageName": "shop/api", "tag": "shop/api:1"}]}'
        raise UsageError(f"is not of the form {wanted}", where=str(file), hint=_BUILT_HINT) from exc
    for name, ref in refs.items():
        if not isinstance(name, str) or not isinstance(ref, str) or not _is_pinned(ref):
            raise UsageError(f"{name!r} has no tag or digest: {ref!r}", where=str(file), hint=_BUILT_HINT)
    return refs


def for_project(project: model.Project, refs: Mapping[str, str], file: Path) -> dict[str, str]:
    """The refs of the project's artifacts. One that only others are built on may be missing. Raises: UsageError."""
    required = {require.image for each in project.build.artifacts for require in each.requires}
    missing = [each.image for each in project.build.artifacts if each.image not in refs and each.image not in required]
    if missing:
        hint = f"it names {', '.join(sorted(refs)) or 'none'}; {_BUILT_HINT} with all of them"
        raise UsageError(f"names no image for {', '.join(missing)}", where=str(file), hint=hint)
    return {each.image: refs[each.image] for each in project.build.artifacts if each.image in refs}


def plan_with(plan: Plan, refs: Mapping[str, str]) -> Plan:
    """The plan with these artifacts and no others, none of which reads anything."""
    artifacts = tuple(replace(each, requires=()) for each in plan.project.build.artifacts if each.image in refs)
    project = replace(plan.project, build=replace(plan.project.build, artifacts=artifacts))
    return replace(plan, project=project, builders={name: _Given(ref) for name, ref in refs.items()})


@dataclass(frozen=True)
class _Given:
    """A builder of an image that is there. See stages.Builder."""

    ref: str

    def inputs(self, scope: Scope, artifact: model.Artifact, base: Path, tools: Tools) -> Inputs:
        return Inputs(base=base, files=(), roots=(), matches=lambda _path: False, values=(("image", self.ref),))

    def build(self, scope: Scope, job: BuildJob, tools: Tools) -> str:
        raise TypeError(f"{self.ref} is given, not built")


@dataclass(frozen=True)
class GivenImages:
    """Steps that build nothing. What is named by its digest is for the cluster to pull; all else has to be in the engine."""

    steps: Steps
    doors: Doors
    refs: Mapping[str, str]

    def __call__(self, scope: Scope, start: Start, product: Callable[[Node], Product]) -> Outcome:
        artifact = start.node.target.removeprefix("image/")
        if start.node.step == "build":
            return self._found(start.node.target, artifact, self.refs[artifact])
        if start.node.step == "place" and "@" in self.refs[artifact]:
            return Outcome(Placed(artifact, self.refs[artifact], ""), skipped="the cluster pulls it by its digest")
        return self.steps(scope, start, product)

    def _found(self, target: str, artifact: str, ref: str) -> Outcome:
        if "@" in ref:
            return Outcome(Image(artifact, ref, ""), skipped="it is given by its digest")
        found = self.doors.engine.inspect(ref)
        if found is None:
            raise StepFailed(
                f"the engine has no image {ref}",
                hint="`devloop build` makes it; `devloop build --push` names it by its digest, for the cluster to pull",
                where=target,
            )
        return Outcome(Image(artifact, ref, found.image_id), skipped="the engine has it already")


def _is_pinned(ref: str) -> bool:
    return "@" in ref or ":" in ref.rpartition("/")[2]
