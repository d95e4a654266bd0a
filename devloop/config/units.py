"""What the configuration says of each unit to deploy, as frozen data; a part of `model`, which has all its names.

Comes in: nothing. Goes out: one dataclass a renderer, and the unit that has one of them. No I/O, no defaults that depend on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from devloop.config.around import UnitHooks
from devloop.config.documented import doc as _doc
from devloop.config.documented import mapping as _mapping

CLUSTER_SCOPED = frozenset(
    {"CustomResourceDefinition", "Namespace", "Node", "PersistentVolume", "StorageClass", "APIService"}
)


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
class Need:
    """What has to be so before a unit is applied: another unit is ready, or something in the cluster is as it has to be."""

    shorthand: ClassVar[str] = "unit"
    exactly_one: ClassVar[tuple[str, ...]] = ("unit", "resource")
    at_most_one: ClassVar[tuple[str, ...]] = ("condition", "jsonpath")

    unit: str | None = _doc("Another unit, by its name: it has to be ready.", default=None)
    resource: str | None = _doc(
        "`kind/name` of an object, whoever made it. A job has to be completed, a service to have a ready endpoint, a crd to be "
        "established, a workload to be ready; others to be there and, if they have such a condition, Ready or Available.",
        default=None,
        examples=["job/migrate", "service/postgres", "crd/certificates.cert-manager.io"],
    )
    api_version: str | None = _doc(
        "The `apiVersion` of the resource; only kinds that are not Kubernetes' own need it.",
        default=None,
        examples=["cert-manager.io/v1"],
    )
    namespace: str | None = _doc("The resource's namespace. Default: the project's.", default=None)
    condition: str | None = _doc(
        "A condition that has to be true instead, or `TYPE=STATUS`; as for `kubectl wait --for=condition`.",
        default=None,
        examples=["Ready", "Progressing=False"],
    )
    jsonpath: str | None = _doc(
        "A field that has to have a value instead, as for `kubectl wait --for=jsonpath`; without `=VALUE` any value.",
        default=None,
        examples=["{.status.phase}=Running"],
    )
    timeout_seconds: int = _doc(
        "How long `run` waits for the resource. `dev` says what it waits for, and goes on waiting.",
        default=300,
        minimum=1,
    )

    @property
    def kind(self) -> str:
        """The kind of a valid resource, as Kubernetes spells it."""
        return (self.resource or "").partition("/")[0]

    @property
    def object_name(self) -> str:
        """The name of the resource."""
        return (self.resource or "").partition("/")[2]

    @property
    def name(self) -> str:
        """How it is called in messages."""
        return self.unit or f"{self.kind.lower()}/{self.object_name}"

    @property
    def field(self) -> str:
        """The path in `jsonpath`, which kubectl writes in braces."""
        return (self.jsonpath or "").partition("=")[0].strip().removeprefix("{").removesuffix("}")

    @property
    def is_cluster_scoped(self) -> bool:
        """Whether the kind is one of Kubernetes' own that have no namespace."""
        return self.kind in CLUSTER_SCOPED


@dataclass(frozen=True)
class Unit:
    """One thing to deploy, from exactly one of `manifests`, `kustomize` or `helm`."""

    exactly_one: ClassVar[tuple[str, ...]] = ("manifests", "kustomize", "helm")
    merged_by: ClassVar[tuple[str, ...]] = ("name",)

    name: str = _doc(
        "Its name in the output and in `needs`. Default: from what it deploys, so that it stays the same.", default=""
    )
    needs: tuple[Need, ...] = _doc(
        "What has to be so before this unit is applied: units that are ready, by their names, or objects in the cluster.",
        default=(),
        examples=[["db", {"resource": "job/migrate"}]],
        also=("dependsOn",),
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
    hooks: UnitHooks | None = _doc("Commands around its rendering and its deploy.", default=None)
    ready_deadline_seconds: int = _doc("How long its objects may take to become ready.", default=300, minimum=1)

    @property
    def needed_units(self) -> tuple[str, ...]:
        """The units that have to be ready first."""
        return tuple(each.unit for each in self.needs if each.unit)

    @property
    def needed_resources(self) -> tuple[Need, ...]:
        """What has to be so in the cluster."""
        return tuple(each for each in self.needs if each.resource)
