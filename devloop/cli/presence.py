"""Other sessions of `devloop dev` that deploy the same to the same place.

Comes in: the cluster, and the projects whose objects a session owns. Goes out: what is worth telling, and what may be deleted in the end:
nothing that another one still uses. Where that cannot be noted, each session is for itself, and that is told.
"""

from __future__ import annotations

from collections.abc import Sequence

from devloop import events
from devloop.cli.report import Report
from devloop.stages import Cluster
from devloop.store.folders import cache_folder
from devloop.store.sessions import Sessions


class Presence:
    """This session among the others of its user on this machine."""

    def __init__(self, cluster: Cluster, report: Report) -> None:
        self._cluster = cluster
        self._report = report
        self._sessions = Sessions(cache_folder() / "sessions")
        self._joined: set[str] = set()

    def join(self, owners: Sequence[str]) -> None:
        """Notes that the session is there for these projects, too; tells of others that are."""
        new = [each for each in owners if each not in self._joined]
        self._joined.update(new)
        try:
            for owner in new:
                if others := self._sessions.join(self._name(owner)):
                    message = (
                        f"devloop dev of {owner} runs already, as {_processes(others)}: each deploys what it builds"
                    )
                    hint = "end one of them; what is deployed goes with the last"
                    self._report.emit(events.Notice(message=message, hint=hint))
        except OSError as exc:
            message = (
                f"that this session runs cannot be noted ({exc.strerror}): another one would delete what both deploy"
            )
            self._report.emit(events.Notice(message=message, where=str(exc.filename)))

    def leave(self, owners: Sequence[str]) -> list[str]:
        """Which of the projects nobody else is there for; tells of those that stay for somebody."""
        alone = []
        for owner in owners:
            try:
                others = self._sessions.leave(self._name(owner))
            except OSError:
                others = ()  # as was told at the start
            if others:
                message = f"what {owner} deployed stays: {_processes(others)} goes on with it"
                self._report.emit(events.Notice(message=message, is_answer=True))
            else:
                alone.append(owner)
        return alone

    def _name(self, owner: str) -> str:
        return f"{self._cluster.server} {self._cluster.namespace} {owner}"


def _processes(numbers: Sequence[int]) -> str:
    return f"process {', '.join(map(str, numbers))}"
