"""Which programs a project needs, and whether they are there.

Comes in: the project. Goes out: a finding for each program, with its version and who needs it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from devloop import events
from devloop.config import model
from devloop.diagnosis.checks import doubtful, ill, well
from devloop.effects.process import not_installed
from devloop.scope import Scope
from devloop.stages import Completed, Processes


@dataclass(frozen=True)
class Program:
    """`name`: what it is called. `path`: of a wrapper in the project, which needs no other. `needs`: targets, by whom it is needed."""

    name: str
    path: str
    needs: tuple[str, ...]
    instead: str = ""  # another program that does as well


_VERSION: Mapping[str, tuple[str, ...]] = {"helm": ("version", "--short"), "kubectl": ("version", "--client")}
_BARE = frozenset(
    {"go", "ko", "pack", "kustomize", "container-structure-test"}
)  # they say `version`, others `--version`


def needed(project: model.Project, base: Path) -> tuple[Program, ...]:
    """The programs that the configuration asks for, besides the engine's own. Looks for the wrappers of Java builds; runs nothing."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for artifact in project.build.artifacts:
        for name, path in _of_artifact(artifact, base):
            found.setdefault((name, path, ""), []).append(f"image/{artifact.image}")
    for unit in project.deploy:
        for name, instead in _of_unit(unit):
            found.setdefault((name, "", instead), []).append(f"deploy/{unit.name}")
    for test in project.test:
        if test.structure_tests:
            found.setdefault(("container-structure-test", "", ""), []).append(f"test/{test.image}")
    return tuple(Program(name, path, tuple(needs), instead) for (name, path, instead), needs in found.items())


def _of_artifact(artifact: model.Artifact, base: Path) -> Iterator[tuple[str, str]]:
    match artifact.builder:
        case "ko":
            yield from (("ko", ""), ("go", ""))
        case "bazel":
            yield "bazel", ""
        case "buildpacks":
            yield "pack", ""
        case "jib" if artifact.jib:
            context = base / artifact.context
            is_gradle = artifact.jib.type == "gradle" or (not artifact.jib.type and not (context / "pom.xml").is_file())
            name, wrapper = ("gradle", context / "gradlew") if is_gradle else ("mvn", context / "mvnw")
            yield name, str(wrapper) if wrapper.is_file() and os.access(wrapper, os.X_OK) else ""


def _of_unit(unit: model.Unit) -> Iterator[tuple[str, str]]:
    if unit.kustomize or any(each.kustomize for each in unit.then):
        yield "kustomize", "kubectl"
    if unit.helm:
        yield "helm", ""
    if unit.ytt:
        yield "ytt", ""
    if unit.transforms:
        yield "yq", ""


def ask(scope: Scope, program: Program, processes: Processes) -> Iterator[events.Check]:
    """Whether it is there and runs. Blocks for one process; cancelled by the scope."""
    for name in filter(None, (program.name, program.instead)):
        path = program.path or processes.find(name)
        if path:
            words = _VERSION.get(name, ("version",) if name in _BARE else ("--version",))
            yield verdict(program, name, processes.run(scope, [path, *words], check=False))
            return
    yield missing(program)


def verdict(program: Program, name: str, said: Completed) -> events.Check:
    """What its answer to the question for its version means. `name`: the one of the program's two that was asked."""
    if said.code != 0:
        evidence = f": {said.tail[-1]}" if said.tail else ""
        return doubtful(program.name, f"{said.command} fails{evidence}", f"does {name} work by itself?")
    lines = [line.strip() for line in said.stdout.splitlines() if line.strip()]
    version = lines[0] if lines else "it does not say its version"
    instead = f"{name} does its work: " if name != program.name else ""
    return well(program.name, f"{instead}{version}{_by(program)}")


def missing(program: Program) -> events.Check:
    """What it means that a program is not there."""
    error = not_installed(program.name)
    return ill(program.name, f"{error.message}{_by(program)}", error.hint or "")


def _by(program: Program) -> str:
    if not program.needs:
        return ""
    more = f" and {len(program.needs) - 3} more" if len(program.needs) > 3 else ""
    return f", for {', '.join(program.needs[:3])}{more}"
