"""From a path to a valid project, or to everything that is wrong with it.

Comes in: what `-f` says, and what is so around it. Goes out: the project with its defaults, the files that were read, and where each
value is written. The steps are text → tree → profiles → variables → model → defaults → rules. It keeps nothing between calls, so that a
changed file is simply loaded again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from devloop import globs
from devloop.config import defaults, dotenv, files, model, profiles, substitution, syntax, tree, validate
from devloop.config.decode import decode
from devloop.config.importing import onto, skaffold
from devloop.config.importing.skaffold import Imported
from devloop.config.paths import Positions, problem, untainted
from devloop.config.profiles import NOWHERE, Facts
from devloop.config.substitution import Substituted
from devloop.config.syntax import MAX_BYTES
from devloop.config.tree import Map, Scalar
from devloop.config.variables import NOTHING, Sources, Variables, mask
from devloop.errors import ConfigError, Problem, UsageError

_IN_PROFILE = ", at profiles["
NAMES = ("devloop.yaml", "devloop.yml")
DOTENV = ".env"

_SMALLEST = (
    "write a devloop.yaml: apiVersion: devloop/v1; build: {artifacts: [{image: NAME}]}, for a Dockerfile in this folder; "
    "deploy: [{manifests: [k8s/*.yaml]}]"
)


@dataclass(frozen=True)
class Loaded:
    """A valid configuration. `base`: the absolute folder that its paths are relative to; `files`: all that was read for it.

    `active`: the profiles that are in it, with why; `warnings`: what is worth knowing about how it came to be. `secrets`: values that must
    not be shown; `exports`: those that shell commands are to have in their environment. `reads`: whether a path may change it.
    """

    project: model.Project
    file: Path
    base: Path
    files: tuple[Path, ...]
    positions: Positions
    active: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)
    exports: Mapping[str, str] = field(default_factory=dict, repr=False)
    reads: Callable[[Path], bool] = lambda _path: False


def find(start: Path | None) -> Path:
    """The configuration's file: `start`, the one in the folder `start`, or without it the one here; where there is none of devloop's,
    Skaffold's. Absolute.

    Raises: UsageError when there is none.
    """
    try:
        asked = Path(os.path.abspath(start or Path()))
    except OSError as exc:
        raise UsageError("the current folder is gone", hint="change to one that exists") from exc
    if os.path.isdir(asked):
        file = next((asked / name for name in (*NAMES, *skaffold.NAMES) if os.path.isfile(asked / name)), None)
        if file is None:
            raise UsageError(f"no devloop.yaml in {shown(asked)}", hint=_SMALLEST)
        return file
    if not os.path.exists(asked):
        raise UsageError(
            f"no file {shown(asked)}", hint=_SMALLEST if asked.name in NAMES else "`-f` names the configuration"
        )
    return asked


def load(path: Path, asked: Sequence[str] = (), facts: Facts = NOWHERE, sources: Sources = NOTHING) -> Loaded:
    """Reads the configuration and all that it names on disk. Blocks on the disk, and on what `sources` run and ask.

    `asked`, `facts`: see profiles.apply. Raises: ConfigError with every problem, in the order of their positions; UsageError when the file
    cannot be read.
    """
    file = Path(os.path.abspath(path))
    data = read(file)
    if onto.is_skaffold(data):
        return _finished(file, onto.in_memory(file, facts.env, read, shown), asked, facts, sources)
    written = tree.parse(data, shown(file))
    _require_version(written.root)
    return _finished(file, Imported(written.root, (file,), (), written.problems), asked, facts, sources)


def _finished(file: Path, written: Imported, asked: Sequence[str], facts: Facts, sources: Sources) -> Loaded:
    """A tree of devloop's to its end. `written`: as such, or by another tool."""
    applied = profiles.apply(written.root, asked, facts)
    variables = _variables(applied.root, file.parent, sources)
    substituted = (
        Substituted(applied.root, ()) if written.is_filled else substitution.substitute(applied.root, variables)
    )
    decoded = decode(substituted.root, model.Project)
    project = defaults.fill(decoded.value, file.parent)
    positions = Positions(substituted.root)
    findings = [*validate.check(project, positions), *files.check(project, file.parent, positions)]
    problems = [
        *written.problems,
        *substituted.problems,
        *decoded.problems,
        *(positions.problem(each) for each in untainted(findings, decoded.tainted)),
    ]
    if problems:
        raise _wrong(problems, tuple(variables.secrets))
    read_files = (globs.escape(os.path.relpath(each, file.parent)) for each in written.files)
    named = (*read_files, DOTENV, *variables.patterns)
    told = (str(each) for each in written.notes if not each.profile or each.profile in dict(applied.active))
    return Loaded(
        project,
        file,
        file.parent,
        globs.roots(file.parent, named),
        positions,
        applied.active,
        (*told, *applied.warnings, *_unused(variables)),
        tuple(variables.secrets),
        variables.exports,
        globs.matcher(file.parent, named),
    )


