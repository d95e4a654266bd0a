"""kubeconfig as far as nothing in it needs the `kubernetes` package, which takes longer to load than all else of a short command.

Comes in: one file, and a context. Goes out: what the package makes of it. Or None, where anything in it is more than certificates and a
token that are written out, or is not as it should be: then the package is asked, which knows all of it, and says what is wrong.
"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from devloop.effects import kube_tls

T = TypeVar("T")

_CLUSTER = {"server", "certificate-authority", "certificate-authority-data", "insecure-skip-tls-verify"}
_CLUSTER |= {"tls-server-name", "proxy-url", "disable-compression", "extensions"}
_USER = {"client-certificate", "client-certificate-data", "client-key", "client-key-data", "token"}
_NO_TEXT = {"insecure-skip-tls-verify", "disable-compression", "extensions"}


@dataclass(frozen=True)
class Found:
    """A context. `cluster`: what is written of it. `tls`: None for plain HTTP. `token`: "" when there is none."""

    server: str
    cluster: Mapping[str, Any]
    tls: ssl.SSLContext | None
    token: str


class File:
    """A kubeconfig that was read. `contexts`: each one's namespace. `current`: the name of the current one, "" when there is none."""

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        self._folder = path.absolute().parent
        self._clusters = _named(content, "clusters", "cluster")
        self._users = _named(content, "users", "user")
        self._contexts = _named(content, "contexts", "context")
        self.contexts = {name: _text(each, "namespace") or "default" for name, each in self._contexts.items()}
        self.current = _text(content, "current-context")

    def find(self, context: str) -> Found | None:
        """What is needed to speak to the context's server; None where the package has to say."""
        try:
            return self._find(self._contexts[context])
        except (KeyError, TypeError, ValueError, OSError):
            return None

    def _find(self, context: Mapping[str, Any]) -> Found:
        cluster = self._clusters[_text(context, "cluster")]
        user = self._users[name] if (name := _text(context, "user")) else {}
        if not (cluster.keys() <= _CLUSTER and user.keys() <= _USER):
            raise ValueError("more than certificates and a token")
        texts = [_text(cluster, key) for key in cluster.keys() - _NO_TEXT] + [_text(user, key) for key in user]
        if not all(texts):
            raise ValueError("a value is empty")
        server = kube_tls.server_of(cluster)
        tls = self._tls(cluster, user) if server.startswith("https:") else None
        return Found(server, cluster, tls, _text(user, "token"))

    def _tls(self, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
        with tempfile.TemporaryDirectory(prefix="devloop-") as folder:  # which nobody else can read
            return kube_tls.context(
                verify=not cluster.get("insecure-skip-tls-verify", False),
                authorities=self._file(cluster, "certificate-authority", folder),
                certificate=self._file(user, "client-certificate", folder),
                key=self._file(user, "client-key", folder),
            )

    def _file(self, said: Mapping[str, Any], key: str, folder: str) -> str | None:
        """The file, made in `folder` where its content is what is written."""
        if f"{key}-data" in said:
            made = Path(folder, key)
            made.write_bytes(base64.standard_b64decode(said[f"{key}-data"]))
            return str(made)
        return str(self._folder / said[key]) if key in said else None


def read(files: Sequence[str]) -> File | None:
    """The only one of the files that is there; None when there are several, or it is not what the package would take it for."""
    import yaml

    paths = [path for path in (Path(each).expanduser() for each in files) if os.path.exists(path)]
    if len(paths) != 1:
        return None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return File(paths[0], yaml.load(paths[0].read_text(), loader))  # safe: either loader is
    except (OSError, ValueError, TypeError, yaml.YAMLError):
        return None


def _named(content: Mapping[str, Any], key: str, part: str) -> dict[str, Mapping[str, Any]]:
    """The entries of a list by their names; of two with one name the first counts. Raises: TypeError for another shape."""
    found: dict[str, Mapping[str, Any]] = {}
    for each in _of(list, _of(dict, content).get(key) or []):
        inner = _of(dict, _of(dict, each).get(part) or {})
        found.setdefault(_text(each, "name"), inner)
    return found


def _text(said: Mapping[str, Any], key: str) -> str:
    return _of(str, said.get(key) or "")


def _of(kind: type[T], value: object) -> T:
    if not isinstance(value, kind):
        raise TypeError(kind.__name__)
    return value
