"""Which inputs each target has now, and which targets a change on disk touches.

Comes in: a way to list each target's inputs, and what changed: paths, or names of images that targets stand on. Goes out: digests, as
a `Changed` for the loop. A changed file costs one file; a changed definition (a Dockerfile, a kustomization) lists its target again.
It never builds or renders anything.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from devloop.errors import DevloopError, StepFailed
from devloop.loop.bases import PLATFORM, Bases, described, of_name
from devloop.loop.messages import Changed
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.store.digests import FileDigests, InputsDigest


@dataclass(frozen=True)
class Listing:
    """How to list a target's inputs. `root`: where they lie, watched even while listing fails. `values`: what decides besides them."""

    list: Callable[[Scope], Inputs]
    root: Path
    values: str = ""


@dataclass
class _Tracked:
    """A target. `read`: what it reads, as listed when that last succeeded; `content`: the digest of it."""

    listing: Listing
    bases: Bases
    read: Inputs | None = None
    content: InputsDigest | None = None
    problem: DevloopError | None = None

    @property
    def digest(self) -> str:
        content = f"problem:{self.problem}" if self.problem or self.content is None else self.content.value
        return hashlib.sha256(f"{content}\0{self.listing.values}\0{self.bases.text(self.images)}".encode()).hexdigest()

    @property
    def images(self) -> tuple[str, ...]:
        """What it stands on in the engine."""
        if self.known is None:
            return ()
        return (*self.known.images, *((PLATFORM,) if self.known.is_for_engine else ()))

    @property
    def roots(self) -> frozenset[Path]:
        known = self.read.roots if self.read else ()
        definitions = self.read.definitions if self.read else ()
        return frozenset((*known, *definitions, *([self.listing.root] if self.problem or not known else [])))

    @property
    def known(self) -> Inputs | None:
        """None while it is not known what the target reads: anything below its roots may count then."""
        return self.read if self.problem is None else None


