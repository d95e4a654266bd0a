"""Content digests: of files, and of all that decides whether a target's work is needed.

Comes in: paths and `Inputs`. Goes out: SHA-256 as 64 hex digits, equal exactly when contents, paths, execute bits and values are.
A file is read again only when its status on disk says that it may differ. It never follows a symlink, never opens what is not a
regular file, and never looks at time stamps to tell whether contents differ.
"""

from __future__ import annotations

import bisect
import hashlib
import os
import stat
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from devloop.errors import StepFailed
from devloop.products import Inputs
from devloop.store.index import Index, Row, Status

# A file that changed less than this before it was read may change again without its time stamps showing it: clocks tick, and
# file systems round (FAT to 2 s). Git calls such entries racily clean: https://git-scm.com/docs/racy-git
RACY_NS = 2_000_000_000

_CHUNK_BYTES = 1 << 20
_AT_ONCE = 5000  # files whose remembered digests are in memory at a time
_BUCKETS = 256


class FileDigests:
    """Digests of files by path, remembered as long as the file's size, times and inode stay the same. Safe from many threads.

    What is remembered lies in `index`, which outlives the session if it has a file.
    """

    def __init__(self, index: Index | None = None) -> None:
        self._index = index or Index()

    def digest(self, path: Path) -> str | None:
        """The digest of a file's content or of a symlink's target text; None when there is no file.

        Blocks for reading. Raises: StepFailed when it cannot be read.
        """
        entry = self.entries([os.fspath(path)]).get(os.fspath(path))
        return entry[1:].hex() if entry else None

    def fold(self, inputs: Inputs) -> str:
        """The digest of all of `inputs`: relative paths, execute bits, contents, values. Files that went do not count.

        Blocks for reading what changed. Raises: StepFailed when a file cannot be read.
        """
        return InputsDigest(self, inputs).value

    def entries(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Path → kind and digest, as they enter a fold, for those where there is a file.

        Kinds: `-` file, `x` executable file, `l` symlink, `s` pipes and such. Blocks for reading what is not remembered.
        Raises: StepFailed when one cannot be read.
        """
        found: dict[str, bytes] = {}
        rest = iter(paths)
        while some := {path: os.fsencode(path) for path in islice(rest, _AT_ONCE)}:
            known = self._index.rows(some.values())
            fresh: list[tuple[bytes, Status, bytes]] = []
            try:
                for path, name in some.items():
                    if (entry := _entry(path, name, known.get(name), fresh)) is not None:
                        found[path] = entry
            finally:
                self._index.store(fresh)
        return found


def _entry(path: str, name: bytes, known: Row | None, fresh: list[tuple[bytes, Status, bytes]]) -> bytes | None:
    now_ns = time.time_ns()
    try:
        found = os.lstat(path)
        status = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_mode)
        if known is not None and known[0] == status:
            return known[1]
        entry = _kind(found) + _content(path, found)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as exc:
        raise StepFailed(
            f"cannot read an input: {exc.strerror}",
            where=path,
            hint="make it readable, or leave it out of the inputs",
        ) from exc
    if max(found.st_mtime_ns, found.st_ctime_ns) + RACY_NS < now_ns:
        fresh.append((name, status, entry))
    return entry


class InputsDigest:
    """The digest of one target's inputs, kept up to date file by file: one changed file costs one file. For one thread at a time.

    Making it blocks for reading what `digests` does not know. Raises: StepFailed when a file cannot be read.
    """

    def __init__(self, digests: FileDigests, inputs: Inputs) -> None:
        self._digests = digests
        self._inputs = replace(inputs, files=())  # their names are here already
        self._base = os.path.join(os.fspath(inputs.base), "")
        # The longest first: a path belongs to the root that is nearest to it.
        self._roots = sorted((os.path.join(os.fspath(root), "") for root in inputs.roots), key=len, reverse=True)
        self._buckets = tuple(_Bucket() for _ in range(_BUCKETS))
        entries = digests.entries(map(os.fspath, inputs.files))
        self._order = sorted(entries)
        for path, entry in entries.items():
            self._bucket(path).entries[path] = entry
        self._value: str | None = None

    @property
    def inputs(self) -> Inputs:
        """Without its files."""
        return self._inputs

    @property
    def value(self) -> str:
        """64 hex digits."""
        if self._value is None:
            self._value = self._fold()
        return self._value

    def update(self, path: Path) -> bool:
        """Looks at a path that may have changed, with all below it if it is or was a folder; whether the digest changed.

        A changed definition (`inputs.definitions`) alters the listing itself, so list again then instead. Blocks for reading
        what changed. Raises: StepFailed when a file cannot be read; it counts as gone until it can be.
        """
        top = os.fspath(path)
        is_there = self._is_reached(top)
        is_folder = is_there and os.path.isdir(top) and not os.path.islink(top)
        is_changed = self._refresh(top, is_there=is_there)
        for each in {*self._below(top), *(_files_below(top) if is_folder else ())}:
            is_changed = self._refresh(each, is_there=is_folder) or is_changed
        return is_changed

    def _is_reached(self, path: str) -> bool:
        """Whether no folder on the way from the root is a link: what lies behind one is not listed."""
        root = next((each for each in self._roots if path.startswith(each)), None)
        if root is None:
            return True
        folder = os.path.dirname(path)
        while len(folder) > len(root):
            if os.path.islink(folder):
                return False
            folder = os.path.dirname(folder)
        return True

    def _below(self, folder: str) -> list[str]:
        prefix = os.path.join(folder, "")
        start = bisect.bisect_left(self._order, prefix)
        end = start
        while end < len(self._order) and self._order[end].startswith(prefix):
            end += 1
        return self._order[start:end]

    def _refresh(self, path: str, *, is_there: bool) -> bool:
        bucket = self._bucket(path)
        before = bucket.entries.get(path)
        if before is None and not (is_there and self._inputs.matches(Path(path))):
            return False
        after: bytes | None = None
        try:
            after = self._digests.entries([path]).get(path) if is_there else None
        finally:
            if after != before:
                bucket.folded = self._value = None
                if after is None:
                    del bucket.entries[path]
                    del self._order[bisect.bisect_left(self._order, path)]
                else:
                    bucket.entries[path] = after
                    if before is None:
                        bisect.insort(self._order, path)
        return after != before

    def _bucket(self, path: str) -> _Bucket:
        return self._buckets[zlib.crc32(self._relative(path)) % _BUCKETS]

    def _relative(self, path: str) -> bytes:
        relative = path[len(self._base) :] if path.startswith(self._base) else os.path.relpath(path, self._base)
        return os.fsencode(relative.replace(os.sep, "/"))

    def _fold(self) -> str:
        folded = hashlib.sha256()
        for bucket in self._buckets:
            if bucket.folded is None:
                # A path ends with a byte that none has and an entry has one length, so no two different sets read the same.
                entries = sorted(self._relative(path) + b"\0" + entry for path, entry in bucket.entries.items())
                bucket.folded = hashlib.sha256(b"".join(entries)).digest()
            folded.update(bucket.folded)
        for name, value in sorted(self._inputs.values):
            for text in (name, value):
                data = text.encode("utf-8", "surrogateescape")
                folded.update(b"%d:" % len(data) + data)
        return folded.hexdigest()


class _Bucket:
    """The entries of paths whose relative form has one check sum, so that a change folds a part of them again."""

    __slots__ = ("entries", "folded")

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}
        self.folded: bytes | None = None


def _files_below(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        links = (name for name in folders if os.path.islink(os.path.join(parent, name)))
        yield from (os.path.join(parent, name) for name in (*names, *links))


def _kind(status: os.stat_result) -> bytes:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return b"x" if mode & 0o111 else b"-"
    return b"l" if stat.S_ISLNK(mode) else b"s"


def _content(path: str, status: os.stat_result) -> bytes:
    """Raises: IsADirectoryError for folders: their files count, they do not."""
    if stat.S_ISREG(status.st_mode):
        return _hash(path)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(path)
    text = os.fsencode(os.readlink(path)) if stat.S_ISLNK(status.st_mode) else b""
    return hashlib.sha256(_kind(status) + b"\0" + text).digest()


def _hash(path: str) -> bytes:
    digest = hashlib.sha256()
    # O_NONBLOCK: if a pipe took the file's place since it was looked at, opening must not wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        while data := os.read(descriptor, _CHUNK_BYTES):
            digest.update(data)
    finally:
        os.close(descriptor)
    return digest.digest()
