"""What the configuration says of renderers that run a command, and of what follows a renderer, as frozen data; a part of `model`.

Comes in: nothing. Goes out: one dataclass a renderer, step and edit. No I/O, no defaults that depend on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from devloop.config.builders import CustomDependencies
from devloop.config.documented import doc as _doc
from devloop.config.documented import mapping as _mapping


@dataclass(frozen=True)
class Kustomize:
    """Manifests from `kustomize build`."""

    shorthand: ClassVar[str] = "path"

    path: str = _doc(
        "The folder with the kustomization, relative to this file.",
        examples=["overlays/dev"],
        also=("paths",),
        path="path",
    )


@dataclass(frozen=True)
class CustomRender:
    """Manifests from any command that prints YAML."""

    shorthand: ClassVar[str] = "command"

    command: str = _doc(
        "A shell command that prints Kubernetes objects. It gets NAMESPACE and UNIT; what it writes to standard error is shown. In "
        "`then` it reads the objects that were rendered.",
        examples=["./render.sh", "cue export ./k8s --out yaml"],
        shell=True,
    )
    dir: str = _doc("The folder that it runs in, relative to this file.", default=".", path="path")
    dependencies: CustomDependencies = _doc(
        "What it reads, relative to `dir`; an edit of it renders again.", default=CustomDependencies()
    )
    env: Mapping[str, str] = _mapping("More environment variables for it.", examples=[{"STAGE": "dev"}])
    timeout_seconds: int = _doc("How long it may take.", default=300, minimum=1)


@dataclass(frozen=True)
class Ytt:
    """Manifests from `ytt`."""

    shorthand: ClassVar[str] = "files"

    files: tuple[str, ...] = _doc(
        "Templates, overlays and values: files, or folders with everything below them, relative to this file.",
        minimum=1,
        examples=[["config", "overlays/dev.yaml"]],
        path="path",
    )
    data_values: Mapping[str, str] = _mapping(
        "Single values that are text, as with `ytt --data-value`.", examples=[{"db.host": "postgres"}]
    )
    data_values_yaml: Mapping[str, str] = _mapping(
        "Single values that are YAML, as with `ytt --data-value-yaml`.", examples=[{"replicas": "2"}]
    )
    data_values_files: tuple[str, ...] = _doc(
        "Files of values, relative to this file; later ones win.", default=(), path="path"
    )
    args: tuple[str, ...] = _doc(
        "More words for `ytt`.", default=(), examples=[["--dangerous-allow-all-symlink-destinations"]]
    )


@dataclass(frozen=True)
class Then:
    """What happens to the objects that were rendered, before they are deployed."""

    exactly_one: ClassVar[tuple[str, ...]] = ("kustomize", "custom")

    kustomize: Kustomize | None = _doc(
        "Apply a component of kustomize (`kind: Component`) to them: patches, labels, images, more resources.",
        default=None,
        examples=["overlays/dev"],
    )
    custom: CustomRender | None = _doc(
        "Run a command that reads them as YAML from standard input, and prints what they become.", default=None
    )


@dataclass(frozen=True)
class Selector:
    """Which objects: those that are all of this."""

    kind: str | None = _doc("Their kind.", default=None, examples=["Deployment"])
    name: str | None = _doc("Their name.", default=None)
    namespace: str | None = _doc("The namespace that their manifest names.", default=None)
    api_version: str | None = _doc("Their `apiVersion`.", default=None, examples=["apps/v1"])
    labels: Mapping[str, str] = _mapping("Labels that they have, perhaps among others.", examples=[{"app": "api"}])


@dataclass(frozen=True)
class Transform:
    """An edit of rendered objects, by an expression of yq."""

    yq: str = _doc(
        "An expression of [yq 4](https://mikefarah.gitbook.io/yq), which has to be installed. It gets one object at a time.",
        examples=[".spec.replicas = 1", 'del(.spec.template.spec.nodeSelector) | .metadata.labels.team = "shop"'],
    )
    select: Selector = _doc("Which objects. Default: all.", default=Selector())
