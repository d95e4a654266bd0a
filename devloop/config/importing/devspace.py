"""A devspace.yaml as a start of a devloop.yaml: images, deployments and ports.

Comes in: the tree of a devspace.yaml (v2beta1). Goes out: a tree of devloop's, and notes of all else. Pure.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from devloop.config import model, tree
from devloop.config.importing.fields import Fields, listed, mapping, text
from devloop.config.importing.notes import Notes
from devloop.config.importing.skaffold import Imported
from devloop.config.names import number, without_tag
from devloop.config.paths import problem
from devloop.config.tree import Map, Node, Scalar
from devloop.errors import ConfigError

NAMES = ("devspace.yaml",)
_VERSION = "v2beta1"
_VARIABLE = re.compile(r"\$!?\{")
_PROGRAM = "DevSpace's pipelines are programs; devloop builds and deploys what is listed"


def convert(data: bytes, file: Path, shown: str) -> Imported:
    """What it builds, deploys and forwards. Raises: ConfigError when it cannot be read, or its version is another."""
    read = tree.parse(data, shown, f"version: {_VERSION}")
    notes = Notes()
    config = Fields(read.root, "", notes)
    if config.text("version") != _VERSION:
        place = read.root.values["version"].place if config.has("version") else read.root.place
        raise ConfigError((problem(place, f"only DevSpace's {_VERSION} is read", ("version",), None),))
    config.take("name")
    build = [_image(each) for each in _named(config, "images")]
    units = [made for name, each in _pairs(config, "deployments") if (made := _unit(name, each))]
    forwards = [made for each in _named(config, "dev") for made in _forwards(each)]
    config.leave(
        _PROGRAM,
        "pipelines",
        "commands",
        "functions",
        "hooks",
        "profiles",
        "vars",
        "dependencies",
        "imports",
        matters=True,
    )
    config.leave(
        "devloop pulls and pushes with the engine's own credentials", "pullSecrets", "require", "localRegistry"
    )
    config.done()
    place = read.root.place
    root = mapping(
        place,
        ("apiVersion", text(place, model.API_VERSION)),
        ("build", mapping(place, ("artifacts", listed(place, build))) if build else None),
        ("deploy", listed(place, units)),
        ("portForward", listed(place, forwards)),
    )
    for each in _with_variables(root):
        notes.add(each.place, each.text, "it names a variable of DevSpace's: write its value", matters=True)
    return Imported(root, (file,), notes.sorted, read.problems)


def _pairs(config: Fields, key: str) -> Iterator[tuple[Scalar, Fields]]:
    found = config.take(key)
    for name, value in found.entries if isinstance(found, Map) else ():
        yield name, Fields(value, f"{key}.{name.text}", config.notes)


def _named(config: Fields, key: str) -> Iterator[Fields]:
    return (each for _, each in _pairs(config, key))


def _image(image: Fields) -> Map:
    name, arguments = image.take("image"), image.take("buildArgs")
    docker = mapping(
        image.place,
        ("dockerfile", _in_context(image.take("dockerfile"), image.text("context"))),
        ("target", image.take("target")),
        ("buildArgs", arguments),
        ("network", image.take("network")),
    )
    custom = image.record("custom")
    image.leave("images have the tag that says what they were made from", "tags")
    image.leave("the docker builder is BuildKit always", "docker", "buildKit", "kaniko", "skipPush")
    image.leave(
        "write it into the Dockerfile",
        "entrypoint",
        "cmd",
        "appendDockerfileInstructions",
        "injectRestartHelper",
        matters=True,
    )
    made = mapping(
        image.place,
        ("image", text(name.place, without_tag(name.text)) if isinstance(name, Scalar) else None),
        ("context", image.take("context")),
        ("docker", docker if docker.entries and custom is None else None),
        ("custom", mapping(custom.place, ("command", custom.take("command"))) if custom else None),
    )
    if custom:
        custom.done()
    image.done()
    return made


def _in_context(dockerfile: Node | None, context: str) -> Node | None:
    """It is named relative to the file there, and to the context here."""
    if not isinstance(dockerfile, Scalar):
        return dockerfile
    return text(dockerfile.place, posixpath.relpath(dockerfile.text, context or "."))


def _unit(name: Scalar, deployment: Fields) -> Map | None:
    namespace = deployment.take("namespace")
    helm, kubectl = deployment.record("helm"), deployment.record("kubectl")
    deployment.leave("the order of units is by `needs`", "updateImageTags")
    entry: tuple[str, Node | None] = ("", None)
    if helm is not None:
        entry = ("helm", _helm(helm, namespace))
    elif kubectl is not None:
        entry = _kubectl(kubectl)
    deployment.done()
    if entry[1] is None:
        deployment.notes.add(
            deployment.place, deployment.path, "only `helm` with a chart and `kubectl` are read", matters=True
        )
        return None
    return mapping(deployment.place, ("name", name), entry)


def _helm(helm: Fields, namespace: Node | None) -> Map | None:
    chart = helm.record("chart")
    files = helm.take("valuesFiles")
    release = helm.take("releaseName")
    helm.leave("write them into a file of values", "values", matters=True)
    made = None
    if chart is not None:
        made = mapping(
            helm.place,
            ("chart", chart.take("path") or chart.take("name")),
            ("release", release),
            ("repo", chart.take("repo")),
            ("version", chart.take("version")),
            ("namespace", namespace),
            ("values", files),
        )
        chart.done()
    helm.done()
    return made


def _kubectl(kubectl: Fields) -> tuple[str, Node | None]:
    manifests = kubectl.take("manifests")
    is_kustomize = kubectl.is_true("kustomize")
    kubectl.leave(
        "objects are changed by `transforms`", "patches", "inlineManifest", "applyArgs", "createArgs", matters=True
    )
    first = next(iter(manifests.items), None) if isinstance(manifests, tree.List) else None
    kubectl.done()
    if is_kustomize and first is not None:
        return "kustomize", mapping(first.place, ("path", first))
    return "manifests", manifests


def _forwards(dev: Fields) -> Iterator[Map]:
    """Its pods are found by labels or images, which have no equal: the name of the entry is taken for a Deployment's."""
    name = dev.path.rpartition(".")[2]
    for port in dev.records("ports"):
        local, _, remote = port.text("port").rpartition(":")
        port.done()
        if number(remote) is None:
            dev.notes.add(port.place, port.path, "a port is `PORT` or `LOCAL:PORT`")
            continue
        dev.notes.add(port.place, port.path, f"it is taken for one of deployment/{name}: check that")
        yield mapping(
            port.place,
            ("resource", text(port.place, f"deployment/{name}")),
            ("port", Scalar(port.place, remote, "whole")),
            ("localPort", Scalar(port.place, local, "whole") if number(local) is not None else None),
        )
    dev.acknowledge()
    dev.notes.add(
        dev.place, dev.path, "but for its ports: containers run what their image says, and files are not synced"
    )


def _with_variables(node: Node) -> Iterator[Scalar]:
    match node:
        case Map():
            for _, value in node.entries:
                yield from _with_variables(value)
        case tree.List():
            for each in node.items:
                yield from _with_variables(each)
        case Scalar() if _VARIABLE.search(node.text):
            yield node
