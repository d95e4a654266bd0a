"""What a stage may rely on, and what it has to offer: the roles behind the loop's steps and the doors they use.

Comes in: nothing. Goes out: Protocols only. A builder, placer or renderer is any object with these methods; the doors are
implemented for real in `effects/` and as fakes in `devloop.testing`, both held to one contract test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from devloop.config import model
from devloop.products import Access, Image, Inputs, Manifest, Object, ObjectRef, Placed
from devloop.scope import Scope


@dataclass(frozen=True)
class Completed:
    """A child process that ended: its exit code, its standard output, the last lines of both streams, its pasteable form."""

    code: int
    stdout: str
    tail: tuple[str, ...]
    command: str


class Processes(Protocol):
    """The door to other programs."""

    def run(
        self,
        scope: Scope,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | Iterator[bytes] | None = None,
        on_line: Callable[[str], None] | None = None,
        check: bool = True,
        secrets: Sequence[str] = (),
    ) -> Completed:
        """Runs a program in a process group of its own and blocks until it ends; `env` is added to this process's.

        `on_line` gets each line of both streams as it comes (from the calling thread or a reader thread); without it standard
        output is kept whole for `Completed.stdout`, and only the tail of standard error. `stdin`: None means empty.
        `secrets` are masked in whatever is kept or raised. Cancelling the scope ends the whole group: TERM, 5 s, KILL, and
        raises Cancelled once it is gone. Raises: StepFailed when `check` and the code is not 0 (evidence: the last 20 lines,
        message with the pasteable command and code); UsageError when there is no such program.
        """
        ...

    def find(self, name: str) -> str | None:
        """The program's path, or None when it is not installed."""
        ...


@dataclass(frozen=True)
class EngineImage:
    """An image in the engine. `layers`: diff IDs, base first. `size_bytes`: unpacked. `config`: an image config (JSON, as OCI spells
    it) that is equal in meaning to the stored one, not always in its bytes. `is_whole`: whether all its layers are there; containerd's
    store takes an image without.
    """

    image_id: str
    tags: tuple[str, ...]
    layers: tuple[str, ...]
    size_bytes: int
    os: str = "linux"
    architecture: str = ""
    config: bytes = field(default=b"", repr=False)
    is_whole: bool = True

    @property
    def content_id(self) -> str:
        """Equal for images that are the same: with containerd's store the id is another one whenever attestations say another time."""
        return f"sha256:{hashlib.sha256(self.config).hexdigest()}" if self.config else self.image_id


@dataclass(frozen=True)
class EngineInfo:
    """The engine: its version, its name (for shared ones, the node's), its operating system in words, `os/architecture`.

    `storage`: the driver that keeps its images; `is_containerd`: whether that is containerd's. `root`: its folder, on its own machine.
    """

    version: str
    name: str
    operating_system: str
    api_version: str = ""
    platform: str = "linux/amd64"
    is_podman: bool = False
    storage: str = ""
    is_containerd: bool = False
    root: str = ""


@dataclass(frozen=True)
class Container:
    """A running container of the engine."""

    container_id: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


class Engine(Protocol):
    """The door to the Docker engine. All methods block on its socket. Raises: Unavailable when it does not answer."""

    def info(self) -> EngineInfo: ...

    def inspect(self, ref: str) -> EngineImage | None:
        """The image by name, `name:tag` or id; None when there is none."""
        ...

    def tag(self, image_id: str, ref: str) -> None: ...

    def untag(self, ref: str) -> None:
        """Removes the name (and the image when it was its last one); nothing when it is not there."""
        ...

    def tagged(self, name: str) -> Mapping[str, float]:
        """Every `name:tag` that there is of a name → when it was given last, in seconds since the epoch.

        When its image was made, where the engine does not remember that.
        """
        ...

    def save(self, scope: Scope, refs: Sequence[str]) -> Iterator[bytes]:
        """Streams the images as `docker save` does. Cancelling the scope ends the stream with Cancelled."""
        ...

    def push(self, scope: Scope, ref: str, on_line: Callable[[str], None] | None = None) -> str:
        """Pushes `name:tag`; returns the digest (`sha256:…`). Credentials are the docker CLI's. Raises: StepFailed."""
        ...

    def pushed(self, ref: str) -> str | None:
        """The digest (`sha256:…`) that the registry of `name:tag` has for it; None when it has none, or does not show it.

        Credentials as for `push`. Raises: StepFailed when the registry does not answer.
        """
        ...

    def pull(self, scope: Scope, ref: str, on_line: Callable[[str], None] | None = None) -> None:
        """Gets what a name stands for in its registry. Credentials are the docker CLI's. Cancelled by the scope. Raises: StepFailed."""
        ...

    def image_events(self, scope: Scope) -> Iterator[str]:
        """Names that may stand for another image than before, as it happens; "" for any name. Blocks for the next one.

        "" comes first, once nothing more can be missed, and again after every outage; where the engine does not tell of all (builds,
        on most), every 2 s. An outage never ends it. Ends only by cancelling (Cancelled).
        """
        ...

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        """Running containers that carry all these labels."""
        ...

    def environment(self) -> Mapping[str, str]:
        """Variables (DOCKER_HOST, …) that make the CLI speak to this very engine."""
        ...

    def cli(self) -> tuple[str, ...]:
        """The words that a command for this engine begins with: the docker CLI's, or one's that takes the same commands."""
        ...


