"""Manifests from any command that prints YAML.

Comes in: the command and what it declares to read; as a step after another renderer, the objects that it reads. Goes out: the objects
that it printed. What it writes to standard error is shown as it comes. It never looks into what the command does.
"""

from __future__ import annotations

import os.path
import tempfile
from collections.abc import Sequence
from pathlib import Path

from devloop import commands
from devloop.config import model
from devloop.errors import StepFailed
from devloop.products import Inputs, Manifest
from devloop.render import documents, objects
from devloop.render.manifests import to_yaml
from devloop.render.sources import kept
from devloop.scope import Scope
from devloop.stages import Tools

# Standard output goes to a file: it is for us, while the person watches the other stream as it comes.
_SCRIPT = 'exec >"$1"; exec sh -c "$0"'
_EVIDENCE_LINES = 20
_LONGEST_NAME = 40


class CustomRenderer:
    """Renders units that name a command."""

    def inputs(self, scope: Scope, unit: model.Unit, base: Path, tools: Tools) -> Inputs:
        """What the command declares to read. Blocks on the disk, and on the command that lists it, if there is one."""
        return inputs(scope, _spec(unit), base, tools, f"deploy/{unit.name}")

    def render(self, scope: Scope, unit: model.Unit, base: Path, namespace: str, tools: Tools) -> tuple[Manifest, ...]:
        """Runs the command. Blocks; cancelled by the scope. Raises: StepFailed with its last lines."""
        return run(scope, _spec(unit), base, tools, unit=unit.name, namespace=namespace)


def inputs(scope: Scope, spec: model.CustomRender, base: Path, tools: Tools, where: str) -> Inputs:
    """See CustomRenderer.inputs."""
    values = (("renderer", "custom"), ("command", spec.command))
    return commands.inputs(scope, spec.dependencies, _folder(spec, base, where), tools, where=where, values=values)


def run(
    scope: Scope,
    spec: model.CustomRender,
    base: Path,
    tools: Tools,
    *,
    unit: str,
    namespace: str,
    given: Sequence[Manifest] | None = None,
) -> tuple[Manifest, ...]:
    """What the command prints; `given` is what it may read from standard input. Blocks; cancelled by the scope. Raises: StepFailed."""
    where = f"deploy/{unit}"
    stdin = to_yaml(each.object for each in given).encode() if given is not None else None
    text = _output(
        scope,
        spec,
        _folder(spec, base, where),
        tools,
        where=where,
        env={"NAMESPACE": namespace, "UNIT": unit},
        stdin=stdin,
    )
    name = f"output of {_short(spec.command)}"
    parsed, wrong = documents.parse(text, name)
    manifests, wrong_objects = objects.manifests(parsed, name, kept(given, name) if given is not None else None)
    if not manifests and not wrong and not wrong_objects:
        raise StepFailed(f"the command printed no object: {spec.command}", where=where, hint="it has to print YAML")
    return objects.checked(manifests, [*wrong, *wrong_objects])


def _output(
    scope: Scope,
    spec: model.CustomRender,
    folder: Path,
    tools: Tools,
    *,
    where: str,
    env: dict[str, str],
    stdin: bytes | None,
) -> str:
    with tempfile.TemporaryDirectory(prefix="devloop-") as kept_in:
        printed = Path(kept_in, "output")
        argv = ["sh", "-c", _SCRIPT, spec.command, str(printed)]
        try:
            done = commands.run(
                scope,
                argv,
                timeout_s=spec.timeout_seconds,
                cwd=folder,
                env={**spec.env, **env},
                tools=tools,
                stdin=stdin,
            )
        except commands.TimedOut as late:
            raise StepFailed(
                f"the command did not end within {spec.timeout_seconds} s: {spec.command}",
                where=where,
                hint="`timeoutSeconds` gives it longer",
                evidence=late.tail,
            ) from None
        text = printed.read_bytes().decode("utf-8", "replace") if printed.exists() else ""
    if done.code != 0:
        raise StepFailed(
            f"the command that renders failed: {commands.ending(done.code)}: {spec.command}",
            where=where,
            hint=f"it runs with `sh -c` in {spec.dir}",
            evidence=done.tail or tuple(text.splitlines()[-_EVIDENCE_LINES:]),
        )
    return text


def _spec(unit: model.Unit) -> model.CustomRender:
    if unit.custom is None:
        raise TypeError(f"unit {unit.name} names no command")
    return unit.custom


def _folder(spec: model.CustomRender, base: Path, where: str) -> Path:
    folder = Path(os.path.normpath(base / spec.dir))
    if not folder.is_dir():
        raise StepFailed(f"there is no folder {spec.dir}", where=where, hint="`dir` is relative to devloop.yaml")
    return folder


def _short(command: str) -> str:
    line = " ".join(command.split())
    return line if len(line) <= _LONGEST_NAME else line[: _LONGEST_NAME - 1] + "…"
