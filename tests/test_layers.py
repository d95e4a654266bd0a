"""The architecture as a test: who may import whom, and what a module has to look like.

Comes in: the sources of devloop, read with `ast`, never imported. The table below is the law (style guide §4, DESIGN.md §4): a new room
or a new import is a decision, so it is added here by a person or the test fails.
"""

from __future__ import annotations

import ast
import graphlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

import devloop

PACKAGE = Path(devloop.__file__).parent
MAX_LINES = 400

# Row 0: the standard library and each other.
GROUND = frozenset(
    {"errors", "events", "fieldpaths", "globs", "products", "readable_tags", "refs", "scope", "sizes", "tarballs"}
)
CONTRACTS = GROUND | {"config.model", "stages"}
STAGE = CONTRACTS | {"commands", "effects", "store"}
MACHINE = STAGE | {"bus", "config", "graph", "view", "build", "place", "render", "deploy", "observe"}


@dataclass(frozen=True)
class Room:
    """`imports`: rooms of devloop, or single modules of them (`config.model`). `libraries`: what is not the standard library,
    and `subprocess`, which is a door's tool.
    """

    row: int
    imports: frozenset[str] = frozenset()
    libraries: frozenset[str] = frozenset()


ROOMS: Mapping[str, Room] = {
    "": Room(0),
    **dict.fromkeys(GROUND, Room(0, GROUND)),
    "bus": Room(1, GROUND),
    "config": Room(1, GROUND, frozenset({"yaml"})),
    "event_schema": Room(1, GROUND),
    "store": Room(1, GROUND),
    "view": Room(1, GROUND),
    "stages": Room(2, GROUND | {"config.model"}),
    "commands": Room(2, CONTRACTS),
    "graph": Room(2, GROUND | {"config.model"}),
    # The doors fill the roles and return the records that `stages` declares; of the configuration they know nothing.
    "effects": Room(
        2,
        GROUND | {"stages"},
        frozenset({"docker", "kubernetes", "requests", "subprocess", "urllib3", "watchdog", "websocket", "yaml"}),
    ),
    "build": Room(3, STAGE),
    "place": Room(3, STAGE, frozenset({"yaml"})),  # a ConfigMap that holds YAML
    "render": Room(3, STAGE, frozenset({"yaml"})),
    "deploy": Room(3, STAGE),
    "observe": Room(3, STAGE),
    "clusters": Room(4, STAGE | {"place"}),
    "diagnosis": Room(4, STAGE | {"place"}),
    "loop": Room(4, MACHINE),
    "builtin": Room(4, MACHINE),
    "setup": Room(4, GROUND | {"config", "build", "render"}),
    "ui": Room(5, frozenset({"errors", "events", "view"}), frozenset({"rich"})),
    "cli": Room(
        6,
        MACHINE | {"", "builtin", "clusters", "diagnosis", "event_schema", "loop", "setup", "ui"},
        frozenset({"rich", "typer"}),
    ),
    "__main__": Room(7, frozenset({"", "cli"}), frozenset({"typer"})),
    "testing": Room(7, CONTRACTS | {"bus", "config", "effects", "store", "view"}),
}

# Slow to import (60 to 500 ms): only inside the function that needs them.
HEAVY = frozenset({"docker", "jsonschema", "kubernetes", "requests", "rich", "urllib3", "watchdog", "websocket"})

# Calls with one home: threads and sleeps that a Scope does not know of cannot be cancelled or joined.
HOMES: Mapping[str, frozenset[str]] = {
    "threading.Thread": frozenset({"scope"}),
    "threading.Timer": frozenset(),
    "time.sleep": frozenset(),
    "os.system": frozenset(),
    "os.popen": frozenset(),
}


@dataclass(frozen=True)
class Module:
    """A source file. `name` is relative to devloop: "" for the package, `build.docker`."""

    name: str
    text: str
    is_package: bool = False

    @property
    def room(self) -> str:
        return self.name.partition(".")[0]

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.name)


