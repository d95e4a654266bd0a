"""The registry beside kind's clusters, wired as kind's guide says.

Comes in: the engine and a cluster's nodes. Goes out: a container that serves images on this machine, and nodes that pull from it by the
same name. One registry serves all clusters. It never touches a container that devloop did not make.
https://kind.sigs.k8s.io/docs/user/local-registry/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from devloop.errors import StepFailed, UsageError
from devloop.scope import Scope
from devloop.stages import Engine, Processes

IMAGE = "registry:2"
NAME = "devloop-registry"
LABEL = "devloop.dev/registry"
PORT = 5001
NETWORK = "kind"
KIND_LABEL = "io.x-k8s.kind.cluster"

_BUSY = ("port is already allocated", "address already in use")
_WIRE = 'mkdir -p "/etc/containerd/certs.d/$1" && cat > "/etc/containerd/certs.d/$1/hosts.toml"'


@dataclass(frozen=True)
class Registries:
    """The registry of one engine. All methods block; cancelled by the scope. Raises: StepFailed, Unavailable."""

    processes: Processes
    engine: Engine

    def exists(self, scope: Scope) -> bool:
        """Whether it is there, running or not. Raises: UsageError, too, when somebody else has a container of its name."""
        found = self._find(scope)
        if found is False:
            raise UsageError(
                f"there is a container {NAME} that devloop did not make",
                hint=f"rename it (docker rename {NAME} …), or create the cluster with --no-registry",
            )
        return bool(found)

    def up(self, scope: Scope) -> str:
        """Makes it or starts it; its address on this machine: port 5001 if that is free when it is made, else any."""
        if self.exists(scope):
            self._docker(scope, "start", NAME)
            return self._host(scope)
        self._need_image(scope)
        try:
            self._run(scope, f"127.0.0.1:{PORT}:5000")
        except StepFailed as failed:
            if not any(busy in line for line in failed.evidence for busy in _BUSY):
                raise
            self.remove(scope)  # made, but not started
            self._run(scope, "127.0.0.1::5000")
        return self._host(scope)

    def wire(self, scope: Scope, host: str, nodes: Sequence[str]) -> None:
        """Lets nodes, by their containers' names, pull by the registry's address on this machine, `host`."""
        if (
            NAME
            not in self._docker(
                scope, "network", "inspect", NETWORK, "--format", "{{range .Containers}}{{.Name}} {{end}}"
            ).split()
        ):
            self._docker(scope, "network", "connect", NETWORK, NAME)
        hosts = f'[host."http://{NAME}:5000"]\n'
        for node in nodes:
            self._docker(scope, "exec", "-i", node, "sh", "-c", _WIRE, "wire", host, stdin=hosts)

    def is_used(self, scope: Scope) -> bool:
        """Whether a node of any of kind's clusters, running or not, is wired to it."""
        listed = self._docker(scope, "ps", "--all", "--filter", f"label={KIND_LABEL}", "--format", "{{.Names}}")
        return any(self._is_wired(scope, node) for node in listed.split())

    def remove(self, scope: Scope) -> bool:
        """Removes it with what it holds; False when there is none of devloop's."""
        if not self._find(scope):
            return False
        self._docker(scope, "rm", "--force", "--volumes", NAME)
        return True

    def _is_wired(self, scope: Scope, node: str) -> bool:
        # Unlike exec, cp reads from a container that is stopped.
        argv = ["docker", "cp", f"{node}:/etc/containerd/certs.d", "-"]
        return f"//{NAME}:" in self.processes.run(scope, argv, env=self.engine.environment(), check=False).stdout

    def _find(self, scope: Scope) -> bool | None:
        """Whether the container is devloop's; None when there is none."""
        words = ("ps", "--all", "--filter", f"name=^{NAME}$", "--format", f'{{{{.ID}}}} {{{{.Label "{LABEL}"}}}}')
        said = self._docker(scope, *words).split()
        return len(said) > 1 if said else None

    def _need_image(self, scope: Scope) -> None:
        if self.engine.inspect(IMAGE) is not None:
            return
        try:
            self.engine.pull(scope, IMAGE)
        except StepFailed as failed:
            raise StepFailed(
                f"the registry's image {IMAGE} is not in the engine, and cannot be pulled",
                hint=f"bring it there (docker load), or use --no-registry: devloop itself needs none here; {failed.hint or ''}".rstrip(
                    "; "
                ),
                evidence=failed.evidence,
            ) from failed

    def _run(self, scope: Scope, publish: str) -> None:
        flags = ("--restart", "always", "--label", f"{LABEL}=true", "--publish", publish, "--network", "bridge")
        self._docker(scope, "run", "--detach", *flags, "--name", NAME, IMAGE)

    def _host(self, scope: Scope) -> str:
        said = self._docker(scope, "port", NAME, "5000/tcp").split()
        if not said:
            raise StepFailed(
                f"the container {NAME} is not reachable from this machine", hint=f"docker rm -f {NAME}, and try again"
            )
        return f"localhost:{said[0].rpartition(':')[2]}"

    def _docker(self, scope: Scope, *words: str, stdin: str = "") -> str:
        environment: Mapping[str, str] = self.engine.environment()
        given = stdin.encode() if stdin else None
        return self.processes.run(scope, ["docker", *words], env=environment, stdin=given).stdout
