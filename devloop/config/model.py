"""The configuration as frozen data: the one source of the schema, the reference page and validation.

Comes in: nothing. Goes out: dataclasses whose fields carry their YAML documentation (`metadata["doc"]`). A field `build_args` is
spelt `buildArgs` in YAML. A class may say what holds between its fields: `exactly_one` and `at_most_one` name fields, as YAML
spells them, that exclude each other, `shorthand` the field that text in place of the mapping stands for, `merged_by` the fields by
which a profile knows an entry of a list again. No I/O, no defaults that depend on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from devloop.config import names
from devloop.config.around import (
    CustomTemplate,
    DateTime,
    EnvTemplate,
    GitCommit,
    Hook,
    Hooks,
    TagComponent,
    TagPolicy,
    UnitHook,
    UnitHooks,
)
from devloop.config.builders import (
    Bazel,
    Buildpacks,
    BuildpacksDependencies,
    Custom,
    CustomDependencies,
    Docker,
    Jib,
    Ko,
    Secret,
)
from devloop.config.documented import doc as _doc
from devloop.config.finishing import DevOverrides, ImagePaths
from devloop.config.renderers import CustomRender, Kustomize, Selector, Then, Transform, Ytt
from devloop.config.requires import GitSource, PassedProfile, RequiredModule
from devloop.config.tests import CustomTest, CustomTestDependencies, ImageTest
from devloop.config.units import Helm, HelmImage, Need, Unit, is_url

# Those of `around`, `builders`, `finishing`, `requires`, `tests` and `units` are read as this module's: one module has all of it.
__all__ = [
    "Bazel",
    "Buildpacks",
    "BuildpacksDependencies",
    "Custom",
    "CustomDependencies",
    "CustomRender",
    "CustomTemplate",
    "CustomTest",
    "CustomTestDependencies",
    "DateTime",
    "DevOverrides",
    "Docker",
    "EnvTemplate",
    "GitCommit",
    "GitSource",
    "Helm",
    "HelmImage",
    "Hook",
    "Hooks",
    "ImagePaths",
    "ImageTest",
    "Jib",
    "Ko",
    "Kustomize",
    "Need",
    "PassedProfile",
    "RequiredModule",
    "Secret",
    "Selector",
    "TagComponent",
    "TagPolicy",
    "Then",
    "Transform",
    "Unit",
    "UnitHook",
    "UnitHooks",
    "Ytt",
    "is_url",
]

API_VERSION = "devloop/v1"


@dataclass(frozen=True)
class Metadata:
    """Names the project."""

    name: str = _doc(
        "Name of the project; marks what it owns in the cluster. Default: the name of the folder of the file.",
        default="",
    )


@dataclass(frozen=True)
class Require:
    """Another artifact that this one is built on."""

    merged_by: ClassVar[tuple[str, ...]] = ("image",)

    image: str = _doc("The `image` of another artifact of this file.")
    alias: str | None = _doc(
        "The build argument (docker) or environment variable (all others) that gets its ref. Default: the image's last path "
        "part in capitals, other characters than letters and digits as `_` (`shop/base-image` → `BASE_IMAGE`).",
        default=None,
    )

    @property
    def variable(self) -> str:
        last = self.image.rpartition("/")[2]
        return self.alias or "".join(c.upper() if c.isalnum() else "_" for c in last)


@dataclass(frozen=True)
class Artifact:
    """An image and how it is built: with `docker` (the default), or another one of the builders below."""

    at_most_one: ClassVar[tuple[str, ...]] = ("docker", "custom", "ko", "jib", "bazel", "buildpacks")
    merged_by: ClassVar[tuple[str, ...]] = ("image",)

    image: str = _doc("The image's name, without a tag; manifests name it the same way.", examples=["shop/api"])
    context: str = _doc("The folder that the build sees, relative to this file.", default=".", path="path")
    docker: Docker | None = _doc("Build with a Dockerfile. The default, with its defaults.", default=None)
    custom: Custom | None = _doc("Build with a command.", default=None)
    ko: Ko | None = _doc("Build a Go program with ko.", default=None)
    jib: Jib | None = _doc("Build a Java program with Jib.", default=None)
    bazel: Bazel | None = _doc("Build with Bazel.", default=None)
    buildpacks: Buildpacks | None = _doc("Build with Cloud Native Buildpacks.", default=None)
    requires: tuple[Require, ...] = _doc(
        "Artifacts that have to be built first; their refs are passed to the build.", default=()
    )
    hooks: Hooks | None = _doc("Commands before and after the build.", default=None)

    @property
    def builder(self) -> str:
        """The word of its builder."""
        return next((each for each in self.at_most_one if getattr(self, each) is not None), "docker")

    @property
    def is_for_engine(self) -> bool:
        """Whether an engine can have it: not several platforms in one image."""
        return self.docker is None or len(self.docker.platforms) < 2

    @property
    def build_images(self) -> Mapping[str, str]:
        """Those of `docker.buildContexts` that are images, with what they are named; required artifacts are among them."""
        given = self.docker.build_contexts if self.docker else {}
        required = {each.image for each in self.requires}
        found = {name: value if value in required else names.image_of_context(value) for name, value in given.items()}
        return {name: image for name, image in found.items() if image is not None}

    @property
    def build_folders(self) -> Mapping[str, str]:
        """Those of `docker.buildContexts` that are folders."""
        given = self.docker.build_contexts if self.docker else {}
        return {name: each for name, each in given.items() if name not in self.build_images and names.is_folder(each)}


@dataclass(frozen=True)
class Build:
    """How images are built."""

    artifacts: tuple[Artifact, ...] = _doc("The images of the project.", default=())
    concurrency: int = _doc("How many builds run at once; 0 for no limit.", default=0, minimum=0)
    tag_policy: TagPolicy | None = _doc(
        "A readable tag that `build` and `run` give every image, besides the one that says what it was made from. Default: none.",
        default=None,
    )


@dataclass(frozen=True)
class Cluster:
    """Where to deploy."""

    context: str | None = _doc("The kubeconfig context. Default: the current one.", default=None, also=("kubeContext",))
    namespace: str | None = _doc("For objects that name none. Default: the context's.", default=None)
    registry: str | None = _doc(
        "A registry to push to; put before each image's name. Default: none where the cluster's nodes are containers of the engine, or use "
        "its images; else the one on this machine that the cluster names (`kube-public/local-registry-hosting`).",
        default=None,
        examples=["localhost:5001", "registry.example.com/team"],
    )


@dataclass(frozen=True)
class PortForward:
    """A port of a workload or service, on this machine."""

    merged_by: ClassVar[tuple[str, ...]] = ("resource", "port")

    resource: str = _doc(
        "`kind/name`: pod, deployment, statefulset, daemonset, replicaset, job or service; or kubectl's short name of the kind.",
        examples=["deployment/api"],
        also=("resourceName", "resourceType"),
    )
    port: int | str = _doc(
        "The container's (or service's) port: a number or its name.", examples=[8080, "http"], minimum=1, maximum=65535
    )
    local_port: int | None = _doc(
        "The port on this machine. Default: the same number; a named port needs it.",
        default=None,
        minimum=1,
        maximum=65535,
    )
    namespace: str | None = _doc("The resource's namespace. Default: the project's.", default=None)
    address: str = _doc("The address to listen on.", default="127.0.0.1")


@dataclass(frozen=True)
class Logs:
    """Whose logs are shown, and how."""

    enabled: bool = _doc("Whether `dev` follows logs.", default=True)
    prefix: str = _doc(
        "What stands before each line.", default="auto", choices=("auto", "container", "pod", "podAndContainer", "none")
    )
    exclude: tuple[str, ...] = _doc("Containers to leave out, as globs of their names.", default=())


@dataclass(frozen=True)
class Activation:
    """When a profile is active by itself: when all of this is so."""

    env: str | None = _doc(
        "`NAME=PATTERN`: the environment variable as a whole matches the regular expression; `NAME=!PATTERN`: it does not.",
        default=None,
        examples=["CI=true", "USER=!root"],
    )
    kube_context: str | None = _doc(
        "A regular expression that the name of the kubeconfig context matches as a whole; `!` before it: does not.",
        default=None,
        examples=["kind-.*"],
    )
    command: str | None = _doc(
        "The command of devloop, as a regular expression; `!` before it: another one.",
        default=None,
        examples=["dev", "run|build"],
    )
    os: str | None = _doc("The system: linux, darwin or windows.", default=None, choices=("linux", "darwin", "windows"))


@dataclass(frozen=True)
class Patch:
    """A change by place (RFC 6902), for what merging cannot say."""

    path: str = _doc("Where, as a JSON pointer.", examples=["/build/artifacts/0/docker/target"])
    op: str = _doc("What to do.", default="replace", choices=("add", "remove", "replace", "move", "copy", "test"))
    value: Any = _doc("The value, for `add`, `replace` and `test`.", default=None)
    from_: str | None = _doc("Where from, for `move` and `copy`.", default=None)


@dataclass(frozen=True)
class Variable:
    """A variable, for `${NAME}` in the values of this file, and for its shell commands, which see it in their environment.

    `--var`, the environment and the file `.env` beside this one say otherwise, in this order.
    """

    merged_by: ClassVar[tuple[str, ...]] = ("name",)
    at_most_one: ClassVar[tuple[str, ...]] = ("default", "command")

    name: str = _doc("Its name.", examples=["TAG"])
    default: str | None = _doc("Its value when nothing else gives one; it may name other variables.", default=None)
    command: str | None = _doc(
        "A shell command, run in the folder of this file, whose output is the value.",
        default=None,
        examples=["git describe"],
        shell=True,
    )
    inputs: tuple[str, ...] = _doc(
        "Files or globs, relative to this file, that the output of the command hangs on: `dev` asks it again when they change, and "
        "otherwise not. Without: whenever this file is read.",
        default=(),
    )
    timeout_seconds: int = _doc("How long the command may take.", default=30, minimum=1)
    prompt: str | None = _doc(
        "A question to ask when nothing else but `default` gives a value; only on a terminal, and not with `--output json`.",
        default=None,
        examples=["Which database?"],
    )
    secret: bool = _doc("Never show its value: `***` stands for it in all that is printed.", default=False)


@dataclass(frozen=True)
class Profile:
    """Changes to the configuration that are made together, when asked for or when something is so.

    What it says of `metadata`, `build`, `deploy`, `cluster`, `portForward`, `logs`, `test`, `imagePaths`, `devOverrides` and `vars` is
    laid over the rest of the file: mappings merge, lists of named things merge by their names, anything else is replaced; `null` takes a
    value away. Before a value, `!replace` puts it in the place of all that is there, `!append` adds to a list, `!remove` takes the entry
    of that name out of its list.
    """

    merged_by: ClassVar[tuple[str, ...]] = ("name",)

    name: str = _doc("Its name, for `--profile`.")
    activation: tuple[Activation, ...] = _doc(
        "It is active by itself when one of these holds.", default=(), examples=[[{"kubeContext": "kind-.*"}]]
    )
    patches: tuple[Patch, ...] = _doc("Changes by place, made after all else of the profile.", default=())
    metadata: Metadata | None = _doc("As at the top.", part=True, default=None)
    build: Build | None = _doc("As at the top.", part=True, default=None)
    deploy: tuple[Unit, ...] = _doc("As at the top.", part=True, default=())
    cluster: Cluster | None = _doc("As at the top.", part=True, default=None)
    port_forward: tuple[PortForward, ...] = _doc("As at the top.", part=True, default=())
    logs: Logs | None = _doc("As at the top.", part=True, default=None)
    test: tuple[ImageTest, ...] = _doc("As at the top.", part=True, default=())
    image_paths: tuple[ImagePaths, ...] = _doc("As at the top.", part=True, default=())
    dev_overrides: DevOverrides | None = _doc("As at the top.", part=True, default=None)
    vars: tuple[Variable, ...] = _doc("As at the top.", part=True, default=())


@dataclass(frozen=True)
class Project:
    """The whole of devloop.yaml."""

    api_version: str = _doc("The version of this format.", choices=(API_VERSION,))
    metadata: Metadata = _doc("Names the project.", default=Metadata())
    build: Build = _doc("How images are built.", default=Build())
    deploy: tuple[Unit, ...] = _doc("What is deployed. Order comes from `needs`, not from position.", default=())
    cluster: Cluster = _doc("Where to deploy.", default=Cluster())
    port_forward: tuple[PortForward, ...] = _doc("Ports to have on this machine while `dev` runs.", default=())
    logs: Logs = _doc("Whose logs are shown, and how.", default=Logs())
    test: tuple[ImageTest, ...] = _doc("Tests of images, between their build and the cluster.", default=())
    profiles: tuple[Profile, ...] = _doc("Sets of changes for other machines, clusters or purposes.", default=())
    image_paths: tuple[ImagePaths, ...] = _doc(
        "Where objects of other kinds name images, so that what was built is put there.", default=()
    )
    dev_overrides: DevOverrides | None = _doc(
        "What `dev` has otherwise than the manifests say. Default: nothing.", default=None, examples=["fast"]
    )
    vars: tuple[Variable, ...] = _doc("Variables for the values of this file.", default=())
    requires: tuple[RequiredModule, ...] = _doc(
        "Other projects that belong into the session of this one.", default=(), examples=[["../db"]]
    )
