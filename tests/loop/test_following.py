"""What is followed by events must equal what a fresh look finds, whatever is done to the tree: watcher, tracker and listings together."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devloop.build.docker import DockerBuilder
from devloop.config import model
from devloop.effects.files import Watcher
from devloop.effects.process import RealProcesses
from devloop.loop.track import Listing, Tracker
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import Tools
from devloop.store.digests import FileDigests
from devloop.testing.engine import FakeEngine

DOCKERFILE = "FROM scratch\nCOPY src /src\nCOPY *.txt lib*/ /top/\n"
IGNORE = "**/*.log\nsrc/cache\n!src/cache/keep.log\n"


class Followed:
    """A project with one image, followed as `dev` follows it."""

    def __init__(self, scope: Scope, folder: Path) -> None:
        self.folder = folder
        self.scope = scope
        self.moved = 0
        self.tracker = self.made()
        self.watcher = Watcher(scope, self._on_batch)
        self.tracker.follow(self.watcher.caught_up)
        self.watcher.watch(self.tracker.roots())
        self.tracker.track(scope, self.listings())

    def made(self) -> Tracker:
        tracker = Tracker(FileDigests(), self.folder)
        tracker.track(self.scope, self.listings())
        return tracker

    def listings(self) -> dict[str, Listing]:
        artifact = model.Artifact(image="shop/api", context=".")
        tools = Tools(RealProcesses(), FakeEngine(), lambda _line: None)

        def inputs(scope: Scope) -> Inputs:
            return DockerBuilder().inputs(scope, artifact, self.folder, tools)

        return {"image/shop/api": Listing(inputs, self.folder)}

    def _on_batch(self, paths: frozenset[Path]) -> None:
        if self.tracker.changed(self.scope, paths):
            self.moved += 1
            self.watcher.watch(self.tracker.roots())

    def differs_from_a_fresh_look(self) -> bool:
        # What is reported may lead to more to watch, which is then looked at as well; so until that holds still.
        for _ in range(3):
            assert self.watcher.caught_up(Scope())
        return self.tracker.digests() != self.made().digests()


@pytest.fixture
def followed(tmp_path: Path) -> Iterator[Followed]:
    folder = tmp_path / "project"
    for name in ("src/a.py", "src/deep/b.py", "src/cache/x", "lib1/c", "top.txt", "notes.md"):
        write(folder / name, "old")
    write(folder / "Dockerfile", DOCKERFILE)
    write(folder / ".dockerignore", IGNORE)
    with Scope("test") as scope:
        yield Followed(scope, folder)
        scope.cancel()


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def sed_in_place(folder: Path) -> None:
    subprocess.run(["sed", "-i", "s/old/new/", "src/a.py"], cwd=folder, check=True)


def rsync_style(folder: Path) -> None:
    """As rsync without --inplace: a hidden file beside it, its times set, then renamed over it."""
    new = folder / "src/.a.py.Xy12Ab"
    new.write_text("new")
    os.utime(new, (1_600_000_000, 1_600_000_000))
    new.replace(folder / "src/a.py")


def folder_moved_in(folder: Path) -> None:
    write(folder.parent / "elsewhere/deep/new.py", "new")
    (folder.parent / "elsewhere").rename(folder / "src/came")


def folder_moved_out(folder: Path) -> None:
    (folder / "src/deep").rename(folder.parent / "out")


def folder_becomes_a_link(folder: Path) -> None:
    write(folder.parent / "target/b.py", "new")
    shutil.rmtree(folder / "src/deep")
    (folder / "src/deep").symlink_to(folder.parent / "target")


def source_becomes_a_link(folder: Path) -> None:
    (folder / "src").rename(folder / "lib2")
    (folder / "src").symlink_to("lib2")


def case_only_rename(folder: Path) -> None:
    (folder / "src/a.py").rename(folder / "src/A.py")


def name_of_255_bytes(folder: Path) -> None:
    write(folder / "src" / ("é" * 127 + "x"), "new")


def name_that_is_no_text(folder: Path) -> None:
    path = os.fsencode(folder / "src") + b"/\xff\xfe \n.py"
    with open(path, "w") as file:
        file.write("new")


def tree_deleted_and_made_again(folder: Path) -> None:
    shutil.rmtree(folder / "src")
    write(folder / "src/a.py", "new")
    write(folder / "src/deep/b.py", "old")


def whole_context_replaced(folder: Path) -> None:
    folder.rename(folder.parent / "before")
    for name in ("src/a.py", "top.txt"):
        write(folder / name, "new")
    write(folder / "Dockerfile", DOCKERFILE)


def ignore_file_gone(folder: Path) -> None:
    write(folder / "src/x.log", "new")
    (folder / ".dockerignore").unlink()


def new_source_in_the_dockerfile(folder: Path) -> None:
    write(folder / "other/x", "new")
    write(folder / "Dockerfile", DOCKERFILE + "COPY other /other\n")


def made_executable(folder: Path) -> None:
    (folder / "src/a.py").chmod(0o755)


def file_becomes_a_folder(folder: Path) -> None:
    (folder / "src/a.py").unlink()
    write(folder / "src/a.py/inside", "new")


def matched_by_a_wildcard(folder: Path) -> None:
    write(folder / "lib9/new", "new")
    write(folder / "other.txt", "new")


CHANGES = (
    sed_in_place, rsync_style, folder_moved_in, folder_moved_out, folder_becomes_a_link, source_becomes_a_link, case_only_rename,
    name_of_255_bytes, name_that_is_no_text, tree_deleted_and_made_again, whole_context_replaced, ignore_file_gone,
    new_source_in_the_dockerfile, made_executable, file_becomes_a_folder, matched_by_a_wildcard,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda each: each.__name__)
def test_a_change_is_found_and_so_is_the_next(followed: Followed, change: Callable[[Path], None]) -> None:
    before = followed.tracker.digests()
    change(followed.folder)
    assert not followed.differs_from_a_fresh_look()
    assert followed.tracker.digests() != before
    before = followed.tracker.digests()
    (followed.folder / "top.txt").write_text("and on")
    assert not followed.differs_from_a_fresh_look()
    assert followed.tracker.digests() != before


def touched(folder: Path) -> None:
    os.utime(folder / "src/a.py")


def mode_that_does_not_matter(folder: Path) -> None:
    (folder / "src/a.py").chmod(0o600)


def same_bytes(folder: Path) -> None:
    write(folder / "src/a.py", "old")


def replaced_by_the_same(folder: Path) -> None:
    write(folder / "new", "old")
    (folder / "new").replace(folder / "src/a.py")


def ignored(folder: Path) -> None:
    write(folder / "src/x.log", "new")
    write(folder / "src/cache/more/x", "new")
    write(folder / "notes.md", "new")


def away_and_back(folder: Path) -> None:
    (folder / "src").rename(folder / "aside")
    (folder / "aside").rename(folder / "src")


@pytest.mark.parametrize(
    "change",
    [touched, mode_that_does_not_matter, same_bytes, replaced_by_the_same, ignored, away_and_back],
    ids=lambda each: each.__name__,
)
def test_what_alters_no_content_alters_no_digest(followed: Followed, change: Callable[[Path], None]) -> None:
    before = followed.tracker.digests()
    change(followed.folder)
    assert not followed.differs_from_a_fresh_look()
    assert followed.tracker.digests() == before
    assert followed.moved == 0


NAMES = ("a.py", "b.py", "c.log", "top.txt", "deep", "cache", "lib1", "src", "lib2")


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_done_to_the_tree_is_followed(followed: Followed, seed: int) -> None:
    rng = random.Random(seed)
    done = []
    for _ in range(12):
        for _ in range(rng.randint(1, 6)):
            done.append(do_something(rng, followed.folder))
        assert not followed.differs_from_a_fresh_look(), f"seed {seed}: {done}"


def do_something(rng: random.Random, folder: Path) -> str:
    def any_path(depth: int) -> Path:
        return folder.joinpath(*rng.choices(NAMES, k=rng.randint(1, depth)))

    path, other = any_path(3), any_path(3)
    kind = rng.choice(("write", "write", "write", "remove", "move", "move", "link", "mkdir", "ignore", "dockerfile"))
    try:
        match kind:
            case "write":
                write(path, str(rng.random()))
            case "remove" if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            case "remove":
                path.unlink()
            case "move":
                path.rename(other)
            case "link":
                path.symlink_to(os.path.relpath(other, path.parent))
            case "mkdir":
                path.mkdir(parents=True)
            case "ignore":
                rules = rng.choices(("*.py", "src/cache", "**/deep", "!src/deep/a.py", "lib1"), k=2)
                write(folder / ".dockerignore", "\n".join(rules))
            case _:
                sources = rng.choices(("src", "lib1", "lib2", "*.txt", "src/deep", "lib*/a.py"), k=2)
                write(folder / "Dockerfile", f"FROM scratch\nCOPY {' '.join(sources)} /x/\n")
    except OSError as exc:
        return f"{kind} {path.name}: {exc.strerror}"
    return f"{kind} {path} {other}"
