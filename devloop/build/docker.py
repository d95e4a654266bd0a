"""Builds images with a Dockerfile, through BuildKit; where the engine is podman's, through podman.

Comes in: an artifact with its context. Goes out: what the build reads, and an image in the engine by its id. It gives the image no
name: the caller does, once it is sure of what went in. docker-py cannot drive BuildKit (docker-py issue 2230), so the CLI does.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tempfile
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devloop.build import local, options
from devloop.build.counted import Counted
from devloop.build.failure import explain
from devloop.build.layout import is_exported_by, layout
from devloop.build.progress import Progress
from devloop.build.recipe import Recipe, context_words, read_recipe
from devloop.build.sources import PLATFORM_ARGUMENTS, familiar
from devloop.config import model
from devloop.errors import StepFailed, Unavailable
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
    options: tuple[str, ...]
    environment: Mapping[str, str]
    note: str = ""

    @property
    def is_buildx(self) -> bool:
        return "buildx" in self.argv

    @property
    def is_podman(self) -> bool:
        return self.argv[0] == "podman"


class DockerBuilder:
    """See stages.Builder. `environment`: variables in which BUILDX_BUILDER may name another builder than the engine's own."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._client: _Client | None = None
        self._exporting: dict[str, bool] = {}

    def inputs(self, scope: Scope, artifact: model.Artifact, base: Path, tools: Tools) -> Inputs:
        """See stages.Builder.inputs. Reads only folders that the Dockerfile can reach. Raises: StepFailed with `where`."""
        spec = artifact.docker or model.Docker()
        recipe = read_recipe(artifact, base / artifact.context)
        counted = Counted(recipe.reading_all() if _has_triggers(recipe, tools) else recipe)
        platform = options.platform(spec, self._environment)
        return Inputs(
            base=recipe.context,
            files=counted.files,
            roots=counted.roots,
            matches=counted.matches,
            definitions=counted.definitions,
            is_definition=counted.is_new_link,
            skips=counted.skips,
            why=counted.why,
            images=recipe.reads.images,
            values=(("builder", "docker"), ("platform", platform or ""), *options.values(spec)),
            is_for_engine=platform is None,
        )

    def build(self, scope: Scope, job: BuildJob, tools: Tools) -> str:
        """See stages.Builder.build. The image has no name yet. Raises: Unavailable when the engine does not answer, too."""
        spec = job.artifact.docker or model.Docker()
        recipe = read_recipe(job.artifact, job.context)
        given = {**spec.build_args, **job.requires}
        contexts = context_words(job.artifact, recipe.context, job.requires)
        _warn_of_unused(_arguments(job, contexts), recipe, tools)
        for name in contexts:
            if familiar(name) not in recipe.reads.contexts:
                tools.line(f"warning: {recipe.dockerfile.file} uses no context {name}")
        client = self._client = self._client or _find_client(scope, tools)
        if client.note:
            tools.line(client.note)
        words = options.words(
            spec, given, recipe.context, contexts=contexts, is_buildx=client.is_buildx, is_podman=client.is_podman
        )
        other = self._other(spec, client)
        builder = ("--builder", other or tools.engine.environment().get("DOCKER_CONTEXT", "default"))
        rest = (
            *client.options,
            *(builder if client.is_buildx else ()),
            *("--file", str(recipe.file)),
            *words,
            *(("--no-cache",) if job.is_uncached and not spec.no_cache else ()),
        )
        if other and job.artifact.is_for_engine and self._is_exporting(scope, other, tools):
            with layout(other, recipe.context, job.artifact.image) as kept:
                loaded = kept.load(scope, _run(scope, (*kept.output(), *rest), recipe, client, tools), tools)
            if loaded is not None:
                tools.note(loaded[1])
                return loaded[0]
        output = options.output(job.artifact, job.repository) if client.is_buildx else ()
        image_id = _run(scope, (*output, *rest), recipe, client, tools)
        return _found(image_id, "" if job.artifact.is_for_engine else job.repository, tools)

    def _other(self, spec: model.Docker, client: _Client) -> str | None:
        """The builder that is wanted instead of the engine's own BuildKit."""
        return (spec.builder or self._environment.get("BUILDX_BUILDER")) if client.is_buildx else None

    def _is_exporting(self, scope: Scope, builder: str, tools: Tools) -> bool:
        if builder not in self._exporting:
            self._exporting[builder] = is_exported_by(scope, builder, tools)
        return self._exporting[builder]


