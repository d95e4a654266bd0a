"""The watcher on the real file system: every way of saving, folders that come and go, storms, limits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devloop.effects import files
from devloop.effects.inotify import Inotify
from devloop.effects.roots import everything, nothing
from devloop.scope import Cancelled, Scope

PATIENCE_S = 20.0


class Batches:
    """What a watcher delivered."""

    def __init__(self) -> None:
        self.all: list[frozenset[Path]] = []
        self._news = threading.Condition()

    def add(self, batch: frozenset[Path]) -> None:
        with self._news:
            self.all.append(batch)
            self._news.notify_all()

    @property
    def paths(self) -> set[Path]:
        return {path for batch in list(self.all) for path in batch}

    def until(self, *paths: Path) -> list[frozenset[Path]]:
        """Waits for all these paths; returns what came, and starts afresh."""
        with self._news:
            arrived = self._news.wait_for(lambda: self.paths >= set(paths), PATIENCE_S)
            came, self.all = self.all, []
        assert arrived, f"missing {set(paths) - {path for batch in came for path in batch}}, came {came}"
        return came


class Watched:
    def __init__(self, scope: Scope, folder: Path) -> None:
        self.folder = folder
        self.batches = Batches()
        self.watcher = files.Watcher(scope, self.batches.add)

    def roots(self, *roots: Path) -> None:
        self.watcher.watch(everything(roots))

    def settle(self) -> set[Path]:
        """Everything that came, up to an edit made now."""
        last = self.folder / "sentinel"
        last.write_text(f"{os.urandom(4).hex()}")
        came = self.batches.until(last)
        return {path for batch in came for path in batch} - {last}


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    folder = tmp_path / "project"
    folder.mkdir()
    with Scope() as scope:
        made = Watched(scope, folder)
        made.roots(folder)
        yield made
        scope.cancel()


def in_place(path: Path) -> None:
    path.write_text("new")


def vim_rename(path: Path) -> None:
    (path.parent / "4913").write_text("")
    (path.parent / "4913").unlink()
    (path.parent / f".{path.name}.swp").write_text("swap")
    path.rename(f"{path}~")
    path.write_text("new")
    Path(f"{path}~").unlink()
    (path.parent / f".{path.name}.swp").unlink()


def jetbrains_safe_write(path: Path) -> None:
    new, old = Path(f"{path}___jb_tmp___"), Path(f"{path}___jb_old___")
    new.write_text("new")
    path.rename(old)
    new.rename(path)
    old.unlink()


def atomic_replace(path: Path) -> None:
    new = path.parent / ".goutputstream-A1B2C3"
    new.write_text("new")
    new.replace(path)


def emacs(path: Path) -> None:
    lock = path.parent / f".#{path.name}"
    lock.symlink_to("me@here.1:1")
    (path.parent / f"#{path.name}#").write_text("auto-save")
    path.write_text("new")
    (path.parent / f"#{path.name}#").unlink()
    lock.unlink()


def replace_from_elsewhere(path: Path) -> None:
    new = path.parent.parent / "outside"
    new.write_text("new")
    new.replace(path)


@pytest.mark.parametrize(
    "save", [in_place, vim_rename, jetbrains_safe_write, atomic_replace, emacs, replace_from_elsewhere]
)
def test_a_save_is_one_batch_with_the_file_and_nothing_else(watched: Watched, save: Callable[[Path], None]) -> None:
    path = watched.folder / "app.py"
    path.write_text("old")
    watched.batches.until(path)
    save(path)
    assert watched.batches.until(path) == [frozenset({path})]
    assert watched.settle() == set()
    assert path.read_text() == "new"


def test_a_file_counts_when_it_was_closed_not_while_it_is_written(watched: Watched) -> None:
    path = watched.folder / "app.py"
    path.write_text("old")
    watched.batches.until(path)
    with path.open("w") as stream:
        for _ in range(3):
            stream.write("half")
            stream.flush()
            assert watched.settle() == set()
    assert watched.batches.until(path) == [frozenset({path})]


def test_a_change_of_mode_counts(watched: Watched) -> None:
    path = watched.folder / "run.sh"
    path.write_text("")
    watched.batches.until(path)
    path.chmod(0o755)
    watched.batches.until(path)


def test_a_deleted_file_counts(watched: Watched) -> None:
    path = watched.folder / "app.py"
    path.write_text("")
    watched.batches.until(path)
    path.unlink()
    watched.batches.until(path)


def test_links_and_hard_links_count(watched: Watched) -> None:
    path = watched.folder / "app.py"
    path.write_text("x")
    link, hard = watched.folder / "link", watched.folder / "hard"
    link.symlink_to("app.py")
    hard.hardlink_to(path)
    watched.batches.until(path, link, hard)


def test_the_inside_of_git_never_counts_unless_asked_for(watched: Watched) -> None:
    git = watched.folder / ".git"
    git.mkdir()
    (git / "objects").mkdir()
    (git / "index").write_text("")
    assert watched.settle() == set()
    shutil.rmtree(git)
    watched.roots(watched.folder, git / "HEAD")
    git.mkdir()
    (git / "HEAD").write_text("ref: refs/heads/main")
    watched.batches.until(git / "HEAD")
    (git / "index").write_text("")
    (git / "HEAD").write_text("ref: refs/heads/other")
    watched.batches.until(git / "HEAD")
    assert watched.settle() == set()


def test_droppings_never_count(watched: Watched) -> None:
    for name in ("app.py~", "4913", ".#app.py", "#app.py#", ".app.py.swp", ".app.py.swx", "app.py___jb_tmp___"):
        (watched.folder / name).write_text("x")
        (watched.folder / name).unlink()
    assert watched.settle() == set()


def test_files_that_come_with_their_folder_are_all_seen(watched: Watched) -> None:
    made = [watched.folder / "a" / f"b{i}" / "c" / f"{j}.py" for i in range(20) for j in range(5)]
    for path in made:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    watched.batches.until(watched.folder / "a", *made)
    made[7].write_text("y")
    assert watched.batches.until(made[7]) == [frozenset({made[7]})]


def test_a_folder_moved_in_is_seen_and_watched_and_out_is_not(watched: Watched, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "app.py").write_text("x")
    inside = watched.folder / "inside"
    outside.rename(inside)
    watched.batches.until(inside, inside / "deep" / "app.py")
    inside.rename(watched.folder / "renamed")
    watched.batches.until(inside, watched.folder / "renamed" / "deep" / "app.py")
    (watched.folder / "renamed" / "deep" / "app.py").write_text("y")
    watched.batches.until(watched.folder / "renamed" / "deep" / "app.py")
    (watched.folder / "renamed").rename(outside)
    watched.batches.until(watched.folder / "renamed")
    (outside / "deep" / "app.py").write_text("z")
    assert watched.settle() == set()


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_a_folder_deleted_and_made_again_is_watched_again(watched: Watched, depth: int) -> None:
    root = watched.folder / "a" / "b"
    root.mkdir(parents=True)
    watched.roots(root)
    for round_ in range(3):
        (root / "deep").mkdir(exist_ok=True)
        (root / "deep" / "app.py").write_text(str(round_))
        watched.batches.until(root / "deep" / "app.py")
        shutil.rmtree([root, root.parent, watched.folder][depth])
        watched.batches.until(root)
        root.mkdir(parents=True)
        watched.batches.until(root)


def test_a_file_whose_folder_goes_and_comes_back_is_watched_again(watched: Watched) -> None:
    path = watched.folder / "conf" / "app.yaml"
    path.parent.mkdir()
    path.write_text("a")
    watched.roots(path)
    for text in ("b", "c"):
        shutil.rmtree(path.parent)
        watched.batches.until(path)
        path.parent.mkdir()
        path.write_text(text)
        watched.batches.until(path)
        path.write_text(text * 2)
        assert watched.batches.until(path)[-1] == frozenset({path})


def test_roots_that_do_not_exist_are_reported_when_they_appear(watched: Watched) -> None:
    folder, file = watched.folder / "x" / "y" / "z", watched.folder / "k8s" / "app.yaml"
    watched.roots(folder, file)
    (watched.folder / "x" / "other").mkdir(parents=True)
    (folder / "in").mkdir(parents=True)
    file.parent.mkdir()
    file.write_text("")
    watched.batches.until(folder, file)
    (folder / "in" / "app.py").write_text("")
    (watched.folder / "x" / "y" / "noise").write_text("")
    assert watched.batches.until(folder / "in" / "app.py")[-1] == frozenset({folder / "in" / "app.py"})


def test_a_single_file_is_watched_without_its_neighbours(watched: Watched) -> None:
    path = watched.folder / "app.yaml"
    path.write_text("a")
    watched.settle()
    watched.roots(path, watched.folder / "sentinel")
    (watched.folder / "other.yaml").write_text("b")
    assert watched.settle() == set()
    vim_rename(path)
    assert watched.batches.until(path) == [frozenset({path})]


def test_overlapping_roots_report_once(watched: Watched) -> None:
    inner = watched.folder / "src"
    inner.mkdir()
    watched.settle()
    watched.roots(watched.folder, inner, inner / "app.py")
    (inner / "app.py").write_text("x")
    assert watched.batches.until(inner / "app.py")[-1] == frozenset({inner / "app.py"})
    assert watched.settle() == set()


def test_other_roots_replace_the_first(watched: Watched) -> None:
    one, two = watched.folder / "one", watched.folder / "two"
    for folder in (one, two):
        (folder / "deep").mkdir(parents=True)
    sentinel = watched.folder / "sentinel"
    for wanted, unwanted in ((one, two), (two, one), (one, two)):
        watched.roots(wanted, sentinel)
        watched.settle()
        (unwanted / "deep" / "app.py").write_text("x")
        (wanted / "deep" / "app.py").write_text("x")
        watched.batches.until(wanted / "deep" / "app.py")
        assert watched.settle() == set()
    watched.roots(watched.folder)
    watched.settle()
    (two / "deep" / "app.py").write_text("y")
    watched.batches.until(two / "deep" / "app.py")


def test_a_root_behind_a_symlink_is_reported_under_the_path_asked_for(watched: Watched, tmp_path: Path) -> None:
    for release in ("one", "two"):
        (tmp_path / release / "src").mkdir(parents=True)
    link = watched.folder / "current"
    link.symlink_to(tmp_path / "one")
    watched.settle()
    watched.roots(link / "src", watched.folder / "sentinel")
    (tmp_path / "one" / "src" / "app.py").write_text("x")
    assert watched.batches.until(link / "src" / "app.py") == [frozenset({link / "src" / "app.py"})]
    swap = tmp_path / "swap"
    swap.symlink_to(tmp_path / "two")
    swap.replace(link)
    watched.batches.until(link / "src")
    (tmp_path / "two" / "src" / "app.py").write_text("y")
    watched.batches.until(link / "src" / "app.py")
    (tmp_path / "one" / "src" / "app.py").write_text("z")
    assert watched.settle() == set()


def test_a_file_behind_a_symlink_counts_when_its_target_or_the_link_changes(watched: Watched, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / "real" / name).write_text("x")
    link = watched.folder / "values.yaml"
    link.symlink_to("../real/a.yaml")
    watched.roots(link)
    (tmp_path / "real" / "a.yaml").write_text("y")
    watched.batches.until(link)
    link.unlink()
    link.symlink_to("../real/b.yaml")
    watched.batches.until(link)
    atomic_replace(tmp_path / "real" / "b.yaml")
    watched.batches.until(link)


def test_no_file_of_a_burst_is_lost(watched: Watched) -> None:
    for round_ in range(2):
        made = [watched.folder / f"d{i % 40}" / f"{i}.py" for i in range(2000)]
        for path in made:
            path.parent.mkdir(exist_ok=True)
            path.write_text(str(round_))
        watched.batches.until(*made)


def test_lost_events_are_reported_as_the_whole_root(watched: Watched) -> None:
    """A queue that overflows (16,384 events by default) while nobody reads it: a batch blocks the watcher, not the kernel's reader,
    so the overflow is made by more renames than the reader can take at once.
    """
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    if limit > 20_000:
        pytest.skip(f"fs.inotify.max_queued_events is {limit}: too many events to make")
    one, two = watched.folder / "one", watched.folder / "two"
    one.write_text("")
    with watched.watcher._lock:
        native = watched.watcher._native
    assert isinstance(native, Inotify)
    with native._lock:
        for _ in range(limit):
            one.rename(two)
            two.rename(one)
        (watched.folder / "new" / "deep").mkdir(parents=True)
    watched.batches.until(watched.folder)
    (watched.folder / "new" / "deep" / "app.py").write_text("x")
    watched.batches.until(watched.folder / "new" / "deep" / "app.py")


def test_a_switch_of_branches_is_one_batch(watched: Watched) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "core.hooksPath=/dev/null"]
        subprocess.run(["git", *identity, *arguments], cwd=watched.folder, check=True, capture_output=True, timeout=60)

    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    made = [watched.folder / f"d{i % 10}" / f"{i}.py" for i in range(1000)]
    git("init", "-q")
    for branch in ("one", "two"):
        git("checkout", "-q", "-b", branch)
        for path in made:
            path.parent.mkdir(exist_ok=True)
            path.write_text(branch)
        if branch == "two":
            (watched.folder / "only-two").mkdir()
            (watched.folder / "only-two" / "app.py").write_text("x")
        git("add", ".")
        git("commit", "-q", "-m", branch)
    watched.settle()
    for branch in ("one", "two") * 5:
        git("checkout", "-q", branch)
        [batch] = watched.batches.until(*made, watched.folder / "only-two")
        assert not [path for path in batch if ".git" in path.parts]


def test_a_deletion_waits_for_the_rest_of_the_save(watched: Watched) -> None:
    path = watched.folder / "app.py"
    path.write_text("old")
    watched.batches.until(path)
    path.unlink()
    in_place(path)
    assert watched.batches.until(path) == [frozenset({path})]


def test_folders_that_are_left_out_get_no_watch(watched: Watched) -> None:
    for name in ("src/deep", "node_modules/a/b", "node_modules/c"):
        (watched.folder / name).mkdir(parents=True)
    modules = watched.folder / "node_modules"
    watched.watcher.watch({watched.folder: lambda folder: folder == modules})
    assert natively_watched(watched) == {watched.folder, watched.folder / "src", watched.folder / "src/deep"}
    (modules / "c" / "x.js").write_text("x")
    (watched.folder / "src/deep/app.py").write_text("x")
    assert watched.settle() >= {watched.folder / "src/deep/app.py"}
    (modules / "d").mkdir()
    assert modules / "d" not in natively_watched(watched)
    watched.watcher.watch({watched.folder: nothing})
    assert modules / "a/b" in natively_watched(watched)
    (modules / "c" / "x.js").write_text("y")
    watched.batches.until(modules / "c" / "x.js")


def test_what_one_root_leaves_out_another_may_want(watched: Watched) -> None:
    inner = watched.folder / "a/b"
    (inner / "c").mkdir(parents=True)
    watched.watcher.watch({watched.folder: lambda folder: folder.name == "a", inner: nothing})
    assert natively_watched(watched) == {watched.folder, inner, inner / "c"}
    (inner / "c" / "app.py").write_text("x")
    watched.batches.until(inner / "c" / "app.py")


def natively_watched(watched: Watched) -> set[Path]:
    with watched.watcher._lock:
        native = watched.watcher._native
    assert isinstance(native, Inotify)
    with native._lock:
        return set(map(Path, native._watches))


def test_being_caught_up_means_that_nothing_is_left_to_tell(watched: Watched) -> None:
    for number in range(100):
        made = [watched.folder / f"d{number}" / f"{index}.py" for index in range(number % 7 + 1)]
        made[0].parent.mkdir()
        for path in made:
            path.write_text("x")
        assert watched.watcher.caught_up(Scope())
        told = {path for batch in watched.batches.all for path in batch}
        assert all(path in told or path.parent in told for path in made)
        made[0].unlink()
        assert watched.watcher.caught_up(Scope())
        assert watched.batches.all[-1] == frozenset({made[0]})


def test_nobody_waits_for_a_watcher_that_ended(tmp_path: Path) -> None:
    with Scope() as scope:
        watcher = files.Watcher(scope, lambda _: None)
        watcher.watch({tmp_path: nothing})
        scope.cancel()
    assert not watcher.caught_up(Scope())


def test_while_git_holds_its_index_everything_waits_for_the_end(watched: Watched) -> None:
    lock = watched.folder / ".git/index.lock"
    lock.parent.mkdir()
    watched.settle()
    lock.write_text("")
    for number in range(50):
        (watched.folder / f"{number}.py").write_text("x")
    threading.Timer(0.5, lock.unlink).start()
    made = {watched.folder / f"{number}.py" for number in range(50)}
    assert [batch & made for batch in watched.batches.until(*made) if batch & made] == [made]


def test_a_lock_that_was_left_behind_holds_nothing_up_for_ever(watched: Watched) -> None:
    (watched.folder / ".git").mkdir()
    (watched.folder / ".git/index.lock").write_text("")
    for number in range(2):
        path = watched.folder / f"{number}.py"
        path.write_text("x")
        watched.batches.until(path)


def test_manual_hands_over_nothing_before_it_is_asked(tmp_path: Path) -> None:
    batches, held = Batches(), Batches()
    with Scope() as scope:
        watcher = files.Watcher(scope, batches.add, mode="manual", on_held=held.add)
        watcher.watch({tmp_path: nothing})
        for name in ("a.py", "b.py"):
            (tmp_path / name).write_text("x")
            held.until(tmp_path / name)
        assert not watcher.caught_up(Scope())
        assert batches.all == []
        watcher.look()
        assert batches.until(tmp_path / "a.py", tmp_path / "b.py") == [
            frozenset({tmp_path / "a.py", tmp_path / "b.py"})
        ]
        assert watcher.caught_up(Scope())
        scope.cancel()


def test_polling_finds_every_kind_of_change(tmp_path: Path) -> None:
    batches = Batches()
    (tmp_path / "skipped").mkdir()
    (tmp_path / "old" / "deep").mkdir(parents=True)
    path = tmp_path / "old" / "deep" / "app.py"
    path.write_text("1")
    with Scope() as scope:
        watcher = files.Watcher(scope, batches.add, mode="poll")
        watcher.watch({tmp_path: lambda folder: folder.name == "skipped"})
        assert not watcher.caught_up(Scope())
        path.write_text("22")
        batches.until(path)
        path.write_text("333")
        batches.until(path)
        (tmp_path / "new" / "deep").mkdir(parents=True)
        batches.until(tmp_path / "new")
        (tmp_path / "new" / "deep" / "app.py").write_text("x")
        batches.until(tmp_path / "new" / "deep" / "app.py")
        path.unlink()
        batches.until(path)
        (tmp_path / "skipped" / "app.py").write_text("x")
        shutil.rmtree(tmp_path / "old")
        came = batches.until(tmp_path / "old")
        assert tmp_path / "skipped" / "app.py" not in {each for batch in came for each in batch}
        scope.cancel()


def test_leaving_the_scope_ends_every_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with Scope() as scope:
        watcher = files.Watcher(scope, lambda _: None)
        watcher.watch({tmp_path: nothing})
        assert set(threading.enumerate()) > before
        scope.cancel()
    assert set(threading.enumerate()) == before
    with pytest.raises(Cancelled):
        watcher.watch({tmp_path: nothing})


FALLBACK = """
    import sys, threading
    from pathlib import Path
    from devloop.effects import files
    from devloop.effects.roots import everything
    from devloop.scope import Scope

    folder, seen, came, notices = Path(sys.argv[1]), set(), threading.Condition(), []

    def on_batch(batch):
        with came:
            seen.update(batch)
            came.notify_all()

    def until(path):
        with came:
            assert came.wait_for(lambda: seen & {path, *path.parents}, 20), (path, seen)
            seen.clear()

    with Scope() as scope:
        watcher = files.Watcher(scope, on_batch, lambda text, hint: notices.append((text, hint)))
        watcher.watch(everything([folder]))
        print("at first:", notices)
        for i in range(12):
            (folder / f"new{i}" / "deep").mkdir(parents=True)
        until(folder / "new11")
        (folder / "new11" / "deep" / "app.py").write_text("x")
        until(folder / "new11" / "deep" / "app.py")
        (folder / "later").mkdir()
        watcher.watch(everything([folder, folder.parent / "missing"]))
        (folder / "new11" / "deep" / "app.py").write_text("longer")
        until(folder / "new11" / "deep" / "app.py")
        (folder.parent / "missing").mkdir()
        until(folder.parent / "missing")
        print("at last:", notices)
        scope.cancel()
    assert threading.active_count() == 1, threading.enumerate()
"""


@pytest.mark.parametrize(
    ("limit", "value", "first", "sysctl"),
    [
        ("max_inotify_instances", 0, "every 2 s", "max_user_instances"),
        ("max_inotify_watches", 1, "every 2 s", "max_user_watches"),
        ("max_inotify_watches", 8, "[]", "max_user_watches"),
    ],
    ids=["no instance", "no watches at start", "no watches later"],
)
def test_polling_takes_over_where_the_kernel_gives_no_more_watches(
    tmp_path: Path, limit: str, value: int, first: str, sysctl: str
) -> None:
    folder = tmp_path / "project"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    set_limit = f"echo {value} > /proc/sys/user/{limit}"  # of a user namespace: this machine's own limit stays
    if subprocess.run(["unshare", "-Ur", "sh", "-c", set_limit], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    script = f'{set_limit} && exec {sys.executable} -c "$0" {folder}'
    done = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", script, textwrap.dedent(FALLBACK)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    at_first, at_last = done.stdout.splitlines()
    assert first in at_first
    assert at_last.count("every 2 s") == 1
    assert f"fs.inotify.{sysctl}" in at_last
