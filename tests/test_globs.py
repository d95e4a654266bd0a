"""Patterns of the config against real folders: what is listed is what matches, and nothing ignored is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devloop import globs

FILES = (
    "a.yaml",
    "b.txt",
    ".hidden.yaml",
    "k8s/api.yaml",
    "k8s/sub/web.yaml",
    "k8s/sub/.x",
    "src/a/b/c.py",
    "src/c.py",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def names(tree: Path, patterns: list[str], ignore: list[str] | None = None) -> set[str]:
    return {path.relative_to(tree).as_posix() for path in globs.expand(tree, patterns, ignore or [])}


@pytest.mark.parametrize(
    ("patterns", "ignore", "expected"),
    [
        (["."], [], set(FILES)),
        (["**"], [], set(FILES)),
        (["a.yaml"], [], {"a.yaml"}),
        (["missing.yaml", "missing/*.yaml"], [], set()),
        (["*.yaml"], [], {"a.yaml", ".hidden.yaml"}),
        (["k8s"], [], {"k8s/api.yaml", "k8s/sub/web.yaml", "k8s/sub/.x"}),
        (["k8s/"], [], {"k8s/api.yaml", "k8s/sub/web.yaml", "k8s/sub/.x"}),
        (["./k8s/*.yaml"], [], {"k8s/api.yaml"}),
        (["k8s/../a.yaml"], [], {"a.yaml"}),
        (["k8s/**/*.yaml"], [], {"k8s/api.yaml", "k8s/sub/web.yaml"}),
        (["**/c.py"], [], {"src/c.py", "src/a/b/c.py"}),
        (["src/**"], [], {"src/c.py", "src/a/b/c.py"}),
        (["k8s/s*"], [], {"k8s/sub/web.yaml", "k8s/sub/.x"}),
        (["*/c.py", "?.txt"], [], {"src/c.py", "b.txt"}),
        (["[a-b].*"], [], {"a.yaml", "b.txt"}),
        (["[!a].*"], [], {"b.txt"}),
        (["."], ["k8s", "**/*.py", ".hidden.yaml"], {"a.yaml", "b.txt"}),
        (["."], ["src/**", "k8s/sub"], {"a.yaml", "b.txt", ".hidden.yaml", "k8s/api.yaml"}),
        (["a.yaml", "src"], ["."], set()),
    ],
)
def test_a_pattern_names_files_folders_or_globs(
    tree: Path, patterns: list[str], ignore: list[str], expected: set[str]
) -> None:
    assert names(tree, patterns, ignore) == expected


def test_files_come_sorted_absolute_and_once(tree: Path) -> None:
    found = globs.expand(tree, ["**/*.yaml", "a.yaml", "k8s"])
    assert list(found) == sorted(set(found), key=str)
    assert all(path.is_absolute() for path in found)


def test_a_pattern_may_leave_the_folder(tree: Path) -> None:
    assert globs.expand(tree / "src", ["../k8s/*.yaml", str(tree / "b.txt")]) == (
        tree / "b.txt",
        tree / "k8s/api.yaml",
    )


def test_links_are_listed_but_not_followed_unless_named(tree: Path) -> None:
    (tree / "loop").symlink_to(".")
    (tree / "k8s/gone.yaml").symlink_to("nowhere")
    assert names(tree, ["."]) == {*FILES, "loop", "k8s/gone.yaml"}
    assert names(tree, ["loop/src"]) == {"loop/src/c.py", "loop/src/a/b/c.py"}


def test_unreadable_folders_count_as_not_there(tree: Path) -> None:
    assert names(tree, ["a.yaml/*", "a.yaml/b"]) == set()


def test_the_matcher_needs_no_file(tmp_path: Path) -> None:
    matches = globs.matcher(tmp_path, ["src", "*.yaml"], ["src/**/*.tmp"])
    assert matches(tmp_path / "src/new/file.py")
    assert matches(tmp_path / "new.yaml")
    assert not matches(tmp_path / "src/new/file.tmp")
    assert not matches(tmp_path / "srcs/file.py")
    assert not matches(tmp_path / "deep/new.yaml")
    assert not matches(tmp_path.parent / "new.yaml")


@pytest.mark.parametrize("name", ["a[b", "a[]b", "[z-a]", "a+b", "a(b)", "x.{y}", "^", "a\\b", "line\nbreak"])
def test_what_is_no_glob_stands_for_itself(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    assert globs.expand(tmp_path, [name]) == (tmp_path / name,)
    assert globs.matcher(tmp_path, [name])(tmp_path / name)


@pytest.mark.parametrize("name", ["[id].tsx", "a*b", "a?", "[[", "]["])
def test_an_escaped_path_names_only_itself(tmp_path: Path, name: str) -> None:
    for each in (name, "i.tsx", "ab", "axb"):
        (tmp_path / each).write_text("")
    assert globs.expand(tmp_path, [globs.escape(name)]) == (tmp_path / name,)


def test_roots_are_the_fewest_places_that_hold_everything(tmp_path: Path) -> None:
    assert globs.roots(tmp_path, ["k8s/*.yaml", "k8s/sub/x.yaml", "values.yaml", "src/**"]) == (
        tmp_path / "k8s",
        tmp_path / "src",
        tmp_path / "values.yaml",
    )
    assert globs.roots(tmp_path, ["**/x", "k8s"]) == (tmp_path,)


PIECES = ["a", "b", "*", "**", "?", "a*", "[ab]", "[!a]", "..", "."]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("globs")
    for parts in ("a/a/a", "a/b/ab", "a/c", "b", "ab/a/b", "c/.a/b"):
        (base / parts).parent.mkdir(parents=True, exist_ok=True)
        (base / parts).write_text("")
    return base


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_listed_is_exactly_what_exists_and_matches(grown: Path, data: st.DataObject) -> None:
    pattern = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("/".join).filter(lambda p: ".." not in p)
    patterns = data.draw(st.lists(pattern, min_size=1, max_size=3))
    ignore = data.draw(st.lists(pattern, max_size=2))
    matches = globs.matcher(grown, patterns, ignore)
    existing = {Path(folder, name) for folder, _, files in os.walk(grown) for name in files}
    assert set(globs.expand(grown, patterns, ignore)) == {path for path in existing if matches(path)}
