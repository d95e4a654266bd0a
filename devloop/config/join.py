"""Several modules as one project: what they build, test, deploy and forward, and the rules that hold between them.

Comes in: modules, the main one first. Goes out: one project whose paths are relative to the main folder, and what is wrong with the
whole, each problem at its place in its own file. Settings of the session (cluster, logs, tags) are the main file's. Blocks on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from devloop.config import files, model, validate
from devloop.config.modules import Module, closure
from devloop.config.paths import Finding, KeyPath, Positions, untainted
from devloop.config.rebase import rebased
from devloop.config.rules.places import ARTIFACTS, FORWARDS, ROOT, TESTS, UNITS, numbered
from devloop.config.tree import List, Map, Node, Scalar
from devloop.errors import Problem

_IMAGE_PATHS: KeyPath = ("imagePaths",)
LISTS: tuple[KeyPath, ...] = (ARTIFACTS, UNITS, FORWARDS, TESTS, _IMAGE_PATHS)


def joined(main: model.Project, modules: Sequence[Module]) -> model.Project:
    """The session of these modules, with the settings of `main`."""
    return _join(main, [rebased(each.project, each.folder) for each in modules])


def _join(main: model.Project, parts: Sequence[model.Project]) -> model.Project:
    limits = [each.build.concurrency for each in parts if each.build.concurrency]
    return replace(
        main,
        requires=(),
        build=replace(
            main.build,
            artifacts=tuple(one for each in parts for one in each.build.artifacts),
            concurrency=min(limits, default=0),
        ),
        deploy=tuple(one for each in parts for one in each.deploy),
        port_forward=tuple(one for each in parts for one in each.port_forward),
        test=tuple(one for each in parts for one in each.test),
        image_paths=tuple(one for each in parts for one in each.image_paths),
    )


def check(modules: Sequence[Module]) -> list[Problem]:
    """Everything that breaks a rule, in a module or between them. Blocks on the disk."""
    problems: list[Problem] = []
    places = _Places(modules)
    whole = _join(modules[0].project, [each.project for each in modules])
    findings = untainted(validate.check(whole, places.positions), places.tainted())
    problems += map(places.problem, findings)
    problems += _apart(modules) or _unseen(modules)
    for module in modules[1:]:
        shell = _join(replace(module.project, build=replace(module.project.build, artifacts=())), [])
        own = [each for each in validate.check(shell, module.positions) if each.path != ROOT]
        problems += (module.positions.problem(each) for each in untainted(own, module.tainted))
    for module in modules:
        found = files.check(module.project, module.base, module.positions)
        problems += (module.positions.problem(each) for each in untainted(found, module.tainted))
    return problems


class _Places:
    """Where the values of all modules are written: their trees as one, and the way back to a module's own numbers."""

    def __init__(self, modules: Sequence[Module]) -> None:
        self._modules = modules
        self._counts = {path: [len(_entries(each.project, path)) for each in modules] for path in LISTS}
        self.positions = positions(modules[0], modules)

    def at(self, module: int, path: KeyPath) -> KeyPath:
        """A path of a module as one of the whole."""
        prefix, index, rest = _split(path)
        return path if index is None else (*prefix, index + sum(self._counts[prefix][:module]), *rest)

    def problem(self, finding: Finding) -> Problem:
        module, path = self._own(finding.path)
        return self._modules[module].positions.problem(replace(finding, path=path))

    def tainted(self) -> Iterator[KeyPath]:
        for number, module in enumerate(self._modules):
            for path in module.tainted:
                if number == 0 or any(path[: len(each)] == each[: len(path)] for each in LISTS):
                    yield self.at(number, path)

    def _own(self, path: KeyPath) -> tuple[int, KeyPath]:
        prefix, index, rest = _split(path)
        if index is None:
            return 0, path
        before = [sum(self._counts[prefix][:module]) for module in range(len(self._modules))]
        module = max(number for number, first in enumerate(before) if first <= index and self._counts[prefix][number])
        return module, (*prefix, index - before[module], *rest)


def _split(path: KeyPath) -> tuple[KeyPath, int | None, KeyPath]:
    """The list that a path leads into, the entry there, and what follows; no entry, where it leads into none."""
    for prefix in LISTS:
        if path[: len(prefix)] == prefix and len(path) > len(prefix):
            index = path[len(prefix)]
            return prefix, index if isinstance(index, int) else None, path[len(prefix) + 1 :]
    return path, None, ()


def _entries(project: model.Project, path: KeyPath) -> Sequence[object]:
    by_path: Mapping[KeyPath, Sequence[object]] = {
        ARTIFACTS: project.build.artifacts,
        UNITS: project.deploy,
        FORWARDS: project.port_forward,
        TESTS: project.test,
        _IMAGE_PATHS: project.image_paths,
    }
    return by_path[path]


def positions(main: Module, modules: Sequence[Module]) -> Positions:
    """Where the values of the joined project are written: the tree of `main`, with the lists of all modules."""
    root = main.positions.root
    if list(modules) == [main]:
        return main.positions
    for path in LISTS:
        items = [item for each in modules for item in _items(each.positions.root, path)]
        if items or _items(root, path):
            root = _with(root, path, List(root.place, tuple(items)))
    return Positions(root)


def _items(root: Map, path: KeyPath) -> tuple[Node, ...]:
    here: Node | None = root
    for part in path:
        here = here.values.get(str(part)) if isinstance(here, Map) else None
    return here.items if isinstance(here, List) else ()


def _with(node: Map, path: KeyPath, value: Node) -> Map:
    key, *rest = path
    if rest:
        inner = node.values.get(str(key))
        value = _with(inner if isinstance(inner, Map) else Map(node.place, ()), tuple(rest), value)
    others = tuple(each for each in node.entries if each[0].text != key)
    return Map(node.place, (*others, (Scalar(node.place, str(key)), value)), node.tag)


def _apart(modules: Sequence[Module]) -> list[Problem]:
    """Modules of one name."""
    first: dict[str, Module] = {}
    found = []
    for module in modules:
        other = first.setdefault(module.name, module)
        if other is not module:
            where = other.positions.where(("metadata", "name"))
            message = f"two modules are named `{module.name}`, the first at {where}"
            hint = "give one of them another `metadata.name`"
            found.append(module.positions.problem(Finding(("metadata", "name"), message, hint)))
    return found


def _unseen(modules: Sequence[Module]) -> list[Problem]:
    """What is named of a module that is not required: alone, the file would not work."""
    images = {each.image: module.name for module in modules for each in module.project.build.artifacts}
    units = {each.name: module.name for module in modules for each in module.project.deploy}
    found = []
    for module in modules:
        seen = {each.name for each in closure(modules, [module.name])}
        for what, name, path in _references(module.project):
            whose = (images if what == "image" else units).get(name)
            if whose is not None and whose not in seen:
                message = f"{what} `{name}` is of module `{whose}`, which this one does not require"
                finding = Finding(module.positions.first(path, path[:-1]), message, f"add `{whose}` to `requires`")
                found.append(module.positions.problem(finding))
    return found


def _references(project: model.Project) -> Iterator[tuple[str, str, KeyPath]]:
    for artifact, path in numbered(project.build.artifacts, ARTIFACTS):
        for require, here in numbered(artifact.requires, (*path, "requires")):
            yield "image", require.image, (*here, "image")
    for test, path in numbered(project.test, TESTS):
        yield "image", test.image, (*path, "image")
    for unit, path in numbered(project.deploy, UNITS):
        for need, here in numbered(unit.needs, (*path, "needs")):
            if need.unit:
                yield "unit", need.unit, (*here, "unit")