@dataclass(frozen=True)
class WatchEvent:
    """`SYNCED`: the list before it is complete (`object` is then {}); the others are Kubernetes' own."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "SYNCED"]
    object: Object


@dataclass(frozen=True)
class Resource:
    """Where a kind lives: its plural, and whether its objects have a namespace."""

    api_version: str
    kind: str
    plural: str
    is_namespaced: bool


class ApiRefusal(Exception):
    """The API server answered with an error Status: `code` (HTTP), `reason` (`NotFound`, `Invalid`, `Conflict`, …), `details`."""

    def __init__(self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}


@dataclass(frozen=True)
class Inside:
    """A container of a pod; "" is the pod's default one."""

    namespace: str
    pod: str
    container: str = ""


class Cluster(Protocol):
    """The door to one Kubernetes API server. All methods block. Raises: Unavailable when the server does not answer (connection
    refused, time-out, TLS), ApiRefusal for its own refusals; safe to call from many threads.
    """

    context: str
    namespace: str  # the default one: the config's, else the context's, else "default"
    server: str

    def version(self, scope: Scope) -> str: ...

    def clock(self, scope: Scope) -> float:
        """What time it is on the API server, in seconds since the epoch, to a second."""
        ...

    def allows(self, scope: Scope, access: Access) -> bool:
        """Whether the user of the context may do that. Asking changes nothing."""
        ...

    def resource(self, scope: Scope, api_version: str, kind: str) -> Resource | None:
        """Where a kind lives; None when the server does not know it. Known kinds are cached, unknown ones asked again."""
        ...

    def get(self, scope: Scope, ref: ObjectRef) -> Object | None: ...

    def list(
        self, scope: Scope, api_version: str, kind: str, *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> list[Object]:
        """Objects of a kind, in all namespaces when `namespace` is "". apiVersion and kind are set on each."""
        ...

    def apply(self, scope: Scope, obj: Object, *, is_forced: bool = True, is_dry_run: bool = False) -> Object:
        """Server-side apply with field manager `devloop`; returns the live object. Not cut short by cancelling. Not forced, it is refused
        (409, each field a cause) where another manager owns a field that has another value.
        """
        ...

    def merge(self, scope: Scope, ref: ObjectRef, patch: Object) -> Object:
        """Merge patch (RFC 7386): null takes a field away, a list replaces a list; returns the live object. Not cut short by cancelling.

        With a `metadata.resourceVersion` it is refused (409) when the object is at another one.
        """
        ...

    def delete(
        self, scope: Scope, ref: ObjectRef, *, uid: str | None = None, resource_version: str | None = None
    ) -> bool:
        """Deletes in the background (dependants go too); False when it was not there, has another uid, or is at another version."""
        ...

    def watch(
        self, scope: Scope, api_version: str, kind: str, *, namespace: str = "", labels: str = "", fields: str = ""
    ) -> Iterator[WatchEvent]:
        """Lists, then follows for ever: ADDED for each that exists, SYNCED, then changes. Resumes after time-outs and lost
        connections with backoff (≤ 5 s); after 410 Gone it lists again and yields DELETED for what vanished meanwhile. An outage never
        ends it. Ends only by cancelling (Cancelled).
        """
        ...

    def logs(
        self,
        scope: Scope,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool = False,
        previous: bool = False,
        since: str = "",
        tail_lines: int | None = None,
        timestamps: bool = False,
    ) -> Iterator[bytes]:
        """Chunks of the container's log as they come, not aligned to lines. Ends when the log ends; Cancelled by the scope."""
        ...

    def connect(self, scope: Scope, namespace: str, pod: str, port: int) -> PortStream:
        """Opens a connection to a port of a pod through the API server (WebSocket `v4.channel.k8s.io`)."""
        ...

    def execute(self, scope: Scope, inside: Inside, argv: Sequence[str], on_output: Callable[[bytes], None]) -> int:
        """Runs a command in a container and returns its exit code; `on_output` gets both its streams as they
        come, not aligned to lines. Blocks until it ends. Cancelling stops the waiting only: the command in the container goes on.

        Raises: ConnectionError when the pod or container is not there, or the connection breaks; ApiRefusal when there is no such program.
        """
        ...


class PortStream(Protocol):
    """One TCP connection to a pod's port. One reader and one writer thread may use it at once."""

    def send(self, data: bytes) -> None: ...

    def receive(self) -> bytes:
        """Blocks for the next bytes; b"" at the end of the stream. Raises: ConnectionError when the far side refused or broke."""
        ...

    def close(self) -> None:
        """Ends the connection at once, in any thread; a blocked `receive` returns or raises ConnectionError."""
        ...

    def fileno(self) -> int: ...


@dataclass(frozen=True)
class Tools:
    """Capabilities of a stage, never configuration. `line`: a line of output of the step's command, for the log. `note`: a few words
    about what it did, for the step's own line.
    """

    processes: Processes
    engine: Engine
    line: Callable[[str], None] = lambda _line: None
    note: Callable[[str], None] = lambda _note: None


@dataclass(frozen=True)
class BuildJob:
    """One build: the artifact's spec, its absolute context, the ref its image will have, and `requires` as variable → ref.

    `is_uncached`: nothing may come from the builder's own cache. `repository`: where images of this name go in a registry, if they do;
    for what no engine can have.
    """

    artifact: model.Artifact
    context: Path
    ref: str
    requires: Mapping[str, str]
    is_uncached: bool = False
    repository: str = ""


@dataclass(frozen=True)
class NumberedTest:
    """Tests of an image: an entry of `test`, and its place there."""

    number: int
    spec: model.ImageTest

    @property
    def where(self) -> str:
        return f"test[{self.number}] of {self.spec.image}"


class Builder(Protocol):
    """Makes images of one kind of artifact."""

    def inputs(self, scope: Scope, artifact: model.Artifact, base: Path, tools: Tools) -> Inputs:
        """What the build reads, from disk as it is now; `base` is the folder of the config. Raises: StepFailed with `where`."""
        ...

    def build(self, scope: Scope, job: BuildJob, tools: Tools) -> str:
        """Builds, leaves the image in the engine, returns its id (`sha256:…`). Blocks; cancelled by the scope. Raises: StepFailed.

        What no engine can have is left in the job's `repository`, without a tag: `name@sha256:…`.
        """
        ...


class Placer(Protocol):
    """Gets images to where the cluster can run them."""

    def place(self, scope: Scope, image: Image, tools: Tools) -> tuple[Placed, bool]:
        """Places it; False when it was there already and nothing was sent. Blocks; cancelled by the scope. Raises: StepFailed."""
        ...

    def find(self, image: Image, tools: Tools) -> Placed | None:
        """The image where the cluster takes it from, if it is there for good without the engine having it. Blocks for a question."""
        ...

    def repository(self, artifact: str) -> str:
        """The name without a tag under which images of this name go to a registry; "" when they go elsewhere."""
        ...

    def tidy(self, scope: Scope, refs: Collection[str], tools: Tools) -> frozenset[str]:
        """Removes these refs from where it placed them; those that it left there, for a pod uses them. Blocks. Raises: StepFailed."""
        ...


class Renderer(Protocol):
    """Makes manifests of one kind of unit."""

    def inputs(self, scope: Scope, unit: model.Unit, base: Path, tools: Tools) -> Inputs:
        """What rendering reads, from disk as it is now. Raises: StepFailed with `where`."""
        ...

    def render(self, scope: Scope, unit: model.Unit, base: Path, namespace: str, tools: Tools) -> tuple[Manifest, ...]:
        """Renders without touching the cluster. Blocks; cancelled by the scope. Raises: StepFailed with `where`."""
        ...
