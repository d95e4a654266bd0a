"""Which API server, as whom: kubeconfig, credential plug-ins and proxies, read by the `kubernetes` package.

Comes in: a context's name. Goes out: `Settings` with the package's own Configuration. It asks no server anything.
"""

from __future__ import annotations

import difflib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devloop.errors import UsageError

# A peer that vanished (sleep, VPN, a killed machine) shows within half a minute, also on a quiet watch.
_KEEP_ALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
_SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *((socket.IPPROTO_TCP, getattr(socket, name), value) for name, value in _KEEP_ALIVE if hasattr(socket, name)),
]
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Settings:
    """How to reach one API server. `configuration` is a kubernetes.client.Configuration."""

    configuration: Any
    context: str
    namespace: str


def load(context: str | None, namespace: str | None) -> Settings:
    """The settings of a context; of the current one when None. Inside a pod without kubeconfig, its service account's.

    May run a credential plug-in, and blocks for it. Raises: UsageError naming the files looked at and the contexts in them.
    """
    from kubernetes import client
    from kubernetes import config as package

    config: Any = package  # ships without types
    configuration = client.Configuration()
    configuration.connection_pool_maxsize = 64  # every watch and every followed log keeps one
    configuration.socket_options = _SOCKET_OPTIONS
    try:
        contexts, current = _contexts(config)
    except _unreadable(config) as exc:
        is_there = any(Path(each).expanduser().exists() for each in _files().split(os.pathsep))
        if context is None and not is_there and SERVICE_ACCOUNT.exists():
            config.load_incluster_config(client_configuration=configuration)
            mounted = (SERVICE_ACCOUNT / "namespace").read_text().strip()
            return Settings(configuration, "in-cluster", namespace or mounted)
        raise UsageError(
            f"there is no usable kubeconfig: {_sentence(exc)}",
            where=_files(),
            hint="start a cluster (kind create cluster), or point KUBECONFIG at its file",
        ) from exc
    names = [each["name"] for each in contexts]
    chosen = next((each for each in contexts if each["name"] == (context or current)), None)
    if chosen is None:
        raise _no_context(context or current, names)
    try:
        config.load_kube_config(_files(), chosen["name"], configuration)
        namespace = namespace or chosen["context"].get("namespace") or "default"
    except _unreadable(config) as exc:
        raise UsageError(f"context {chosen['name']} cannot be used: {_sentence(exc)}", where=_files()) from exc
    return Settings(configuration, chosen["name"], namespace)


def _contexts(config: Any) -> tuple[list[dict[str, Any]], str]:
    """The contexts and the name of the current one, of the first file that names one, as for kubectl; "" when none does.

    Not by the package's own function, which fails without a current context even for those who ask for another.
    """
    merged = config.kube_config.KubeConfigMerger(_files())
    if not merged.paths:
        raise config.ConfigException("no such file")
    files = [merged.config_files[path] for path in merged.paths]
    current = next((each["current-context"] for each in files if each.get("current-context")), "")
    return [each.value for each in merged.config.value["contexts"]], current


def _no_context(context: str, names: list[str]) -> UsageError:
    known = f"there are: {', '.join(sorted(names))}" if names else "the file has none"
    if not context:
        return UsageError(
            f"kubeconfig has no current context; {known}",
            where=_files(),
            hint="give --context, or kubectl config use-context",
        )
    close = difflib.get_close_matches(context, names, n=1)
    hint = f"did you mean {close[0]}?" if close else "kubectl config get-contexts lists them"
    return UsageError(f"there is no context {context} in kubeconfig; {known}", where=_files(), hint=hint)


def _files() -> str:
    """Told to the package each time: it looks at the variable only once, when it is imported."""
    return os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")


def _unreadable(config: Any) -> tuple[type[Exception], ...]:
    """What the package raises for files that are not there, not YAML, or YAML of another shape."""
    # A kubeconfig whose lists or maps are something else shows as whatever its code trips over.
    shapes = (AttributeError, KeyError, TypeError, ValueError)
    return (config.ConfigException, config.kube_config.yaml.YAMLError, OSError, *shapes)


def _sentence(exc: Exception) -> str:
    return " ".join(str(exc).split()).rstrip(".")
