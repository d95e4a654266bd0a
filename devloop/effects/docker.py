"""The door to the Docker engine.

Comes in: where the environment or the docker CLI's own configuration says the engine is; podman is one, behind its Docker-compatible
socket. Goes out: images and containers as plain records. docker-py is loaded on first use; nothing is asked of the network before
that. It never builds (docker-py cannot speak BuildKit: docker-py issue 2230) and never reads credentials: pushing is the CLI's.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import urlencode

from devloop.effects import docker_events, docker_store
from devloop.effects.docker_address import DEFAULT_URL, PROBE_S, Address, familiar, find_address
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed, Unavailable
from devloop.refs import split_ref
from devloop.scope import Scope
from devloop.stages import Container, EngineImage, EngineInfo, Processes

ANSWER_S = 60.0  # for a later one: removing a large image, or anything while the disk is busy, takes its time
_CHUNK_BYTES = 1 << 18
_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")

T = TypeVar("T")


def connect(environment: Mapping[str, str] | None = None, processes: Processes | None = None) -> DockerEngine:
    """The engine that the docker CLI would speak to, with `environment` added to this process's variables.

    As the CLI: DOCKER_HOST, else the context of DOCKER_CONTEXT, else the current context, else the local socket. Touches
    neither network nor files; the first call on the engine does.
    """
    return DockerEngine({**os.environ, **(environment or {})}, processes or RealProcesses())


class DockerEngine:
    """One Docker engine. Safe from many threads. Every method blocks on its socket, 5 s until the first answer.

    Raises: Unavailable when it does not answer; StepFailed when it refuses; UsageError when its address makes no sense.
    """

    def __init__(self, environment: Mapping[str, str], processes: Processes) -> None:
        self._environment = environment
        self._processes = processes
        self._connected: Any = None

    def info(self) -> EngineInfo:
        facts, version = self._ask("say what it is", lambda client: (client.info(), client.version()))
        platform = f"{version['Os']}/{version['Arch']}"
        is_podman = any("podman" in str(each.get("Name")).lower() for each in version.get("Components") or ())
        return EngineInfo(
            facts["ServerVersion"],
            facts["Name"],
            facts["OperatingSystem"],
            version["ApiVersion"],
            platform,
            is_podman,
            storage=facts.get("Driver") or "",
            is_containerd=["driver-type", "io.containerd.snapshotter.v1"] in (facts.get("DriverStatus") or ()),
            root=facts.get("DockerRootDir") or "",
        )

    def inspect(self, ref: str) -> EngineImage | None:
        found = self._ask(f"inspect {ref}", lambda client: docker_store.inspect(client, ref))
        if found is None:
            return None
        return EngineImage(
            image_id=found["Id"],
            tags=tuple(map(familiar, found.get("RepoTags") or ())),
            layers=tuple(found["RootFS"].get("Layers") or ()),
            size_bytes=docker_store.unpacked_bytes(found),
            os=found.get("Os") or "linux",
            architecture=found.get("Architecture") or "",
            config=_config(found),
            is_whole=docker_store.is_whole(found),
        )

    def tag(self, image_id: str, ref: str) -> None:
        repository, tag = split_ref(ref)

        def ask(client: Any) -> None:
            before = docker_store.inspect(client, ref)
            client.tag(image_id, repository, tag)
            if before is not None and docker_store.is_as_before(client, ref, before):
                docker_store.renew(client, ref, before)

        self._ask(f"tag {image_id} as {ref}", ask)

    def untag(self, ref: str) -> None:
        from docker.errors import NotFound

        def ask(client: Any) -> None:
            with suppress(NotFound):
                client.remove_image(ref)

        self._ask(f"remove {ref}", ask)

    def tagged(self, name: str) -> dict[str, float]:
        def ask(client: Any) -> dict[str, float]:
            found: dict[str, float] = {}
            for image in client.images(name=name):
                refs = [ref for ref in map(familiar, image.get("RepoTags") or ()) if split_ref(ref)[0] == name]
                if refs:
                    last = client.inspect_image(image["Id"]).get("Metadata", {}).get("LastTagTime", "")
                    found |= dict.fromkeys(refs, max(_seconds(last), float(image["Created"])))
            return found

        return self._ask(f"list the images of {name}", ask)

    def save(self, scope: Scope, refs: Sequence[str]) -> Iterator[bytes]:
        """Streams the images as `docker save` does; the engine prepares all of them before the first byte comes.

        On a connection of its own, so that cancelling can shut it at any time. An engine behind SSH notices at the next chunk.
        """
        scope.check()
        api_version = self._ask("say its version", lambda client: client.api_version)
        path = f"/v{api_version}/images/get?{urlencode({'names': refs}, doseq=True)}"
        if self._address.is_ssh:
            return self._save_by_ssh(scope, path)
        return self._save(scope, path, ", ".join(refs))

    def push(self, scope: Scope, ref: str, on_line: Callable[[str], None] | None = None) -> str:
        digests: list[str] = []

        def take(line: str) -> None:
            digests.extend(_DIGEST.findall(line))
            if on_line is not None:
                on_line(line)

        try:
            self._processes.run(scope, ["docker", "push", ref], env=self.environment(), on_line=take)
        except StepFailed as failed:
            raise _explained(failed, ref, "check that you may push there") from failed
        if not digests:
            raise StepFailed(f"docker push {ref} did not say which digest it pushed", where=ref)
        return digests[-1]

    def pushed(self, ref: str) -> str | None:
        """See stages.Engine. The engine asks, so that a registry it reaches without TLS is asked so too."""
        from docker.errors import APIError

        def ask(client: Any) -> str | None:
            try:
                return str(client.inspect_distribution(ref)["Descriptor"]["digest"])
            except APIError as exc:
                if exc.status_code in (401, 403, 404):
                    return None
                raise

        return self._ask(f"hear about {ref} from its registry", ask)

    def pull(self, scope: Scope, ref: str, on_line: Callable[[str], None] | None = None) -> None:
        try:
            self._processes.run(scope, [*self.cli(), "pull", ref], env=self.environment(), on_line=on_line)
        except StepFailed as failed:
            raise _explained(failed, ref, "check the name") from failed

    def image_events(self, scope: Scope) -> Iterator[str]:
        """See stages.Engine. An engine behind SSH is only looked at: its stream could not be cancelled."""
        return docker_events.follow(scope, None if self._address.is_ssh else self._address.dial)

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        """Running containers that carry all these labels; an empty value asks for the label alone."""
        wanted = [f"{key}={value}" if value else key for key, value in labels.items()]
        found = self._ask("list containers", lambda client: client.containers(filters={"label": wanted}))
        return tuple(
            Container(entry["Id"], entry["Names"][0].removeprefix("/"), dict(entry.get("Labels") or {}))
            for entry in found
        )

    def environment(self) -> Mapping[str, str]:
        """Pins the context too, so that a `docker context use` meanwhile does not part the CLI from this engine."""
        return self._address.variables

    def cli(self) -> tuple[str, ...]:
        """See stages.Engine. podman's words do where only podman is installed."""
        has_podman = self._processes.find("docker") is None and self._processes.find("podman") is not None
        return ("podman", "--url", self._address.url) if has_podman else ("docker",)

    def close(self) -> None:
        """Lets go of idle connections; the next call makes new ones."""
        connected, self._connected = self._connected, None
        if connected is not None:
            connected.close()

    @cached_property
    def _address(self) -> Address:
        return find_address(self._environment)

    def _ask(self, what: str, ask: Callable[[Any], T]) -> T:
        from docker.errors import APIError, DockerException
        from requests.exceptions import RequestException

        try:
            return ask(self._client())
        except APIError as exc:
            raise StepFailed(f"the Docker engine did not {what}: {exc.explanation or exc}") from exc
        except (RequestException, DockerException, OSError) as exc:
            self.close()
            raise _unavailable(self._address.url, exc) from exc

    def _client(self) -> Any:
        if self._connected is None:
            import docker

            address = self._address
            if not address.is_ssh:
                # docker-py never closes a socket that could not connect, and says less of why.
                address.dial().close()
            client = docker.APIClient(
                base_url=address.url, tls=address.tls or False, timeout=PROBE_S, use_ssh_client=True
            )
            client.timeout = ANSWER_S
            self._connected = client
        return self._connected

    def _save(self, scope: Scope, path: str, names: str) -> Iterator[bytes]:
        try:
            sock = self._address.dial()
        except OSError as exc:
            raise _unavailable(self._address.url, exc) from exc
        with closing(sock), scope.on_cancel(lambda: _shut(sock)):
            connection = http.client.HTTPConnection("docker")
            connection.sock = sock
            try:
                connection.request("GET", path)
                with closing(connection.getresponse()) as response:
                    if response.status != 200:
                        raise StepFailed(f"the Docker engine did not save {names}: {_message(response.read())}")
                    while chunk := response.read(_CHUNK_BYTES):
                        yield chunk
                    if response.length:
                        raise http.client.IncompleteRead(b"", response.length)
            except (OSError, http.client.HTTPException) as exc:
                scope.check()
                raise Unavailable(f"the Docker engine broke off while saving {names}", hint="is it running?") from exc
            # A connection that was shut on purpose may also look like the end of the answer.
            scope.check()

    def _save_by_ssh(self, scope: Scope, path: str) -> Iterator[bytes]:
        def ask(client: Any) -> Any:
            response = client.get(f"{client.base_url}{path}", stream=True, timeout=None)
            response.raise_for_status()
            return response

        with closing(self._ask("save", ask)) as response:
            for chunk in response.iter_content(_CHUNK_BYTES):
                scope.check()
                yield chunk


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _unavailable(url: str, exc: Exception) -> Unavailable:
    cause = str(exc)
    if "permission denied" in cause.lower():
        return Unavailable(
            f"no permission to use the Docker engine at {url}",
            hint="add yourself to the group docker and log in again: sudo usermod -aG docker $USER",
        )
    reason = "does not answer"
    for sign, words in (
        ("no such file", "is not there"),
        ("connection refused", "refuses connections"),
        ("timed out", f"does not answer within {PROBE_S:.0f} s"),
        ("name or service not known", "has an unknown host name"),
        ("certificate", "has a certificate that is not trusted"),
    ):
        if sign in cause.lower():
            reason = words
            break
    hint = "is Docker running? try `docker info`"
    if url == DEFAULT_URL:
        hint += "; podman is found too, once it listens: `systemctl --user start podman.socket`"
    return Unavailable(f"the Docker engine at {url} {reason}", hint=hint, evidence=(cause,))


