"""What happens, as data: the one truth that the terminal, the CI report and editors draw.

Comes in: facts, from any thread. Goes out: frozen records that `to_dict` turns into one JSON object a line
(schemas/events-v1.json). A field that is None or empty is left out of the line. Never a secret, never an object that can change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

VERSION = 1

StepName = Literal["build", "place", "render", "await", "apply", "ready", "test"]
StepState = Literal["started", "finished", "failed", "cancelled", "skipped"]
UnchangedReason = Literal["same content", "not an input"]
UpdateState = Literal["started", "ready", "failed"]
SetupState = Literal["would write", "written"]
Verdict = Literal["ok", "warning", "problem"]
RemovedState = Literal["deleted", "would delete", "kept"]
OwnedState = Literal["ready", "waiting", "failed", "deleting"]


def _doc(text: str, **options: Any) -> Any:
    return field(metadata={"doc": text}, **options)


@dataclass(frozen=True, kw_only=True)
class Event:
    """What all events have in common."""

    kind: ClassVar[str]
    at_s: float = _doc("When, in seconds since the session began; stamped by the bus.", default=0.0)
    update: int = _doc("The update that it belongs to; 0 when to none, 1 for the first pass.", default=0)


@dataclass(frozen=True, kw_only=True)
class Step(Event):
    """A step of a target began or ended."""

    kind: ClassVar[str] = "step"
    step: StepName = _doc("Which step.")
    target: str = _doc("The target: `image/NAME`, `test/NAME` or `deploy/NAME`.")
    state: StepState = _doc("What became of it.")
    reason: str = _doc("Why it runs, was skipped or was cancelled.", default="")
    duration_s: float | None = _doc("How long it took, when it ended.", default=None)
    result: str = _doc("What it made: the image's ref, for one.", default="")
    note: str = _doc("A detail worth a line.", default="")
    error: str = _doc("What failed.", default="")
    hint: str = _doc("What to do next.", default="")
    where: str = _doc("`file:line:column` or the object that failed.", default="")
    evidence: tuple[str, ...] = _doc("Lines that show the cause.", default=())


@dataclass(frozen=True, kw_only=True)
class Update(Event):
    """What a person feels: from the first save until all that it changes is ready."""

    kind: ClassVar[str] = "update"
    state: UpdateState = _doc("What became of it.")
    changed: tuple[str, ...] = _doc("The files that changed, relative to the project, or why it runs.", default=())
    targets: tuple[str, ...] = _doc("The targets that it changes.", default=())
    duration_s: float | None = _doc("From the first save to its end.", default=None)
    phases: Mapping[str, float] = _doc("Seconds spent in each phase; they sum to `duration_s`.", default_factory=dict)
    fresh: bool | None = _doc(
        "With `ready`: whether the disk was looked at once more, and all that runs is made from what is on it.",
        default=None,
    )


@dataclass(frozen=True, kw_only=True)
class Log(Event):
    """A line that a container wrote, or (`source: build`) that a step's command wrote."""

    kind: ClassVar[str] = "log"
    source: Literal["container", "build"] = _doc("Who wrote it.", default="container")
    target: str = _doc("The target whose step wrote it.", default="")
    namespace: str = _doc("The pod's namespace.", default="")
    pod: str = _doc("The pod.", default="")
    container: str = _doc("The container.", default="")
    line: str = _doc("The line, without its end.")


@dataclass(frozen=True, kw_only=True)
class Forward(Event):
    """A port on this machine began or ceased to lead to a pod."""

    kind: ClassVar[str] = "forward"
    resource: str = _doc("`kind/name`.")
    port: str = _doc("The port behind it: a number or a name.")
    local_port: int = _doc("The port on this machine.")
    address: str = _doc("The address on this machine.", default="127.0.0.1")
    state: Literal["listening", "waiting", "connected", "failed", "closed"] = _doc(
        "`listening`: opened here; `waiting`: connections are held until a pod is ready; `connected`: leads to `pod`."
    )
    pod: str = _doc("The pod that it leads to.", default="")
    error: str = _doc("Why it failed.", default="")