def modules() -> list[Module]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        found.append(Module(name, path.read_text(encoding="utf-8"), is_package))
    return found


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of everything imported, wherever it stands."""
    for node in ast.walk(module.tree):
        yield from _imported(module, node)


def _imported(module: Module, node: ast.AST) -> list[tuple[int, str]]:
    match node:
        case ast.Import(names=names):
            return [(node.lineno, alias.name) for alias in names]
        case ast.ImportFrom(names=names):
            source = _source(module, node)
            return [(node.lineno, f"{source}.{alias.name}") for alias in names]
        case ast.Call(func=ast.Name(id="__import__"), args=[ast.Constant(value=str(name)), *_]):
            return [(node.lineno, name)]
        case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]):
            return [(node.lineno, name)]
        case _:
            return []


def _source(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    here = ["devloop", *(module.name.split(".") if module.name else [])]
    up = node.level - (1 if module.is_package else 0)
    return ".".join(here[: len(here) - up] + ([node.module] if node.module else []))


def layer_violations(module: Module, known: frozenset[str]) -> list[str]:
    """Imports that the table does not allow. `known`: names of all modules, to tell a module from what it holds."""
    room = ROOMS.get(module.room)
    if room is None:
        return [f"devloop.{module.name}: no room of that name in the table of {Path(__file__).name}"]
    wrong = []
    for line, name in imports(module):
        top, _, rest = name.partition(".")
        if top == "devloop":
            target = rest
            while target and target not in known:
                target = target.rpartition(".")[0]
            is_allowed = target.partition(".")[0] == module.room or _is_listed(target, room.imports)
        else:
            is_allowed = (top in sys.stdlib_module_names and top != "subprocess") or top in room.libraries
        if not is_allowed:
            wrong.append(f"devloop.{module.name}:{line}: imports {name}")
    return wrong


def _is_listed(target: str, allowed: frozenset[str]) -> bool:
    return target in allowed or any(each and target.startswith(f"{each}.") for each in allowed)


def heavy_violations(module: Module) -> list[str]:
    """Heavy libraries imported as soon as the module is; what stands under `if TYPE_CHECKING` never runs."""
    return [
        f"devloop.{module.name}:{line}: imports {name} at module level"
        for node in _executed_at_import(module.tree)
        for line, name in _imported(module, node)
        if name.partition(".")[0] in HEAVY
    ]


def _executed_at_import(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _executed_at_import(child)


def call_violations(module: Module) -> list[str]:
    wrong = []
    for node in ast.walk(module.tree):
        for line, name in _used(node):
            if name in HOMES and module.room not in HOMES[name]:
                wrong.append(f"devloop.{module.name}:{line}: uses {name}")
    return wrong


def _used(node: ast.AST) -> list[tuple[int, str]]:
    """What is called, inherited from, or imported by its bare name; naming a type in an annotation is none of these."""
    match node:
        case ast.Call(func=ast.Attribute() as function):
            return [(node.lineno, ast.unparse(function))]
        case ast.ClassDef(bases=bases):
            return [(node.lineno, ast.unparse(base)) for base in bases]
        case ast.ImportFrom(module=str(source), names=names):
            return [(node.lineno, f"{source}.{alias.name}") for alias in names]
        case _:
            return []


def shape_violations(module: Module) -> list[str]:
    wrong = []
    lines = module.text.count("\n")
    if not (ast.get_docstring(module.tree) or "").strip():
        wrong.append(f"devloop.{module.name}: has no docstring")
    if lines > MAX_LINES:
        wrong.append(f"devloop.{module.name}: {lines} lines, more than {MAX_LINES}; split it by topic")
    return wrong


KNOWN = frozenset(module.name for module in modules())


def test_every_module_imports_only_what_its_room_may() -> None:
    assert [wrong for module in modules() for wrong in layer_violations(module, KNOWN)] == []


def test_heavy_libraries_load_inside_the_function_that_needs_them() -> None:
    assert [wrong for module in modules() for wrong in heavy_violations(module)] == []


def test_threads_and_sleeps_belong_to_scopes() -> None:
    assert [wrong for module in modules() for wrong in call_violations(module)] == []


def test_every_module_says_what_it_is_for_and_stays_short() -> None:
    assert [wrong for module in modules() for wrong in shape_violations(module)] == []


def test_the_table_has_no_circles_and_no_stage_knows_its_sibling() -> None:
    rooms = {name: {each.partition(".")[0] for each in room.imports} for name, room in ROOMS.items()}
    above_ground = {name: below - GROUND for name, below in rooms.items() if name not in GROUND}
    assert list(graphlib.TopologicalSorter(above_ground).static_order())
    for name, room in ROOMS.items():
        if room.row == 3:
            assert not {other for other in rooms[name] if ROOMS[other].row >= 3}, name


@pytest.mark.parametrize(
    ("name", "source", "complaint"),
    [
        ("attic", "", "devloop.attic: no room of that name"),
        ("build.docker", "from devloop.place import nodes", "imports devloop.place.nodes"),
        ("build.docker", "def f():\n    from devloop.deploy import apply", ":2: imports devloop.deploy.apply"),
        ("build.docker", "from ..render import kustomize", "imports devloop.render.kustomize"),
        ("build.docker", "from devloop import loop", "imports devloop.loop"),
        ("build.docker", "from devloop.config import load", "imports devloop.config.load"),
        ("build.docker", "import devloop.ui.terminal as t", "imports devloop.ui.terminal"),
        ("build.docker", "import subprocess", "imports subprocess"),
        ("build.docker", "import yaml", "imports yaml"),
        ("build.docker", "import importlib\nimportlib.import_module('docker')", "imports docker"),
        ("effects.process", "from devloop.config import model", "imports devloop.config.model"),
        ("store.digests", "from devloop import stages", "imports devloop.stages"),
        ("errors", "from devloop import bus", "imports devloop.bus"),
        ("ui.terminal", "import typer", "imports typer"),
        ("cli.app", "from devloop.testing import FakeEngine", "imports devloop.testing.FakeEngine"),
        ("scope", "import numpy", "imports numpy"),
    ],
)
def test_a_forbidden_import_is_found(name: str, source: str, complaint: str) -> None:
    known = KNOWN | {"place.nodes", "deploy.apply", "render.kustomize", "loop", "config.load", "ui.terminal", "testing"}
    assert complaint in " ".join(layer_violations(Module(name, source), known))


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("build.docker", "from devloop.config import model\nfrom devloop.config.model import Artifact"),
        ("build.docker", "from devloop.effects import files\nfrom . import tags\nimport hashlib, os.path"),
        ("build.docker", "from devloop.errors import StepFailed\nfrom devloop.stages import Tools"),
        ("effects.process", "import subprocess\nfrom devloop.stages import Completed"),
        ("config.load", "import yaml\nfrom devloop.config import model"),
        ("cli.app", "import typer\nfrom devloop import __version__\nfrom devloop.loop import run"),
    ],
)
def test_a_lawful_import_passes(name: str, source: str) -> None:
    assert layer_violations(Module(name, source), KNOWN | {"config.load", "loop", "loop.run", "build.tags"}) == []


@pytest.mark.parametrize(
    ("source", "is_wrong"),
    [
        ("import docker", True),
        ("try:\n    from kubernetes import client\nexcept ImportError:\n    client = None", True),
        ("class A:\n    import rich.console", True),
        ("def f():\n    import docker", False),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import docker", False),
    ],
)
def test_a_heavy_import_is_found_where_it_runs_at_import(source: str, is_wrong: bool) -> None:
    assert bool(heavy_violations(Module("effects.docker", source))) is is_wrong


@pytest.mark.parametrize(
    ("name", "source", "is_wrong"),
    [
        ("loop.run", "import threading\nthreading.Thread(target=print).start()", True),
        ("loop.run", "from threading import Thread", True),
        ("loop.run", "import time\ntime.sleep(1)", True),
        ("loop.run", "import threading\ndef f(t: threading.Thread) -> None: ...", False),
        ("scope", "import threading\nthreading.Thread(target=print)", False),
    ],
)
def test_threads_and_sleeps_outside_their_home_are_found(name: str, source: str, is_wrong: bool) -> None:
    assert bool(call_violations(Module(name, source))) is is_wrong


def test_a_long_or_silent_module_is_found() -> None:
    assert "has no docstring" in shape_violations(Module("graph", "x = 1\n"))[0]
    assert "more than 400" in shape_violations(Module("graph", '"""Doc."""\n' + "x = 1\n" * 400))[0]