def _run(scope: Scope, words: Sequence[str], recipe: Recipe, client: _Client, tools: Tools) -> str:
    """Runs the build; returns what it says of its image: an id, or a digest. Raises: StepFailed with the line of the Dockerfile."""
    with tempfile.TemporaryDirectory(prefix="devloop-build-") as folder:
        id_file = Path(folder, "id")
        lines: deque[str] = deque(maxlen=_KEPT_LINES)
        progress = Progress()

        def take(line: str) -> None:
            lines.append(line)
            progress.take(line)
            tools.line(line)

        done = tools.processes.run(
            scope,
            [*client.argv, *words, "--iidfile", str(id_file), str(recipe.context)],
            env={**_QUIET, **client.environment, **tools.engine.environment()},
            on_line=take,
            check=False,
        )
        if done.code != 0:
            named = {each.name: (each.path, each.rules) for each in recipe.folders[1:]}
            raise explain(tuple(lines), recipe.dockerfile, recipe.context, recipe.folders[0].rules, named)
        if said := progress.summary():
            tools.note(said)
        try:
            return id_file.read_text().strip()
        except FileNotFoundError:
            raise StepFailed("the build ended well but did not say which image it made") from None


def _find_client(scope: Scope, tools: Tools) -> _Client:
    """What the CLI can do: two processes of 0.1 s at most. The CLI has BuildKit inside from 18.09 until 23, by buildx after that.

    podman has none: its own command sends the context to the same socket, and knows more than what Docker's classic builder asks for.
    """
    if tools.engine.info().is_podman:
        if tools.processes.find("podman"):
            host = local.environment(scope, tools).get("DOCKER_HOST", "unix:///var/run/docker.sock")
            return _Client(("podman", "--url", host, "build"), (), {})
        note = "warning: the engine is podman, and builds as Docker's classic builder does; install the podman command"
        return _Client(("docker", "build"), (), {"DOCKER_BUILDKIT": "0"}, note)
    usage = tools.processes.run(scope, ["docker", "buildx", "build", "--help"], check=False)
    if usage.code == 0 and "--load" in usage.stdout:  # without the plugin, some CLIs print their own usage and succeed
        provenance = ("--provenance=false",) if "--provenance" in usage.stdout else ()
        return _Client(("docker", "buildx", "build"), ("--progress=plain", *provenance), {})
    version = tools.processes.run(scope, ["docker", "--version"], check=False).stdout
    found = re.match(r"Docker version (\d+)\.(\d+)", version)
    if found and (18, 9) <= (int(found[1]), int(found[2])) < (23, 0):
        return _Client(("docker", "build"), ("--progress=plain",), {"DOCKER_BUILDKIT": "1"})
    return _Client(
        ("docker", "build"),
        (),
        {"DOCKER_BUILDKIT": "0"},
        "warning: this docker CLI has no BuildKit, the slow classic builder is used; install docker-buildx",
    )


def _found(image_id: str, repository: str, tools: Tools) -> str:
    """`repository`: where the image was pushed to, if it was."""
    if repository:
        return f"{repository}@{image_id}"
    found = tools.engine.inspect(image_id)
    if found is None:
        raise StepFailed(
            f"the build ended well, but the engine has no image {image_id}",
            hint="a builder that does not load into this engine may be selected: `docker buildx ls`, `docker buildx use default`",
        )
    return found.image_id


def _has_triggers(recipe: Recipe, tools: Tools) -> bool:
    """Whether a base image says what is done in builds on it, which may copy anything; as far as the engine has the image.

    https://docs.docker.com/reference/dockerfile/#onbuild
    """
    try:
        found = [tools.engine.inspect(image) for image in recipe.reads.images]
    except Unavailable:
        return False  # an engine that says nothing builds nothing
    configs = [each.config for each in found if each is not None and b'"OnBuild"' in each.config]
    return any(json.loads(each).get("config", {}).get("OnBuild") for each in configs)


def _arguments(job: BuildJob, contexts: Mapping[str, str]) -> list[str]:
    """The build arguments that are meant for an ARG: the ref of a required image may be there for a context only."""
    as_contexts = {value.removeprefix("docker-image://") for value in contexts.values()}
    spec = job.artifact.docker or model.Docker()
    return [*spec.build_args, *(name for name, ref in job.requires.items() if ref not in as_contexts)]


def _warn_of_unused(given: Iterable[str], recipe: Recipe, tools: Tools) -> None:
    for name in given:
        if name not in recipe.reads.arguments and name not in _PREDEFINED and not name.startswith("BUILDKIT_"):
            near = difflib.get_close_matches(name, recipe.reads.arguments, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            tools.line(f"warning: {recipe.dockerfile.file} declares no ARG {name}, its value is not used{hint}")
