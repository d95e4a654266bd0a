"""Can all folders be watched that count?

Comes in: what the targets read, and the kernel's limits. Goes out: a finding. It registers no watch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from devloop import events
from devloop.diagnosis.checks import doubtful, well
from devloop.effects import mounts, watch_limits
from devloop.products import Inputs
from devloop.scope import Scope

_ENOUGH = 8192  # folders: what a project without a configuration is taken for


def ask(scope: Scope, read: Iterable[Inputs]) -> Iterator[events.Check]:
    """`read`: what each target reads; nothing when that is not known. Blocks on the disk; cancelled by the scope."""
    inputs = list(read)
    wanted = len(folders(scope, inputs)) if inputs else None
    yield verdict(watch_limits.look(), wanted)
    roots = sorted({str(root) for each in inputs for root in each.roots})
    for path, kind in mounts.silent(roots).items():
        yield doubtful("watches", f"{kind} reports no changes, so it is polled", "keep sources on a local disk", path)


def folders(scope: Scope, inputs: Iterable[Inputs]) -> frozenset[str]:
    """The folders that `dev` would watch for these. Blocks on the disk. Raises: Cancelled."""
    found: set[str] = set()
    for each in inputs:
        for root in each.roots:
            for folder, below, _ in os.walk(root):
                scope.check()
                found.add(folder)
                below[:] = [name for name in below if not each.leaves_out(Path(folder, name))]
    return frozenset(found)


def verdict(limits: watch_limits.WatchLimits | None, wanted: int | None) -> events.Check:
    """Whether `wanted` more folders may be watched; None when it is not known how many there are."""
    if limits is None:
        return well("watches", "this system has no limit of its own")
    left = limits.watches - limits.watched
    said = f"{limits.watched} of {limits.watches} watches are in use"
    said += f", {wanted} folder{'' if wanted == 1 else 's'} to watch" if wanted is not None else ""
    if limits.opened >= limits.instances:
        return doubtful(
            "watches",
            f"all {limits.instances} inotify instances are in use, so files are polled",
            "sudo sysctl fs.inotify.max_user_instances=512",
        )
    if left < (_ENOUGH if wanted is None else wanted):
        return doubtful("watches", f"{said}: the rest is polled", "sudo sysctl fs.inotify.max_user_watches=524288")
    return well("watches", said)