def _variables(root: Map, base: Path, sources: Sources) -> Variables:
    declared = decode(
        Map(root.place, tuple(each for each in root.entries if each[0].text in ("vars", "apiVersion"))), model.Project
    )
    file = base / DOTENV
    entries = dotenv.parse(syntax.to_text(read(file), shown(file)), shown(file)) if file.is_file() else {}
    return Variables(base, sources, entries, declared.value.vars)


def _unused(variables: Variables) -> list[str]:
    return [f"nothing in the configuration names the variable {each} of `--var`" for each in variables.unused()]


def _wrong(problems: Sequence[Problem], secrets: Sequence[str]) -> ConfigError:
    masked = mask(secrets)
    found = [replace(each, message=masked(each.message), hint=each.hint and masked(each.hint)) for each in problems]
    return ConfigError(tuple(sorted(_told_once(found), key=_position)))


def _told_once(problems: Sequence[Problem]) -> Iterator[Problem]:
    """What is wrong in an active profile is found in it, and where it is laid over the rest: only the former is told."""
    written = {_mistake(each) for each in problems if _IN_PROFILE in each.message}
    return (each for each in dict.fromkeys(problems) if _IN_PROFILE in each.message or _mistake(each) not in written)


def _mistake(problem: Problem) -> tuple[int, int, str]:
    """The same wherever the value came to be."""
    return problem.line, problem.column, problem.message.rpartition(", at ")[0]


def read(file: Path) -> bytes:
    """The file, as far as one that is not too large goes. Raises: UsageError."""
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise UsageError(f"cannot read {shown(file)}: {reason}") from exc


def _require_version(root: Map) -> None:
    """Of a file in another format nothing else is worth saying. A version that is missing is a missing field like others."""
    version = root.values.get("apiVersion")
    if not isinstance(version, Scalar) or version.kind != "text" or version.text in ("", model.API_VERSION):
        return
    if version.text.startswith("devloop/"):
        message = f"this devloop reads {model.API_VERSION}, not {version.text}"
        hint = f"write `apiVersion: {model.API_VERSION}`, or update devloop"
    elif isinstance(kind := root.values.get("kind"), Scalar):
        message = f"this is a manifest of Kubernetes: {kind.text}"
        hint = f"deploy it with a devloop.yaml: `apiVersion: {model.API_VERSION}`, `deploy: [{{manifests: [FILE]}}]`"
    else:
        message = f"`{version.text}` is no version of devloop's format"
        hint = f"write `apiVersion: {model.API_VERSION}`"
    place = version.place
    raise ConfigError((problem(place, message, ("apiVersion",), hint),))


def shown(path: Path) -> str:
    """The path as people read it: relative to where they are when it is below."""
    try:
        here = Path(os.path.abspath(""))
    except OSError:
        return str(path)
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _position(problem: Problem) -> tuple[str, int, int]:
    return problem.file, problem.line, problem.column
