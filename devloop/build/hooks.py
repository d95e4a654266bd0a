"""Commands of the user's around a build: before it, for one to generate what the build reads, and after it.

Comes in: hooks and the build that they belong to. Goes out: nothing but what they did; a failure is the build's. It runs them one after
the other, each in a process group of its own, and knows nothing of digests: whoever calls compares what the hooks changed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from devloop import commands
from devloop.config import model
from devloop.errors import StepFailed
from devloop.scope import Scope
from devloop.stages import BuildJob, Tools

MOST_RESTARTS = 5


@dataclass(frozen=True)
class _Run:
    """One hook: where it stands in the configuration, and its folder."""

    hook: model.Hook
    where: str
    folder: Path


def run(scope: Scope, job: BuildJob, when: str, base: Path, tools: Tools, *, was_built: bool = True) -> None:
    """Runs the hooks `before` or `after` (`when`) a build. `base`: the folder of the configuration. Blocks; cancelled by the scope.

    `was_built`: False when the image was there already; only hooks that ask for it run then. Raises: StepFailed for the first that fails.
    """
    hooks = job.artifact.hooks or model.Hooks()
    listed: Sequence[model.Hook] = hooks.before if when == "before" else hooks.after
    for number, hook in enumerate(listed):
        if (was_built or hook.always) and commands.is_for_here(hook.os):
            folder = job.context if hook.dir is None else base / hook.dir
            _run(scope, _Run(hook, f"hooks.{when}[{number}] of {job.artifact.image}", folder), _environment(job), tools)


def _environment(job: BuildJob) -> Mapping[str, str]:
    repository, _, tag = job.ref.rpartition(":")
    return {
        **job.requires,
        "IMAGE": job.ref,
        "IMAGE_REPO": repository,
        "IMAGE_TAG": tag,
        "BUILD_CONTEXT": os.path.normpath(job.context),
        "PUSH_IMAGE": "false",
    }


def _run(scope: Scope, each: _Run, environment: Mapping[str, str], tools: Tools) -> None:
    hook = each.hook
    if not each.folder.is_dir():
        raise StepFailed(
            f"there is no folder {each.folder}", where=each.where, hint="`dir` is relative to devloop.yaml"
        )
    try:
        done = commands.run(
            scope,
            ["sh", "-c", hook.command],
            timeout_s=hook.timeout_seconds,
            cwd=each.folder,
            env={**tools.engine.environment(), **environment},
            tools=tools,
        )
    except commands.TimedOut as late:
        raise commands.late_hook(hook, late, where=each.where) from None
    if done.code != 0:
        raise commands.failed_hook(
            hook, done.code, done.tail, where=each.where, hint=f"it runs with `sh -c` in {each.folder}"
        )


class Restarts:
    """How often in a row the inputs of a target changed while its hooks ran: for ever, if a hook writes something new each time.

    Safe from many threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def check(self, target: str) -> None:
        """Before the hooks run. Raises: StepFailed when that has happened too often; it is forgiven then."""
        with self._lock:
            count = self._counts.get(target, 0)
            if count < MOST_RESTARTS:
                return
            del self._counts[target]
        raise StepFailed(
            f"the inputs changed {count} times in a row while the hooks before it ran",
            where=target,
            hint="a hook must write the same for the same sources; or keep what it writes out of the inputs",
        )

    def add(self, target: str) -> None:
        """They changed while the hooks ran."""
        with self._lock:
            self._counts[target] = self._counts.get(target, 0) + 1

    def forget(self, target: str) -> None:
        """They did not."""
        with self._lock:
            self._counts.pop(target, None)