def _explained(failed: StepFailed, ref: str, otherwise: str) -> StepFailed:
    """The same failure with the next step, where the CLI's words show it."""
    said = "\n".join(failed.evidence).lower()
    registry = _registry(ref)
    hint = None
    if any(sign in said for sign in ("denied", "unauthorized", "authentication required", "no basic auth")):
        hint = f"log in with `docker login {registry}`, and {otherwise}"
    elif "not found" in said or "manifest unknown" in said:
        hint = f"the registry {registry} has no such image: {otherwise}"
    elif any(sign in said for sign in ("connection refused", "no such host", "timeout", "eof")):
        hint = f"is the registry {registry} running, and reachable from the Docker engine?"
    return StepFailed(failed.message, hint=hint, where=ref, evidence=failed.evidence)


def _registry(ref: str) -> str:
    first, slash, _ = ref.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def _config(found: Mapping[str, Any]) -> bytes:
    """https://github.com/opencontainers/image-spec/blob/main/config.md, whose `config` Docker spells the same way."""
    named = {"architecture": "Architecture", "created": "Created", "os": "Os", "variant": "Variant", "config": "Config"}
    config = {ours: found[theirs] for ours, theirs in named.items() if found.get(theirs)}
    config["rootfs"] = {"type": "layers", "diff_ids": found["RootFS"].get("Layers") or []}
    return json.dumps(config, sort_keys=True).encode()


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace").strip()


def _seconds(stamp: str) -> float:
    """Since the epoch; 0 for none and for Go's zero time, which an engine says when it does not know."""
    try:
        return max(0.0, datetime.fromisoformat(stamp).timestamp())
    except (ValueError, OverflowError):
        return 0.0