@dataclass(frozen=True, kw_only=True)
class Error(Event):
    """Something is wrong: a problem of the configuration, or what ends the session."""

    kind: ClassVar[str] = "error"
    message: str = _doc("What is wrong.")
    hint: str = _doc("What to do next.", default="")
    where: str = _doc("`file:line:column` or an object.", default="")
    evidence: tuple[str, ...] = _doc("Lines that show the cause.", default=())


@dataclass(frozen=True, kw_only=True)
class Notice(Event):
    """Something worth knowing that is no failure."""

    kind: ClassVar[str] = "notice"
    message: str = _doc("What there is to know.")
    hint: str = _doc("What to do about it, if anything.", default="")
    where: str = _doc("`file:line:column` or an object.", default="")
    is_answer: bool = _doc("It is what was asked for or has been done, and no warning.", default=False)


@dataclass(frozen=True, kw_only=True)
class Unchanged(Event):
    """Files were saved, and nothing follows from it."""

    kind: ClassVar[str] = "unchanged"
    files: tuple[str, ...] = _doc("The first of them.")
    count: int = _doc("How many there were.")
    why: UnchangedReason = _doc("`same content`: what targets read is as it was; `not an input`: no target reads them.")


@dataclass(frozen=True, kw_only=True)
class File(Event):
    """What a file is to the project; `devloop explain` tells it."""

    kind: ClassVar[str] = "file"
    path: str = _doc("The path, relative to the project.")
    feeds: Mapping[str, str] = _doc("Targets that read it → the rule by which they do.")
    ignored_by: Mapping[str, str] = _doc("Targets that do not → the rule by which they do not.")
    follows: tuple[str, ...] = _doc("The steps that saving it with another content leads to, in order.")


@dataclass(frozen=True, kw_only=True)
class Target(Event):
    """What a target reads, and whether there is work to be done for it; `devloop explain` tells it."""

    kind: ClassVar[str] = "target"
    target: str = _doc("The target: `image/NAME`, `test/NAME` or `deploy/NAME`.")
    digest: str = _doc("The digest of all that decides whether its work is needed; empty when that cannot be told.")
    ref: str = _doc("The image's name with the tag that its digest gives it.", default="")
    files: tuple[str, ...] = _doc("The files that it reads, relative to the project.")
    builds_on: tuple[str, ...] = _doc("The targets that it requires or needs, and the images that it deploys.")
    images: tuple[str, ...] = _doc(
        "The engine's images that it stands on (`FROM`, `COPY --from`), by name.", default=()
    )
    feeds: tuple[str, ...] = _doc("The targets that depend on it.")
    uses: tuple[str, ...] = _doc("Where its manifests name artifacts, and by which rule that was found.", default=())
    owed: bool | None = _doc(
        "Whether `run` would do something for it now; absent when that cannot be told.", default=None
    )
    why: tuple[str, ...] = _doc("Why so; for a unit, object by object.")


@dataclass(frozen=True, kw_only=True)
class LocalCluster(Event):
    """A cluster that kind or k3d made; `devloop cluster status` tells it."""

    kind: ClassVar[str] = "cluster"
    name: str = _doc("Its name.")
    tool: str = _doc("What made it: `kind` or `k3d`.")
    context: str = _doc("Its kubeconfig context.")
    state: Literal["running", "unreachable"] = _doc("Whether its API server answers.")
    version: str = _doc("The API server's version.", default="")
    registry: str = _doc("The registry that it names, as this machine reaches it.", default="")
    is_made_by_devloop: bool | None = _doc("Whether `devloop cluster create` made it.", default=None)
    why: str = _doc("Why it does not answer, or what is wrong with its registry.", default="")


