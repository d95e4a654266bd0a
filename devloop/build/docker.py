"""Builds images with a Dockerfile, through BuildKit.

Comes in: an artifact with its context. Goes out: what the build reads, and an image in the engine by its id. It gives the image no
name: the caller does, once it is sure of what went in. docker-py cannot drive BuildKit (docker-py issue 2230), so the CLI does.
"""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devloop.build import dockerfile as dockerfiles
from devloop.build import dockerignore, options
from devloop.build.context import list_context
from devloop.build.failure import explain
from devloop.build.progress import Progress
from devloop.build.reasons import reason
from devloop.build.sources import PLATFORM_ARGUMENTS, Reads, reads
from devloop.config import model
from devloop.errors import StepFailed
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import BuildJob, Tools

_KEPT_LINES = 5000
# Defined without an ARG: https://docs.docker.com/reference/dockerfile/#predefined-args
_PREDEFINED = {*PLATFORM_ARGUMENTS, "SOURCE_DATE_EPOCH"}
_PREDEFINED |= {
    each for name in ("HTTP", "HTTPS", "FTP", "NO", "ALL") for each in (f"{name}_PROXY", f"{name}_proxy".lower())
}
# No attestations: with them the id is that of an index, which the engine's classic store does not know.
_QUIET = {"DOCKER_CLI_HINTS": "false", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}


@dataclass(frozen=True)
class _Client:
    """How this machine's CLI builds. `note`: what is to be said about it each time."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    note: str = ""


@dataclass(frozen=True)
class _Recipe:
    """An artifact's Dockerfile and ignore rules as they are on disk. `ignore_file`: the one in force, if there is one."""

    context: Path
    file: Path
    dockerfile: dockerfiles.Dockerfile
    definitions: frozenset[Path]
    ignore_file: Path | None
    rules: dockerignore.Rules
    reads: Reads


class DockerBuilder:
    """See stages.Builder. `environment`: variables in which BUILDX_BUILDER may name another builder than the engine's own."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._client: _Client | None = None

    def inputs(self, scope: Scope, artifact: model.Artifact, base: Path, tools: Tools) -> Inputs:
        """See stages.Builder.inputs. Reads only folders that the Dockerfile can reach. Raises: StepFailed with `where`."""
        spec = artifact.docker or model.Docker()
        recipe = _recipe(artifact, base / artifact.context)
        listing = list_context(recipe.context, recipe.reads.sources, recipe.rules)
        files = {*map(recipe.context.joinpath, listing.files), recipe.file}
        if recipe.ignore_file is not None:
            files.add(recipe.ignore_file)
        prefix = os.path.join(recipe.context.as_posix(), "")
        fixed = frozenset({recipe.file.as_posix(), *([recipe.ignore_file.as_posix()] if recipe.ignore_file else [])})

        def matches(path: Path) -> bool:
            text = path.as_posix()
            return text in fixed or (text.startswith(prefix) and listing.counts(text[len(prefix) :]))

        def is_new_link(path: Path) -> bool:
            text = path.as_posix()
            if not text.startswith(prefix) or not os.path.islink(text):
                return False
            return text[len(prefix) :] in listing.ways or listing.counts(text[len(prefix) :])

        def skips(folder: Path) -> bool:
            text = folder.as_posix()
            return text.startswith(prefix) and listing.skips(text[len(prefix) :])

        def why(path: Path) -> str:
            if path == recipe.file:
                return "it is the Dockerfile"
            if path == recipe.ignore_file:
                return "it is the ignore file"
            if path in recipe.definitions:
                return "an ignore file has this name"
            shown = recipe.dockerfile.file
            return reason(path, recipe.context, sources=recipe.reads.sources, rules=recipe.rules, dockerfile=shown)

        # A folder above a source that comes, goes or becomes a link decides where the source lies.
        above = {os.path.dirname(way) for way in listing.ways} - {""}
        roots = {*map(recipe.context.joinpath, listing.roots), *recipe.definitions}
        return Inputs(
            base=recipe.context,
            files=tuple(sorted(files, key=str)),
            roots=tuple(sorted(each for each in roots if not any(other in each.parents for other in roots))),
            matches=matches,
            definitions=recipe.definitions | frozenset(map(recipe.context.joinpath, (*listing.links, *above))),
            is_definition=is_new_link,
            skips=skips,
            why=why,
            images=recipe.reads.images,
            values=(("builder", "docker"), *options.values(spec)),
        )

    def build(self, scope: Scope, job: BuildJob, tools: Tools) -> str:
        """See stages.Builder.build. The image has no name yet. Raises: Unavailable when the engine does not answer, too."""
        spec = job.artifact.docker or model.Docker()
        recipe = _recipe(job.artifact, job.context)
        given = {**spec.build_args, **job.requires}
        _warn_of_unused(given, recipe, tools)
        client = self._client = self._client or _find_client(scope, tools)
        if client.note:
            tools.line(client.note)
        words = options.words(spec, given, recipe.context, is_buildx="buildx" in client.argv)
        with tempfile.TemporaryDirectory(prefix="devloop-build-") as folder:
            id_file = Path(folder, "id")
            lines: deque[str] = deque(maxlen=_KEPT_LINES)
            progress = Progress()

            def take(line: str) -> None:
                lines.append(line)
                progress.take(line)
                tools.line(line)

            engine = tools.engine.environment()
            done = tools.processes.run(
                scope,
                [
                    *client.argv,
                    *self._builder(spec.builder, client, engine),
                    *("--iidfile", str(id_file), "--file", str(recipe.file)),
                    *words,
                    *(("--no-cache",) if job.is_uncached and not spec.no_cache else ()),
                    str(recipe.context),
                ],
                env={**_QUIET, **client.environment, **engine},
                on_line=take,
                check=False,
            )
            if done.code != 0:
                raise explain(tuple(lines), recipe.dockerfile, recipe.context, recipe.rules)
            if said := progress.summary():
                tools.note(said)
            return _image_id(id_file, tools)

    def _builder(self, named: str | None, client: _Client, engine: Mapping[str, str]) -> tuple[str, ...]:
        """The engine's own BuildKit, named after its context: what another builder makes is sent to the engine as a whole."""
        if named is not None:
            return ("--builder", named)
        if "buildx" not in client.argv or self._environment.get("BUILDX_BUILDER"):
            return ()
        return ("--builder", engine.get("DOCKER_CONTEXT", "default"))


