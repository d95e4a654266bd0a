"""What the configuration says of each unit to deploy, as frozen data; a part of `model`, which has all its names.

Comes in: nothing. Goes out: one dataclass a renderer, and the unit that has one of them. No I/O, no defaults that depend on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from devloop.config.documented import doc as _doc
from devloop.config.documented import mapping as _mapping


@dataclass(frozen=True)
class Kustomize:
    """Manifests from `kustomize build`."""

    shorthand: ClassVar[str] = "path"

    path: str = _doc(
        "The folder with the kustomization, relative to this file.", examples=["overlays/dev"], also=("paths",)
    )


@dataclass(frozen=True)
class Helm:
    """Manifests from `helm template`."""

    chart: str = _doc("The chart's folder, relative to this file.", examples=["chart"], also=("chartPath",))
    release: str | None = _doc("The release's name. Default: the name of the unit.", default=None, also=("name",))
    values: tuple[str, ...] = _doc(
        "Values files, relative to this file; later ones win.", default=(), also=("valuesFiles",)
    )
    set: Mapping[str, str] = _mapping(
        "Single values, as with `helm --set`.", examples=[{"replicas": "2"}], also=("setValues",)
    )
    namespace: str | None = _doc("The release's namespace. Default: the project's.", default=None)


@dataclass(frozen=True)
class Unit:
    """One thing to deploy, from exactly one of `manifests`, `kustomize` or `helm`."""

    exactly_one: ClassVar[tuple[str, ...]] = ("manifests", "kustomize", "helm")

    name: str = _doc(
        "Its name in the output and in `needs`. Default: from what it deploys, so that it stays the same.", default=""
    )
    needs: tuple[str, ...] = _doc(
        "Units that have to be ready before this one is applied.", default=(), also=("dependsOn",)
    )
    manifests: tuple[str, ...] = _doc(
        "YAML files, globs or folders, relative to this file.",
        default=(),
        examples=[["k8s/*.yaml"]],
        minimum=1,
        also=("rawYaml",),
    )
    kustomize: Kustomize | None = _doc("Render with kustomize.", default=None)
    helm: Helm | None = _doc("Render with helm.", default=None)
    ready_deadline_seconds: int = _doc("How long its objects may take to become ready.", default=300, minimum=1)
