"""Skaffold's builders as devloop's, one function each.

Comes in: the fields of an artifact. Goes out: the one entry that says how it is built; none for a Dockerfile where it is looked for.
Pure, but for the notes.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from devloop.config.importing.around import Around
from devloop.config.importing.fields import Fields, filled, listed, mapping, text
from devloop.config.tree import List, Map, Node, Scalar

_SAME_DOCKER = ("dockerfile", "target", "cacheFrom", "pullParent", "noCache")
_NETWORKS = {"bridge": "default", "none": "none", "host": "host"}


def convert(around: Around, artifact: Fields) -> Iterator[tuple[str, Node | None]]:
    """The builder under devloop's name."""
    found = next((key for key in _BUILDERS if artifact.has(key)), "docker")
    spec = artifact.record(found)
    if found == "kaniko":
        artifact.leave("its Dockerfile is built by your engine, not in the cluster", "kaniko", matters=True)
    if spec is None:
        made = Map(artifact.place, ()) if found in ("ko", "jib", "buildpacks") else None
    else:
        made = _BUILDERS[found](replace(around, context=around.rebased(artifact.text("context") or ".")), spec)
        spec.done()
    is_docker = found in ("docker", "kaniko")
    platforms = _platforms(around, artifact, is_docker=is_docker)
    if platforms is not None:
        made = Map(
            platforms.place, (*(made.entries if made else ()), (Scalar(platforms.place, "platforms"), platforms))
        )
    yield ("docker" if is_docker else found), made


def _platforms(around: Around, artifact: Fields, *, is_docker: bool) -> Node | None:
    """The one platform to build for. Of several, Skaffold too takes the cluster's unless it pushes."""
    own = artifact.take("platforms")
    given, path = (own, artifact.at("platforms")) if own is not None else (around.platforms, "build.platforms")
    if given is None:
        return None
    if is_docker and isinstance(given, List) and len(given.items) == 1:
        return given
    reason = (
        "images are for the platform of your engine; with a registry, set `docker.platforms`"
        if is_docker
        else "only the docker builder has `platforms`"
    )
    around.notes.add(given.place, path, reason, matters=not is_docker)
    return None


def _docker(around: Around, docker: Fields) -> Map | None:
    docker.leave("BuildKit has no squashing", "squash")
    ssh, network = docker.take("ssh"), docker.take("network")
    return filled(
        mapping(
            docker.place,
            *((key, docker.take(key)) for key in _SAME_DOCKER),
            ("buildArgs", _arguments(around, docker)),
            ("network", _network(docker, network)),
            ("addHosts", docker.take("addHost")),
            ("flags", docker.take("cliFlags")),
            ("secrets", listed(docker.place, [_secret(around, each) for each in docker.records("secrets")])),
            ("ssh", listed(docker.place, [ssh] if ssh is not None else [])),
        )
    )


def _arguments(around: Around, docker: Fields) -> Node | None:
    """Templates filled in; a name without a value is of the environment for docker, which is devloop's no more."""
    found = docker.take("buildArgs")
    if not isinstance(found, Map):
        return found
    entries = []
    for key, value in found.entries:
        path = f"{docker.at('buildArgs')}.{key.text}"
        is_asked = isinstance(value, Scalar) and value.kind == "nothing"
        made = around.fill(text(value.place, "{{." + key.text + "}}") if is_asked else value, path)
        if made is not None:
            entries.append((key, made))
    return Map(found.place, tuple(entries)) if entries else None


def _network(docker: Fields, network: Node | None) -> Node | None:
    if not isinstance(network, Scalar):
        return None
    known = _NETWORKS.get(network.text.lower())
    if known is None:
        docker.leave("the network of a build is default, none or host", "network", matters=True)
        return None
    return text(network.place, known)


def _secret(around: Around, secret: Fields) -> Map:
    """A file is named relative to where Skaffold runs; here, to the context."""
    env, source, name = secret.take("env"), secret.take("src"), secret.take("id")
    if isinstance(source, Scalar) and not source.text.startswith(("/", "~")):
        source = text(source.place, posixpath.relpath(around.rebased(source.text), around.context))
    if env is None and source is None:
        env = name  # as docker has it
    secret.done()
    return mapping(secret.place, ("id", name), ("file", source), ("env", env))


def _kaniko(around: Around, kaniko: Fields) -> Map | None:
    made = mapping(
        kaniko.place,
        ("dockerfile", kaniko.take("dockerfile")),
        ("target", kaniko.take("target")),
        ("buildArgs", _arguments(around, kaniko)),
    )
    kaniko.acknowledge()  # the rest is of kaniko itself, and noted as a whole
    return filled(made)


def _custom(around: Around, custom: Fields) -> Map:
    return mapping(
        custom.place,
        ("command", around.templated(custom, "buildCommand")),
        ("dependencies", _dependencies(custom, _commanded)),
    )


def _commanded(dependencies: Fields) -> tuple[tuple[str, Node | None], ...]:
    dependencies.leave("all files of the context count instead; say which in `paths`", "dockerfile")
    return (("command", dependencies.take("command")),)


def _dependencies(
    spec: Fields, more: Callable[[Fields], tuple[tuple[str, Node | None], ...]] = lambda _: ()
) -> Map | None:
    found = spec.record("dependencies")
    if found is None:
        return None
    made = mapping(found.place, ("paths", found.take("paths")), ("ignore", found.take("ignore")), *more(found))
    found.done()
    return filled(made)


def _jib(_: Around, jib: Fields) -> Map:
    return mapping(jib.place, *((key, jib.take(key)) for key in ("project", "args", "type", "fromImage")))


def _ko(around: Around, ko: Fields) -> Map:
    ko.leave("what `go list` names counts", "dependencies")
    return mapping(
        ko.place,
        *((key, ko.take(key)) for key in ("fromImage", "main", "dir")),
        *((key, around.templated(ko, key)) for key in ("env", "flags", "ldflags", "labels")),
    )


def _bazel(_: Around, bazel: Fields) -> Map:
    target = bazel.take("target") or bazel.take("buildTarget")
    bazel.leave("say it in `args`, as `--platforms=…`", "platforms", matters=True)
    return mapping(bazel.place, ("target", target), ("args", bazel.take("args")))


def _buildpacks(around: Around, packs: Fields) -> Map:
    packs.leave("`pack` is not told so", "volumes", "buildArgs", "clearCache", matters=True)
    return mapping(
        packs.place,
        *((key, packs.take(key)) for key in ("builder", "runImage", "buildpacks", "trustBuilder", "projectDescriptor")),
        ("env", around.templated(packs, "env")),
        ("dependencies", _dependencies(packs)),
    )


_BUILDERS: Mapping[str, Callable[[Around, Fields], Map | None]] = {
    "docker": _docker,
    "custom": _custom,
    "ko": _ko,
    "jib": _jib,
    "bazel": _bazel,
    "buildpacks": _buildpacks,
    "kaniko": _kaniko,
}
