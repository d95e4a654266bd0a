"""From a path to a valid project, or to everything that is wrong with it.

Comes in: what `-f` says, and what is so around it. Goes out: the project with its defaults, the files that were read, and where each
value is written. The steps are text → documents → (of each module) profiles → variables → model → defaults → (of all) rules → join. It
keeps nothing between calls, so that a changed file is simply loaded again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from devloop import globs
from devloop.config import defaults, dotenv, join, model, modules, profiles, substitution, syntax, tree
from devloop.config.decode import decode
from devloop.config.importing import onto, skaffold
from devloop.config.importing.skaffold import Imported
from devloop.config.modules import NAMES, Fetch, Module, Origin, Passed, no_git
from devloop.config.paths import Positions, problem
from devloop.config.profiles import NOWHERE, Applied, Facts
from devloop.config.substitution import Substituted
from devloop.config.syntax import MAX_BYTES
from devloop.config.tree import Map, Scalar
from devloop.config.variables import NOTHING, Sources, Value, Variables, mask
from devloop.errors import ConfigError, Problem, UsageError

_IN_PROFILE = ", at profiles["
DOTENV = ".env"

_SMALLEST = (
    "write a devloop.yaml: apiVersion: devloop/v1; build: {artifacts: [{image: NAME}]}, for a Dockerfile in this folder; "
    "deploy: [{manifests: [k8s/*.yaml]}]"
)


@dataclass(frozen=True)
class Loaded:
    """A valid configuration. `base`: the absolute folder that its paths are relative to; `files`: all that was read for it.

    `modules`: what it is made of, the main file's first; each is a project of its own in the cluster. `every`: those too that were not
    selected. `active`: the profiles that are in it, with why; `warnings`: what is worth knowing about how it came to be. `secrets`:
    values that must not be shown; `exports`: those that shell commands are to have in their environment. `reads`: whether a path may
    change it. `settled`: paths to values that something else than the configuration says, and what that is.
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
    modules: tuple[Module, ...] = ()
    every: tuple[Module, ...] = ()
    settled: Mapping[str, str] = field(default_factory=dict)

    @property
    def owners(self) -> tuple[str, ...]:
        """The projects that own what is deployed."""
        return tuple(each.name for each in self.modules)

    def prefix(self, module: Module) -> str:
        """What is put before what is told of a module; nothing before the main file's."""
        return _prefix(module, self.every[0])


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
            raise UsageError(f"no devloop.yaml in {shown(asked)}", hint=_above(asked) or _SMALLEST)
        return file
    if not os.path.exists(asked):
        raise UsageError(
            f"no file {shown(asked)}", hint=_SMALLEST if asked.name in NAMES else "`-f` names the configuration"
        )
    return asked


def _above(folder: Path) -> str:
    """Where one is that may be meant: in a folder above."""
    for each in folder.parents:
        if found := next((name for name in (*NAMES, *skaffold.NAMES) if os.path.isfile(each / name)), None):
            return f"{found} is in {each}: change to it, or give `-f {os.path.relpath(each, Path.cwd())}`"
    return ""


def load(
    path: Path,
    asked: Sequence[str] = (),
    facts: Facts = NOWHERE,
    sources: Sources = NOTHING,
    *,
    only: Sequence[str] = (),
    fetch: Fetch = no_git,
    may_lack: bool = False,
) -> Loaded:
    """Reads the configuration and all that it names on disk. Blocks on the disk, and on what `sources` run and ask.

    `asked`, `facts`: see profiles.apply; `may_lack`: a name may be no profile's here. `only`: these modules and what they require.
    `fetch`: gets a git repository, and may take its time. Raises: ConfigError with every problem, in the order of their positions;
    UsageError when the file cannot be read.
    """
    file = Path(os.path.abspath(path))
    known: list[str] = []

    def read_module(document: Imported, origin: Origin, passed: Passed) -> Module:
        own = profiles.names(document.root)
        known.extend(own)
        _require_version(document.root)
        values = {
            name: Value(text, (f"{name} of requires, {passed.where}",), name in passed.secrets)
            for name, text in passed.values
        }
        named = [*passed.profiles, *(each for each in asked if each.removeprefix("-") in own)]
        whys = {name: f"required so at {passed.where}" for name in passed.profiles if name not in asked}
        applied = profiles.apply(document.root, named, facts, whys)
        return _module(document, origin, applied, replace(sources, passed=values))

    def documents(file: Path, name: str) -> tuple[Imported, ...]:
        data = read(file)
        if onto.is_skaffold(data):
            return (onto.in_memory(file, facts.env, read, shown),)
        return tuple(
            Imported(each.root, (file,), (), each.problems) for each in tree.documents(data, name, tree.FIRST_LINE)
        )

    gathered = modules.gather(file, shown(file), read_file=documents, read_module=read_module, fetch=fetch)
    if not (may_lack or gathered.problems):  # with problems, a module may be missing that has it
        profiles.require_known(asked, known)
    every = gathered.modules
    problems = [*gathered.problems, *(each for module in every for each in module.problems)]
    problems += join.check(every) if not gathered.problems else []
    if problems:
        raise _wrong(problems, every, gathered.missing)
    loaded = _loaded(file, every, modules.closure(every, only) if only else every)
    return replace(loaded, warnings=(*loaded.warnings, *_unused(every, sources)))


