"""Modules: which projects belong to a session, found by following `requires` from its main file.

Comes in: a file, and how one of its documents is read. Goes out: the modules, those before that others require, and what is wrong with the
way to them. Blocks on the disk; a git repository is somebody else's to fetch. It never looks at what a module builds or deploys.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from devloop.config import model, profiles
from devloop.config.importing import skaffold
from devloop.config.importing.skaffold import Imported
from devloop.config.names import did_you_mean, to_label
from devloop.config.paths import Finding, KeyPath, Positions
from devloop.config.tree import Map, Scalar
from devloop.errors import ConfigError, DevloopError, Problem, UsageError

NAMES = ("devloop.yaml", "devloop.yml")

# url, ref → the folder with what is there.
Fetch = Callable[[str, str], Path]
Key = tuple[Path, int]  # the file, with links resolved, and which of its documents


def no_git(url: str, ref: str) -> Path:
    """For commands that must not ask a network."""
    raise UsageError(f"{url} at {ref} is not fetched by this command", hint="`devloop modules` fetches it")


@dataclass(frozen=True)
class Module:
    """One project of the session. `base`: the absolute folder that its paths are relative to; `folder`: the same as the session's main
    folder calls it. `project`: with its defaults, paths as they are written. `problems`, `tainted`: of its reading, see decode.Decoded.
    `patterns`: of the files that it hangs on; `secrets`, `exports`, `used`: see variables.Variables.
    """

    project: model.Project
    file: Path
    base: Path
    positions: Positions
    folder: str = "."
    active: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    tainted: frozenset[KeyPath] = frozenset()
    patterns: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)
    exports: Mapping[str, str] = field(default_factory=dict, repr=False)
    used: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return self.project.metadata.name

    def knows(self, variable: str) -> bool:
        """Whether it declares or names the variable."""
        return variable in self.used or any(each.name == variable for each in self.project.vars)


@dataclass(frozen=True)
class Origin:
    """Where a document is from: its file, as it is shown, and the folder as the main one calls it."""

    file: Path
    shown: str
    folder: str


@dataclass(frozen=True)
class Passed:
    """What a module is required with: profiles that are to be active in it, and values of its variables.

    `secrets`: the names of those that must not be shown. `where`: it is said.
    """

    profiles: tuple[str, ...] = ()
    values: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    secrets: frozenset[str] = field(default=frozenset(), compare=False)
    where: str = field(default="", compare=False)

    def __str__(self) -> str:
        said = [f"the profiles {', '.join(self.profiles)}"] if self.profiles else []
        said += [f"the variables {', '.join(name for name, _ in self.values)}"] if self.values else []
        return " and ".join(said) or "nothing passed"


# A document, where it is from, and what it is required with, as the module that it is.
ReadModule = Callable[[Imported, Origin, Passed], Module]
ReadFile = Callable[[Path, str], tuple[Imported, ...]]


@dataclass(frozen=True)
class Gathered:
    """`modules`: the main file's first, then those they require. `problems`: of `requires`; with some, modules may not be there.

    `missing`: where there is no configuration.
    """

    modules: tuple[Module, ...]
    problems: tuple[Problem, ...]
    missing: tuple[Path, ...] = ()


def gather(file: Path, shown: str, *, read_file: ReadFile, read_module: ReadModule, fetch: Fetch) -> Gathered:
    """All modules of the session of a file. Blocks. Raises: ConfigError, UsageError when the main file cannot be read."""
    walk = _Walk(read_file, read_module, fetch)
    main = Origin(file, shown, ".")
    trees = walk.documents(main)
    walk.check_names(trees, main)
    for index in range(len(trees)):
        walk.visit(main, index, Passed(), None)
    return Gathered(tuple(walk.found.values()), tuple(walk.problems), tuple(walk.missing))


def closure(modules: Sequence[Module], names: Sequence[str]) -> tuple[Module, ...]:
    """The modules of these names and what they require, in the order of `modules`. Raises: UsageError for a name that is none's."""
    by_name = {each.name: each for each in modules}
    for name in names:
        if name not in by_name:
            listed = f"modules are {', '.join(by_name)}"
            raise UsageError(f"no module is named `{name}`", hint=did_you_mean(name, by_name, listed))
    wanted: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in wanted:
            wanted.add(name)
            left += by_name[name].requires
    return tuple(each for each in modules if each.name in wanted)


