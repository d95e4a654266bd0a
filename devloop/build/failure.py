"""What a failed build says, as cause, place and evidence.

Comes in: the lines that the docker CLI printed, and the Dockerfile they are about. Goes out: an error that names the failing
instruction with its `file:line`, its last lines of output, and what to do about causes that are known. It asks the disk only
whether a path that was not found is there.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devloop.build.dockerfile import Dockerfile, Instruction
from devloop.build.dockerignore import Rules
from devloop.errors import DevloopError, StepFailed, Unavailable

EVIDENCE_LINES = 20
_MESSAGE_CHARACTERS = 100

_HEADER = re.compile(r"#(?P<number>\d+) (?P<name>\[.+)")
_OUTPUT = re.compile(r"#(?P<number>\d+) \d+\.\d+ ?(?P<text>.*)")
_ERROR = re.compile(r"#(?P<number>\d+) ERROR: (?P<cause>.+)")
_NAME = re.compile(r"\[(?:(?:\w+/\w+(?:/\w+)?) )?(?:(?P<stage>\S+) )?(?P<step>\d+)/\d+\] (?P<text>.+)")
_NOISE = re.compile(r"#\d+ |------|\d+\.\d+ |DEPRECATED: |View build details: |\s")
# podman says it in capitals, counts in each stage, and may print the error before the last of the output.
_CLASSIC_STEP = re.compile(r"(?:Step|(?:\[(?P<stage>\d+)/\d+\] )?STEP) (?P<step>\d+)/\d+ ?: (?P<text>.+)")
_PODMAN_ERROR = re.compile(r"(?:Error: )?(?:building at STEP |creating build container: )")
_CLASSIC_NOISE = re.compile(r" ---> |Removing intermediate container |--> |Trying to pull |$|time=\"\S+\" level=")
_EXIT_CODE = re.compile(r"(?:exit code: |returned a non-zero code: |runtime: exit status )(?P<code>\d+)")
_PLACE = re.compile(r"\S+:(?P<line>\d+)$")
_BAD_LINE = re.compile(r"(?:dockerfile )?parse error (?:on )?line (?P<line>\d+): (?P<cause>.+)")
_MISSING = re.compile(r'"/?(?P<path>[^"]+)":? not found')
_CLASSIC_MISSING = re.compile(r"^(?:COPY|ADD) failed: .*l?stat (?P<path>[^:]+): (?:file does not exist|no such file)")
_PODMAN_MISSING = re.compile(r'copier: stat: "/?(?P<path>[^"]+)": no such file')
_FROM = re.compile(r"(?:--from=|[ ,=]from=)(?P<name>[^\s,]+)")
_ANY_MISSING = (_MISSING, _CLASSIC_MISSING, _PODMAN_MISSING)
_METADATA = re.compile(r"(?:load metadata for|resolve image config for(?: docker-image://)?) (?P<image>\S+)$")
_NO_ENGINE = re.compile(
    r"cannot connect to the docker daemon|error during connect|failed to connect to the docker api|unable to connect to podman",
    re.IGNORECASE,
)
_NOT_ALLOWED = re.compile(r"denied|unauthorized|authorization failed|authentication required", re.IGNORECASE)
_NO_CONTEXTS = re.compile(r"unsupported frontend capability moby\.buildkit\.frontend\.contexts")
_NO_PLATFORMS = re.compile(
    r"(?:implemented|supported) for (?:the )?docker driver|exporter does not currently support exporting manifest"
)
_FULL = re.compile(r"no space left on device")
# What each layer of the engine puts before the cause.
_WRAPPING = re.compile(
    r"(?:ERROR: |error: |Error response from daemon: |failed to build: |failed to solve: |rpc error: code = \w+ desc = "
    r"|failed to solve with frontend [\w.]+: |failed to create LLB definition: |failed to compute cache key: "
    r"|failed to calculate checksum of ref [^:]+(?:::\w+)?: |Error: "
    r'|building at STEP "(?:[^"\\]|\\.)*": |creating build container: |Build error: )+'
)


@dataclass(frozen=True)
class _Failure:
    """What could be told from the output. `name`: the failing step's, as printed; `output`: its lines; `said`: lines of no step.

    `line`: the line of the Dockerfile that the output names; 0 when it names none.
    """

    cause: str
    name: str = ""
    output: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    line: int = 0


def explain(
    lines: Sequence[str],
    dockerfile: Dockerfile,
    context: Path,
    rules: Rules,
    named: Mapping[str, tuple[Path, Rules]] | None = None,
) -> DevloopError:
    """The error that the output of a failed build amounts to: Unavailable when the engine did not answer, else StepFailed.

    `named`: the folders that are contexts with a name.
    """
    found = _read([line.rstrip() for line in lines])
    if any(_NO_ENGINE.search(line) for line in found.said[-1:]):
        return Unavailable(
            f"the Docker engine does not answer: {found.cause}", hint="is Docker running? `docker info` tells"
        )
    failed = _instruction(found, dockerfile)
    step = _shortened(failed.text if failed else found.name.rpartition("] ")[2])
    where = _where(found, failed, dockerfile)
    evidence = found.output[-EVIDENCE_LINES:]
    if image := _image(found, step):
        return _not_pulled(image, found.cause, dockerfile)
    if code := _EXIT_CODE.search(found.cause):
        return StepFailed(
            f"{step or 'the build'}: exit code {code['code']}",
            where=where,
            hint=_hint((*found.output[-3:], found.cause), code["code"]),
            evidence=evidence,
        )
    if bad := _BAD_LINE.search(found.cause):
        return StepFailed(
            bad["cause"], where=f"{dockerfile.file}:{bad['line']}", hint="mend this line of the Dockerfile"
        )
    if missing := _missing(found.cause):
        place, hint = _place_of(missing, step, {"": (context, rules), **(named or {})})
        return StepFailed(f"{step or 'COPY'}: {missing} is not in {place}", where=where, hint=hint)
    if _NO_PLATFORMS.search(found.cause):
        return StepFailed(
            "the engine's own BuildKit does not build for several platforms",
            where=dockerfile.file,
            hint="`docker buildx create --name several` makes a builder that does; name it in `docker.builder`",
        )
    if _NO_CONTEXTS.search(found.cause):
        return StepFailed(
            "the engine's BuildKit knows no `docker.buildContexts`",
            where=dockerfile.file,
            hint="engines from 23.0 on do; with a network, `# syntax=docker/dockerfile:1` as the Dockerfile's first line brings it",
        )
    return StepFailed(
        f"{step}: {found.cause}" if step else found.cause,
        where=where,
        hint=_hint([found.cause], ""),
        evidence=evidence or found.said[-EVIDENCE_LINES:],
    )


def _read(lines: list[str]) -> _Failure:
    while lines and not lines[-1]:
        lines.pop()
    said = tuple(line for line in lines if line and not _NOISE.match(line))
    steps = [index for index, line in enumerate(lines) if _CLASSIC_STEP.match(line)]
    if steps:
        return _read_classic(lines, steps[-1], said)
    errors = [found for found in map(_ERROR.fullmatch, lines) if found and "context canceled" not in found["cause"]]
    if not errors:
        told = [line for line in said if line.startswith(("ERROR: ", "error: "))] or said
        cause = _WRAPPING.sub("", told[-1]) if told else "the build failed and said nothing"
        return _Failure(cause, said=said, line=_place(lines))
    number = errors[-1]["number"]
    names = [found["name"] for found in map(_HEADER.fullmatch, lines) if found and found["number"] == number]
    output = [found["text"] for found in map(_OUTPUT.fullmatch, lines) if found and found["number"] == number]
    cause = _WRAPPING.sub("", errors[-1]["cause"])
    return _Failure(cause, names[0] if names else "", tuple(output), said, _place(lines))


def _read_classic(lines: list[str], step: int, said: tuple[str, ...]) -> _Failure:
    """`step`: the index of the last step's line."""
    errors = [line for line in lines if _PODMAN_ERROR.match(line)] or lines[-1:]
    output = [line for line in lines[step + 1 :] if line not in errors and not _CLASSIC_NOISE.match(line)]
    return _Failure(_WRAPPING.sub("", errors[-1]).partition(" &imagebuilder.")[0], lines[step], tuple(output), said)