def _find_client(scope: Scope, tools: Tools) -> _Client:
    """What the CLI can do: two processes of 0.1 s at most. The CLI has BuildKit inside from 18.09 until 23, by buildx after that."""
    usage = tools.processes.run(scope, ["docker", "buildx", "build", "--help"], check=False)
    if usage.code == 0 and "--load" in usage.stdout:  # without the plugin, some CLIs print their own usage and succeed
        provenance = ("--provenance=false",) if "--provenance" in usage.stdout else ()
        return _Client(("docker", "buildx", "build", "--load", "--progress=plain", *provenance), {})
    version = tools.processes.run(scope, ["docker", "--version"], check=False).stdout
    found = re.match(r"Docker version (\d+)\.(\d+)", version)
    if found and (18, 9) <= (int(found[1]), int(found[2])) < (23, 0):
        return _Client(("docker", "build", "--progress=plain"), {"DOCKER_BUILDKIT": "1"})
    return _Client(
        ("docker", "build"),
        {"DOCKER_BUILDKIT": "0"},
        "warning: this docker CLI has no BuildKit, the slow classic builder is used; install docker-buildx",
    )


def _image_id(id_file: Path, tools: Tools) -> str:
    try:
        image_id = id_file.read_text().strip()
    except FileNotFoundError:
        raise StepFailed("the build ended well but did not say which image it made") from None
    found = tools.engine.inspect(image_id)
    if found is None:
        raise StepFailed(
            f"the build ended well, but the engine has no image {image_id}",
            hint="a builder that does not load into this engine may be selected: `docker buildx ls`, `docker buildx use default`",
        )
    return found.image_id


def _warn_of_unused(given: Iterable[str], recipe: _Recipe, tools: Tools) -> None:
    for name in given:
        if name not in recipe.reads.arguments and name not in _PREDEFINED and not name.startswith("BUILDKIT_"):
            near = difflib.get_close_matches(name, recipe.reads.arguments, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            tools.line(f"warning: {recipe.dockerfile.file} declares no ARG {name}, its value is not used{hint}")


def _recipe(artifact: model.Artifact, context: Path) -> _Recipe:
    spec = artifact.docker or model.Docker()
    context = Path(os.path.normpath(context))
    file = Path(os.path.normpath(context / spec.dockerfile))
    shown = _shown(artifact, spec.dockerfile)
    dockerfile = dockerfiles.parse(_text(file, context, shown), shown)
    # One beside the Dockerfile replaces the context's; they are not merged.
    candidates = {
        file.with_name(f"{file.name}.dockerignore"): f"{spec.dockerfile}.dockerignore",
        context / ".dockerignore": ".dockerignore",
    }
    ignore_file = next((each for each in candidates if each.is_file()), None)
    rules = dockerignore.parse("")
    if ignore_file is not None:
        name = _shown(artifact, candidates[ignore_file])
        rules = dockerignore.parse(_text(ignore_file, context, name), name)
    known = {**spec.build_args, **{each.variable: None for each in artifact.requires}}
    return _Recipe(
        context=context,
        file=file,
        dockerfile=dockerfile,
        definitions=frozenset({file, *candidates}),
        ignore_file=ignore_file,
        rules=rules,
        reads=reads(dockerfile, spec.target, known),
    )


def _shown(artifact: model.Artifact, path: str) -> str:
    """As people know it: from the folder of the configuration."""
    return Path(os.path.normpath(os.path.join(artifact.context, path))).as_posix()


def _text(file: Path, context: Path, shown: str) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        if not context.is_dir():
            raise StepFailed(
                "the build context is not a folder", where=str(context), hint="`context` names it"
            ) from None
        others = sorted(each.name for each in context.iterdir() if "dockerfile" in each.name.lower() and each.is_file())
        hint = (
            f"there is {', '.join(others)}: name it in `docker.dockerfile`"
            if others
            else "add one, or set `docker.dockerfile`"
        )
        raise StepFailed("there is no Dockerfile", where=shown, hint=hint) from None
    except OSError as exc:
        raise StepFailed(f"cannot be read: {exc.strerror}", where=shown) from exc
