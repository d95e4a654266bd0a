"""What a release's revisions say: whether it is due, who made the last one, and which one there is to go back to.

Comes in: the revisions, oldest first, and a digest of what the release is to be made from. Goes out: answers, with their reasons. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from devloop.deploy.helm_storage import Release, Revision
from devloop.errors import UsageError

_ROLLBACK = re.compile(r"Rollback to (\d+)")  # helm's own description
_GOOD = ("deployed", "superseded")


@dataclass(frozen=True)
class Standing:
    """`is_due`: whether the release is to be installed or upgraded; `why`, or why not. `latest`: its last revision.

    `moved`: that somebody else made the last one, in words, if so.
    """

    is_due: bool
    why: str
    latest: Revision | None = None
    moved: str = ""


def standing(known: Sequence[Revision], digest: str) -> Standing:
    """Where a release stands that is to be made from what the digest stands for."""
    if not known:
        return Standing(True, "is not installed")
    latest = known[-1]
    ours = next((each for each in reversed(known) if each.made_from), None)
    if latest.status != "deployed":
        return Standing(True, f"revision {latest.number} is {latest.status}", latest)
    moved = "" if ours in (None, latest) else _moved(latest)
    if ours is None:
        return Standing(True, f"revision {latest.number} was not made by devloop", latest)
    if ours.made_from != digest:
        why = f"chart, values or images are not those of revision {ours.number}"
        return Standing(True, f"{why}; {moved}" if moved else why, latest, moved)
    return Standing(False, moved or f"revision {latest.number} was made from the same", latest, moved)


def cause(revision: Revision) -> str:
    """Why a revision came about, in words: "" when devloop made it from what was on disk."""
    return "" if revision.made_from else revision.description


def target(known: Sequence[Revision], number: int | None, release: Release) -> Revision:
    """The revision to go back to: the one of this number; without one, the last good one before the current.

    Raises: UsageError when there is none, it is what is deployed, or the release is in the midst of something.
    """
    latest, name = known[-1], f"release/{release.name}"
    if latest.is_pending:
        hint = "wait for whoever is at it; devloop run puts right what broke off"
        raise UsageError(f"revision {latest.number} is {latest.status}", where=name, hint=hint)
    numbers = ", ".join(f"{each.number} ({each.status})" for each in known)
    if number is None:
        good = [each for each in known[:-1] if each.status in _GOOD]
        if not good:
            raise UsageError("there is no earlier revision", where=name, hint=f"there are {numbers}")
        return good[-1]
    found = next((each for each in known if each.number == number), None)
    if found is None:
        raise UsageError(f"there is no revision {number}", where=name, hint=f"there are {numbers}")
    if found is latest and found.status == "deployed":
        raise UsageError(f"revision {number} is what is deployed", where=name, hint=f"there are {numbers}")
    return found


def _moved(latest: Revision) -> str:
    back = _ROLLBACK.fullmatch(latest.description)
    if back:
        return f"revision {latest.number} is a rollback to revision {back[1]}"
    return f"revision {latest.number} ({latest.description}) was made by someone else"
