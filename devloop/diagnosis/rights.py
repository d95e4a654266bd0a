"""What the user of a context has to be allowed to do, and what follows from what is not.

Comes in: the cluster and a namespace. Goes out: a finding. It asks the API server what it would allow; it tries nothing out.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from devloop import events
from devloop.diagnosis.checks import doubtful, ill, well
from devloop.products import Access
from devloop.scope import Scope
from devloop.stages import Cluster

_AT_ONCE = 8
_KINDS = (
    ("configmaps", ""),
    ("secrets", ""),
    ("services", ""),
    ("deployments", "apps"),
    ("statefulsets", "apps"),
    ("jobs", "batch"),
    ("ingresses", "networking.k8s.io"),
)
# Without these something of an ordinary project fails: the kinds that projects are made of, and what tells whether they are ready.
NEEDED = (
    *(
        Access(verb, kind, group)
        for kind, group in _KINDS
        for verb in ("get", "list", "watch", "create", "patch", "delete")
    ),
    *(Access(verb, "pods") for verb in ("get", "list", "watch")),
    *(Access(verb, "replicasets", "apps") for verb in ("list", "watch")),
)
# Without these devloop does less. What it does then, by the right.
USEFUL: Mapping[Access, str] = {
    Access("get", "pods", subresource="log"): "logs are not shown",
    Access("create", "pods", subresource="portforward"): "ports are not forwarded",
    Access("create", "pods", subresource="exec"): "hooks in containers fail",
    Access("list", "events"): "failures are told without the cluster's own words",
}


def ask(scope: Scope, cluster: Cluster, namespace: str) -> Iterator[events.Check]:
    """Blocks for some dozens of short questions. Raises: Unavailable, ApiRefusal, Cancelled."""
    yield verdict(_denied(scope, cluster, namespace), namespace, cluster.context)


def verdict(denied: Sequence[Access], namespace: str, context: str) -> events.Check:
    """What it means that these of the rights are denied."""
    bound = (
        f"kubectl create rolebinding devloop --clusterrole=edit --namespace={namespace} --user=YOU gives all of them"
    )
    fix = f"ask who runs the cluster of context {context}: {bound}"
    needed = [each for each in denied if each in NEEDED]
    if needed:
        return ill("rights", f"in namespace {namespace} you may not {_listed(needed)}", fix)
    if denied:
        lost = "; ".join(dict.fromkeys(USEFUL[each] for each in denied))
        return doubtful("rights", f"in namespace {namespace} you may not {_listed(denied)}: {lost}", fix)
    return well("rights", f"all of the {len(NEEDED) + len(USEFUL)} that are usually needed in namespace {namespace}")


def _denied(scope: Scope, cluster: Cluster, namespace: str) -> list[Access]:
    wanted = [*NEEDED, *USEFUL]
    allowed: dict[Access, bool] = {}
    left = iter(wanted)
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                each = next(left, None)
            if each is None:
                return
            allowed[each] = cluster.allows(inner, replace(each, namespace=namespace))

    with scope.child("rights") as inner:
        for number in range(_AT_ONCE):
            inner.spawn(f"rights {number}", work)
    scope.check()
    return [each for each in wanted if not allowed[each]]


def _listed(denied: Sequence[Access]) -> str:
    """`create configmaps, secrets; get pods/log`: by verbs, for each of the resources."""
    verbs: dict[str, list[str]] = {}
    for each in denied:
        name = ".".join(filter(None, (each.resource, each.group)))
        verbs.setdefault(f"{name}/{each.subresource}" if each.subresource else name, []).append(each.verb)
    resources: dict[tuple[str, ...], list[str]] = {}
    for name, each_verbs in verbs.items():
        resources.setdefault(tuple(each_verbs), []).append(name)
    return "; ".join(f"{'/'.join(said)} {', '.join(names)}" for said, names in resources.items())
