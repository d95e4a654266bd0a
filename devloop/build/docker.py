"""Builds images with a Dockerfile, through BuildKit.

Comes in: an artifact with its context. Goes out: what the build reads, and an image in the engine by its id. It gives the image no
name: the caller does, once it is sure of what went in. docker-py cannot drive BuildKit, so the CLI does.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from devloop.build import dockerfile as dockerfiles
from devloop.build import dockerignore
from devloop.build.failure import explain, instruction_lines
from devloop.config import model
from devloop.errors import StepFailed
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import BuildJob, Tools


class DockerBuilder:
    """See stages.Builder."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._command: tuple[tuple[str, ...], dict[str, str]] | None = None

    def inputs(self, scope: Scope, artifact: model.Artifact, base: Path, tools: Tools) -> Inputs:
        """See stages.Builder.inputs. Walks only what the Dockerfile can reach. Raises: StepFailed with `where`."""
        spec = artifact.docker or model.Docker()
        context = Path(os.path.normpath(base / artifact.context))
        file = Path(os.path.normpath(context / spec.dockerfile))
        own_ignore = file.with_name(f"{file.name}.dockerignore")
        definitions = frozenset({file, own_ignore, context / ".dockerignore"})
        parsed = dockerfiles.parse(_read(file, context), str(file))
        reads = dockerfiles.reads(parsed, spec.target, spec.build_args)
        ignore = own_ignore if own_ignore.is_file() else context / ".dockerignore"
        rules = dockerignore.parse(ignore.read_text(errors="replace") if ignore.is_file() else "", str(ignore))
        sources = _Sources(context, reads.sources, rules)
        files = {*sources.files(), file, *([ignore] if ignore.is_file() else [])}
        return Inputs(
            base=context,
            files=tuple(sorted(files)),
            roots=(context,),
            matches=lambda path: path in definitions or sources.has(path),
            definitions=definitions,
            values=(("builder", "docker"), ("dockerfile", repr(spec))),
        )

    def build(self, scope: Scope, job: BuildJob, tools: Tools) -> str:
        """See stages.Builder.build. The image has no name yet."""
        spec = job.artifact.docker or model.Docker()
        command, environment = self._find_command(scope, tools)
        with tempfile.TemporaryDirectory(prefix="devloop-build-") as folder:
            id_file = Path(folder) / "id"
            argv = [*command, "--iidfile", str(id_file), "--file", str(job.context / spec.dockerfile)]
            argv += ["--target", spec.target] if spec.target else []
            for name, value in {**spec.build_args, **job.requires}.items():
                argv += ["--build-arg", f"{name}={value}"]
            lines: list[str] = []

            def take(line: str) -> None:
                lines.append(line)
                tools.line(line)

            done = tools.processes.run(
                scope,
                [*argv, str(job.context)],
                env={**tools.engine.environment(), **environment},
                on_line=take,
                check=False,
            )
            if done.code != 0:
                file = job.context / spec.dockerfile
                raise explain(lines, file, _instruction_lines(file), job.context, done.command)
            image_id = id_file.read_text().strip()
        if tools.engine.inspect(image_id) is None:
            raise StepFailed(
                f"the build ended well, but the engine has no image {image_id}",
                hint="is a builder selected that does not load into this engine? docker buildx ls; docker buildx use default",
            )
        return image_id

    def _find_command(self, scope: Scope, tools: Tools) -> tuple[tuple[str, ...], dict[str, str]]:
        """How this machine's CLI reaches BuildKit; looked up once."""
        with self._lock:
            if self._command is None:
                self._command = _find_command(scope, tools)
            return self._command


