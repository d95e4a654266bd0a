"""A compose file as services, and what of it nothing here can carry.

Comes in: a tree and the file's path. Goes out: `Composition`. Every key of a service is either in a record or in `lost` with its line's
place; none is dropped silently. Variables are filled in from `.env` and defaults, as compose does, but never from this machine's
environment: that would write somebody's values into a file for all. Source of the format: https://compose-spec.io.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from devloop.errors import ConfigError, Problem
from devloop.setup import reading
from devloop.setup.compose import values
from devloop.setup.compose.records import Composition, Port, Service, Volume, object_name
from devloop.setup.walk import Tree, join, parent

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|(?P<plain>\w+)|\{(?P<name>\w+)(?:(?P<how>:?[-?+])(?P<other>[^}]*))?\})")
_NOTHING_TO_CARRY = frozenset(
    [
        "build",
        "image",
        "ports",
        "expose",
        "environment",
        "env_file",
        "volumes",
        "depends_on",
        "command",
        "entrypoint",
        "working_dir",
        "user",
        "healthcheck",
        "deploy",
        "container_name",
        "networks",
        "restart",
        "profiles",
        "stdin_open",
        "tty",
        "init",
        "scale",
        "cap_add",
        "hostname",
        "labels",
        "pull_policy",
        "platform",
    ]
)


def find(tree: Tree) -> str:
    """The compose file in the tree's root, which docker compose would take; "" for none."""
    return next((each for each in NAMES if tree.has(each)), "")


def read(tree: Tree, file: str) -> Composition:
    """The file's services. Raises: ConfigError with every problem when it is no YAML or has no services."""
    parsed, problems = reading.parse(tree, file)
    value = parsed[0].value if parsed else None
    services = value.get("services") if isinstance(value, dict) else None
    if not problems and not (isinstance(services, dict) and services):
        problems = [Problem(file, 1, 1, "no `services`", "name another file, or write them")]
    if problems:
        raise ConfigError(tuple(problems))
    reader = _Reader(tree, file)
    assert isinstance(value, dict)
    assert isinstance(services, dict)
    for key in value:
        if key not in ("services", "version", "name", "volumes", "networks") and not key.startswith("x-"):
            reader.lose("the file", f"`{key}`: not carried")
    found: dict[str, Service] = {}
    for name, spec in services.items():
        each = reader.service(name, spec)
        if each is not None and object_name(name) in found:
            reader.lose(name, f"left out: in Kubernetes it would have the name of {found[object_name(name)].name}")
        elif each is not None:
            found[object_name(name)] = each
    return Composition(file, tuple(found.values()), tuple(reader.lost))


