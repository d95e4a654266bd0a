"""Builds Go programs with ko.

Comes in: an artifact with its package. Goes out: what `go list` says that the program is made of, and the image, loaded into the engine
under its ref. ko never pushes, and its own configuration file keeps its meaning.
"""

from __future__ import annotations

import csv
import io
import os
import secrets
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from devloop import globs
from devloop.build import local
from devloop.build.gosources import GoSources, go_sources
from devloop.config import model
from devloop.errors import StepFailed
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import BuildJob, Tools

# Where ko takes a base image from the engine instead of a registry: https://ko.build/configuration/
_LOCAL_BASE = "ko.local/devloop-base"
_DECIDING = ("GOFLAGS", "KO_DEFAULTBASEIMAGE", "KO_CONFIG_PATH", "CGO_ENABLED")


class KoBuilder:
    """See stages.Builder. `environment`: variables that ko and go would look at."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._version = ""

    def inputs(self, scope: Scope, artifact: model.Artifact, base: Path, tools: Tools) -> Inputs:
        """See stages.Builder.inputs. Runs go twice; blocks on it, cancelled by the scope. Raises: UsageError without ko or go, too."""
        spec = _spec(artifact)
        context = Path(os.path.normpath(base / artifact.context))
        folder = _folder(context, spec)
        self._version = self._version or tools.processes.run(scope, ["ko", "version"]).stdout.strip()
        platform = tools.engine.info().platform
        go = go_sources(
            scope,
            artifact,
            _package(spec, folder),
            folder=folder,
            env={**_platform(platform), **self._variables(spec)},
            tools=tools,
        )
        config = folder / ".ko.yaml"
        data = go.main / "kodata"
        definitions = go.definitions | {config}
        files = {*go.files, *(each for each in definitions if each.is_file()), *globs.expand(go.main, ("kodata",))}
        is_data = globs.matcher(go.main, ("kodata",))
        above = local.ancestors((*go.folders, data))
        roots = {*(_top(each, folder) for each in go.folders), *definitions}

        def skips(path: Path) -> bool:
            return path not in above and not is_data(path) and not go.patterns(path)

        return Inputs(
            base=context,
            files=tuple(sorted(files)),
            roots=tuple(sorted(each for each in roots if not any(other in each.parents for other in roots))),
            matches=lambda path: path in files or is_data(path),
            definitions=definitions,
            is_definition=go.can_matter,
            skips=skips,
            why=lambda path: _why(path, go, definitions, data),
            images=local.base_images(artifact, spec.from_image),
            values=(
                ("builder", "ko"),
                ("ko", self._version),
                ("go", go.version),
                ("platform", platform),
                ("spec", repr(spec)),
                *((name, self._environment.get(name, "")) for name in _DECIDING),
            ),
        )

    def build(self, scope: Scope, job: BuildJob, tools: Tools) -> str:
        """See stages.Builder.build. Raises: UsageError without ko, too."""
        spec = _spec(job.artifact)
        folder = _folder(Path(os.path.normpath(job.context)), spec)
        platform = tools.engine.info().platform
        repository, _, tag = job.ref.rpartition(":")
        variables = {**self._variables(spec, is_uncached=job.is_uncached), **job.requires}
        lines: list[str] = []

        def take(line: str) -> None:
            lines.append(line)
            tools.line(line)

        with (
            tempfile.TemporaryDirectory(prefix="devloop-ko-") as place,
            _base(scope, job, spec, tools) as base_variables,
        ):
            archive = Path(place, "image.tar")
            done = tools.processes.run(
                scope,
                [
                    *("ko", "build", "--bare", "--push=false", "--sbom=none"),
                    *(f"--tarball={archive}", f"--tags={tag}", f"--platform={platform}"),
                    *(f"--image-label={_quoted(f'{name}={value}')}" for name, value in spec.labels.items()),
                    *(f"--ldflags={_quoted(each)}" for each in spec.ldflags),
                    _package(spec, folder),
                ],
                cwd=folder,
                env={**variables, **base_variables, "KO_DOCKER_REPO": repository},
                on_line=take,
                check=False,
            )
            if done.code != 0:
                raise local.explain("ko", done, lines, folder=folder, artifact=job.artifact)
            return local.load(scope, archive, job, tools)

    def _variables(self, spec: model.Ko, *, is_uncached: bool = False) -> dict[str, str]:
        """Those of the build; the same for `go list`, which would find other files otherwise."""
        given = dict(each.partition("=")[::2] for each in spec.env)
        before = given.get("GOFLAGS", self._environment.get("GOFLAGS", ""))
        flags = (shlex.quote(each) for each in (*spec.flags, *(("-a",) if is_uncached else ())))
        return {
            "CGO_ENABLED": self._environment.get("CGO_ENABLED", "0"),
            **given,
            "GOFLAGS": " ".join(filter(None, (before, *flags))),
        }


@contextmanager
def _base(scope: Scope, job: BuildJob, spec: model.Ko, tools: Tools) -> Iterator[dict[str, str]]:
    """What tells ko the base image: the engine's own where it has it, which ko finds only below a name of its own."""
    if spec.from_image is None:
        yield {}
        return
    name = local.base_ref(job, spec.from_image)
    found = tools.engine.inspect(name)
    if found is None:
        yield {"KO_DEFAULTBASEIMAGE": name}
        return
    own = f"{_LOCAL_BASE}:{secrets.token_hex(8)}"  # not the same for builds side by side: each takes its own away
    tools.engine.tag(found.image_id, own)
    try:
        yield {**local.environment(scope, tools), "KO_DEFAULTBASEIMAGE": own}
    finally:
        tools.engine.untag(own)


def _spec(artifact: model.Artifact) -> model.Ko:
    if artifact.ko is None:
        raise TypeError(f"{artifact.image} has no ko builder")
    return artifact.ko


def _folder(context: Path, spec: model.Ko) -> Path:
    folder = Path(os.path.normpath(context / spec.dir))
    if not folder.is_dir():
        raise StepFailed(
            "the folder to run ko in is not there", where=str(folder), hint="`context` and `ko.dir` name it"
        )
    return folder


def _top(package: Path, folder: Path) -> Path:
    """What to watch for a package: the whole folder that ko runs in where it lies there, which holds packages yet to come."""
    return folder if package.is_relative_to(folder) else package


def _platform(platform: str) -> dict[str, str]:
    """As go knows it; ko refuses these beside --platform, and sets them itself."""
    system, architecture = platform.split("/")[:2]
    return {"GOOS": system, "GOARCH": architecture}


def _package(spec: model.Ko, folder: Path) -> str:
    """go takes what begins with neither `.` nor `/` for an import path."""
    is_folder = not spec.main.startswith((".", "/")) and (folder / spec.main).is_dir()
    return f"./{spec.main}" if is_folder else spec.main


def _quoted(word: str) -> str:
    """ko splits these options at commas, as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow([word])
    return out.getvalue()


def _why(path: Path, go: GoSources, definitions: Iterable[Path], data: Path) -> str:
    if path in definitions:
        return "it decides what the program is made of"
    if data in path.parents:
        return "ko puts what is in kodata into the image"
    if path in go.files:
        return "go list names it as part of the program, or of a package that it imports"
    return "no package that the program imports has it (go list -deps)"