def _place(lines: list[str]) -> int:
    """The line that BuildKit from 0.9 on names before an excerpt of the file; 0 for none."""
    for line, following in itertools.pairwise(lines):
        if following.startswith("-----") and (place := _PLACE.fullmatch(line)):
            return int(place["line"])
    return 0


@dataclass(frozen=True)
class _Located:
    text: str
    line: int


def _instruction(found: _Failure, dockerfile: Dockerfile) -> _Located | None:
    """The instruction of the Dockerfile that a step stands for; None when that is not sure."""
    every = list(_in_order(dockerfile))
    if classic := _CLASSIC_STEP.match(found.name):
        alike = [each for each in every if _plain(each.text) == _plain(classic["text"])]
        if len(alike) == 1:
            return alike[0]
        counted = _of_stage(dockerfile, int(classic["stage"]) - 1) if classic["stage"] else every
        return _same(counted, int(classic["step"]), classic["text"])
    named = _NAME.fullmatch(found.name)
    if named is None:
        return None
    alike = [each for each in every if _plain(each.text) == _plain(named["text"])]
    if len(alike) == 1:
        return alike[0]
    names = [stage.name or f"stage-{index}" for index, stage in enumerate(dockerfile.stages)]
    index = names.index(named["stage"]) if named["stage"] in names else 0
    if named["stage"] is None and len(names) > 1:
        return None
    return _same(_steps(dockerfile, index), int(named["step"]), named["text"])


