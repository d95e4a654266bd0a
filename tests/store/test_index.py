"""The table of what was read: kept between sessions, shared by two, and never in the way."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devloop.store.digests import FileDigests
from devloop.store.index import Index, Status

OLD: Status = (1, 2, 3, 4, 5)
NEW: Status = (-6, 7, 8, 2**63 + 9, 10)


def test_what_is_stored_is_there_in_the_next_session(tmp_path: Path) -> None:
    file = tmp_path / "made" / "here" / "index"
    Index(file).store([(b"/a", OLD, b"-one"), (b"/\xff", OLD, b"-two")])
    Index(file).store([(b"/a", NEW, b"xthree")])
    assert Index(file).rows([b"/a", b"/\xff", b"/none"]) == {b"/a": (NEW, b"xthree"), b"/\xff": (OLD, b"-two")}


def test_more_paths_than_a_query_takes(tmp_path: Path) -> None:
    paths = [b"/%d" % number for number in range(2500)]
    kept = Index(tmp_path / "index")
    kept.store((path, OLD, path) for path in paths)
    assert kept.rows(paths) == {path: (OLD, path) for path in paths}


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 5000], ids=len)
def test_a_file_that_is_no_table_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "index"
    file.write_bytes(content)
    Index(file).store([(b"/a", OLD, b"-")])
    assert Index(file).rows([b"/a"]) == {b"/a": (OLD, b"-")}


def test_a_table_that_breaks_in_use_is_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "index"
    paths = [b"/%0100d" % number for number in range(3000)]
    Index(file).store((path, OLD, b"-") for path in paths)
    sqlite3.connect(file).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    size = file.stat().st_size
    with file.open("r+b") as opened:  # all but the header and the schema
        opened.seek(4096)
        opened.write(b"\xee" * (size - 4096))
    broken = Index(file)
    assert broken.rows(paths) == {}
    broken.store([(b"/a", OLD, b"-")])
    assert Index(file).rows([b"/a"]) == {b"/a": (OLD, b"-")}


def test_a_table_that_another_has_locked_is_done_without(tmp_path: Path) -> None:
    file = tmp_path / "index"
    kept = Index(file)
    kept.store([(b"/a", OLD, b"-")])
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    kept.store([(b"/a", NEW, b"x")])
    assert kept.rows([b"/a"]) == {b"/a": (OLD, b"-")}
    other.execute("COMMIT")
    kept.store([(b"/a", NEW, b"x")])
    assert kept.rows([b"/a"]) == {b"/a": (NEW, b"x")}


def test_a_place_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = Index(tmp_path / "file" / "index")
    kept.store([(b"/a", OLD, b"-")])
    assert kept.rows([b"/a"]) == {b"/a": (OLD, b"-")}


def test_a_full_disk_costs_the_memory_only(tmp_path: Path) -> None:
    program = """
import resource, sys
from pathlib import Path
from devloop.store.index import Index
kept = Index(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
for part in range(20):
    kept.store((b"/%d/%d" % (part, number), (1, 2, 3, 4, 5), b"-" * 33) for number in range(500))
known = kept.rows([b"/0/0", b"/19/0"])
assert set(known.values()) <= {((1, 2, 3, 4, 5), b"-" * 33)}, known
assert b"/19/0" not in known
"""
    subprocess.run([sys.executable, "-c", program, tmp_path / "index"], check=True)
    assert Index(tmp_path / "index").rows([b"/none"]) == {}


def test_two_sessions_at_once_lose_nothing(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from devloop.store.index import Index
kept = Index(Path(sys.argv[1]))
for number in range(300):
    kept.store([(b"/%s/%d" % (sys.argv[2].encode(), number), (1, 2, 3, 4, number), b"-")])
"""
    sessions = [
        subprocess.Popen([sys.executable, "-c", program, tmp_path / "index", name]) for name in ("one", "two", "three")
    ]
    assert [each.wait() for each in sessions] == [0, 0, 0]
    paths = [b"/%s/%d" % (name, number) for name in (b"one", b"two", b"three") for number in range(300)]
    found = Index(tmp_path / "index").rows(paths)
    assert all(row == ((1, 2, 3, 4, int(path.rpartition(b"/")[2])), b"-") for path, row in found.items())
    assert len(found) > 300  # a write that had to wait too long is left out


def test_what_nobody_asks_for_is_dropped_after_two_months(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "index"
    Index(file).store([(b"/used", OLD, b"-"), (b"/unused", OLD, b"-")])
    now_s = time.time()
    for days in (50, 100):
        monkeypatch.setattr(time, "time", lambda days=days: now_s + days * 86400)
        assert Index(file).rows([b"/used"])
    Index(file).store((b"/%d" % number, OLD, b"-") for number in range(1000))
    assert Index(file).rows([b"/used", b"/unused"]).keys() == {b"/used"}


def test_a_digest_is_remembered_between_sessions_and_only_while_the_status_says_the_same(tmp_path: Path) -> None:
    path = Path(os.__file__)
    if path.stat().st_ctime > time.time() - 10:
        pytest.skip("this interpreter was installed a moment ago")
    file = tmp_path / "index"
    digest = FileDigests(Index(file)).digest(path)
    assert digest is not None
    ((status, entry),) = Index(file).rows([os.fsencode(path)]).values()
    assert entry == b"-" + bytes.fromhex(digest)
    Index(file).store([(os.fsencode(path), status, b"-" + b"\1" * 32)])
    assert FileDigests(Index(file)).digest(path) == "01" * 32
    for place in range(len(status)):
        other = tuple(value + (at == place) for at, value in enumerate(status))
        Index(file).store([(os.fsencode(path), other, b"-" + b"\1" * 32)])  # type: ignore[list-item]
        assert FileDigests(Index(file)).digest(path) == digest


def test_a_young_file_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "young"
    path.write_text("1")
    assert FileDigests(Index(tmp_path / "index")).digest(path)
    assert Index(tmp_path / "index").rows([os.fsencode(path)]) == {}
