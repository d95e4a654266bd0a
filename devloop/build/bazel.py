"""Builds images with Bazel: targets that make an archive, as rules_oci's `oci_load` and rules_docker's `.tar` do.

Comes in: an artifact with its target. Goes out: the sources and build files that `bazel query` says it stands on, and the image, loaded
into the engine under its ref. Repositories that Bazel fetches are left out: they hang on the module files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from devloop.build import local
from devloop.config import model
from devloop.errors import StepFailed
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import BuildJob, Completed, Tools

_MODULE_FILES = ("MODULE.bazel", "REPO.bazel", "WORKSPACE.bazel", "WORKSPACE")
_DEFINITIONS = (*_MODULE_FILES, "WORKSPACE.bzlmod", "MODULE.bazel.lock", ".bazelrc", ".bazelversion", ".bazelignore")
_BUILD_FILES = ("BUILD.bazel", "BUILD")
_LABEL = re.compile(r"(?:@@?)?//(?P<package>[^:]*):(?P<name>.+)")
# `cquery --output=files` is newer than Bazel 5, and says nothing of output groups, where oci_load has its archive.
_OUTPUTS = (
    '"\\n".join([f.path for f in target.files.to_list() + (providers(target)["OutputGroupInfo"].tarball.to_list()'
    ' if hasattr(providers(target).get("OutputGroupInfo"), "tarball") else [])])'
)
_QUIET = ("--color=no", "--noshow_progress")


class BazelBuilder:
    """See stages.Builder."""

    def __init__(self) -> None:
        self._version = ""

    def inputs(self, scope: Scope, artifact: model.Artifact, base: Path, tools: Tools) -> Inputs:
        """See stages.Builder.inputs. Asks Bazel, 0.1 s once its server runs; blocks on it, cancelled by the scope."""
        spec = _spec(artifact)
        context = Path(os.path.normpath(base / artifact.context))
        workspace = _workspace(context, artifact)
        everything = f"deps({spec.target})"
        query = f'kind("source file", {everything}) union buildfiles({everything})'
        done = tools.processes.run(scope, ["bazel", "query", *_QUIET, query], cwd=context, check=False)
        if done.code != 0:
            raise local.explain("bazel query", done, done.tail, folder=workspace, artifact=artifact)
        self._version = self._version or tools.processes.run(scope, ["bazel", "--version"], cwd=context).stdout.strip()
        labels = [found for found in map(_LABEL.fullmatch, done.stdout.split("\n")) if found]
        named = {workspace / found["package"] / found["name"] for found in labels}
        packages = {workspace / each["package"] for each in labels if each["name"] in _BUILD_FILES}
        definitions = {path for path in named if path.name in _BUILD_FILES or path.suffix == ".bzl"}
        definitions |= {workspace / name for name in _DEFINITIONS}
        files = frozenset(path for path in named | definitions if os.path.lexists(path))
        above = local.ancestors(packages)

        def can_matter(path: Path) -> bool:
            """A glob of a package finds what comes, and misses what goes."""
            if path.name in _BUILD_FILES:
                return any(package in path.parents for package in packages)
            return path in above or ((path in files) != os.path.lexists(path) and _package(path, workspace) in packages)

        def skips(folder: Path) -> bool:
            return folder not in above and _package(folder / "x", workspace) not in packages

        roots = {*packages, *definitions}
        return Inputs(
            base=context,
            files=tuple(sorted(files)),
            roots=tuple(sorted(each for each in roots if not any(other in each.parents for other in roots))),
            matches=lambda path: path in named or path in definitions,
            definitions=frozenset(definitions),
            is_definition=can_matter,
            skips=skips,
            why=lambda path: _why(path, named, definitions, spec.target),
            values=(
                ("builder", "bazel"),
                ("bazel", self._version),
                ("platform", tools.engine.info().platform),
                ("spec", repr(spec)),
            ),
        )

    def build(self, scope: Scope, job: BuildJob, tools: Tools) -> str:
        """See stages.Builder.build."""
        spec = _spec(job.artifact)
        context = Path(os.path.normpath(job.context))
        workspace = _workspace(context, job.artifact)
        lines: list[str] = []

        def take(line: str) -> None:
            lines.append(line)
            tools.line(line)

        if job.is_uncached:
            tools.processes.run(scope, ["bazel", "clean", *_QUIET], cwd=context)
        words = (*_QUIET, *spec.args)
        argv = ["bazel", "build", *words, "--output_groups=+tarball", spec.target]
        done = tools.processes.run(scope, argv, cwd=context, on_line=take, check=False)
        if done.code != 0:
            raise local.explain("bazel build", done, lines, folder=workspace, artifact=job.artifact)
        ask = ["cquery", *words, "--output=starlark", f"--starlark:expr={_OUTPUTS}", spec.target]
        outputs = self._ask(scope, ask, context, job, tools).stdout.split()
        archives = [each for each in dict.fromkeys(outputs) if each.endswith((".tar", ".tar.gz", ".tgz"))]
        if len(archives) != 1:
            made = ", ".join(outputs) or "nothing"
            raise StepFailed(
                f"{spec.target} makes {made}, not one archive of an image",
                where=f"image/{job.artifact.image}",
                hint="name an oci_load of rules_oci, or a target whose file is a .tar as `docker save` writes it",
            )
        root = self._ask(scope, ["info", *words, "execution_root"], context, job, tools).stdout.strip()
        return local.load(scope, Path(root, archives[0]), job, tools)

    def _ask(self, scope: Scope, words: list[str], context: Path, job: BuildJob, tools: Tools) -> Completed:
        done = tools.processes.run(scope, ["bazel", *words], cwd=context, check=False)
        if done.code != 0:
            raise local.explain(f"bazel {words[0]}", done, done.tail, folder=context, artifact=job.artifact)
        return done


def _workspace(context: Path, artifact: model.Artifact) -> Path:
    for folder in (context, *context.parents):
        if any((folder / name).is_file() for name in _MODULE_FILES):
            return folder
    raise StepFailed(
        f"{context} is in no Bazel workspace",
        where=f"image/{artifact.image}",
        hint=f"there is no {_MODULE_FILES[0]} or {_MODULE_FILES[-1]} there or above; `context` names the folder",
    )


def _package(path: Path, workspace: Path) -> Path | None:
    """The nearest folder above with a build file, within the workspace."""
    for folder in path.parents:
        if any((folder / name).is_file() for name in _BUILD_FILES):
            return folder
        if folder == workspace:
            break
    return None


def _why(path: Path, named: Collection[Path], definitions: Collection[Path], target: str) -> str:
    if path in definitions:
        return "it decides what the target is made of"
    if path in named:
        return f"{target} depends on it (bazel query)"
    return f"{target} does not depend on it (bazel query)"


def _spec(artifact: model.Artifact) -> model.Bazel:
    if artifact.bazel is None:
        raise TypeError(f"{artifact.image} has no bazel builder")
    return artifact.bazel
