"""What a failed build says, as cause, place and evidence.

Comes in: the lines that the docker CLI printed. Goes out: an error that names the failing instruction with its `file:line`, the last
lines of its output, and what to do about causes that are known. Pure.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from devloop.build import dockerfile as dockerfiles
from devloop.errors import DevloopError, StepFailed, Unavailable

EVIDENCE_LINES = 20

_SOLVE = re.compile(
    r"^(?:ERROR: |error: )?(?:failed to build: )?failed to solve(?: with frontend [\w.]+)?: (?P<cause>.+)$"
)
_WRAPPING = re.compile(
    r"^(?:rpc error: code = \w+ desc = |failed to solve(?: with frontend [\w.]+)?: |failed to create LLB definition: |"
    r"failed to compute cache key: |failed to calculate checksum of ref [^:]+::?\w*: )+"
)
_PLACE = re.compile(r"^(?P<file>[^\s:]+):(?P<line>\d+)$")
_PARSE = re.compile(r"(?:dockerfile parse error|parse error)(?: on)? line (?P<line>\d+): (?P<cause>.+)")
_STEP = re.compile(r"^ > (?P<step>\[.*?\] )?(?P<name>.*?):?$")
_PROCESS = re.compile(r'process "(?P<command>.*)" did not complete successfully: exit code: (?P<code>\d+)')
_RUNC = re.compile(r"executor failed running \[(?P<command>.*)\]: exit code: (?P<code>\d+)")
_CLASSIC = re.compile(r"^The command '(?P<command>.*)' returned a non-zero code: (?P<code>\d+)$")
_MISSING = re.compile(r'"(?P<path>/[^"]*)"?: not found')
_HINTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"no space left on device"),
        "the engine's disk is full: docker system df shows what takes it, docker system prune frees it",
    ),
    (
        re.compile(
            r"failed to resolve source metadata|pull access denied|failed to do request|failed to copy: |i/o timeout|no such host"
        ),
        "the base image cannot be pulled: is its name right, is the registry reachable, are you logged in?",
    ),
    (re.compile(r"unknown instruction|parse error"), "mend the Dockerfile at this line"),
    (
        re.compile(r"target stage .* (could not be found|not found)"),
        "docker.target has to name a stage of the Dockerfile (FROM … AS name)",
    ),
)


def explain(
    lines: Sequence[str], dockerfile: Path, steps: Mapping[str, int], context: Path, command: str
) -> DevloopError:
    """The error that the output of a failed build amounts to. `steps`: the Dockerfile's instructions → their lines."""
    text = [line.rstrip() for line in lines]
    cause = next((found["cause"] for found in map(_SOLVE.match, reversed(text)) if found), "") or _last(text)
    cause = _WRAPPING.sub("", cause)
    if re.search(r"[Cc]annot connect to the Docker daemon|error during connect", "\n".join(text[-5:])):
        return Unavailable(
            f"the Docker engine does not answer: {_last(text)}", hint="is Docker running? docker info tells"
        )
    step, output = _failed_step(text)
    found = (
        _PROCESS.search(cause) or _RUNC.search(cause) or next(filter(None, map(_CLASSIC.match, reversed(text))), None)
    )
    if found:
        message = f"{step or found['command']} failed with exit code {found['code']}"
    elif missing := _MISSING.search(cause):
        message = f"{step or 'COPY'}: {missing['path'].lstrip('/')} is not in the build context"
    else:
        message = cause
    return StepFailed(
        message,
        hint=_hint(cause, context) or f"to try it by hand: {command}",
        where=_where(text, cause, dockerfile, steps.get(_spaced(step))),
        evidence=tuple(output[-EVIDENCE_LINES:]) if output else tuple(_told(text)[-EVIDENCE_LINES:]),
    )


def _failed_step(text: Sequence[str]) -> tuple[str, list[str]]:
    """The instruction between the rulers that BuildKit prints, and the output of it."""
    rulers = [index for index, line in enumerate(text) if line == "------"]
    for begin, end in reversed(list(itertools.pairwise(rulers))):
        found = _STEP.match(text[begin + 1]) if begin + 1 < end else None
        if found:
            return found["name"], [re.sub(r"^(#\d+ )?\d+\.\d+ ", "", line) for line in text[begin + 2 : end]]
    return "", []


def instruction_lines(parsed: dockerfiles.Dockerfile) -> dict[str, int]:
    """Each instruction as BuildKit names its step, and its line: older engines do not say where a step stands."""
    found: dict[str, int] = {}
    for stage in parsed.stages:
        for each in stage.instructions:
            found.setdefault(_spaced(f"{each.keyword} {each.text}"), each.line)
    return found


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _where(text: Sequence[str], cause: str, dockerfile: Path, known_line: int | None) -> str:
    for line in reversed(text):
        if found := _PLACE.match(line):
            return f"{dockerfile}:{found['line']}"
    if found := _PARSE.search(cause):
        return f"{dockerfile}:{found['line']}"
    return f"{dockerfile}:{known_line}" if known_line else str(dockerfile)


def _hint(cause: str, context: Path) -> str:
    if missing := _MISSING.search(cause):
        path = missing["path"].lstrip("/")
        if (context / path).exists():
            return f"{path} exists, so .dockerignore leaves it out: add !{path} at its end"
    return next((hint for pattern, hint in _HINTS if pattern.search(cause)), "")


def _told(text: Sequence[str]) -> list[str]:
    return [line for line in text if line.strip() and not line.startswith("---")]


def _last(text: Sequence[str]) -> str:
    return next(
        (line.removeprefix("ERROR: ") for line in reversed(text) if line.strip()), "the build failed and said nothing"
    )
