"""What of a foreign configuration is not carried over.

Comes in: findings of the converters, each with its place. Goes out: one list, in which nothing stands twice and what changes the images
or the objects comes first. Nothing that a file says may be left out of devloop's tree without a note or a row in docs/skaffold.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from devloop.config.names import one_line
from devloop.config.tree import Place


@dataclass(frozen=True)
class Note:
    """Something that is not carried, and why. `matters`: whether what is built or deployed is another without it. `profile`: the one that
    has to be active for that.
    """

    place: Place
    path: str
    reason: str
    matters: bool = False
    profile: str = ""

    @property
    def told(self) -> str:
        """The note without its place."""
        what = "is not carried, and changes what is built or deployed" if self.matters else "is not carried"
        return one_line(f"`{self.path}` {what}: {self.reason}")

    def __str__(self) -> str:
        return f"{self.place}: {self.told}"


class Notes:
    """Notes as they come."""

    def __init__(self) -> None:
        self._found: dict[tuple[Place, str], Note] = {}

    def add(self, place: Place, path: str, reason: str, *, matters: bool = False) -> None:
        self._found.setdefault((place, reason), Note(place, path, reason, matters))

    def extend(self, notes: Iterable[Note], profile: str) -> None:
        """Those of a profile; what is noted already is so without it too."""
        for each in notes:
            self._found.setdefault((each.place, each.reason), replace(each, profile=profile))

    @property
    def sorted(self) -> tuple[Note, ...]:
        """Those that matter first, each kind in the order of the files."""
        found = self._found.values()
        return tuple(sorted(found, key=lambda each: (not each.matters, each.place.file, each.place.line, each.path)))