class Tracker:
    """The inputs of all targets. Safe from many threads; blocks while it reads or lists.

    `image_id`: the id of the engine's image of a name, None when there is none; blocks, and raises a DevloopError when the engine does
    not answer. `platform`: the engine's own; likewise.
    """

    def __init__(
        self,
        digests: FileDigests,
        base: Path,
        image_id: Callable[[str], str | None] = lambda _name: None,
        platform: Callable[[], str] = lambda: "",
    ) -> None:
        self._digests = digests
        self._base = base
        self._bases = Bases(image_id, platform)
        self._unanswered: DevloopError | None = None
        self._lock = threading.RLock()
        self._tracked: dict[str, _Tracked] = {}
        self._skips: dict[Path, _LeftOut] = {}
        self._caught_up: Callable[[Scope], bool] = lambda _scope: False

    def track(self, scope: Scope, listings: Mapping[str, Listing]) -> None:
        """Lists the inputs of these targets and forgets all others. Raises: Cancelled."""
        with self._lock:
            self._tracked = {target: _Tracked(listing, self._bases) for target, listing in listings.items()}
            for tracked in self._tracked.values():
                self._list(scope, tracked)
            self._unanswered = self._bases.ask(self.images()).problem

    def survey(self, scope: Scope, listings: Mapping[str, Listing]) -> dict[Path, Callable[[Path], bool]]:
        """What `roots` would say once these targets were tracked. Reads no file's content, tracks nothing. Raises: Cancelled."""
        found = [_Tracked(listing, self._bases) for listing in listings.values()]
        for each in found:
            try:
                each.read = replace(each.listing.list(scope), files=())  # which nobody asks for, and it is kept
            except DevloopError as exc:
                each.problem = exc
        return dict(_left_out(found))

    def digests(self) -> dict[str, str]:
        """Target → digest of its inputs."""
        with self._lock:
            return {target: tracked.digest for target, tracked in self._tracked.items()}

    def roots(self) -> dict[Path, Callable[[Path], bool]]:
        """All that has to be watched; for each root, whether a folder below it can be left out.

        The same object as before answers for a root whose readers were not listed again since.
        """
        with self._lock:
            before = self._skips
            self._skips = _left_out(self._tracked.values())
            self._skips |= {root: each for root, each in before.items() if each.is_same(self._skips.get(root))}
            return dict(self._skips)

    def images(self) -> frozenset[str]:
        """What targets stand on in the engine: names of images, and `bases.PLATFORM`."""
        with self._lock:
            return frozenset(name for tracked in self._tracked.values() for name in tracked.images)

    @property
    def unanswered(self) -> DevloopError | None:
        """Why the engine did not say which images those are when they were tracked: digests without that are of no use to a build."""
        return self._unanswered

    def problem(self, target: str) -> DevloopError | None:
        """Why the target's inputs cannot be told, if so: the step that needs them fails with it."""
        with self._lock:
            tracked = self._tracked.get(target)
            return tracked.problem if tracked else None

    def changed(self, scope: Scope, paths: Iterable[Path]) -> Changed | None:
        """Takes note of paths that may have changed; None when no target's inputs did."""
        paths = sorted(paths)
        with self._lock:
            before = self.digests()
            touched = {target: self._refresh(scope, tracked, paths) for target, tracked in self._tracked.items()}
            moved = {target: digest for target, digest in self.digests().items() if digest != before[target]}
            files = dict.fromkeys(path for target in moved for path in touched[target])
            reasons = {target: self._why(touched[target]) for target in moved}
            return Changed(moved, tuple(map(self.name, files)), reasons) if moved else None

    def images_changed(self, name: str = "") -> Changed | None:
        """Takes note that a name ("": any) may stand for another image of the engine; None when no target's inputs changed.

        Blocks on the engine, only where a target stands on the name. What it does not answer stays as it is.
        """
        return self._moved_by(self._bases.ask(of_name(self.images(), name)).moved)

    def pull(self, target: str, digest: str, pull: Callable[[str], None]) -> Changed | None:
        """Pulls the images that the target stands on, each once; None when its inputs are those of `digest` then, else what moved.

        Blocks. Raises: what `pull` raises, and as `confirm`.
        """
        self._bases.pull(self._images_of(target), pull)
        return self._compare(target, digest)

    def follow(self, caught_up: Callable[[Scope], bool]) -> None:
        """From now on `changed` hears of whatever happens; `caught_up` blocks until it has heard of all there was, if that can be said."""
        self._caught_up = caught_up

    def reads(self, path: Path) -> bool:
        """Whether the path is among what any target reads, whether it exists or not."""
        with self._lock:
            known = [each.known for each in self._tracked.values()]
        return any(each is None or each.matches(path) or each.is_defined_by(path) for each in known)

    def fold(self, inputs: Inputs) -> str:
        """The digest of what is in these files now. Blocks for reading what changed. Raises: StepFailed when one cannot be read."""
        return self._digests.fold(inputs)

    def name(self, path: Path) -> str:
        """The path as people know it: relative to the configuration where it lies below, or not far from it."""
        relative = Path(os.path.relpath(path, self._base)).as_posix()
        return relative if path.is_relative_to(self._base) or len(relative) < len(path.as_posix()) else path.as_posix()

    def confirm(self, scope: Scope, target: str, digest: str) -> Changed | None:
        """None when the target's inputs are, on disk, in the engine and now, those of `digest`; else what moved.

        Blocks: costs what changed while a watcher is followed, and a listing of the target's inputs otherwise. Raises: DevloopError when
        the engine does not say which images they stand on.
        """
        is_known = self._caught_up(scope)
        with self._lock:
            tracked = self._tracked.get(target)
            if tracked is None:
                return None
            if not is_known:
                self._list(scope, tracked)
        return self._compare(target, digest)

    def is_current(self, scope: Scope) -> bool | None:
        """Whether the digests are those of what is there now, for all targets; None without any. Blocks as `confirm`, for all.

        What is found to differ is not taken over: whoever follows the disk and the engine will report it, and it counts as changed then.
        """
        if not (self._tracked and self._caught_up(scope)):
            with self._lock:
                if not self._tracked:
                    return None
                for tracked in self._tracked.values():
                    now = _Tracked(tracked.listing, self._bases)
                    self._list(scope, now)
                    if now.digest != tracked.digest:
                        return False
        return self._bases.is_current(self.images())

    def _compare(self, target: str, digest: str) -> Changed | None:
        """Asks the engine again; None when the target's inputs are those of `digest`, else what moved."""
        answer = self._bases.ask(self._images_of(target), is_removal_news=True)
        if answer.problem:
            raise answer.problem
        with self._lock:
            moved = self._moved_by(answer.moved)
            tracked = self._tracked.get(target)
            if tracked is None or tracked.digest == digest:
                return moved
            moved = moved or Changed({})
            why = moved.reasons.get(target, "its inputs changed while they were read")
            return Changed({**moved.inputs, target: tracked.digest}, moved.files, {**moved.reasons, target: why})

    def _images_of(self, target: str) -> tuple[str, ...]:
        with self._lock:
            tracked = self._tracked.get(target)
            return tracked.images if tracked else ()

    def _moved_by(self, names: frozenset[str]) -> Changed | None:
        """What follows for all targets from names that stand for other images now."""
        if not names:
            return None
        with self._lock:
            standing = {target: names.intersection(tracked.images) for target, tracked in self._tracked.items()}
            reasons = {
                target: f"{', '.join(map(described, sorted(moved)))} changed"
                for target, moved in standing.items()
                if moved
            }
            moved = {target: self._tracked[target].digest for target in reasons}
            return Changed(moved, tuple(map(described, sorted(names))), reasons) if moved else None

    def _list(self, scope: Scope, tracked: _Tracked) -> None:
        try:
            tracked.content = InputsDigest(self._digests, tracked.listing.list(scope))
            tracked.read, tracked.problem = tracked.content.inputs, None
        except DevloopError as exc:
            tracked.problem = exc

    def _list_again(self, scope: Scope, tracked: _Tracked) -> None:
        self._list(scope, tracked)
        self._bases.ask(tracked.images)

    def _refresh(self, scope: Scope, tracked: _Tracked, paths: list[Path]) -> list[Path]:
        """Brings the target up to date; the paths that mattered to it."""
        if tracked.problem or tracked.content is None or tracked.read is None:
            near = [path for path in paths if any(path == root or root in path.parents for root in tracked.roots)]
            if near:
                self._list_again(scope, tracked)
            return near
        defining = [path for path in paths if tracked.read.is_defined_by(path)]
        if defining:
            self._list_again(scope, tracked)
            return [path for path in paths if path in defining or tracked.read.matches(path)]
        try:
            return [path for path in paths if tracked.content.update(path)]
        except StepFailed as exc:
            tracked.problem = exc
            return paths

    def _why(self, touched: list[Path]) -> str:
        if not touched:
            return "its inputs changed"
        more = f" and {len(touched) - 1} more" if len(touched) > 1 else ""
        return f"{self.name(touched[0])}{more} changed"


def _left_out(found: Iterable[_Tracked]) -> dict[Path, _LeftOut]:
    readers: dict[Path, list[Inputs | None]] = {}
    for tracked in found:
        for root in tracked.roots:
            readers.setdefault(root, []).append(tracked.known)
    return {root: _LeftOut(tuple(each)) for root, each in readers.items()}


class _LeftOut:
    """Whether no reader of a root has anything to expect of a folder."""

    def __init__(self, readers: Sequence[Inputs | None]) -> None:
        self._readers = readers

    def __call__(self, folder: Path) -> bool:
        return all(each is not None and each.leaves_out(folder) for each in self._readers)

    def is_same(self, other: _LeftOut | None) -> bool:
        return (
            other is not None
            and len(self._readers) == len(other._readers)
            and all(mine is theirs for mine, theirs in zip(self._readers, other._readers, strict=True))
        )
