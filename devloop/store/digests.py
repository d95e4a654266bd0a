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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devloop.errors import StepFailed
from devloop.products import Inputs

# A file that changed less than this before it was read may change again without its time stamps showing it: clocks tick, and
# file systems round (FAT to 2 s). Git calls such entries racily clean: https://git-scm.com/docs/racy-git
RACY_NS = 2_000_000_000

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class _Read:
    """What was read of a file: its status then, and whether that status can be trusted to show the next change."""

    status: tuple[int, ...]
    kind: str
    digest: str
    is_settled: bool


class FileDigests:
    """Digests of files by path, remembered as long as the file's size, times and inode stay the same. Safe from many threads."""

    def __init__(self) -> None:
        self._reads: dict[str, _Read] = {}

    def digest(self, path: Path) -> str | None:
        """The digest of a file's content or of a symlink's target text; None when there is no file.

        Blocks for reading. Raises: StepFailed when it cannot be read.
        """
        read = self._read(os.fspath(path))
        return read.digest if read else None

    def fold(self, inputs: Inputs) -> str:
        """The digest of all of `inputs`: relative paths, execute bits, contents, values. Files that went do not count.

        Blocks for reading what changed. Raises: StepFailed when a file cannot be read.
        """
        return InputsDigest(self, inputs).value

    def entry(self, path: str) -> str | None:
        """Kind and digest of a file, as they enter a fold: `-` file, `x` executable file, `l` symlink, `s` pipes and such."""
        read = self._read(path)
        return read.kind + read.digest if read else None

    def _read(self, path: str) -> _Read | None:
        now_ns = time.time_ns()
        try:
            status = os.lstat(path)
            key = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode)
            known = self._reads.get(path)
            if known is None or known.status != key or not known.is_settled:
                is_settled = max(status.st_mtime_ns, status.st_ctime_ns) + RACY_NS < now_ns
                known = _Read(key, _kind(status), _content(path, status), is_settled)
                self._reads[path] = known
            return known
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            self._reads.pop(path, None)
            return None
        except OSError as exc:
            self._reads.pop(path, None)
            raise StepFailed(
                f"cannot read an input: {exc.strerror}",
                where=path,
                hint="make it readable, or leave it out of the inputs",
            ) from exc


class InputsDigest:
    """The digest of one target's inputs, kept up to date file by file: one changed file costs one file. For one thread at a time.

    Making it blocks for reading what `digests` does not know. Raises: StepFailed when a file cannot be read.
    """

    def __init__(self, digests: FileDigests, inputs: Inputs) -> None:
        self._digests = digests
        self._inputs = inputs
        self._base = os.path.join(os.fspath(inputs.base), "")
        self._entries: dict[str, bytes] = {}
        for path in inputs.files:
            self._refresh(os.fspath(path))
        self._order = sorted(self._entries)
        self._value: str | None = None

    @property
    def inputs(self) -> Inputs:
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
        is_changed = False
        for each in {top, *self._below(top), *_files_below(top)}:
            if each in self._entries or self._inputs.matches(Path(each)):
                is_changed = self._refresh_in_order(each) or is_changed
        return is_changed

    def _below(self, folder: str) -> list[str]:
        prefix = os.path.join(folder, "")
        start = bisect.bisect_left(self._order, prefix)
        end = start
        while end < len(self._order) and self._order[end].startswith(prefix):
            end += 1
        return self._order[start:end]

    def _refresh_in_order(self, path: str) -> bool:
        was_there = path in self._entries
        try:
            is_changed = self._refresh(path)
        finally:
            if path not in self._entries and was_there:
                del self._order[bisect.bisect_left(self._order, path)]
                self._value = None
        if path in self._entries and not was_there:
            bisect.insort(self._order, path)
        if is_changed:
            self._value = None
        return is_changed

    def _refresh(self, path: str) -> bool:
        before = self._entries.pop(path, None)
        entry = self._digests.entry(path)
        if entry is None:
            return before is not None
        # Lengths are known or ended by a byte that no path has, so no two different sets of entries read the same.
        self._entries[path] = os.fsencode(self._relative(path)) + b"\0" + entry.encode()
        return self._entries[path] != before

    def _relative(self, path: str) -> str:
        relative = path[len(self._base) :] if path.startswith(self._base) else os.path.relpath(path, self._base)
        return relative.replace(os.sep, "/")

    def _fold(self) -> str:
        folded = hashlib.sha256(b"".join(sorted(self._entries.values())))
        for name, value in sorted(self._inputs.values):
            for text in (name, value):
                data = text.encode("utf-8", "surrogateescape")
                folded.update(b"\0%d:" % len(data) + data)
        return folded.hexdigest()


def _files_below(folder: str) -> Iterator[str]:
    if os.path.isdir(folder) and not os.path.islink(folder):
        for parent, _, names in os.walk(folder):
            yield from (os.path.join(parent, name) for name in names)


def _kind(status: os.stat_result) -> str:
    mode = status.st_mode
    if stat.S_ISREG(mode):
        return "x" if mode & 0o111 else "-"
    return "l" if stat.S_ISLNK(mode) else "s"


def _content(path: str, status: os.stat_result) -> str:
    """Raises: IsADirectoryError for folders: their files count, they do not."""
    if stat.S_ISREG(status.st_mode):
        return _hash(path)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(path)
    text = os.fsencode(os.readlink(path)) if stat.S_ISLNK(status.st_mode) else b""
    return hashlib.sha256(_kind(status).encode() + b"\0" + text).hexdigest()


def _hash(path: str) -> str:
    digest = hashlib.sha256()
    # O_NONBLOCK: if a pipe took the file's place since it was looked at, opening must not wait for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        while data := os.read(descriptor, _CHUNK_BYTES):
            digest.update(data)
    finally:
        os.close(descriptor)
    return digest.hexdigest()