class _Reader:
    """Reads services of one file, and collects what is lost."""

    def __init__(self, tree: Tree, file: str) -> None:
        self.lost: list[str] = []
        self._tree = tree
        self._folder = parent(file)
        self._variables = dict(values.env_lines(tree.read(self._folder, ".env")))
        self._service = ""

    def lose(self, where: str, what: str) -> None:
        text = f"{where}: {what}"
        if text not in self.lost:
            self.lost.append(text)

    def service(self, name: str, spec: Any) -> Service | None:
        self._service = name
        spec = self._filled(spec) if isinstance(spec, dict) else {}
        if spec.get("profiles"):
            self.lose(
                name, f"left out: compose starts it only with the profile {', '.join(values.texts(spec['profiles']))}"
            )
            return None
        if not spec.get("image") and not (spec.get("build") and isinstance(spec["build"], str | dict)):
            self.lose(name, "left out: it has neither `image` nor `build`")
            return None
        for key in spec:
            if key not in _NOTHING_TO_CARRY and not key.startswith("x-"):
                self.lose(name, f"`{key}`: not carried")
        if str(spec.get("restart", "")).lower() in ("no", "false", "on-failure"):
            self.lose(
                name, f"`restart: {spec['restart']}`: a Deployment starts it again; make it a Job if it is to end"
            )
        build = spec.get("build")
        build = {"context": build} if isinstance(build, str) else build if isinstance(build, dict) else {}
        self._lose_others("build", build, ("context", "dockerfile", "target", "args"))
        deploy = spec.get("deploy") if isinstance(spec.get("deploy"), dict) else {}
        self._lose_others("deploy", deploy, ("replicas", "resources", "restart_policy", "mode"))
        resources = deploy.get("resources")
        resources = resources if isinstance(resources, dict) else {}
        return Service(
            name=name,
            image=str(spec.get("image") or ""),
            context=self._path(build.get("context", ".")) if build else "",
            dockerfile=str(build.get("dockerfile", "")),
            target=str(build.get("target", "")),
            build_args=values.mapping(build.get("args")),
            ports=tuple(self._ports(spec)),
            environment=dict(self._environment(spec)),
            volumes=tuple(self._volumes(spec.get("volumes"))),
            needs=tuple(self._needs(spec.get("depends_on"))),
            command=values.words(spec.get("command")),
            entrypoint=values.words(spec.get("entrypoint")),
            working_dir=str(spec.get("working_dir") or ""),
            user=str(spec.get("user") or ""),
            probe=tuple(self._probe(spec.get("healthcheck"))),
            replicas=values.integer(deploy.get("replicas", spec.get("scale")), 1),
            limits=values.amounts(resources.get("limits")),
            requests=values.amounts(resources.get("reservations")),
            capabilities=tuple(values.texts(spec.get("cap_add"))),
        )

    def _lose_others(self, key: str, found: Mapping[str, Any], carried: tuple[str, ...]) -> None:
        for each in found:
            if each not in carried and not each.startswith("x-"):
                self.lose(self._service, f"`{key}.{each}`: not carried")

    def _filled(self, value: Any) -> Any:
        if isinstance(value, str):
            return _VARIABLE.sub(self._variable, value)
        if isinstance(value, dict):
            return {key: self._filled(each) for key, each in value.items()}
        return [self._filled(each) for each in value] if isinstance(value, list) else value

    def _variable(self, found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        name, how, other = found["plain"] or found["name"], found["how"] or "", found["other"] or ""
        value = self._variables.get(name)
        is_there = bool(value) if how.startswith(":") else value is not None
        if how.endswith("+"):
            return other if is_there else ""
        if is_there and value is not None:
            return value
        if not how.endswith("-"):
            self.lose(
                self._service, f"the variable {name} has no value in .env: it is empty in the manifest; write one there"
            )
        return other if how.endswith("-") else ""

    def _path(self, path: object) -> str:
        return join(self._folder, str(path))

    def _ports(self, spec: Mapping[str, Any]) -> Iterator[Port]:
        for each in values.items(spec.get("ports")):
            try:
                yield from values.ports_of(each)
            except ValueError:
                self.lose(self._service, f"the port `{each}` cannot be read")
        for each in values.items(spec.get("expose")):
            try:
                yield from values.ports_of(str(each).rpartition(":")[2])
            except ValueError:
                self.lose(self._service, f"the port `{each}` cannot be read")

    def _environment(self, spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        files = spec.get("env_file")
        for each in [files] if isinstance(files, str | dict) else values.items(files):
            path = self._path(each.get("path") if isinstance(each, dict) else each)
            if not self._tree.read(path):
                self.lose(self._service, f"`env_file`: {path} is not there, or is empty")
            yield from values.env_lines(self._tree.read(path))
        given = spec.get("environment")
        if isinstance(given, dict):
            pairs = [(key, None if value is None else values.text(value)) for key, value in given.items()]
        else:
            parted = (values.text(each).partition("=") for each in values.items(given))
            pairs = [(key, value if equals else None) for key, equals, value in parted]
        for key, value in pairs:
            found = self._variables.get(key) if value is None else value
            if found is None:
                self.lose(
                    self._service,
                    f"the variable {key} comes from the shell that runs compose: write its value into the manifest",
                )
            else:
                yield key, found

    def _volumes(self, found: object) -> Iterator[Volume]:
        for each in values.items(found):
            volume = values.volume(each)
            if volume is None:
                self.lose(self._service, f"the volume `{each}` cannot be read")
            elif volume.kind == "bind" and not volume.source.startswith(("/", "~")):
                yield Volume("bind", volume.target, self._path(volume.source), volume.is_read_only)
            elif volume.kind == "bind":
                self.lose(self._service, f"the volume {volume.source} is a path of this machine: pods do not see it")
            else:
                yield volume

    def _needs(self, found: object) -> Iterator[str]:
        if not isinstance(found, dict):
            yield from values.texts(found)
            return
        for name, how in found.items():
            condition = how.get("condition", "") if isinstance(how, dict) else ""
            if condition == "service_completed_successfully":
                self.lose(
                    self._service,
                    f"`depends_on`: {name} shall have ended; make it a Job, and `needs: [{{resource: job/{name}}}]`",
                )
            else:
                yield name

    def _probe(self, found: object) -> Iterator[str]:
        test = found.get("test") if isinstance(found, dict) and not found.get("disable") else None
        if isinstance(test, str):
            yield from ("sh", "-c", test)
        elif isinstance(test, list) and test[:1] == ["CMD-SHELL"]:
            yield from ("sh", "-c", *map(str, test[1:]))
        elif isinstance(test, list) and test[:1] == ["CMD"]:
            yield from map(str, test[1:])