@dataclass(frozen=True, kw_only=True)
class LocalNode(Event):
    """A node of such a cluster."""

    kind: ClassVar[str] = "node"
    cluster: str = _doc("The cluster's name.")
    name: str = _doc("The node's name, which is its container's.")
    role: str = _doc("What it is, in the tool's words: `control-plane`, `worker`, `server`, `agent`.", default="")
    is_ready: bool = _doc("Whether the node says that it is ready.")
    version: str = _doc("The kubelet's version.", default="")
    runtime: str = _doc("The container runtime and its version.", default="")
    images: tuple[str, ...] = _doc("The images on it that devloop made.", default=())
    disk_used_bytes: int | None = _doc("How much of its file system is used, by whatever.", default=None)
    disk_free_bytes: int | None = _doc("How much is left.", default=None)
    why: str = _doc("Why the last three cannot be told.", default="")


@dataclass(frozen=True, kw_only=True)
class Image(Event):
    """An image that devloop made and the engine keeps; `devloop cache ls` tells it."""

    kind: ClassVar[str] = "image"
    artifact: str = _doc("The artifact's name in the configuration.")
    ref: str = _doc("The image's name with its tag.")
    image_id: str = _doc("The engine's id of it.")
    size_bytes: int = _doc("Its size, unpacked; layers are shared with other images.")
    age_s: float = _doc("How long ago it was built, or last found to be what is wanted.")
    is_current: bool = _doc("Whether it stands for what is on disk now.")


@dataclass(frozen=True, kw_only=True)
class Difference(Event):
    """An object that an apply would change; `devloop diff`, `--dry-run` and `devloop rollback` tell it."""

    kind: ClassVar[str] = "difference"
    action: Literal["create", "change", "adopt", "recreate", "delete", "install", "upgrade", "uninstall"] = _doc(
        "What would be done: `adopt` takes over what was there before; `recreate` deletes and makes anew; the last three are of releases."
    )
    resource: str = _doc("`kind/name`; of a release of Helm, `release/name`.")
    api_version: str = _doc("Its apiVersion; empty for a release.")
    namespace: str = _doc("Its namespace; empty for what has none.", default="")
    unit: str = _doc("The unit that it belongs to.", default="")
    source: str = _doc("Where it is written, or was when it was last applied.", default="")
    why: str = _doc("Why so.")
    diff: tuple[str, ...] = _doc(
        "The lines of a unified diff of both as YAML, from the live object to the rendered one. Of Secrets, no values.",
        default=(),
    )


@dataclass(frozen=True, kw_only=True)
class Owned(Event):
    """An object that a project owns in the cluster; `devloop ls` tells it."""

    kind: ClassVar[str] = "object"
    project: str = _doc("The project, as `NAMESPACE/NAME`.")
    unit: str = _doc("The unit that applied it.", default="")
    resource: str = _doc("`kind/name`; of a release of Helm, `release/name`.")
    api_version: str = _doc("Its apiVersion; empty for a release.")
    namespace: str = _doc("Its namespace; empty for what has none.", default="")
    source: str = _doc(
        "The file that it was last applied from; of a release the chart, of its objects the template.", default=""
    )
    state: OwnedState = _doc("Whether it does its work.")
    why: str = _doc("What it waits for, or why it failed; or that it was rolled back.", default="")
    age_s: float = _doc("How long ago it was made.")
    images: tuple[str, ...] = _doc("The images that its containers run, by their refs.", default=())
    kept: str = _doc("Why `devloop delete` would leave it, if so.", default="")


@dataclass(frozen=True, kw_only=True)
class Revision(Event):
    """A revision of a workload or a release that the cluster remembers; `devloop history` tells it."""

    kind: ClassVar[str] = "revision"
    unit: str = _doc("The unit that it is of.")
    resource: str = _doc("`kind/name`; of a release of Helm, `release/name`.")
    namespace: str = _doc("Its namespace.")
    revision: int = _doc("Its number; rolling back to a revision gives it a new one.")
    is_current: bool = _doc("Whether it is what is deployed.")
    age_s: float = _doc("How long ago it was first deployed.")
    images: tuple[str, ...] = _doc("The images of its containers, by their refs.")
    digest: str = _doc("The digest of what devloop applied last with it, if that is known.", default="")
    cause: str = _doc("Why it came about, as its annotations or helm say.", default="")
    status: str = _doc("Helm's word for the state of a release's revision.", default="")


