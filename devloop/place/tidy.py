"""Takes away images that newer ones superseded, so that neither the engine nor the nodes fill up.

Comes in: an artifact. Goes out: which of its images were removed. It keeps the last ones, whatever was made within the hour (another
session may be about to use it) and what a pod uses; it never touches a tag that is not one of devloop's.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from devloop.errors import StepFailed
from devloop.scope import Scope
from devloop.stages import Placer, Tools

KEPT = 3
YOUNG_S = 3600.0
_OURS = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Keep:
    """What stays in any case: the `last` ones, what is younger than `young_s`, and these refs."""

    last: int = KEPT
    young_s: float = YOUNG_S
    refs: Collection[str] = ()


def tidy(scope: Scope, artifact: str, placer: Placer, tools: Tools, keep: Keep = Keep()) -> tuple[str, ...]:
    """Removes superseded images from where they are placed and from the engine; which. Blocks.

    Nobody may begin to use an image that the engine has meanwhile without tagging it. Raises: StepFailed, Unavailable.
    """
    tagged = {ref: at_s for ref, at_s in tools.engine.tagged(artifact).items() if is_ours(ref)}
    old = superseded(tagged, time.time(), keep)
    if not old:
        return ()
    removed = []
    for ref in sorted(old - placer.tidy(scope, old, tools)):
        scope.check()
        try:
            tools.engine.untag(ref)
        except StepFailed:
            continue  # a container of the engine uses it
        removed.append(ref)
    return tuple(removed)


def superseded(tagged: Mapping[str, float], now_s: float, keep: Keep = Keep()) -> frozenset[str]:
    """The refs that need not stay. Pure."""
    newest = sorted(tagged, key=lambda ref: tagged[ref], reverse=True)
    return frozenset(ref for ref in newest[keep.last :] if tagged[ref] + keep.young_s < now_s and ref not in keep.refs)


def is_ours(ref: str) -> bool:
    """Whether the tag is a digest of inputs, as `loop.steps` gives them."""
    return _OURS.fullmatch(ref.rpartition(":")[2]) is not None
