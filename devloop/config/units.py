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
from devloop.config.renderers import CustomRender, Kustomize, Then, Transform, Ytt

CLUSTER_SCOPED = frozenset(
    {"CustomResourceDefinition", "Namespace", "Node", "PersistentVolume", "StorageClass", "APIService"}
)


def is_url(entry: str) -> bool:
    """Whether an entry of `manifests` is fetched."""
    return entry.startswith(("https://", "http://"))


@dataclass(frozen=True)
class HelmImage:
    """Which values of a chart take an artifact's image: `value` for all of it, or `repository` and what the chart has besides."""

    exactly_one: ClassVar[tuple[str, ...]] = ("value", "repository")

    image: str = _doc("The `image` of an artifact of this file.", examples=["shop/api"])
    value: str | None = _doc(
        "The path of the value that takes the whole image, `name:tag`.", default=None, examples=["image", "api.image"]
    )
    repository: str | None = _doc(
        "The path of the value that takes the image's name; without its registry where `registry` is set.",
        default=None,
        examples=["image.repository"],
    )
    tag: str | None = _doc("The path of the value that takes the tag.", default=None, examples=["image.tag"])
    registry: str | None = _doc("The path of the value that takes the registry.", default=None)
    digest: str | None = _doc(
        "The path of the value that takes the digest, where the image has one; it is made empty otherwise.",
        default=None,
    )


@dataclass(frozen=True)
class Helm:
    """Manifests from `helm template`, or a release."""

    chart: str = _doc(
        "The chart: its folder or `.tgz`, relative to this file; `oci://…`; or its name in `repo`.",
        examples=["chart", "oci://registry.example.com/charts/redis"],
        also=("chartPath", "remoteChart"),
        path="chart",
    )
    repo: str | None = _doc(
        "The URL of the repository that has the chart.", default=None, examples=["https://charts.example.com"]
    )
    version: str | None = _doc(
        "The version of a chart from elsewhere, or a range of them; a range is resolved once, when the chart is fetched. Default: the "
        "newest at that time.",
        default=None,
        examples=["1.2.3", "^1.2"],
    )
    mode: str = _doc(
        "`template` applies what the chart renders, as devloop applies everything; `release` has helm install and upgrade a release.",
        default="template",
        choices=("template", "release"),
    )
    release: str | None = _doc("The release's name. Default: the name of the unit.", default=None, also=("name",))
    namespace: str | None = _doc("The release's namespace. Default: the project's.", default=None)
    create_namespace: bool = _doc("Make the namespace if it is not there. It is never deleted.", default=False)
    values: tuple[str, ...] = _doc(
        "Values files, relative to this file; later ones win.", default=(), also=("valuesFiles",), path="path"
    )
    set: Mapping[str, str] = _mapping(
        "Single values, as with `helm --set`.", examples=[{"replicas": "2"}], also=("setValues",)
    )
    set_string: Mapping[str, str] = _mapping(
        "Single values that are text whatever they look like, as with `helm --set-string`.",
        examples=[{"build": "0012"}],
    )
    set_file: Mapping[str, str] = _mapping(
        "Single values from files, relative to this file, as with `helm --set-file`.",
        examples=[{"config": "app.toml"}],
        also=("setFiles",),
        path="path",
    )
    set_json: Mapping[str, str] = _mapping(
        "Single values as JSON, as with `helm --set-json`.", examples=[{"hosts": '["a", "b"]'}]
    )
    images: tuple[HelmImage, ...] = _doc(
        "Which values take the images of artifacts. Images that the chart's templates name themselves need no entry, unless `mode` is "
        "`release`.",
        default=(),
        examples=[[{"image": "shop/api", "repository": "image.repository", "tag": "image.tag"}]],
    )
    skip_crds: bool = _doc("Leave out the definitions in the chart's `crds` folder.", default=False)
    kube_version: str | None = _doc(
        "The version of Kubernetes that the chart is told of, in `template` mode. Default: helm's own idea of it.",
        default=None,
        examples=["1.33"],
    )
    api_versions: tuple[str, ...] = _doc(
        "API versions that the chart is told of besides helm's own, in `template` mode.",
        default=(),
        examples=[["monitoring.coreos.com/v1"]],
    )
    post_renderer: str | None = _doc(
        "A command that gets what the chart renders and prints what is deployed, run in the folder of this file. In `release` mode with "
        "Helm 4, the name of a plugin.",
        default=None,
        examples=["./mark.sh"],
        path="program",
    )
    args: tuple[str, ...] = _doc(
        "More words for `helm template`, or for `helm upgrade` in `release` mode.",
        default=(),
        examples=[["--enable-dns"]],
    )


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
    """One thing to deploy, from exactly one of `manifests`, `kustomize`, `helm`, `ytt` or `custom`."""

    exactly_one: ClassVar[tuple[str, ...]] = ("manifests", "kustomize", "helm", "ytt", "custom")
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
        "YAML files, globs or folders, relative to this file; or URLs that end in `#sha256=` and the digest of what is there, which is "
        "fetched once and kept. Without the digest it is refused, and the digest to write is told.",
        default=(),
        examples=[["k8s/*.yaml"]],
        minimum=1,
        also=("rawYaml",),
        path="glob",
    )
    kustomize: Kustomize | None = _doc("Render with kustomize.", default=None)
    helm: Helm | None = _doc("Render with helm.", default=None)
    hooks: UnitHooks | None = _doc("Commands around its rendering and its deploy.", default=None)
    ytt: Ytt | None = _doc("Render with ytt.", default=None)
    custom: CustomRender | None = _doc("Render with any command.", default=None)
    then: tuple[Then, ...] = _doc(
        "What is done to the rendered objects, one after the other: a chart's output into kustomize, for one.",
        default=(),
        examples=[[{"kustomize": "overlays/dev"}]],
    )
    transforms: tuple[Transform, ...] = _doc(
        "Edits of the objects that come out in the end.",
        default=(),
        examples=[[{"select": {"kind": "Deployment"}, "yq": ".spec.replicas = 1"}]],
    )
    ready_deadline_seconds: int = _doc("How long its objects may take to become ready.", default=300, minimum=1)
    roll_on_config_change: bool = _doc(
        "Whether a changed ConfigMap or Secret of this unit rolls the Deployments, StatefulSets and DaemonSets of it that use it. "
        "A release of Helm is left to its chart.",
        default=True,
    )

    @property
    def needed_units(self) -> tuple[str, ...]:
        """The units that have to be ready first."""
        return tuple(each.unit for each in self.needs if each.unit)

    @property
    def needed_resources(self) -> tuple[Need, ...]:
        """What has to be so in the cluster."""
        return tuple(each for each in self.needs if each.resource)
