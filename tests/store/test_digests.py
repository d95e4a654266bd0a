"""Digests of files and inputs: equal exactly when what they stand for is."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devloop.errors import StepFailed
from devloop.products import Inputs
from devloop.store.digests import FileDigests, InputsDigest

LONG_AGO_S = 1_700_000_000


def inputs(base: Path, *, values: tuple[tuple[str, str], ...] = ()) -> Inputs:
    """Everything below `base`, as a builder would list it."""
    files = sorted(Path(parent) / name for parent, _, names in os.walk(base) for name in names)
    return Inputs(
        base=base, files=tuple(files), roots=(base,), matches=lambda path: path.is_relative_to(base), values=values
    )


def write(base: Path, tree: Mapping[str, tuple[bytes, bool]]) -> None:
    for name, (content, is_executable) in tree.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if is_executable else 0o644)


NAMES = st.sampled_from(["a", "b", "c.py", "d/a", "d/b", "e/f/g", "é", "a b", "x\ny"])
TREES = st.dictionaries(NAMES, st.tuples(st.sampled_from([b"", b"x", b"xy", b"\0" * 65]), st.booleans()), max_size=5)
VALUES = st.lists(st.tuples(st.sampled_from(["a", "ab", ""]), st.sampled_from(["", "b", "ab"])), max_size=3).map(tuple)


@settings(max_examples=150, deadline=None)
@given(one=TREES, two=TREES, values_one=VALUES, values_two=VALUES)
def test_folds_are_equal_exactly_when_the_inputs_are(
    one: dict[str, tuple[bytes, bool]],
    two: dict[str, tuple[bytes, bool]],
    values_one: tuple[tuple[str, str], ...],
    values_two: tuple[tuple[str, str], ...],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        bases = Path(folder, "one"), Path(folder, "another")
        for base, tree in zip(bases, (one, two), strict=True):
            base.mkdir()
            write(base, tree)
        digests = FileDigests()
        folds = [
            digests.fold(inputs(base, values=values))
            for base, values in zip(bases, (values_one, values_two), strict=True)
        ]
        is_same = one == two and sorted(values_one) == sorted(values_two)
        assert (folds[0] == folds[1]) is is_same
        assert all(len(fold) == 64 and int(fold, 16) >= 0 for fold in folds)


@settings(max_examples=150, deadline=None)
@given(trees=st.lists(TREES, min_size=2, max_size=4))
def test_a_digest_kept_up_to_date_equals_one_made_afresh(trees: list[dict[str, tuple[bytes, bool]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        write(base, trees[0])
        digests = FileDigests()
        kept = InputsDigest(digests, inputs(base))
        for before, after in itertools.pairwise(trees):
            old = kept.value
            for name in before.keys() - after.keys():
                (base / name).unlink()
            write(base, after)
            changed = [kept.update(base / name) for name in sorted(before.keys() | after.keys())]
            assert kept.value == InputsDigest(FileDigests(), inputs(base)).value
            assert (kept.value == old) is (before == after)
            assert any(changed) is (before != after)


def test_the_same_bytes_saved_again_fold_the_same(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": (b"x", False)})
    digests = FileDigests()
    kept = InputsDigest(digests, inputs(tmp_path))
    before = kept.value
    write(tmp_path, {"app.py": (b"x", False)})
    os.utime(tmp_path / "app.py")
    assert kept.update(tmp_path / "app.py") is False
    assert kept.value == before == digests.fold(inputs(tmp_path))


def test_a_file_behind_the_same_status_is_read_again_while_it_is_young(tmp_path: Path) -> None:
    path = tmp_path / "app.py"
    digests = FileDigests()
    seen = set()
    for text in (b"1", b"2", b"3", b"4"):
        path.write_bytes(text)
        os.utime(path, ns=(time.time_ns(), LONG_AGO_S * 10**9))
        seen.add(digests.digest(path))
    assert len(seen) == 4


def test_a_settled_file_is_not_read_again(tmp_path: Path) -> None:
    """Only a file whose status changed long ago is trusted, so this needs one that is: the interpreter's own."""
    path = Path(os.__file__)
    if path.stat().st_ctime > time.time() - 10:
        pytest.skip("this interpreter was installed a moment ago")
    digests = FileDigests()
    first = digests.digest(path)
    opened: list[str] = []

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and arguments[0] == str(path):
            opened.append(event)

    sys.addaudithook(audit)
    assert digests.digest(path) == first
    assert opened == []
    assert FileDigests().digest(path) == first
    assert opened == ["open"]


