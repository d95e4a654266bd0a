"""Why a path counts for a Dockerfile's build, or does not, in words.

Comes in: what was read of the Dockerfile and the ignore file. Goes out: the rule, with its place. It decides nothing: whether a path
counts is for `context` to say.
"""

from __future__ import annotations

from pathlib import Path

from devloop.build import dockerignore
from devloop.build.context import list_context
from devloop.build.sources import Source


def reason(
    path: Path, context: Path, *, sources: tuple[Source, ...], rules: dockerignore.Rules, dockerfile: str
) -> str:
    """The rule for a path that is neither the Dockerfile nor an ignore file. `dockerfile`: its name in messages. Blocks on the disk."""
    if not path.is_relative_to(context):
        return "it lies outside the build context"
    relative = path.relative_to(context).as_posix()
    everything = dockerignore.parse("")
    taking = [each for each in sources if list_context(context, [each], everything).counts(relative)]
    if not taking:
        return f"no COPY, ADD or mount that is built names it in {dockerfile}"
    if rules.ignores(relative):
        return f"{rules.reason(relative)} keeps it out, though {dockerfile}:{taking[0].line} names it"
    return f"{dockerfile}:{taking[0].line} reads it"
