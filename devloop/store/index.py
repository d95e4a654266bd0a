"""What was read of files, kept between sessions: a table from path to status, kind and digest.

Comes in: a file of its own to keep the table in, and rows. Goes out: the rows of given paths. It is a cache and nothing else: one
that is locked, broken or cannot be written costs reading files again, never an answer and never a session. Two sessions may use it
at once. It never looks at the files that it knows of.
"""

from __future__ import annotations

import sqlite3
import struct
import threading
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

IN_MEMORY = ":memory:"
Status = tuple[int, int, int, int, int]
Row = tuple[Status, bytes]

_STATUS = struct.Struct("<qqqQQ")
_AT_ONCE = 900  # SQLite before 3.32 takes 999 parameters: https://www.sqlite.org/limits.html
_LOCKED_S = 0.2  # another session's write takes milliseconds
_STALE_DAYS = 60
_TOUCH_DAYS = 7
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, status BLOB NOT NULL, entry BLOB NOT NULL, day INTEGER NOT NULL)
WITHOUT ROWID
"""


class Index:
    """The table. `file` None: kept in memory. Safe from many threads; each call blocks for milliseconds and raises nothing."""

    def __init__(self, file: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._today = int(time.time() // 86400)
        self._file = file
        self._connection = _open(file)

    def rows(self, paths: Iterable[bytes]) -> dict[bytes, Row]:
        """Path → what was stored of it last, for those of the paths that were."""
        found: dict[bytes, Row] = {}
        old: list[bytes] = []
        rest = iter(paths)
        while some := tuple(islice(rest, _AT_ONCE)):
            for path, status, entry, day in self._select(some):
                found[path] = (_STATUS.unpack(status), entry)
                if day + _TOUCH_DAYS < self._today:
                    old.append(path)
        self.store((path, *found[path]) for path in old)
        return found

    def store(self, rows: Iterable[tuple[bytes, Status, bytes]]) -> None:
        """Keeps the rows, and drops what no session has asked for in two months."""
        packed = [(path, _STATUS.pack(*status), entry, self._today) for path, status, entry in rows]
        if not packed:
            return
        with self._lock:
            try:
                with self._connection as connection:
                    connection.execute("BEGIN IMMEDIATE")
                    connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", packed)
                    if len(packed) >= _AT_ONCE:
                        connection.execute("DELETE FROM files WHERE day < ?", (self._today - _STALE_DAYS,))
            except sqlite3.Error as exc:
                self._do_without(exc)

    def _select(self, paths: Sequence[bytes]) -> list[tuple[bytes, bytes, bytes, int]]:
        query = f"SELECT path, status, entry, day FROM files WHERE path IN ({','.join('?' * len(paths))})"
        with self._lock:
            try:
                return self._connection.execute(query, paths).fetchall()
            except sqlite3.Error as exc:
                self._do_without(exc)
                return []

    def _do_without(self, exc: sqlite3.Error) -> None:
        """After an OperationalError (locked by another session, disk full) the table stays in use; any other says that it is broken."""
        if not isinstance(exc, sqlite3.OperationalError):
            self._connection.close()
            self._connection = _renew(self._file)


def _open(file: Path | None) -> sqlite3.Connection:
    if file is None:
        return _connect(IN_MEMORY)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return _connect(str(file))
    except (OSError, sqlite3.OperationalError):
        return _connect(IN_MEMORY)  # it can be neither made nor used
    except sqlite3.DatabaseError:
        return _renew(file)


def _renew(file: Path | None) -> sqlite3.Connection:
    """Begins a broken table anew. A session that still has it open goes on with what it has."""
    try:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{file}{suffix}").unlink(missing_ok=True)
        return _connect(str(file or IN_MEMORY))
    except (OSError, sqlite3.Error):
        return _connect(IN_MEMORY)


def _connect(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, timeout=_LOCKED_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(_SCHEMA)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