def _steps(dockerfile: Dockerfile, index: int) -> list[_Located]:
    """As BuildKit counts: what changes files, and FROM unless it names a stage or nothing."""
    stage = dockerfile.stages[index]
    is_external = stage.base.lower() not in {"scratch", *(other.name for other in dockerfile.stages[:index])}
    steps = [_Located(f"FROM {stage.base}", stage.line)] if is_external else []
    return steps + [_located(each) for each in stage.instructions if each.keyword in ("RUN", "COPY", "ADD", "WORKDIR")]


def _in_order(dockerfile: Dockerfile) -> Iterator[_Located]:
    yield from map(_located, dockerfile.arguments)
    for index in range(len(dockerfile.stages)):
        yield from _of_stage(dockerfile, index)


def _of_stage(dockerfile: Dockerfile, index: int) -> list[_Located]:
    stages = dockerfile.stages[index : index + 1]
    return [
        each
        for stage in stages
        for each in (_Located(f"FROM {stage.base}", stage.line), *map(_located, stage.instructions))
    ]


def _located(each: Instruction) -> _Located:
    return _Located(" ".join((each.keyword, *each.flags, each.text)), each.line)


def _same(steps: list[_Located], number: int, text: str) -> _Located | None:
    """The step of that number, from 1, if it is of the kind that the text says: triggers of a base image shift the count."""
    found = steps[number - 1] if number <= len(steps) else None
    return found if found and found.text.partition(" ")[0] == text.partition(" ")[0].upper() else None


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _where(found: _Failure, failed: _Located | None, dockerfile: Dockerfile) -> str:
    line = found.line or (failed.line if failed else 0)
    return f"{dockerfile.file}:{line}" if line else dockerfile.file


def _image(found: _Failure, step: str) -> str:
    """The image that could not be had, if that is what failed."""
    if metadata := _METADATA.search(found.name):
        return metadata["image"]
    return step.split()[1] if step.startswith("FROM ") else ""


def _not_pulled(image: str, cause: str, dockerfile: Dockerfile) -> StepFailed:
    short = image.removeprefix("docker.io/").removeprefix("library/")
    spellings = (image, short, short.removesuffix(":latest"))
    stage = next((each for each in dockerfile.stages if each.base in spellings or "$" in each.base), None)
    if stage is None and dockerfile.syntax and dockerfile.syntax in (image, short):
        return StepFailed(
            f"the Dockerfile's frontend {short} cannot be pulled: {cause}",
            where=f"{dockerfile.file}:1",
            hint="without a network, take out the `# syntax=` line: the engine has a frontend of its own",
        )
    if _NOT_ALLOWED.search(cause):
        hint = "is the name right, and are you logged in there? `docker login`"
    else:
        hint = f"is its name right? Without a network it has to be in the engine already: `docker pull {short}` while there is one"
    return StepFailed(
        f"the base image {short} cannot be pulled: {cause}",
        where=f"{dockerfile.file}:{stage.line}" if stage else dockerfile.file,
        hint=hint,
    )


def _missing(cause: str) -> str:
    """The path that a copy did not find; "" when that is not what happened."""
    found = filter(None, (each.search(cause) for each in _ANY_MISSING))
    return next((each["path"].lstrip("/") for each in found), "")


def _place_of(path: str, step: str, contexts: Mapping[str, tuple[Path, Rules]]) -> tuple[str, str | None]:
    """Where the instruction looked for a path, in words, and what to do."""
    source = _FROM.search(step)
    name = source["name"] if source else ""
    if name in contexts:
        return f"the build context{f' {name}' if name else ''}", _where_it_is(path, *contexts[name])
    return f"{name}, which it is copied from", None


def _where_it_is(path: str, context: Path, rules: Rules) -> str:
    if (context / path).exists() and rules.ignores(path):
        return f"it is there, but {rules.reason(path)} leaves it out; `!{path}` below it keeps it"
    folder, _, name = path.rpartition("/")
    try:
        near = difflib.get_close_matches(name, sorted(each.name for each in (context / folder).iterdir()), 1)
    except OSError:
        near = []
    if near:
        return f"did you mean {'/'.join(filter(None, (folder, near[0])))}?"
    return f"paths are relative to the context {context}"


def _hint(texts: Sequence[str], code: str) -> str | None:
    if any(_FULL.search(text) for text in texts):
        return "the engine's disk is full: `docker system df` shows what takes it, `docker builder prune` frees some"
    if code == "137":
        return "it was killed, most likely for want of memory"
    return None


def _shortened(text: str) -> str:
    plain = _plain(text)
    return plain if len(plain) <= _MESSAGE_CHARACTERS else f"{plain[: _MESSAGE_CHARACTERS - 2]} …"
