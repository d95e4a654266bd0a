"""Builds Java programs with Jib, the plugin of Maven and Gradle.

Comes in: an artifact with its module. Goes out: the files that the plugin says it builds from, and the image, left in the engine under
its ref. The build tool is asked again only when one of its own files changes: each question starts a virtual machine.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from devloop import globs
from devloop.build import local
from devloop.config import model
from devloop.errors import StepFailed
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import BuildJob, Completed, Tools

_BEGIN = "BEGIN JIB JSON"
_SCHEMES = ("docker://", "registry://", "tar://")
_NO_PLUGIN = re.compile(r"No plugin found for prefix 'jib'|_jibSkaffoldFilesV2.* not found|jibDockerBuild.* not found")
_PLUGIN_HINT = "add the Jib plugin to the build file: https://github.com/GoogleContainerTools/jib#quickstart"


@dataclass(frozen=True)
class _Tool:
    """A build tool. `cause`: what finds the cause in the lines of a failure. `settings`: files that decide besides those it names."""

    name: str
    wrapper: str
    marks: tuple[str, ...]
    settings: tuple[str, ...]
    files: Callable[[model.Jib], tuple[str, ...]]
    build: Callable[[model.Jib, str, str | None, bool], tuple[str, ...]]
    cause: re.Pattern[str]


class JibBuilder:
    """See stages.Builder."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, ...], str] = {}

    def inputs(self, scope: Scope, artifact: model.Artifact, base: Path, tools: Tools) -> Inputs:
        """See stages.Builder.inputs. Asks the build tool, which takes seconds; blocks on it, cancelled by the scope."""
        spec = _spec(artifact)
        context = Path(os.path.normpath(base / artifact.context))
        tool, command = _tool(context, artifact)
        done = tools.processes.run(scope, [*command, *tool.files(spec)], cwd=context, check=False)
        if done.code != 0:
            raise _explain(tool, done, done.tail, context, artifact)
        found = tuple(_answers(done.stdout))
        if not found:
            raise StepFailed(
                f"{tool.name} did not say what Jib builds from", where=_where(artifact), evidence=done.tail
            )
        scheme, _, archive = (spec.from_image or "").partition("://")
        settings = frozenset(context / name for name in (*tool.settings, tool.wrapper))
        definitions = settings | {Path(path) for each in found for path in each.get("build", ())}
        read = [path for each in found for path in each.get("inputs", ())]
        read += [str(context / archive)] if scheme == "tar" else []
        paths = tuple(globs.escape(path) for path in (*read, *map(str, definitions)))
        ignore = tuple(globs.escape(path) for each in found for path in each.get("ignore", ()))
        return Inputs(
            base=context,
            files=globs.expand(context, paths, ignore),
            roots=globs.roots(context, paths),
            matches=globs.matcher(context, paths, ignore),
            definitions=definitions,
            skips=globs.matcher(context, ignore) if ignore else None,
            why=lambda path: _why(path, context, definitions, paths, ignore),
            images=local.base_images(artifact, _engine_name(spec.from_image)),
            values=(
                ("builder", "jib"),
                ("tool", self._version(scope, command, context, tools)),
                ("platform", tools.engine.info().platform),
                ("spec", repr(spec)),
            ),
        )

    def build(self, scope: Scope, job: BuildJob, tools: Tools) -> str:
        """See stages.Builder.build."""
        spec = _spec(job.artifact)
        context = Path(os.path.normpath(job.context))
        tool, command = _tool(context, job.artifact)
        lines: list[str] = []

        def take(line: str) -> None:
            lines.append(line)
            tools.line(line)

        done = tools.processes.run(
            scope,
            [*command, *tool.build(spec, job.ref, _base(job, spec, context, tools), job.is_uncached)],
            cwd=context,
            env={**tools.engine.environment(), **job.requires},
            on_line=take,
            check=False,
        )
        if done.code != 0:
            raise _explain(tool, done, lines, context, job.artifact)
        return local.built(job.ref, job, tools, done.tail)

    def _version(self, scope: Scope, command: tuple[str, ...], context: Path, tools: Tools) -> str:
        """Of the build tool and of Java, as it says itself; asked once a session."""
        key = (str(context), *command)
        if key not in self._versions:
            self._versions[key] = tools.processes.run(scope, [*command, "--version"], cwd=context).stdout
        return self._versions[key]


def _maven_files(spec: model.Jib) -> tuple[str, ...]:
    return (*_maven_modules(spec), *spec.args, "--quiet", "jib:_skaffold-files-v2")


def _maven_build(spec: model.Jib, ref: str, base: str | None, is_uncached: bool) -> tuple[str, ...]:
    return (
        *_maven_modules(spec),
        *spec.args,
        *(("clean",) if is_uncached else ()),
        "package" if spec.project else "prepare-package",  # a module's own dependencies are taken as packages
        "jib:dockerBuild",
        f"-Djib.to.image={ref}",
        *((f"-Djib.from.image={base}",) if base else ()),
        *((f"-Djib.containerize={spec.project}",) if spec.project else ()),
    )