def test_what_is_missing_or_a_folder_has_no_digest(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert FileDigests().digest(tmp_path / "none") is None
    assert FileDigests().digest(tmp_path / "file" / "none") is None
    assert FileDigests().digest(tmp_path) is None


def test_a_symlink_counts_as_its_target_text(tmp_path: Path) -> None:
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to("a")
    file.write_text("a")
    digests = FileDigests()
    one = digests.digest(link)
    assert one not in (None, digests.digest(file))
    link.unlink()
    link.symlink_to("b")
    assert digests.digest(link) not in (None, one)


def test_a_link_a_file_and_a_pipe_of_the_same_content_differ(tmp_path: Path) -> None:
    folds = []
    for kind in ("link", "file", "pipe"):
        base = tmp_path / kind
        base.mkdir()
        if kind == "link":
            (base / "x").symlink_to("nowhere")
        elif kind == "file":
            (base / "x").write_text("nowhere")
        else:
            os.mkfifo(base / "x")
        folds.append(FileDigests().fold(inputs(base)))
    assert len(set(folds)) == 3


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX modes")
def test_an_unreadable_file_says_where_and_counts_again_once_readable(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("x")
    kept = InputsDigest(FileDigests(), inputs(tmp_path))
    before = kept.value
    with _unreadable(path) as is_real:
        if not is_real:
            pytest.skip("this user reads everything and no file can be made unreadable")
        with pytest.raises(StepFailed) as failed:
            kept.update(path)
        assert failed.value.where == str(path)
        assert failed.value.hint
        assert kept.value != before
        with pytest.raises(StepFailed):
            FileDigests().fold(inputs(tmp_path))
    assert kept.update(path)
    assert kept.value == before


class _unreadable:  # noqa: N801 - reads as a verb
    """Makes a file unreadable, even for root: as the user `nobody` for the time being."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> bool:
        self.path.chmod(0)
        self.is_root = os.geteuid() == 0
        if self.is_root:
            for parent in list(self.path.parents)[:3]:
                parent.chmod(0o755)
            try:
                os.seteuid(65534)
            except OSError:
                self.is_root = False
        return not os.access(self.path, os.R_OK, effective_ids=True)

    def __exit__(self, *_: object) -> None:
        if self.is_root:
            os.seteuid(0)
        self.path.chmod(0o644)


def test_a_folder_that_came_moved_or_went_updates_all_below_it(tmp_path: Path) -> None:
    base = tmp_path / "base"
    write(base, {"a/x": (b"1", False), "a/deep/y": (b"2", False), "ab": (b"3", False)})
    digests = FileDigests()
    kept = InputsDigest(digests, inputs(base))
    (base / "a").rename(base / "b")
    assert kept.update(base / "a")
    assert kept.update(base / "b")
    assert kept.value == digests.fold(inputs(base))
    shutil.rmtree(base / "b")
    assert kept.update(base / "b")
    assert kept.value == digests.fold(inputs(base))
    (base / "ab").unlink()
    write(base, {"ab/z": (b"4", False)})
    assert kept.update(base / "ab")
    assert kept.value == digests.fold(inputs(base))


def test_what_does_not_match_does_not_count(tmp_path: Path) -> None:
    write(tmp_path, {"app.py": (b"1", False)})
    listed = replace(inputs(tmp_path), matches=lambda path: path.suffix == ".py")
    kept = InputsDigest(FileDigests(), listed)
    write(tmp_path, {"notes.txt": (b"1", False), "new/b.py": (b"1", False), "new/b.txt": (b"1", False)})
    assert kept.update(tmp_path / "notes.txt") is False
    assert kept.update(tmp_path / "new") is True
    assert kept.value == FileDigests().fold(replace(listed, files=(*listed.files, tmp_path / "new" / "b.py")))


def test_files_outside_the_base_count_by_their_relative_path(tmp_path: Path) -> None:
    folds = []
    for place in ("one", "two/deeper"):
        write(tmp_path / place, {"project/app.py": (b"1", False), "shared/lib.py": (b"2", False)})
        base = tmp_path / place / "project"
        both = (base / "app.py", tmp_path / place / "shared" / "lib.py")
        folds.append(FileDigests().fold(replace(inputs(base), files=both)))
    moved = tmp_path / "one" / "zz"
    (tmp_path / "one" / "project").rename(moved)
    both = (moved / "app.py", tmp_path / "one" / "shared" / "lib.py")
    folds.append(FileDigests().fold(replace(inputs(moved), files=both)))
    assert len(set(folds)) == 1


def test_many_threads_may_digest_at_once(tmp_path: Path) -> None:
    write(tmp_path, {f"{i}": (b"%d" % i, False) for i in range(200)})
    digests, folds = FileDigests(), []
    threads = [threading.Thread(target=lambda: folds.append(digests.fold(inputs(tmp_path)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folds == [FileDigests().fold(inputs(tmp_path))] * 4


def test_a_digest_is_the_sha256_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"devloop" * 1_000_000)
    expected = subprocess.run(["sha256sum", "x"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert FileDigests().digest(tmp_path / "x") == expected.split()[0]
