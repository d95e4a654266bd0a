"""Waiting between an apply's writes: until an object is gone, a Namespace or a definition can be used, a new kind is served.

Comes in: objects that were just written or deleted. Goes out: nothing, or a StepFailed that says what is late and why. It writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from devloop.deploy import wait
from devloop.errors import StepFailed
from devloop.products import AppliedObject, Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import Cluster

USABLE_PATIENCE_S = 30.0  # for Namespaces and CustomResourceDefinitions; they take well under a second
GONE_PATIENCE_S = 60.0  # for what has to go before it can be made again: a pod's grace period is 30 s by default
DISCOVERY_PATIENCE_S = 10.0  # an established definition is served a moment later
_DISCOVERY_PAUSE_S = 0.05


def await_gone(scope: Scope, cluster: Cluster, ref: ObjectRef, live: Object, source: str) -> None:
    """Blocks until the object is no more. Raises: StepFailed, Cancelled."""
    is_gone = wait.is_gone({ref: live["metadata"].get("uid", "")})
    if wait.until(scope, cluster, [ref], is_gone, patience_s=GONE_PATIENCE_S):
        current = cluster.get(scope, ref) or live
        finalizers = ", ".join(current["metadata"].get("finalizers") or ()) or "none"
        raise StepFailed(
            f"{ref} is still being deleted after {GONE_PATIENCE_S:.0f} s",
            where=source,
            hint=f"something has to finish with it first; its finalizers: {finalizers}",
        )


def await_usable(scope: Scope, cluster: Cluster, sent: Iterable[AppliedObject]) -> None:
    """Blocks until what others need to exist is there for them. Raises: StepFailed, Cancelled."""
    waiting = {each.ref: each for each in sent if not wait.is_usable(each.ref, each.live)}
    late = wait.until(scope, cluster, waiting, wait.is_usable, patience_s=USABLE_PATIENCE_S)
    for ref in sorted(late):
        conditions = ((cluster.get(scope, ref) or {}).get("status") or {}).get("conditions") or ()
        raise StepFailed(
            f"{ref} is not usable after {USABLE_PATIENCE_S:.0f} s",
            where=waiting[ref].source,
            evidence=tuple(f"{one.get('type')}={one.get('status')}: {one.get('message', '')}" for one in conditions),
        )


def await_served(scope: Scope, cluster: Cluster, definitions: Sequence[Object]) -> None:
    """Blocks until the server answers for the kinds that these CustomResourceDefinitions bring; it tells of that in no watch."""
    for each in definitions:
        spec = each["spec"]
        for version in spec["versions"]:
            api_version, kind = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
            for _ in range(int(DISCOVERY_PATIENCE_S / _DISCOVERY_PAUSE_S)):
                if not version.get("served") or cluster.resource(scope, api_version, kind):
                    break
                scope.wait(_DISCOVERY_PAUSE_S)
