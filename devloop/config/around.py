"""What the configuration says of the things around a build: hooks, and readable tags. As `model`, frozen data and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from devloop.config.documented import doc as _doc


@dataclass(frozen=True)
class Hook:
    """A command around a build."""

    command: str = _doc(
        "A shell command. It gets IMAGE, IMAGE_REPO, IMAGE_TAG, BUILD_CONTEXT, PUSH_IMAGE and, for each required image, its ref.",
        examples=["go generate ./..."],
        shell=True,
    )
    dir: str | None = _doc(
        "Where it runs, relative to this file. Default: the build context.", default=None, path="path"
    )
    os: tuple[str, ...] = _doc(
        "The systems on which it runs: linux, darwin, windows. Default: all.",
        default=(),
        examples=[["linux", "darwin"]],
    )
    timeout_seconds: int = _doc("How long it may take.", default=300, minimum=1)
    always: bool = _doc("After the build: also when the image was there already.", default=False)


@dataclass(frozen=True)
class Hooks:
    """Commands before and after a build, one after the other; one that fails is a failed build.

    Those before run only when something is to be built. What they write into the build's inputs has to be the same for the same
    sources, or the build would begin anew for ever.
    """

    before: tuple[Hook, ...] = _doc("Before the build.", default=())
    after: tuple[Hook, ...] = _doc("After it, when the image has its name.", default=())


@dataclass(frozen=True)
class UnitHook:
    """A command around the rendering or the deploy of a unit, on this machine or in a container."""

    command: str = _doc(
        "A shell command. It gets DEVLOOP_PROJECT, DEVLOOP_UNIT, DEVLOOP_NAMESPACE and DEVLOOP_CONTEXT; after rendering also "
        "DEVLOOP_MANIFESTS, a file with what was rendered.",
        examples=["./seed.sh", "rails db:migrate"],
        shell=True,
    )
    resource: str | None = _doc(
        "Run it with `sh -c` in a pod of this `kind/name`, the newest that is ready, instead of on this machine. Around a deploy only.",
        default=None,
        examples=["deployment/api"],
    )
    container: str | None = _doc("The container. Default: the pod's first one.", default=None)
    inputs: tuple[str, ...] = _doc(
        "Files, folders or globs, relative to this file. The hook then runs only when they, or the command, changed since it last ended "
        "well for these objects; an edit of them counts as one of the unit. Without: whenever the unit is rendered, or its deploy writes "
        "something.",
        default=(),
        examples=[["seeds/**"]],
        path="glob",
    )
    dir: str | None = _doc(
        "Where it runs, relative to this file. Default: the folder of this file.", default=None, path="here"
    )
    os: tuple[str, ...] = _doc(
        "The systems on which it runs: linux, darwin, windows. Default: all.",
        default=(),
        examples=[["linux", "darwin"]],
    )
    timeout_seconds: int = _doc("How long it may take.", default=300, minimum=1)


@dataclass(frozen=True)
class UnitHooks:
    """Commands around a unit, one after the other; one that fails is a failed step.

    What those before rendering write into the unit's files has to be the same for the same sources, or it would begin anew for ever.
    """

    before_render: tuple[UnitHook, ...] = _doc("Before it is rendered.", default=())
    after_render: tuple[UnitHook, ...] = _doc("After that: to check what was rendered, for one.", default=())
    before_deploy: tuple[UnitHook, ...] = _doc(
        "Before its first object is written; in a container only if there is one by then.", default=()
    )
    after_deploy: tuple[UnitHook, ...] = _doc("Once it is ready.", default=())


@dataclass(frozen=True)
class GitCommit:
    """A tag from git, with `-dirty` where the project's folder has changes that are not committed."""

    variant: str = _doc(
        "What of the commit: its tag (or how many commits it is behind one), its hash, that of its tree, or the branch.",
        default="Tags",
        choices=("Tags", "CommitSha", "AbbrevCommitSha", "TreeSha", "AbbrevTreeSha", "Branches"),
    )
    prefix: str = _doc("What stands before it.", default="")
    ignore_changes: bool = _doc("Never add `-dirty`.", default=False)


@dataclass(frozen=True)
class DateTime:
    """A tag from the clock."""

    format: str = _doc("As for strftime.", default="%Y-%m-%d_%H-%M-%S", examples=["%Y%m%d"])
    timezone: str = _doc("A name of the tz database; `Local` for this machine's.", default="Local", examples=["UTC"])


@dataclass(frozen=True)
class EnvTemplate:
    """A tag from environment variables."""

    template: str = _doc("Text with `{{.VARIABLE}}`.", examples=["{{.USER}}-{{.RELEASE}}"])


@dataclass(frozen=True)
class TagComponent:
    """A part of a custom template."""

    exactly_one: ClassVar[tuple[str, ...]] = ("fixed", "gitCommit", "dateTime", "envTemplate")

    name: str = _doc("Its name in the template.")
    fixed: str | None = _doc("This very text.", default=None)
    git_commit: GitCommit | None = _doc("From git.", default=None)
    date_time: DateTime | None = _doc("From the clock.", default=None)
    env_template: EnvTemplate | None = _doc("From environment variables.", default=None)


@dataclass(frozen=True)
class CustomTemplate:
    """A tag from several parts."""

    template: str = _doc("Text with `{{.NAME}}` for each component.", examples=["{{.BRANCH}}-{{.DATE}}"])
    components: tuple[TagComponent, ...] = _doc("The parts.", default=())


@dataclass(frozen=True)
class TagPolicy:
    """The readable tag that images get besides the one that says what they were made from, by which they are deployed."""

    exactly_one: ClassVar[tuple[str, ...]] = ("fixed", "gitCommit", "dateTime", "envTemplate", "customTemplate")

    fixed: str | None = _doc("This very tag.", default=None, examples=["latest"])
    git_commit: GitCommit | None = _doc("From git.", default=None)
    date_time: DateTime | None = _doc("From the clock.", default=None)
    env_template: EnvTemplate | None = _doc("From environment variables.", default=None)
    custom_template: CustomTemplate | None = _doc("From several of these.", default=None)
