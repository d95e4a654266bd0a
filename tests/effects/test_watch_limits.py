"""The kernel's limits of watching, as /proc tells them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from devloop.effects.watch_limits import WatchLimits, look


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """One process with two instances of inotify, and one file that is none."""
    limits = tmp_path / "sys/fs/inotify"
    limits.mkdir(parents=True)
    (limits / "max_user_watches").write_text("8192\n")
    (limits / "max_user_instances").write_text("128\n")
    for fd, target, info in (
        ("3", "anon_inode:inotify", "pos:\t0\nflags:\t00\ninotify wd:1 ino:2\ninotify wd:2 ino:3\n"),
        ("4", "/dev/null", "pos:\t0\n"),
        ("5", "anon_inode:inotify", "pos:\t0\ninotify wd:1 ino:2\n"),
    ):
        for folder in ("fd", "fdinfo"):
            (tmp_path / "17" / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / "17/fd" / fd).symlink_to(target)
        (tmp_path / "17/fdinfo" / fd).write_text(info)
    return tmp_path


def test_what_this_users_processes_watch_is_counted(proc: Path) -> None:
    assert look(proc) == WatchLimits(watches=8192, instances=128, watched=3, opened=2)


def test_a_process_that_cannot_be_looked_at_is_left_out(proc: Path) -> None:
    (proc / "18").mkdir()
    (proc / "17/fdinfo/5").unlink()
    assert look(proc) == WatchLimits(watches=8192, instances=128, watched=2, opened=2)


def test_there_are_none_without_inotify(tmp_path: Path) -> None:
    assert look(tmp_path) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="inotify is Linux's")
def test_a_watch_of_this_process_is_among_them(tmp_path: Path) -> None:
    import ctypes

    before = look()
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(0)
    try:
        assert libc.inotify_add_watch(fd, os.fsencode(tmp_path), 0x100) > 0
        after = look()
    finally:
        os.close(fd)
    assert before is not None
    assert after is not None
    assert after.opened >= 1
    assert after.watched >= 1