@dataclass(frozen=True, kw_only=True)
class Removed(Event):
    """An object or a release that `devloop delete` deleted, would delete, or kept."""

    kind: ClassVar[str] = "removed"
    state: RemovedState = _doc("What became of it.")
    resource: str = _doc("`kind/name`; of a release of Helm, `release/name`.")
    api_version: str = _doc("Its apiVersion; empty for a release.", default="")
    namespace: str = _doc("Its namespace; empty for what has none.", default="")
    why: str = _doc("Why it was kept.", default="")


@dataclass(frozen=True, kw_only=True)
class Setup(Event):
    """What `devloop init` found, and the files that it makes of that."""

    kind: ClassVar[str] = "setup"
    state: SetupState = _doc("Whether the files are there.")
    found: tuple[str, ...] = _doc("What was found, a line each.", default=())
    files: Mapping[str, str] = _doc(
        "Path, relative to the folder, → text. The configuration comes first.", default_factory=dict
    )
    notes: tuple[str, ...] = _doc("What was left out or could not be carried, and what to do.", default=())


@dataclass(frozen=True, kw_only=True)
class Check(Event):
    """Something that devloop stands on, and whether it is as it has to be; `devloop doctor` tells it."""

    kind: ClassVar[str] = "check"
    subject: str = _doc("What was looked at: `engine`, `cluster`, `rights`, a program's name, …")
    verdict: Verdict = _doc("`problem`: something will fail; `warning`: something may, or is slower than it could be.")
    found: str = _doc("What was found.")
    fix: str = _doc("What to do about it.", default="")
    where: str = _doc("`file:line:column`, an object or an address.", default="")


@dataclass(frozen=True, kw_only=True)
class Session(Event):
    """The session itself: what it runs on, and how it ended. The last line of a stream is its `ended`."""

    kind: ClassVar[str] = "session"
    state: Literal["started", "configured", "watching", "stopping", "ended"] = _doc("Where the session is.")
    command: str = _doc("The command: `dev`, `run`, …", default="")
    project: str = _doc("The project's name.", default="")
    context: str = _doc("The kubeconfig context.", default="")
    namespace: str = _doc("The default namespace.", default="")
    log_prefix: str = _doc(
        "With `configured`: how lines of logs begin as text, `logs.prefix` of the configuration.", default=""
    )
    profiles: Mapping[str, str] = _doc("With `started`: active profiles → why they are.", default_factory=dict)
    exit_code: int | None = _doc("The process's exit code, when it ended.", default=None)
    images: Mapping[str, str] = _doc("Artifact name → the ref that was built, when it ended.", default_factory=dict)


AnyEvent = (
    Step
    | Update
    | Log
    | Forward
    | Error
    | Notice
    | Unchanged
    | File
    | Target
    | LocalCluster
    | LocalNode
    | Image
    | Difference
    | Owned
    | Revision
    | Removed
    | Setup
    | Check
    | Session
)
EVENT_TYPES: tuple[type[Event], ...] = (
    Step,
    Update,
    Log,
    Forward,
    Error,
    Notice,
    Unchanged,
    File,
    Target,
    LocalCluster,
    LocalNode,
    Image,
    Difference,
    Owned,
    Revision,
    Removed,
    Setup,
    Check,
    Session,
)
Emit = Callable[[AnyEvent], None]


def to_dict(event: Event) -> dict[str, Any]:
    """The event as JSON-ready data: `v` and `kind` first, times rounded to microseconds, empty fields left out."""
    line: dict[str, Any] = {"v": VERSION, "at_s": round(event.at_s, 6), "update": event.update, "kind": event.kind}
    for each in dataclasses.fields(event):
        value = getattr(event, each.name)
        if each.name in line or (value in (None, "", (), {}) and not _is_required(each)):
            continue
        if isinstance(value, float):
            value = round(value, 6)
        elif isinstance(value, tuple):
            value = list(value)
        elif isinstance(value, Mapping):
            value = {key: round(each, 6) if isinstance(each, float) else each for key, each in value.items()}
        line[each.name] = value
    return line


def _is_required(each: dataclasses.Field[Any]) -> bool:
    return each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