def _loaded(file: Path, every: Sequence[Module], chosen: Sequence[Module]) -> Loaded:
    main = every[0]
    named = [(each.base, each.patterns) for each in every]
    readers = [globs.matcher(base, patterns) for base, patterns in named]
    return Loaded(
        join.joined(main.project, chosen),
        file,
        main.base,
        tuple(dict.fromkeys(root for base, patterns in named for root in globs.roots(base, patterns))),
        join.positions(main, chosen),
        tuple(
            (_prefix(each, main) + name, why)
            for each in every
            if each is main or each in chosen  # the session's settings are the main file's
            for name, why in each.active
        ),
        tuple(_prefix(each, main) + text for each in chosen for text in (*each.warnings, *_unheard(each, main))),
        tuple(dict.fromkeys(secret for each in every for secret in each.secrets)),
        {name: value for each in every for name, value in each.exports.items()},
        lambda path: any(reads(path) for reads in readers),
        tuple(chosen),
        tuple(every),
    )


def _prefix(module: Module, main: Module) -> str:
    return "" if module is main else f"{module.name}: "


def _unheard(module: Module, main: Module) -> list[str]:
    """What a module says of the session, which is the main file's to say."""
    said, heard = module.project.cluster, main.project.cluster
    if module is main or said in (model.Cluster(), heard):
        return []
    return ["its `cluster` counts only when it is run by itself"]


def _module(document: Imported, origin: Origin, applied: Applied, sources: Sources) -> Module:
    """One document, with its profiles laid over it, as a module, with whatever is wrong with it so far."""
    base = origin.file.parent
    variables = _variables(applied.root, base, sources, modules.document_name(document, origin))
    substituted = (
        Substituted(applied.root, ()) if document.is_filled else substitution.substitute(applied.root, variables)
    )
    variables.hide_known()
    told = (str(each) for each in document.notes if not each.profile or each.profile in dict(applied.active))
    decoded = decode(substituted.root, model.Project)
    return Module(
        defaults.fill(decoded.value, base),
        origin.file,
        base,
        Positions(substituted.root),
        origin.folder,
        applied.active,
        (*told, *applied.warnings),
        problems=(*document.problems, *substituted.problems, *decoded.problems),
        tainted=decoded.tainted,
        patterns=(
            *(globs.escape(os.path.relpath(each, base)) for each in document.files),
            DOTENV,
            *variables.patterns,
        ),
        secrets=tuple(variables.secrets),
        exports=variables.exports,
        used=frozenset(variables.used),
    )


def _variables(root: Map, base: Path, sources: Sources, owner: str) -> Variables:
    declared = decode(
        Map(root.place, tuple(each for each in root.entries if each[0].text in ("vars", "apiVersion"))), model.Project
    )
    file = base / DOTENV
    entries = dotenv.parse(syntax.to_text(read(file), shown(file)), shown(file)) if file.is_file() else {}
    return Variables(base, sources, entries, declared.value.vars, owner)


def _unused(every: Sequence[Module], sources: Sources) -> list[str]:
    used = {name for each in every for name in each.used}
    return [
        f"nothing in the configuration names the variable {each} of `--var`"
        for each in sources.given
        if each not in used
    ]


def _wrong(problems: Sequence[Problem], modules: Sequence[Module], missing: tuple[Path, ...]) -> ConfigError:
    masked = mask([secret for each in modules for secret in each.secrets])
    notes = [masked(_prefix(each, modules[0]) + text) for each in modules for text in each.warnings]
    found = [replace(each, message=masked(each.message), hint=each.hint and masked(each.hint)) for each in problems]
    return ConfigError(tuple(sorted(_told_once(found), key=_position)), missing, tuple(notes))


def _told_once(problems: Sequence[Problem]) -> Iterator[Problem]:
    """What is wrong in an active profile is found in it, and where it is laid over the rest: only the former is told."""
    written = {_mistake(each) for each in problems if _IN_PROFILE in each.message}
    return (each for each in dict.fromkeys(problems) if _IN_PROFILE in each.message or _mistake(each) not in written)


def _mistake(problem: Problem) -> tuple[str, int, int, str]:
    """The same wherever the value came to be."""
    return problem.file, problem.line, problem.column, problem.message.rpartition(", at ")[0]


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
