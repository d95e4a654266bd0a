"""The plain calls of a Tiltfile, as a start of a devloop.yaml.

Comes in: the text of a Tiltfile. Goes out: a tree of devloop's, and a note for every statement that is not carried. Pure. A Tiltfile is a
program: nothing of it is run. Only calls at its top level are read whose arguments are written out; names, functions and loops are not.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from devloop.config import model, syntax
from devloop.config.importing.fields import listed, mapping, text
from devloop.config.importing.notes import Notes
from devloop.config.importing.skaffold import Imported
from devloop.config.names import to_label
from devloop.config.tree import List, Map, Node, Place, Scalar

NAMES = ("Tiltfile",)
_FORWARD = re.compile(r"(?:(?P<local>\d+):)?(?P<port>\d+)")
_TELLS = "only calls whose arguments are written out are read"


class _Unreadable(Exception):
    """An argument that is not written out."""


def convert(data: bytes, file: Path, shown: str) -> Imported:
    """What its literal calls say. Raises: ConfigError when it is not even Python's syntax, which Starlark's is a part of."""
    written = syntax.to_text(data, shown)
    try:
        tree = ast.parse(written)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        line = getattr(exc, "lineno", None) or 1
        raise syntax.refused(shown, line, 1, "this is no Tiltfile: it cannot be read as Starlark") from exc
    reading = _Reading(shown)
    for statement in tree.body:
        reading.take(statement)
    return Imported(reading.root(), (file,), reading.notes.sorted)


class _Reading:
    def __init__(self, shown: str) -> None:
        self.notes = Notes()
        self._shown = shown
        self._artifacts: list[Node] = []
        self._units: list[Node] = []
        self._forwards: list[Node] = []

    def root(self) -> Map:
        start = Place(self._shown, 1, 1)
        return mapping(
            start,
            ("apiVersion", text(start, model.API_VERSION)),
            ("build", mapping(start, ("artifacts", List(start, tuple(self._artifacts)))) if self._artifacts else None),
            ("deploy", listed(start, self._units)),
            ("portForward", listed(start, self._forwards)),
        )

    def take(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return  # a comment
        call = statement.value if isinstance(statement, ast.Expr) else None
        name = call.func.id if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) else ""
        place = Place(self._shown, statement.lineno, statement.col_offset + 1)
        if not isinstance(call, ast.Call) or name not in _CALLS:
            what = name or ast.unparse(statement).splitlines()[0]
            self.notes.add(place, what, _REASONS.get(name, _TELLS), matters=name not in _REASONS)
            return
        function, parameters = _CALLS[name]
        try:
            given = _arguments(call, parameters)
        except _Unreadable as exc:
            self.notes.add(place, name, f"{exc}; {_TELLS}", matters=True)
            return
        known = function(self, place, given)
        for key in given.keys() - known:
            self.notes.add(place, f"{name}({key}=…)", "devloop has no equal here", matters=key not in _HARMLESS)

    def docker_build(self, place: Place, given: Mapping[str, object]) -> set[str]:
        arguments = given.get("build_args")
        entries = arguments.items() if isinstance(arguments, dict) else ()
        docker = mapping(
            place,
            ("dockerfile", _relative(place, given)),
            ("target", _text(place, given.get("target"))),
            (
                "buildArgs",
                mapping(place, *((str(key), text(place, str(value))) for key, value in entries)) if entries else None,
            ),
        )
        self._artifacts.append(
            mapping(
                place,
                ("image", _text(place, given.get("ref"))),
                ("context", _text(place, given.get("context"))),
                ("docker", docker if docker.entries else None),
            )
        )
        return {"ref", "context", "dockerfile", "target", "build_args"}

    def custom_build(self, place: Place, given: Mapping[str, object]) -> set[str]:
        command = str(given.get("command", "")).replace("$EXPECTED_REF", "$IMAGE")
        paths = listed(place, [text(place, each) for each in _texts(given.get("deps"))])
        custom = mapping(
            place,
            ("command", text(place, command)),
            ("dependencies", mapping(place, ("paths", paths)) if paths else None),
        )
        self._artifacts.append(mapping(place, ("image", _text(place, given.get("ref"))), ("custom", custom)))
        return {"ref", "command", "deps"}

    def k8s_yaml(self, place: Place, given: Mapping[str, object]) -> set[str]:
        yaml = given.get("yaml")
        if isinstance(yaml, _Call):
            self._units.append(_rendered(place, yaml))
        else:
            files = [text(place, each) for each in _texts(yaml)]
            taken = {
                each.values["name"].text
                for each in self._units
                if isinstance(each, Map) and isinstance(each.values["name"], Scalar)
            }
            name = next(
                each for each in ("manifests", *(f"manifests-{n}" for n in range(2, 10_000))) if each not in taken
            )
            self._units.append(mapping(place, ("name", text(place, name)), ("manifests", List(place, tuple(files)))))
        return {"yaml"}

    def k8s_resource(self, place: Place, given: Mapping[str, object]) -> set[str]:
        forwards = given.get("port_forwards")
        for each in forwards if isinstance(forwards, list) else [forwards] if forwards is not None else []:
            found = _FORWARD.fullmatch(str(each))
            if found is None:
                self.notes.add(place, "k8s_resource(port_forwards=…)", f"`{each}` is no `PORT` or `LOCAL:PORT`")
                continue
            self._forwards.append(
                mapping(
                    place,
                    ("resource", text(place, f"deployment/{given.get('workload')}")),
                    ("port", Scalar(place, found["port"], "whole")),
                    ("localPort", Scalar(place, found["local"], "whole") if found["local"] else None),
                )
            )
        return {"workload", "port_forwards"}


class _Call(dict[str, object]):
    """A call inside of another: `kustomize(…)`, `helm(…)`."""

    name = ""


def _rendered(place: Place, call: _Call) -> Map:
    path = str(call.get("path", "."))
    name = to_label(str(call.get("name") or path.rstrip("/").rpartition("/")[2])) or call.name
    if call.name == "kustomize":
        return mapping(place, ("name", text(place, name)), ("kustomize", mapping(place, ("path", text(place, path)))))
    pairs = [each.partition("=") for each in _texts(call.get("set"))]
    helm = mapping(
        place,
        ("chart", text(place, path)),
        ("namespace", _text(place, call.get("namespace"))),
        ("values", listed(place, [text(place, each) for each in _texts(call.get("values"))])),
        ("set", mapping(place, *((key, text(place, value)) for key, _, value in pairs)) if pairs else None),
    )
    return mapping(place, ("name", text(place, name)), ("helm", helm))


def _arguments(call: ast.Call, parameters: Sequence[str]) -> dict[str, object]:
    """The arguments by their names. Raises: _Unreadable."""
    if len(call.args) > len(parameters):
        raise _Unreadable("it has more arguments than devloop knows")
    given = {key: _value(each) for key, each in zip(parameters, call.args, strict=False)}
    for each in call.keywords:
        if each.arg is None:
            raise _Unreadable("it takes arguments from a name")
        given[each.arg] = None if each.arg in _HARMLESS else _value(each.value)
    return given


def _value(node: ast.expr) -> object:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _RENDERERS:
        made = _Call(_arguments(node, _RENDERERS[node.func.id]))
        made.name = node.func.id
        if unknown := sorted(made.keys() - _RENDERED):
            raise _Unreadable(f"{made.name} has no `{unknown[0]}` here")
        return made
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as exc:
        raise _Unreadable(f"`{ast.unparse(node)[:60]}` is worked out when it runs") from exc


def _texts(value: object) -> list[str]:
    if value is None:
        return []
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]


def _text(place: Place, value: object) -> Scalar | None:
    return text(place, str(value)) if value else None


def _relative(place: Place, given: Mapping[str, object]) -> Scalar | None:
    """A Dockerfile is named relative to the Tiltfile there, and to the context here."""
    dockerfile = given.get("dockerfile")
    if not dockerfile:
        return None
    return text(place, posixpath.relpath(str(dockerfile), str(given.get("context", "."))))


_Take = Callable[[_Reading, Place, Mapping[str, object]], set[str]]
_CALLS: Mapping[str, tuple[_Take, tuple[str, ...]]] = {
    "docker_build": (_Reading.docker_build, ("ref", "context", "build_args", "dockerfile")),
    "custom_build": (_Reading.custom_build, ("ref", "command", "deps")),
    "k8s_yaml": (_Reading.k8s_yaml, ("yaml",)),
    "k8s_resource": (_Reading.k8s_resource, ("workload",)),
}
_RENDERERS = {"kustomize": ("path",), "helm": ("path", "name", "namespace", "values", "set")}
_RENDERED = frozenset({"path", "name", "namespace", "values", "set"})
_HARMLESS = frozenset({"live_update", "labels", "links", "auto_init", "trigger_mode"})
_REASONS = {
    "local_resource": "commands beside the loop are not run: write a hook of the unit that needs it",
    "allow_k8s_contexts": "devloop deploys where kubectl would, or to `cluster.context`",
    "update_settings": "devloop has no such settings",
    "version_settings": "this is Tilt's own",
}
