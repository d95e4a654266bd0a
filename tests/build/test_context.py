"""The part of a context that counts: what is there now, and what would count."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devloop.build import dockerignore
from devloop.build.context import Listing, list_context
from devloop.build.sources import Source

FILES = ("a.py", "b.txt", ".env", "src/main.py", "src/lib/util.py", "src/lib/data.txt", "docs/a/b/c.md", "docs/x.md")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def listed(tree: Path, *sources: str | Source, ignore: str = "") -> Listing:
    named = [each if isinstance(each, Source) else Source(each, 1) for each in sources]
    return list_context(tree, named, dockerignore.parse(ignore))


def files(tree: Path, *sources: str | Source, ignore: str = "") -> set[str]:
    return set(listed(tree, *sources, ignore=ignore).files)


@pytest.mark.parametrize(
    ("sources", "ignore", "expected"),
    [
        ([], "", set()),
        ([""], "", set(FILES)),
        (["src"], "", {"src/main.py", "src/lib/util.py", "src/lib/data.txt"}),
        (["a.py", "src/lib"], "", {"a.py", "src/lib/util.py", "src/lib/data.txt"}),
        (["missing", "a.py/below"], "", set()),
        (["*"], "", set(FILES)),
        (["*.py"], "", {"a.py"}),
        (["s*/*.py"], "", {"src/main.py"}),
        (["src/*"], "", {"src/main.py", "src/lib/util.py", "src/lib/data.txt"}),
        (["**/*.py"], "", {"src/main.py"}),
        (["src/*/*.txt"], "", {"src/lib/data.txt"}),
        (["[ab].*"], "", {"a.py", "b.txt"}),
        (["*.py", "src/lib/[u]*"], "", {"a.py", "src/lib/util.py"}),
        ([""], "docs\n**/*.txt", {"a.py", ".env", "src/main.py", "src/lib/util.py"}),
        ([""], "*\n!src/lib", {"src/lib/util.py", "src/lib/data.txt"}),
        (["src"], "src\n!src/lib/*.txt", {"src/lib/data.txt"}),
        (["src"], "src", set()),
        (["docs/a/b"], "docs\n!docs/a/b/c.md", {"docs/a/b/c.md"}),
    ],
)
def test_sources_minus_what_is_ignored(tree: Path, sources: list[str], ignore: str, expected: set[str]) -> None:
    assert files(tree, *sources, ignore=ignore) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Source("src", 1, exclude=("*.py",)), {"src/lib/util.py", "src/lib/data.txt"}),
        (Source("src", 1, exclude=("**/*.py", "lib/data.txt")), set()),
        (Source("src", 1, exclude=("lib", "!lib/data.txt")), {"src/main.py", "src/lib/data.txt"}),
        (Source("*.py", 1, exclude=("*.py",)), {"a.py"}),
        (Source("", 1, include="src/lib"), {"src/lib/util.py", "src/lib/data.txt"}),
        (Source("", 1, include="**/*.py"), {"a.py", "src/main.py", "src/lib/util.py"}),
        (Source("src", 1, include="*/*.txt"), {"src/lib/data.txt"}),
        (Source("src", 1, include="**", exclude=("lib",)), {"src/main.py"}),
    ],
)
def test_patterns_of_parents_and_exclude_are_about_what_lies_below(
    tree: Path, source: Source, expected: set[str]
) -> None:
    assert files(tree, source) == expected


def test_a_source_that_is_a_link_counts_with_what_it_leads_to(tree: Path) -> None:
    (tree / "file").symlink_to("src/main.py")
    (tree / "folder").symlink_to("/src")
    (tree / "again").symlink_to("folder/lib")
    (tree / "out").symlink_to("../../docs/x.md")
    assert files(tree, "file") == {"file", "src/main.py"}
    assert files(tree, "again/util.py") == {"again", "folder", "src/lib/util.py"}
    assert files(tree, "f*") == {"file", "folder", "src/main.py", "src/lib/util.py", "src/lib/data.txt"}
    assert files(tree, "out") == {"out", "docs/x.md"}
    assert listed(tree, "again/util.py").links == {"again", "folder"}


def test_a_link_within_a_source_counts_by_itself_only(tree: Path) -> None:
    (tree / "docs/link").symlink_to("../src")
    (tree / "docs/dangling").symlink_to("nowhere")
    assert files(tree, "docs") == {"docs/link", "docs/dangling", "docs/x.md", "docs/a/b/c.md"}


def test_links_that_go_round_end(tree: Path) -> None:
    (tree / "one").symlink_to("two")
    (tree / "two").symlink_to("one")
    assert files(tree, "one", "a.py") == {"one", "two", "a.py"}


def test_nothing_outside_is_looked_at(tree: Path) -> None:
    (tree.parent / "secret").write_text("")
    (tree / "out").symlink_to(tree.parent / "secret")
    assert files(tree, "out") == {"out"}


def test_pipes_and_sockets_do_not_count(tree: Path) -> None:
    os.mkfifo(tree / "src/pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tree / "src/socket"))
        assert files(tree, "src/pipe", "src/socket", "src/main.py") == {"src/main.py"}


def test_ignored_folders_and_those_beside_are_not_read(tree: Path) -> None:
    for name in ("node_modules/deep", "src/node_modules", "src/kept/below"):
        (tree / name).mkdir(parents=True)
    read: set[str] = set()
    is_listening = True

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if is_listening and event == "os.scandir" and str(arguments[0]).startswith(str(tree)):
            read.add(os.path.relpath(str(arguments[0]), tree))

    sys.addaudithook(hook)
    files(tree, "*.py", "src", "missing/*", ignore="**/node_modules\nsrc/kept\n!src/kept/below/x")
    is_listening = False
    assert read == {".", "src", "src/lib", "src/kept", "src/kept/below", "missing"}


@pytest.mark.parametrize(
    ("sources", "roots"),
    [
        (["src", "src/lib", "b.txt"], ("b.txt", "src")),
        (["src/*.py", "docs/a/*"], ("docs/a", "src")),
        (["*.py", "src"], ("",)),
        ([f"f{number}" for number in range(9)], ("",)),
        ([], ()),
    ],
)
def test_roots_are_the_fewest_places(tree: Path, sources: list[str], roots: tuple[str, ...]) -> None:
    assert listed(tree, *sources).roots == roots


def test_what_a_link_leads_to_is_watched_too(tree: Path) -> None:
    (tree / "folder").symlink_to("src")
    found = listed(tree, "folder/lib")
    assert found.roots == ("folder", "src/lib")
    assert found.counts("src/lib/new.py")


def test_paths_that_are_not_there_are_judged_as_well(tree: Path) -> None:
    counts = listed(tree, "src", "*.toml", ignore="**/*.pyc").counts
    assert counts("src/new/deep.py")
    assert counts("new.toml")
    assert not counts("src/new.pyc")
    assert not counts("new.py")
    assert not counts("srcs/x")


PARTS = ["a", "b", "ab", "*", "a*", "?", "[ab]", "[^c]"]
SOURCES = st.lists(st.lists(st.sampled_from(PARTS), max_size=3).map("/".join), min_size=1, max_size=3)
IGNORED = st.lists(
    st.builds(
        lambda sign, parts: sign + "/".join(parts),
        st.sampled_from(["", "", "!"]),
        st.lists(st.sampled_from([*PARTS, "**"]), min_size=1, max_size=3),
    ),
    max_size=4,
)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("context")
    for name in ("a/a/a", "a/b/ab", "a/c", "b", "ab/a/b", "ab/b", "c/a/b"):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text("")
    return base


@settings(max_examples=500, deadline=None)
@given(sources=SOURCES, ignored=IGNORED)
def test_listed_is_exactly_what_exists_and_counts(grown: Path, sources: list[str], ignored: list[str]) -> None:
    found = listed(grown, *sources, ignore="\n".join(ignored))
    existing = {path.relative_to(grown).as_posix() for path in grown.rglob("*") if path.is_file()}
    assert set(found.files) == {path for path in existing if found.counts(path)}


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["", "src", "src/lib", "s*", "docs/a", "*.py", "src/*/util.py", "docs/[ab]/b"]), min_size=1, max_size=3),
    st.lists(
        st.sampled_from(["src", "docs", "**/lib", "*", "!src/lib", "!**/*.py", "docs/a/**", "!docs/a/b", "s*/l*", "!src/*/u*"]), max_size=4
    ),
)  # fmt: skip
def test_a_folder_that_is_left_out_holds_nothing_that_counts(sources: list[str], ignore: list[str]) -> None:
    listing = list_context(
        Path("/nonexistent"), [Source(each, 1) for each in sources], dockerignore.parse("\n".join(ignore))
    )
    for name in FILES:
        if listing.counts(name):
            assert not any(listing.skips(folder.as_posix()) for folder in Path(name).parents if folder.name)


def test_folders_that_nothing_reaches_are_left_out(tree: Path) -> None:
    listing = listed(tree, "src", ignore="src/lib\n")
    assert listing.skips("docs")
    assert listing.skips("src/lib")
    assert not listing.skips("src")
    assert not listed(tree, "src", ignore="src/lib\n!src/lib/util.py\n").skips("src/lib")
