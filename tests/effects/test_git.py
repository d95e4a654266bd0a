"""Repositories of git, fetched for real from this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from devloop.effects.git import Checkouts
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed
from devloop.scope import Cancelled, Scope

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


class Upstream:
    """A repository that others fetch from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")

    @property
    def url(self) -> str:
        return f"file://{self.folder}"

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *who, *words], cwd=self.folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, text: str) -> str:
        (self.folder / "file").write_text(text)
        self.git("add", "file")
        self.git("commit", "-q", "-m", text)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "db.git")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def get(cache: Path, url: str, ref: str, *, is_updating: bool = False, told: list[str] | None = None) -> Path:
    tell = told.append if told is not None else lambda _text: None
    with Scope("test") as scope:
        return Checkouts(cache, RealProcesses(), tell, is_updating=is_updating).get(scope, url, ref)


def text(folder: Path) -> str:
    return (folder / "file").read_text()


def test_a_tag_a_branch_and_a_commit_are_what_they_name(upstream: Upstream, cache: Path) -> None:
    first = upstream.commit("one")
    upstream.git("tag", "-a", "v1", "-m", "v1")
    upstream.commit("two")
    assert text(get(cache, upstream.url, "v1")) == "one"
    assert text(get(cache, upstream.url, "main")) == "two"
    assert text(get(cache, upstream.url, first)) == "one"
    assert get(cache, upstream.url, first) == get(cache, upstream.url, "v1")


@pytest.mark.parametrize("ref", ["main", "a commit"])
def test_what_was_fetched_once_needs_the_repository_no_more(upstream: Upstream, cache: Path, ref: str) -> None:
    commit = upstream.commit("one")
    ref = commit if ref == "a commit" else ref
    told: list[str] = []
    get(cache, upstream.url, ref, told=told)
    shutil.rmtree(upstream.folder)
    assert text(get(cache, upstream.url, ref, told=told)) == "one"
    assert told == [f"fetching {upstream.url} at {ref}"]


def test_a_branch_moves_only_when_asked_for_and_what_was_there_stays(upstream: Upstream, cache: Path) -> None:
    upstream.commit("one")
    before = get(cache, upstream.url, "main")
    upstream.commit("two")
    assert get(cache, upstream.url, "main") == before
    after = get(cache, upstream.url, "main", is_updating=True)
    assert (text(before), text(after)) == ("one", "two")
    assert get(cache, upstream.url, "main") == after


def test_nothing_is_left_behind_by_a_fetch(upstream: Upstream, cache: Path) -> None:
    upstream.commit("one")
    folder = get(cache, upstream.url, "main")
    assert sorted(each.name for each in folder.parent.iterdir()) == sorted([folder.name, "lock", "ref-main"])
    assert [each.name for each in folder.iterdir()] == ["file"]


def test_a_ref_that_is_not_there_is_told(upstream: Upstream, cache: Path) -> None:
    upstream.commit("one")
    with pytest.raises(StepFailed, match=r"cannot fetch .*db\.git at v9") as raised:
        get(cache, upstream.url, "v9")
    assert "lists what there is" in str(raised.value.hint)
    assert any("v9" in line for line in raised.value.evidence)
    assert list(cache.rglob("ref-*")) == []


def test_a_repository_that_is_not_there_is_told_with_the_words_of_git(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="cannot fetch") as raised:
        get(cache, f"file://{tmp_path}/none.git", "main")
    assert any("none.git" in line for line in raised.value.evidence)


def test_a_password_in_a_url_is_never_shown(cache: Path) -> None:
    with pytest.raises(StepFailed) as raised:
        get(cache, "http://me:s3cret@127.0.0.1:9/db.git", "main")
    said = f"{raised.value.message} {raised.value.hint} {raised.value.evidence}"
    assert "s3cret" not in said
    assert "s3cret" not in " ".join(map(str, cache.rglob("*")))


def test_a_git_that_runs_us_as_its_hook_is_left_alone(
    upstream: Upstream, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.commit("one")
    mine = Upstream(tmp_path / "mine")
    before = mine.commit("mine")
    monkeypatch.setenv("GIT_DIR", str(mine.folder / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(mine.folder / ".git/index"))
    assert text(get(cache, upstream.url, "main")) == "one"
    for name in ("GIT_DIR", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name)
    assert mine.git("rev-parse", "HEAD") == before
    assert mine.git("status", "--porcelain") == ""


def test_two_sessions_fetch_once(upstream: Upstream, cache: Path) -> None:
    upstream.commit("one")
    told: list[str] = []
    threads = [
        threading.Thread(target=get, args=(cache, upstream.url, "main"), kwargs={"told": told}) for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(told) == 1


def test_a_wait_for_another_session_can_be_cancelled(upstream: Upstream, cache: Path) -> None:
    import fcntl

    upstream.commit("one")
    home = get(cache, upstream.url, "main").parent
    with (home / "lock").open("w") as held, Scope("test") as scope:
        fcntl.flock(held, fcntl.LOCK_EX)
        threading.Timer(0.3, scope.cancel).start()
        with pytest.raises(Cancelled):
            Checkouts(cache, RealProcesses(), is_updating=True).get(scope, upstream.url, "main")


def test_a_cancelled_fetch_leaves_nothing_and_is_done_again(upstream: Upstream, cache: Path, tmp_path: Path) -> None:
    upstream.commit("one")
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    with Scope("test") as scope, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_SSH_COMMAND", str(slow))
        threading.Timer(0.5, scope.cancel).start()
        with pytest.raises(Cancelled):
            Checkouts(cache, RealProcesses()).get(scope, "ssh://host/db.git", "main")
    assert [each.name for each in cache.glob("*/*")] == ["lock"]


def test_a_cache_that_cannot_be_written_is_told(upstream: Upstream, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(StepFailed, match="cannot be kept") as raised:
        get(tmp_path / "taken", upstream.url, "main")
    assert os.fspath(tmp_path) in str(raised.value.where)