def _find_command(scope: Scope, tools: Tools) -> tuple[tuple[str, ...], dict[str, str]]:
    if tools.processes.run(scope, ["docker", "buildx", "version"], check=False).code == 0:
        # Attestations would make the id that of an index, which the engine's classic store does not know.
        return ("docker", "buildx", "build", "--load", "--progress=plain", "--provenance=false"), {}
    version = tools.processes.run(scope, ["docker", "version", "--format", "{{.Client.Version}}"], check=False).stdout
    major = version.strip().partition(".")[0]
    if major.isdigit() and int(major) < 23:
        return ("docker", "build", "--progress=plain"), {"DOCKER_BUILDKIT": "1"}  # built into the CLI until 23
    tools.line(
        "warning: no BuildKit here (docker buildx is not installed); the classic builder takes its place, and is slower"
    )
    return ("docker", "build"), {"DOCKER_BUILDKIT": "0"}


def _instruction_lines(file: Path) -> dict[str, int]:
    try:
        return instruction_lines(dockerfiles.parse(file.read_text(errors="replace"), str(file)))
    except (OSError, StepFailed):
        return {}  # the build has just said what is wrong with it


def _read(file: Path, context: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except FileNotFoundError:
        others = sorted(each.name for each in context.glob("*ockerfile*") if each.is_file()) if context.is_dir() else []
        hint = f"there is {', '.join(others)}: set docker.dockerfile" if others else "add one, or set docker.dockerfile"
        raise StepFailed("there is no Dockerfile", where=str(file), hint=hint) from None
    except OSError as exc:
        raise StepFailed(f"cannot read the Dockerfile: {exc.strerror}", where=str(file)) from exc


class _Sources:
    """The files of a context that are copied and not ignored."""

    def __init__(self, context: Path, patterns: tuple[str, ...], ignored: dockerignore.Rules) -> None:
        self._context = context
        self._ignored = ignored
        self._is_whole = dockerfiles.WHOLE_CONTEXT in patterns or any(each.startswith("!") for each in patterns)
        self._patterns = () if self._is_whole else patterns
        self._copied = dockerignore.from_patterns(self._patterns, str(context))

    def has(self, path: Path) -> bool:
        """Whether a path counts, existing or not."""
        try:
            relative = path.relative_to(self._context).as_posix()
        except ValueError:
            return False
        return self._is_copied(relative) and not self._ignored.ignores(relative)

    def files(self) -> Iterator[Path]:
        """All that count now."""
        for top in self._tops():
            path = self._context / top
            if path.is_symlink():
                # What a link in the context leads to is copied with it, as long as it stays inside.
                yield path
                path = path.resolve()
                if not path.is_relative_to(self._context):
                    continue
                if path.is_file():
                    yield path
            if path.is_dir():
                yield from self._walk(path)
            elif path.is_file() and self.has(path):
                yield path

    def _is_copied(self, relative: str) -> bool:
        return self._is_whole or self._copied.ignores(relative)

    def _tops(self) -> list[str]:
        """The fewest paths that everything lies below."""
        if self._is_whole:
            return ["."]
        tops = sorted({_fixed(pattern) for pattern in self._patterns})
        return [top for top in tops if not any(other != top and _is_below(top, other) for other in tops)]

    def _walk(self, folder: Path) -> Iterator[Path]:
        with os.scandir(folder) as entries:
            for entry in entries:
                relative = (
                    Path(entry.path).relative_to(self._context).as_posix()
                    if folder.is_relative_to(self._context)
                    else ""
                )
                if entry.is_dir(follow_symlinks=False):
                    if not self._ignored.ignores(relative) or self._ignored.may_reinclude_below(relative):
                        yield from self._walk(Path(entry.path))
                elif self._is_copied(relative) and not self._ignored.ignores(relative):
                    yield Path(entry.path)


def _fixed(pattern: str) -> str:
    """The part of a pattern before its first wildcard's folder."""
    parts: list[str] = []
    for part in PurePosixPath(pattern).parts:
        if any(c in part for c in "*?[\\"):
            break
        parts.append(part)
    return "/".join(parts) or "."


def _is_below(path: str, folder: str) -> bool:
    return folder == "." or path.startswith(f"{folder}/")
