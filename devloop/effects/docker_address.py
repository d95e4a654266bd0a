"""Where the engine listens: Docker's, or podman's behind its Docker-compatible socket.

Comes in: the environment, and the docker CLI's own configuration. Goes out: an address, a way to dial it, and the variables that lead the
CLI there. It asks nothing of whoever listens.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from devloop.errors import UsageError

DEFAULT_URL = "unix:///var/run/docker.sock"
PROBE_S = 5.0  # for a connection and the first answer
_VARIABLES = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION")


@dataclass(frozen=True)
class Address:
    """Where the engine listens. `tls`: docker-py's TLSConfig or None. `variables`: the same for the CLI."""

    url: str
    tls: Any
    variables: Mapping[str, str]

    @property
    def is_ssh(self) -> bool:
        return self.url.startswith("ssh:")

    def dial(self) -> socket.socket:
        """A connection of one's own; its reads wait for ever. Raises: OSError."""
        from docker.utils import parse_host

        url = parse_host(self.url, False, tls=self.tls is not None)
        if url.startswith("http+unix://"):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(PROBE_S)
                sock.connect("/" + url.removeprefix("http+unix://").lstrip("/"))
            except OSError:
                sock.close()
                raise
        else:
            parts = urlsplit(url)
            sock = socket.create_connection((parts.hostname, parts.port), PROBE_S)
            if self.tls is not None:
                sock = _tls_context(self.tls).wrap_socket(sock, server_hostname=parts.hostname)
        sock.settimeout(None)
        return sock


def find_address(environment: Mapping[str, str]) -> Address:
    """As the docker CLI finds it; podman's socket in place of the local one where nobody listens there. Blocks for a connection at most.

    Raises: UsageError.
    """
    from docker import errors
    from docker.context import ContextAPI
    from docker.context.config import get_current_context_name
    from docker.utils import kwargs_from_env, parse_host

    try:
        if environment.get("DOCKER_HOST"):
            found = kwargs_from_env(environment)
            parse_host(found["base_url"], False, tls="tls" in found)  # raises for one that makes no sense
            return Address(
                found["base_url"], found.get("tls"), {key: environment[key] for key in _VARIABLES if key in environment}
            )
        name = environment.get("DOCKER_CONTEXT") or get_current_context_name()
        if name == "default":
            return local_address(DEFAULT_URL.removeprefix("unix://"), podman_sockets(environment))
        context = ContextAPI.get_context(name)
    except errors.DockerException as exc:
        raise UsageError(
            f"the address of the Docker engine cannot be used: {exc}", hint="see `docker context ls`"
        ) from exc
    if context is None or not context.Host:
        raise UsageError(f"there is no docker context {name}", hint="see `docker context ls`")
    return Address(context.Host, context.TLSConfig, {"DOCKER_CONTEXT": name})


def local_address(docker: str, podman: Sequence[str]) -> Address:
    """The engine of this machine: Docker's socket, else the first of podman's where somebody listens, else Docker's. Blocks on sockets."""
    for path in () if _listens(docker) else podman:
        if _listens(path):
            return Address(f"unix://{path}", None, {"DOCKER_HOST": f"unix://{path}"})
    return Address(f"unix://{docker}", None, {"DOCKER_CONTEXT": "default"})


def podman_sockets(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Where podman listens for users, then for root, then in its virtual machine: podman-system-service(1), podman-machine-start(1)."""
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    machine = os.path.expanduser("~/.local/share/containers/podman/machine/podman.sock")
    return (f"{runtime}/podman/podman.sock", "/run/podman/podman.sock", machine)


def familiar(ref: str) -> str:
    """A name as Docker says it: podman spells out what others mean without saying."""
    return ref.removeprefix("docker.io/library/").removeprefix("docker.io/")


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(PROBE_S)
        try:
            sock.connect(path)
        except PermissionError:
            return True  # somebody does, and who asks will be told
        except OSError:
            return False
        return True


def _tls_context(tls: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=tls.ca_cert or None)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert:
        context.load_cert_chain(*tls.cert)
    return context
