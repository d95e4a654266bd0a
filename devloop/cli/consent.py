"""What the user allows an apply to do besides: `--force-conflicts` and `--recreate KIND/NAME`.

Comes in: the options' values. Goes out: a `Consent`, or a UsageError for a name that can name no object. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from devloop.deploy.plan import Consent
from devloop.errors import UsageError

# kubectl's short names of what is worth naming.
_SHORT = {
    "cm": "configmap",
    "crd": "customresourcedefinition",
    "deploy": "deployment",
    "ds": "daemonset",
    "ns": "namespace",
    "po": "pod",
    "pv": "persistentvolume",
    "pvc": "persistentvolumeclaim",
    "sc": "storageclass",
    "sts": "statefulset",
    "svc": "service",
}


def consent(*, is_forcing: bool, recreate: Iterable[str] | None) -> Consent:
    """What the options allow. Raises: UsageError."""
    return Consent(is_forcing, frozenset(map(_named, recreate or ())))


def _named(text: str) -> str:
    kind, slash, name = text.partition("/")
    if not (kind and slash and name) or "/" in name:
        raise UsageError(
            "this names no object", where=f"--recreate {text}", hint="write KIND/NAME: --recreate statefulset/db"
        )
    kind = kind.lower()
    return f"{_SHORT.get(kind, kind)}/{name}"
