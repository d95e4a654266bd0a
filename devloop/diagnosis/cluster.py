"""Is the cluster there, and as it has to be?

Comes in: a way to connect to it, what it says of itself. Goes out: findings.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from devloop import events
from devloop.diagnosis.checks import doubtful, ill, well
from devloop.effects import proxies
from devloop.products import Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster

SKEWED_S, REFUSED_S = 5.0, 300.0
_BAD_CONDITIONS = ("DiskPressure", "MemoryPressure", "PIDPressure")


def server(scope: Scope, cluster: Cluster, *, is_named: bool) -> Iterator[events.Check]:
    """Whether its API server answers, and is meant: `is_named` in the configuration or the command line. Blocks for a question.

    Raises: Unavailable, UsageError, ApiRefusal.
    """
    version = cluster.version(scope)
    yield well("cluster", f"context {cluster.context} answers: Kubernetes {version}", cluster.server)
    yield context_verdict(cluster.context, cluster.server, is_named=is_named)
    yield proxy_verdict(cluster.server, proxies.proxy_of(cluster.server, None))


def context_verdict(context: str, url: str, *, is_named: bool) -> events.Check:
    """Whether a switch of contexts elsewhere could send this project to a cluster that is not meant."""
    host = urlsplit(url).hostname or ""
    if is_named:
        return well("context", f"{context}, by its name")
    if host == "localhost" or host.startswith("127.") or host == "::1":
        return well("context", f"{context}, the current one, on this machine")
    return doubtful(
        "context",
        f"{context}, only because it is the current one, and not on this machine",
        f"set cluster.context: {context}, so that another current context deploys nothing elsewhere",
    )


def proxy_verdict(url: str, proxy: str | None) -> events.Check:
    """`proxy`: what the environment says leads to the API server at `url`; None when nothing does."""
    if proxy is None:
        return well("proxies", "none between this machine and the cluster")
    host = urlsplit(url).hostname or ""
    through = f"the API server is asked through {urlsplit(proxy).scheme}://{urlsplit(proxy).hostname}"
    if host.endswith((".local", ".internal", ".lan")) or _is_private(host):
        return doubtful("proxies", f"{through}, and is near", f"export NO_PROXY=$NO_PROXY,{host}", url)
    return well("proxies", through)


def namespace(scope: Scope, cluster: Cluster) -> Iterator[events.Check]:
    """Whether the namespace is there, as far as one may look. Blocks for a question."""
    name = cluster.namespace
    try:
        found = cluster.get(scope, ObjectRef("v1", "Namespace", "", name))
    except ApiRefusal as refusal:
        if refusal.code != 403:
            raise
        yield well("namespace", f"{name}; you may not look whether it is there")
        return
    yield namespace_verdict(name, found)


def namespace_verdict(name: str, found: Object | None) -> events.Check:
    """What its object, or that there is none, means."""
    if found is None:
        fix = f"kubectl create namespace {name}; or let a unit make it, then this is no problem"
        return ill("namespace", f"there is no namespace {name}", fix)
    if found["metadata"].get("deletionTimestamp"):
        return ill("namespace", f"{name} is being deleted", "wait until it is gone, and make it anew")
    return well("namespace", name)


def clock(scope: Scope, cluster: Cluster) -> Iterator[events.Check]:
    """Whether the cluster's clock is this machine's. Blocks for a question."""
    before = time.time()
    there = cluster.clock(scope)
    yield clock_verdict(there, before, time.time())


def clock_verdict(there: float, before: float, after: float) -> events.Check:
    """`there`: what the cluster said, rounded down to a second, at some time between `before` and `after` of this machine."""
    ahead = there - after if there > after else min(0.0, there + 1 - before)
    said = f"the cluster's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    fix = "let NTP set both clocks; a virtual machine that slept is set by restarting it"
    if abs(ahead) > REFUSED_S:
        return ill("clock", f"{said}: tokens and certificates will be refused", fix)
    if abs(ahead) > SKEWED_S:
        return doubtful("clock", f"{said}: ages, and where logs begin, are wrong by that", fix)
    return well("clock", "the cluster's agrees with this machine's")


def ready_nodes(scope: Scope, cluster: Cluster) -> Iterator[events.Check]:
    """Whether its nodes are fit to run pods, as far as one may look. Blocks for a question."""
    try:
        found = cluster.list(scope, "v1", "Node")
    except ApiRefusal as refusal:
        if refusal.code != 403:
            raise
        yield well("nodes", "you may not look at them")
        return
    yield nodes_verdict(found)


def nodes_verdict(found: Sequence[Object]) -> events.Check:
    """What the conditions of these nodes mean."""
    wrong = [f"{each['metadata']['name']} {why}" for each in found if (why := _wrong(each))]
    versions = sorted({_info(each, "containerRuntimeVersion").replace("://", " ") for each in found})
    makers = sorted({each.get("spec", {}).get("providerID", "").partition("://")[0] for each in found} - {""})
    of = f" of {', '.join(makers)}" if makers else ""
    said = f"{len(found)} node{'' if len(found) == 1 else 's'}{of}, {', '.join(versions)}"
    if not wrong:
        return well("nodes", said) if found else ill("nodes", "there are none", "is the cluster still coming up?")
    say = ill if len(wrong) == len(found) else doubtful
    return say("nodes", f"{said}; {'; '.join(wrong)}", "kubectl describe node tells more")


def _wrong(each: Object) -> str:
    conditions = {one["type"]: one["status"] for one in each.get("status", {}).get("conditions", ())}
    if conditions.get("Ready") != "True":
        return "is not ready"
    pressed = [name for name in _BAD_CONDITIONS if conditions.get(name) == "True"]
    return f"has {', '.join(pressed)}" if pressed else ""


def _info(each: Object, field: str) -> str:
    return str(each.get("status", {}).get("nodeInfo", {}).get(field, ""))


def _is_private(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return False