@dataclass
class _Walk:
    """Depth first; every document is read once."""

    read_file: ReadFile
    read_module: ReadModule
    fetch: Fetch
    found: dict[Key, Module] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    missing: list[Path] = field(default_factory=list)
    _passed_to: dict[tuple[str, str], list[Key]] = field(default_factory=dict)  # place, variable → who gets it
    _files: dict[Path, tuple[Imported, ...]] = field(default_factory=dict)
    _passed: dict[Key, tuple[Passed, str]] = field(default_factory=dict)
    _open: dict[Key, str] = field(default_factory=dict)

    def documents(self, origin: Origin) -> tuple[Imported, ...]:
        """Raises: ConfigError, UsageError."""
        file = Path(os.path.realpath(origin.file))
        if file not in self._files:
            self._files[file] = self.read_file(origin.file, origin.shown)
        return self._files[file]

    def visit(self, origin: Origin, index: int, passed: Passed, asked: Problem | None) -> str:
        """Reads a document and all that it requires; its name. `asked`: where it is required."""
        key: Key = Path(os.path.realpath(origin.file)), index
        if key in self.found:
            if asked:
                self._check_again(key, passed, asked)
            return self.found[key].name
        module = self.read_module(self.documents(origin)[index], origin, passed)
        self.found[key], self._passed[key] = module, (passed, asked.where if asked else "the main file")
        self._open[key] = module.name
        required = self._follow(module, origin)
        del self._open[key]
        self.found[key] = replace(module, requires=required, warnings=(*module.warnings, *self._unheard(module)))
        return module.name

    def _check_again(self, key: Key, passed: Passed, asked: Problem) -> None:
        """Whether a module that is there already may be required here as well."""
        if key in self._open:
            names = list(self._open.values())[list(self._open).index(key) :]
            self._wrong(asked, f"a cycle of modules: {' → '.join([*names, names[0]])}", "one of them has to do without")
            return
        before, first = self._passed[key]
        if before != passed:
            name = self.found[key].name
            message = f"module `{name}` is required here with {passed}, and with {before} at {first}"
            self._wrong(asked, message, "a module is there once: say the same in both places")

    def _follow(self, module: Module, origin: Origin) -> tuple[str, ...]:
        names: list[str] = []
        for number, spec in enumerate(module.project.requires):
            at: KeyPath = ("requires", number)
            if any(each[:2] == at for each in module.tainted):
                continue
            try:
                names += self._require(module, origin, spec, at)
            except ConfigError as exc:  # of the file that is required
                self.problems += exc.problems
                self.missing += exc.missing
            except DevloopError as exc:
                said = "; ".join([exc.message, *exc.evidence[-1:]])
                self.problems.append(module.positions.problem(Finding(at, said, exc.hint)))
        return tuple(dict.fromkeys(names))

    def _require(self, module: Module, origin: Origin, spec: model.RequiredModule, at: KeyPath) -> list[str]:
        found = self._origin(module, origin, spec)
        trees = self.documents(found)
        self.check_names(trees, found)
        is_same = os.path.realpath(found.file) == os.path.realpath(origin.file)
        if is_same and not spec.modules and spec.git is None:
            raise UsageError(
                "this is the file itself", hint="name one of its documents with `modules`, or another `path`"
            )
        known = [document_name(each, found) for each in trees]
        for number, name in enumerate(spec.modules):
            if name not in known:
                finding = Finding(
                    (*at, "modules", number),
                    f"{found.shown} has no module `{name}`",
                    did_you_mean(name, known, f"it has {', '.join(known)}"),
                )
                self.problems.append(module.positions.problem(finding))
        wanted = [index for index, name in enumerate(known) if not spec.modules or name in spec.modules]
        theirs = [profiles.names(trees[index].root) for index in wanted]
        passed = self._profiles(module, spec, at, found, [name for each in theirs for name in each]) if wanted else ()
        values = tuple(sorted(spec.vars.items()))
        secret = frozenset(name for name, text in values if any(each in text for each in module.secrets))
        place = module.positions.problem(Finding(at, ""))
        for name, _ in values:
            self._passed_to[place.where, name] = [(Path(os.path.realpath(found.file)), index) for index in wanted]
        return [
            self.visit(
                found, index, Passed(tuple(each for each in passed if each in own), values, secret, place.where), place
            )
            for index, own in zip(wanted, theirs, strict=True)
        ]

    def _unheard(self, module: Module) -> list[str]:
        """Variables that it passes on, and nothing there names."""
        found = []
        for number, spec in enumerate(module.project.requires):
            place = module.positions.where(("requires", number))
            for name in spec.vars:
                there = [self.found[each] for each in self._passed_to.get((place, name), ()) if each in self.found]
                if there and not any(each.knows(name) for each in there):
                    names = ", ".join(each.name for each in there)
                    found.append(f"{place}: nothing in {names} names the variable {name} that is passed on")
        return found

    def _profiles(
        self, module: Module, spec: model.RequiredModule, at: KeyPath, found: Origin, known: Sequence[str]
    ) -> tuple[str, ...]:
        """Which profiles are passed on; what is wrong with them is noted."""
        active = {name for name, _ in module.active}
        own = profiles.names(module.positions.root)
        passed = []
        for number, each in enumerate(spec.profiles):
            here: KeyPath = (*at, "profiles", number)
            if each.name not in known:
                listed = f"profiles there are {', '.join(known)}" if known else "that file has no `profiles`"
                hint = did_you_mean(each.name, known, listed)
                finding = Finding(here, f"{found.shown} has no profile `{each.name}`", hint)
                self.problems.append(module.positions.problem(finding))
            for inner, name in enumerate(each.activated_by):
                if name not in own:
                    finding = Finding(
                        (*here, "activatedBy", inner),
                        f"no profile of this file is named `{name}`",
                        did_you_mean(name, own, f"profiles are {', '.join(own)}" if own else "it has no `profiles`"),
                    )
                    self.problems.append(module.positions.problem(finding))
            if each.name in known and (not each.activated_by or active & set(each.activated_by)):
                passed.append(each.name)
        return tuple(passed)

    def _origin(self, module: Module, origin: Origin, spec: model.RequiredModule) -> Origin:
        """Where the required file is. Raises: UsageError, StepFailed."""
        if spec.git is not None:
            for text in (spec.git.url, spec.git.ref):
                if text.startswith("-"):
                    raise UsageError(
                        f"`{text}` is an option of git", hint="name a repository and a commit, tag or branch"
                    )
            local = os.path.join(module.base, spec.git.url)
            root = self.fetch(local if os.path.isdir(local) else spec.git.url, spec.git.ref)
            file = _file(root / spec.git.path, f"`{spec.git.path}` of {spec.git.url} at {spec.git.ref}")
            return Origin(file, str(file), str(file.parent))
        if spec.path is None:
            return origin
        try:
            file = _file(module.base / spec.path, f"`{spec.path}`")
        except UsageError:
            self.missing.append(Path(os.path.abspath(module.base / spec.path)))
            raise
        base, shown = os.path.relpath(file.parent, module.base), os.path.relpath(file, module.base)
        return Origin(
            file,
            os.path.normpath(os.path.join(os.path.dirname(origin.shown), shown)),
            os.path.normpath(os.path.join(origin.folder, base)),
        )

    def check_names(self, trees: Sequence[Imported], origin: Origin) -> None:
        """Documents of one file need names of their own. Raises: ConfigError."""
        seen: dict[str, Imported] = {}
        for tree in trees:
            name = document_name(tree, origin)
            if name in seen:
                place = tree.root.place
                message = f"two documents are named `{name}`, the first at {seen[name].root.place}"
                problem = Problem(place.file, place.line, place.column, message, "give each its own `metadata.name`")
                raise ConfigError((problem,))
            seen[name] = tree

    def _wrong(self, at: Problem, message: str, hint: str) -> None:
        self.problems.append(Problem(at.file, at.line, at.column, message + at.message, hint))


def _file(path: Path, named: str) -> Path:
    """The configuration that is meant by a path. Raises: UsageError."""
    asked = Path(os.path.abspath(path))
    if os.path.isfile(asked):
        return asked
    if not os.path.isdir(asked):
        raise UsageError(f"no file or folder {named}")
    found = next((asked / name for name in (*NAMES, *skaffold.NAMES) if os.path.isfile(asked / name)), None)
    if found is None:
        raise UsageError(f"no devloop.yaml in {named}", hint="name the folder of a project, or its file")
    return found


def document_name(tree: Imported, origin: Origin) -> str:
    """How a document is called, before its profiles have a say."""
    metadata = tree.root.values.get("metadata")
    name = metadata.values.get("name") if isinstance(metadata, Map) else None
    return name.text if isinstance(name, Scalar) and name.text else to_label(origin.file.parent.name) or "project"
