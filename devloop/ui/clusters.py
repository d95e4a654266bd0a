"""What `devloop cluster status` tells, for people.

Comes in: a cluster or a node as an event. Goes out: lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from devloop.events import LocalCluster, LocalNode

Paint = Callable[[str, str], str]


def cluster(event: LocalCluster, paint: Paint) -> Iterator[str]:
    """A cluster: what made it, its version and its registry; or why it does not answer."""
    facts = [event.tool, event.version]
    if event.state == "running":
        facts.append(f"registry {event.registry}" if event.registry else "no registry")
    if event.is_made_by_devloop:
        facts.append("made by devloop")
    state = "" if event.state == "running" else paint("red", f": {event.state}")
    yield f"{paint('bold', event.context)}{state}  {', '.join(filter(None, facts))}"
    if event.why:
        yield f"  {event.why}"


def node(event: LocalNode, paint: Paint, *, is_verbose: bool) -> Iterator[str]:
    """A node: its state, runtime, devloop's images and disk."""
    ready = paint("green", "ready") if event.is_ready else paint("red", "not ready")
    facts = [event.role, ready, event.version, event.runtime.replace("://", " ")]
    if event.disk_used_bytes is not None and event.disk_free_bytes is not None:
        facts.append(f"{len(event.images)} image{'' if len(event.images) == 1 else 's'} of devloop")
        facts.append(f"disk {_gb(event.disk_used_bytes)} used, {_gb(event.disk_free_bytes)} free")
    yield f"  {event.name}  {', '.join(filter(None, facts))}"
    if event.why:
        yield f"    {event.why}"
    if is_verbose:
        yield from (paint("dim", f"    {image}") for image in event.images)


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB"
