"""What the configuration says of each builder, as frozen data; a part of `model`, which has all its names.

Comes in: nothing. Goes out: one dataclass a builder, and those that they are made of. No I/O, no defaults that depend on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from devloop.config.documented import doc as _doc
from devloop.config.documented import mapping as _mapping


@dataclass(frozen=True)
class Secret:
    """A secret that a build may use with `RUN --mount=type=secret`. It is in no layer, and another value builds nothing anew."""

    exactly_one: ClassVar[tuple[str, ...]] = ("file", "env")
    merged_by: ClassVar[tuple[str, ...]] = ("id",)

    id: str = _doc("The name by which the Dockerfile asks for it.", examples=["npmrc"])
    file: str | None = _doc("The file that holds it, relative to the context.", default=None, also=("src",))
    env: str | None = _doc(
        "The variable that holds it: of the environment, or one that `--var`, `.env` or `vars` gives.",
        default=None,
        variable=True,
    )


@dataclass(frozen=True)
class Docker:
    """Builds with a Dockerfile, through BuildKit."""

    dockerfile: str = _doc("The Dockerfile, relative to the context.", default="Dockerfile")
    target: str | None = _doc("The stage to build. Default: the last one.", default=None)
    build_args: Mapping[str, str] = _mapping(
        "Values for the Dockerfile's ARG instructions.", examples=[{"VERSION": "1.2"}]
    )
    labels: Mapping[str, str] = _mapping("Labels of the image.", examples=[{"org.opencontainers.image.title": "shop"}])
    secrets: tuple[Secret, ...] = _doc("Secrets that RUN instructions may mount.", default=(), also=("secret",))
    ssh: tuple[str, ...] = _doc(
        "SSH agents or keys that RUN instructions may mount: `default`, or `ID=PATH`.",
        default=(),
        examples=[["default"]],
    )
    network: str | None = _doc(
        "The network of RUN instructions. Default: the builder's.", default=None, choices=("default", "none", "host")
    )
    add_hosts: tuple[str, ...] = _doc(
        "Names that RUN instructions know besides, as `NAME:ADDRESS`.",
        default=(),
        examples=[["db:10.0.0.1"]],
        also=("addHost",),
    )
    cache_from: tuple[str, ...] = _doc(
        "Where else BuildKit may find layers, as for `docker buildx build --cache-from`.",
        default=(),
        examples=[["type=registry,ref=registry.example.com/cache"]],
    )
    cache_to: tuple[str, ...] = _doc("Where BuildKit leaves layers for others; needs docker buildx.", default=())
    no_cache: bool = _doc("Run every instruction again at each build.", default=False)
    builder: str | None = _doc(
        "The `docker buildx` instance to build with, on another machine or in a cluster for one; what it makes comes into the engine as "
        "the layers that are new. Default: BUILDX_BUILDER, else the engine's own BuildKit.",
        default=None,
    )
    platforms: tuple[str, ...] = _doc(
        "What to build for, as `os/architecture`. Default: DOCKER_DEFAULT_PLATFORM, else what the builder runs on. An image for several is "
        "only pushed: with `cluster.registry`, or by `devloop build --push`; it needs a `builder` that can make one.",
        default=(),
        examples=[["linux/arm64"], ["linux/amd64", "linux/arm64"]],
    )
    build_contexts: Mapping[str, str] = _mapping(
        "What names in FROM, COPY --from and RUN --mount=from stand for: a folder, relative to the context, which may have a "
        ".dockerignore of its own; an image, as `docker-image://REF`; the `image` of another artifact that `requires` names; or the "
        "address of a git repository or archive. Needs docker buildx and an engine from 23.0 on.",
        examples=[{"shared": "../shared", "golang": "docker-image://golang:1.26", "base": "shop/base"}],
    )
    flags: tuple[str, ...] = _doc(
        "More words for the build command, as they are.",
        default=(),
        examples=[["--ulimit=nofile=1024"]],
        also=("cliFlags",),
    )
    pull_parent: bool = _doc(
        "Pull the images that the Dockerfile names, FROM for one, before the first build of a session, even if the engine has them.",
        default=False,
    )


@dataclass(frozen=True)
class CustomDependencies:
    """What a command reads. All paths are relative to the folder that it runs in; for a build, to the context."""

    paths: tuple[str, ...] = _doc("Files, folders or globs (`**` matches any depth).", default=(".",))
    ignore: tuple[str, ...] = _doc("Globs to leave out.", default=())
    command: str | None = _doc(
        "A shell command, run in that folder, that prints the paths one a line; replaces `paths`.",
        default=None,
        shell=True,
    )


@dataclass(frozen=True)
class Custom:
    """Builds with any command."""

    command: str = _doc(
        "A shell command, run in the context. It gets IMAGE, IMAGE_REPO, IMAGE_TAG, BUILD_CONTEXT, PLATFORMS, PUSH_IMAGE, NO_CACHE and, "
        "for each required image, its ref, and must leave $IMAGE in the engine.",
        examples=["./build.sh", "docker build -t $IMAGE ."],
        also=("buildCommand",),
        shell=True,
    )
    dependencies: CustomDependencies = _doc(
        "What the build reads; an edit of it builds again.", default=CustomDependencies()
    )


@dataclass(frozen=True)
class Ko:
    """Builds a Go program with ko, without a Dockerfile. A `.ko.yaml` beside it counts as it does for ko."""

    main: str = _doc(
        "The package of the program, relative to `dir`, or its import path.", default=".", examples=["./cmd/api"]
    )
    dir: str = _doc("The folder that ko runs in, with go.mod, relative to the context.", default=".")
    from_image: str | None = _doc(
        "The image to build on: another artifact of this file that `requires` names, an image of the engine, or else of a registry. "
        "Default: what `.ko.yaml` says, else ko's own.",
        default=None,
    )
    flags: tuple[str, ...] = _doc(
        "Flags for `go build`, each as `-name` or `-name=value`.", default=(), examples=[["-tags=dev", "-v"]]
    )
    ldflags: tuple[str, ...] = _doc(
        "Flags for the linker; needs ko 0.19 or newer.", default=(), examples=[["-X main.version=dev"]]
    )
    env: tuple[str, ...] = _doc(
        "Environment variables of the build, as `NAME=value`.", default=(), examples=[["CGO_ENABLED=1"]]
    )
    labels: Mapping[str, str] = _mapping("Labels of the image.", examples=[{"org.opencontainers.image.title": "shop"}])


@dataclass(frozen=True)
class Jib:
    """Builds a Java program with the Jib plugin of its Maven or Gradle build; `./mvnw` or `./gradlew` where there is one."""

    type: str | None = _doc(
        "The build tool. Default: the one whose files are in the context.", default=None, choices=("maven", "gradle")
    )
    project: str | None = _doc(
        "The module to build, of a build with several.", default=None, examples=["services/api", "com.example:api"]
    )
    args: tuple[str, ...] = _doc(
        "More words for the build tool, both when it builds and when it is asked for the inputs.",
        default=(),
        examples=[["-Pdev"]],
    )
    from_image: str | None = _doc(
        "The image to build on: another artifact of this file that `requires` names, an image of the engine, or else of a registry; "
        "`docker://`, `registry://` and `tar://` as Jib knows them. Default: what the build file says, else Jib's own.",
        default=None,
    )


@dataclass(frozen=True)
class Bazel:
    """Builds an archive of an image with Bazel, and loads it."""

    target: str = _doc(
        "The target that makes the archive: an `oci_load` of rules_oci, or any whose file is a `.tar` as `docker save` writes it.",
        examples=["//api:load", "//api:image.tar"],
        also=("buildTarget",),
    )
    args: tuple[str, ...] = _doc("More words for `bazel build`.", default=(), examples=[["--config=dev"]])


@dataclass(frozen=True)
class BuildpacksDependencies:
    """What a build with buildpacks reads."""

    paths: tuple[str, ...] = _doc(
        "Files, folders or globs (`**` matches any depth), relative to the context.", default=(".",)
    )
    ignore: tuple[str, ...] = _doc("Globs to leave out, relative to the context.", default=(".git",))


@dataclass(frozen=True)
class Buildpacks:
    """Builds with Cloud Native Buildpacks, through `pack`; images that the engine has are not pulled."""

    builder: str | None = _doc(
        "The builder image. Default: what the project descriptor or `pack config default-builder` says.",
        default=None,
        examples=["paketobuildpacks/builder-jammy-base"],
    )
    run_image: str | None = _doc("The image to build on. Default: the builder's.", default=None)
    buildpacks: tuple[str, ...] = _doc(
        "The buildpacks to use, in this order. Default: those that detect themselves.",
        default=(),
        examples=[["paketo-buildpacks/go"]],
    )
    env: tuple[str, ...] = _doc(
        "Environment variables of the build, as `NAME=value`, or `NAME` for this machine's value.",
        default=(),
        examples=[["BP_GO_TARGETS=./cmd/api"]],
    )
    trust_builder: bool = _doc(
        "Run the builder's phases in one container, with the engine's credentials.", default=False
    )
    project_descriptor: str = _doc("The project descriptor, relative to the context.", default="project.toml")
    dependencies: BuildpacksDependencies = _doc(
        "What the build reads; an edit of it builds again.", default=BuildpacksDependencies()
    )
