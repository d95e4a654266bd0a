"""Skaffold's `build` as devloop's.

Comes in: the fields of `build`. Goes out: a mapping with `artifacts`, `concurrency` and `tagPolicy`. Builders are in `builders`.
Pure, but for the notes.
"""

from __future__ import annotations

import re
from dataclasses import replace

from devloop.config.importing import builders, hooks, tagging
from devloop.config.importing.around import Around
from devloop.config.importing.fields import Fields, filled, listed, mapping, text
from devloop.config.names import is_variable
from devloop.config.tree import Map, Node, Scalar

_LOCALLY = "images are built on this machine, by your engine"


def convert(around: Around, build: Fields | None) -> Map | None:
    """The part `build`; None when it says nothing that devloop has not by itself."""
    if build is None:
        return None
    around = replace(around, platforms=build.take("platforms"))
    artifacts = [made for each in build.records("artifacts") if (made := _artifact(around, each))]
    local = build.record("local")
    concurrency = _local(local) if local else None
    build.leave(_LOCALLY, "googleCloudBuild", "cluster", matters=True)
    build.leave("registries are the engine's own matter: list it among its insecure registries", "insecureRegistries")
    build.leave("artifacts have hooks; what is around all builds has not", "hooks", matters=True)
    policy = build.record("tagPolicy")
    made = mapping(
        build.place,
        ("artifacts", listed(build.place, artifacts)),
        ("concurrency", concurrency),
        ("tagPolicy", tagging.convert(policy) if policy else None),
    )
    build.done()
    return filled(made)


def images(build: Fields | None) -> tuple[str, ...]:
    """The names of the images, in their order."""
    return tuple(each.text("image") for each in build.records("artifacts")) if build else ()


def _local(local: Fields) -> Node | None:
    concurrency = local.take("concurrency")
    if local.is_true("push"):
        local.leave("to push, set `cluster.registry`; without it images go straight to the nodes", "push")
    local.leave("what the engine has is used always", "tryImportMissing")
    if local.text("useBuildkit").lower() == "false":
        local.leave("the docker builder is BuildKit always", "useBuildkit")
    for key in ("useBuildkit", "useDockerCLI"):
        local.take(key)  # devloop does both always
    local.done()
    return concurrency


def _artifact(around: Around, artifact: Fields) -> Node | None:
    image = around.templated(artifact, "image")
    if image is None:
        around.notes.add(artifact.place, artifact.at("image"), "an artifact needs its `image`", matters=True)
        return None
    context = artifact.take("context")
    artifact.leave("files are not synced into containers yet: every change is an image", "sync")
    artifact.leave("there is no debugging of containers", "runtimeType")
    made = mapping(
        artifact.place,
        ("image", image),
        ("context", around.path(context or (text(artifact.place, ".") if around.folder != "." else None))),
        *builders.convert(around, artifact),
        ("requires", listed(artifact.place, [_required(each) for each in artifact.records("requires")])),
        ("hooks", hooks.of_build(around, artifact)),
    )
    artifact.done()
    return made


def _required(required: Fields) -> Map:
    """Skaffold's alias is the image's name where none is given, as far as a Dockerfile can name that."""
    image = required.take("image")
    alias = required.take("alias")
    if alias is None and isinstance(image, Scalar) and is_variable(image.text):
        alias = image
    required.done()
    return mapping(required.place, ("image", image), ("alias", alias))


def suffix(image: str) -> str:
    """How templates name an image: `shop/api` as `shop_api`."""
    return re.sub(r"[^A-Za-z0-9]", "_", image)
