"""Which API server, as whom: kubeconfig, credential plug-ins and certificates, read by the `kubernetes` package where it is not plain.

Comes in: a context's name. Goes out: `Settings`, all that is needed to speak to that server. It asks no server anything.
"""

from __future__ import annotations

import difflib
import os
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devloop.effects import kube_login, kube_plain, kube_tls, proxies
from devloop.errors import UsageError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Settings:
    """How to reach one API server. `server`: its URL without a slash at the end. `tls`: None for plain HTTP. `tls_name`: the name on
    its certificate where that is not the URL's. `proxy`: the URL of the HTTP proxy in between.
    """

    context: str
    namespace: str
    server: str
    tls: ssl.SSLContext | None
    tls_name: str | None
    proxy: str | None
    login: kube_login.Credentials


def load(context: str | None, namespace: str | None) -> Settings:
    """The settings of a context; of the current one when None. Inside a pod without kubeconfig, its service account's.

    May run a credential plug-in, and blocks for it. Raises: UsageError naming the files looked at and the contexts in them.
    """
    files = _files()
    if plain := kube_plain.read(files):
        name = context or plain.current
        if found := plain.find(name):
            return Settings(
                name,
                namespace or plain.contexts[name],
                found.server,
                found.tls,
                found.cluster.get("tls-server-name"),
                proxies.proxy_of(found.server, found.cluster.get("proxy-url")),
                kube_login.Token(found.token),
            )
    if not any(Path(each).expanduser().exists() for each in files):
        if context is None and (SERVICE_ACCOUNT / "token").exists():
            return in_cluster(SERVICE_ACCOUNT, namespace)
        raise UsageError(
            "there is no usable kubeconfig: no such file",
            where=_place(files),
            hint="start a cluster (devloop cluster create), or point KUBECONFIG at its file",
        )
    kube_config: Any = kube_login.package().kube_config
    try:
        merger = kube_config.KubeConfigMerger(os.pathsep.join(files))
        known, current = _contexts(merger)
    except kube_login.malformed() as exc:
        raise UsageError(
            f"there is no usable kubeconfig: {_sentence(exc)}",
            where=_place(files),
            hint="mend the file, or point KUBECONFIG at another",
        ) from exc
    name = context or current
    if name not in known:
        raise _no_context(name, list(known), files)
    try:
        return _settings(kube_config, merger, name, namespace or known[name])
    except kube_login.malformed() as exc:
        raise _unusable(name, _sentence(exc), files) from exc


def current() -> str:
    """The name of the current context; "" when there is none, or no kubeconfig that can be read."""
    if plain := kube_plain.read(_files()):
        return plain.current
    kube_config: Any = kube_login.package().kube_config
    try:
        return _contexts(kube_config.KubeConfigMerger(os.pathsep.join(_files())))[1]
    except kube_login.malformed():
        return ""  # a command that needs it says what is wrong


def in_cluster(account: Path, namespace: str | None) -> Settings:
    """The settings of a pod whose service account is mounted at `account`. Raises: UsageError."""
    from kubernetes import client

    configuration = client.Configuration()
    loader = kube_login.package().incluster_config.InClusterConfigLoader(
        str(account / "token"), str(account / "ca.crt")
    )
    try:
        loader.load_and_set(configuration)
        mounted = (account / "namespace").read_text().strip()
        tls = _tls(configuration)
    except kube_login.malformed() as exc:
        raise UsageError(f"the service account cannot be used: {_sentence(exc)}", where=str(account)) from exc
    login = kube_login.Login("in-cluster", configuration)
    return Settings("in-cluster", namespace or mounted, configuration.host, tls, None, None, login)


def _contexts(merger: Any) -> tuple[dict[str, str], str]:
    """Each context's namespace, and the name of the current context, of the first file that names one, as for kubectl; "" when none
    does.
    """
    files = [merger.config_files[path] for path in merger.paths]
    current = next((each["current-context"] for each in files if each.get("current-context")), "")
    found = [each.value for each in merger.config.value["contexts"]]
    return {each["name"]: (each.get("context") or {}).get("namespace") or "default" for each in found}, current


def _settings(kube_config: Any, merger: Any, name: str, namespace: str) -> Settings:
    """Raises: what the package raises for a kubeconfig of another shape."""
    from kubernetes import client

    configuration = client.Configuration()
    loader = kube_config.KubeConfigLoader(
        config_dict=merger.config, active_context=name, config_persister=merger.save_changes, config_base_path=None
    )
    context = loader.current_context["context"]
    cluster: Mapping[str, Any] = merger.config["clusters"].get_with_name(context["cluster"])["cluster"].value
    user = _user(merger, context)
    server = kube_tls.server_of(cluster)
    complaints = kube_login.complaints_of(lambda: loader.load_and_set(configuration))
    if "exec" in user and not configuration.api_key and not configuration.cert_file:
        raise UsageError(
            f"context {name} cannot be used: its credential plug-in failed: {_last(complaints)}",
            where=_place(_files()),
            hint=f"does {user['exec']['command']} work by itself? it may want you to log in",
        )
    return Settings(
        name,
        namespace,
        server,
        _tls(configuration) if server.startswith("https:") else None,
        cluster.get("tls-server-name"),
        proxies.proxy_of(server, cluster.get("proxy-url")),
        kube_login.Login(name, configuration),
    )


def _user(merger: Any, context: Mapping[str, Any]) -> Mapping[str, Any]:
    """What kubeconfig has about the context's user. Without this the package takes a user who is not there for nobody."""
    if not context.get("user"):
        return {}
    user: Mapping[str, Any] = merger.config["users"].get_with_name(context["user"]).value
    return user.get("user") or {}


def _tls(configuration: Any) -> ssl.SSLContext:
    return kube_tls.context(
        verify=configuration.verify_ssl,
        authorities=configuration.ssl_ca_cert,
        certificate=configuration.cert_file,
        key=configuration.key_file,
    )


def _no_context(name: str, known: Sequence[str], files: Sequence[str]) -> UsageError:
    listed = f"there are: {', '.join(sorted(known))}" if known else "the file has none"
    if not name:
        return UsageError(
            f"kubeconfig has no current context; {listed}",
            where=_place(files),
            hint="give --context, or kubectl config use-context",
        )
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else "kubectl config get-contexts lists them"
    return UsageError(f"there is no context {name} in kubeconfig; {listed}", where=_place(files), hint=hint)


def _unusable(name: str, why: str, files: Sequence[str]) -> UsageError:
    return UsageError(
        f"context {name} cannot be used: {why}", where=_place(files), hint="kubectl config view shows what is in there"
    )


def _files() -> list[str]:
    """Told to the package each time: it looks at the variable only once, when it is imported."""
    named = [each for each in os.environ.get("KUBECONFIG", "").split(os.pathsep) if each]
    return named or [os.path.expanduser("~/.kube/config")]


def _place(files: Sequence[str]) -> str:
    return os.pathsep.join(files)


def _last(complaints: Sequence[str]) -> str:
    return complaints[-1].removeprefix("exec: ") if complaints else "it gave neither a token nor a certificate"


def _sentence(exc: Exception) -> str:
    if isinstance(exc, AttributeError | KeyError | TypeError):
        return "it does not have the shape of a kubeconfig"
    return " ".join(str(exc).split()).rstrip(".")