def _maven_modules(spec: model.Jib) -> tuple[str, ...]:
    chosen = ("--projects", spec.project, "--also-make") if spec.project else ("--non-recursive",)
    return ("--batch-mode", "-Djib.console=plain", *chosen)


def _gradle_files(spec: model.Jib) -> tuple[str, ...]:
    return ("--console=plain", "--quiet", *spec.args, f"{_gradle_module(spec)}:_jibSkaffoldFilesV2")


def _gradle_build(spec: model.Jib, ref: str, base: str | None, is_uncached: bool) -> tuple[str, ...]:
    return (
        "--console=plain",
        "-Djib.console=plain",
        *spec.args,
        *(("--rerun-tasks",) if is_uncached else ()),
        *((f"-Djib.from.image={base}",) if base else ()),
        f"{_gradle_module(spec)}:jibDockerBuild",
        f"--image={ref}",
    )


def _gradle_module(spec: model.Jib) -> str:
    return f":{spec.project.strip(':')}" if spec.project else ""


_MAVEN = _Tool(
    "mvn",
    "mvnw",
    ("pom.xml",),
    (".mvn/maven.config", ".mvn/jvm.config", ".mvn/extensions.xml", ".mvn/wrapper/maven-wrapper.properties"),
    _maven_files,
    _maven_build,
    re.compile(
        r"^\[ERROR\] (?:Failed to execute goal \S+(?: \(.*?\))? on project \S+: )?(.+?)(?: -> \[Help \d+\])?$",
        re.MULTILINE,
    ),
)
_GRADLE = _Tool(
    "gradle",
    "gradlew",
    ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"),
    ("gradle.properties", "gradle/wrapper/gradle-wrapper.properties"),
    _gradle_files,
    _gradle_build,
    re.compile(r"^\* What went wrong:\n(.+)", re.MULTILINE),
)


def _tool(context: Path, artifact: model.Artifact) -> tuple[_Tool, tuple[str, ...]]:
    """The build tool of the context, and how to run it."""
    known = {"maven": _MAVEN, "gradle": _GRADLE}
    wanted = _spec(artifact).type
    if not context.is_dir():
        raise StepFailed("the build context is not a folder", where=str(context), hint="`context` names it")
    found = [name for name, each in known.items() if any((context / mark).is_file() for mark in each.marks)]
    if wanted is None and len(found) != 1:
        what = "both a Maven and a Gradle build are" if found else "neither a pom.xml nor a build.gradle is"
        hint = "set `jib.type`" if found else "`context` names the folder of the build"
        raise StepFailed(f"{what} in the context", where=_where(artifact), hint=hint)
    tool = known[wanted or found[0]]
    wrapper = context / tool.wrapper
    return tool, (str(wrapper),) if os.access(wrapper, os.X_OK) and wrapper.is_file() else (tool.name,)


def _answers(text: str) -> Iterable[dict[str, list[str]]]:
    """What stands between its lines of marks: one JSON text, on the line after them."""
    lines = text.splitlines()
    return (json.loads(lines[index + 1]) for index, line in enumerate(lines[:-1]) if line.strip().endswith(_BEGIN))


def _base(job: BuildJob, spec: model.Jib, context: Path, tools: Tools) -> str | None:
    """The base image as Jib has to be told of it: the engine's own where it has it."""
    if spec.from_image is None:
        return None
    if spec.from_image.startswith("tar://"):
        return f"tar://{context / spec.from_image.removeprefix('tar://')}"
    if spec.from_image.startswith(_SCHEMES):
        return spec.from_image
    name = local.base_ref(job, spec.from_image)
    return f"docker://{name}" if tools.engine.inspect(name) else name


def _engine_name(image: str | None) -> str | None:
    name = (image or "").removeprefix("docker://")
    return None if name.startswith(_SCHEMES) else name or None


def _explain(tool: _Tool, done: Completed, lines: Sequence[str], context: Path, artifact: model.Artifact) -> StepFailed:
    text = "\n".join(lines)
    if _NO_PLUGIN.search(text):
        return StepFailed(
            f"{tool.name}: the build has no Jib plugin", where=_where(artifact), hint=_PLUGIN_HINT, evidence=done.tail
        )
    said = tool.cause.search(text)
    cause = said[1].strip() if said else ""
    return local.explain(tool.name, done, lines, folder=context, artifact=artifact, said=cause)


def _spec(artifact: model.Artifact) -> model.Jib:
    if artifact.jib is None:
        raise TypeError(f"{artifact.image} has no jib builder")
    return artifact.jib


def _where(artifact: model.Artifact) -> str:
    return f"image/{artifact.image}"


def _why(
    path: Path, context: Path, definitions: frozenset[Path], paths: tuple[str, ...], ignore: tuple[str, ...]
) -> str:
    if globs.matcher(context, ignore)(path):
        return "Jib says to ignore it"
    if path in definitions:
        return "it decides what the build reads"
    return "Jib builds from it" if globs.matcher(context, paths)(path) else "Jib does not build from it"
