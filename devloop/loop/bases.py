"""What targets stand on in the engine: what the names of its images (FROM, COPY --from) stand for, and its platform.

Comes in: names, and a way to ask which image has one. Goes out: what enters the digests of those targets, and which names moved. It
asks the engine and nobody else; it pulls only what it is told to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from devloop.errors import DevloopError, StepFailed
from devloop.refs import full_name

ABSENT = "absent"  # the engine has no image of that name, so the build gets it elsewhere
UNKNOWN = "unknown"  # the engine did not answer yet; nothing is ever built with this
PLATFORM = "<platform>"  # in place of a name: no image can have it


@dataclass(frozen=True)
class Answer:
    """`moved`: names that stand for another image than before. `problem`: why the engine does not answer."""

    moved: frozenset[str] = frozenset()
    problem: DevloopError | None = None


class Bases:
    """Name → image id, as last asked. Safe from many threads; `image_id` blocks on the engine, and is asked by one at a time.

    `platform` does so too, until it is known: an engine stays what it is.

    An image that is removed changes nothing by itself: what was made from it is what it was. Only a build asks more strictly.
    """

    def __init__(self, image_id: Callable[[str], str | None], platform: Callable[[], str]) -> None:
        self._image_id = image_id
        self._platform = platform
        self._asking = threading.Lock()  # so that answers are taken in the order in which they were given
        self._ids: dict[str, str] = {}
        self._pulled: set[str] = set()

    def text(self, names: Iterable[str]) -> str:
        """What the names stand for, as it enters a digest. Does not block."""
        return "\0".join(f"{name}={self._ids.get(name, UNKNOWN)}" for name in names)

    def ask(self, names: Collection[str], *, is_removal_news: bool = False) -> Answer:
        """Asks the engine once more, and remembers what it says; where it does not answer, all stays as it is. Blocks."""
        if not names:
            return Answer()
        with self._asking:
            moved = set()
            try:
                for name in names:
                    found = self._found(name, is_removal_news=is_removal_news)
                    if found != self._ids.get(name):
                        self._ids[name] = found
                        moved.add(name)
            except DevloopError as exc:
                return Answer(frozenset(moved), exc)
            return Answer(frozenset(moved))

    def is_current(self, names: Collection[str]) -> bool:
        """Whether the engine would say the same again; False when it says nothing. Blocks; remembers nothing."""
        try:
            return all(self._found(name, is_removal_news=False) == self._ids.get(name) for name in names)
        except DevloopError:
            return False

    def pull(self, names: Iterable[str], pull: Callable[[str], None]) -> None:
        """Pulls each name that was not pulled before. Blocks. Raises: what `pull` raises."""
        for name in names:
            if name not in self._pulled and name != PLATFORM:
                pull(name)
                self._pulled.add(name)

    def _found(self, name: str, *, is_removal_news: bool) -> str:
        if name == PLATFORM:
            return self._ids.get(name) or self._platform()
        try:
            found = self._image_id(name) or ABSENT
        except StepFailed:  # the engine has no image of a name that it refuses
            found = ABSENT
        return self._ids.get(name, ABSENT) if found == ABSENT and not is_removal_news else found


def described(name: str) -> str:
    """In words for people."""
    return "the engine's platform" if name == PLATFORM else f"base image {name}"


def of_name(names: Iterable[str], told: str) -> frozenset[str]:
    """Those that mean the same as the name that the engine told of; all when it told none."""
    return frozenset(name for name in names if not told or full_name(name) == full_name(told))
