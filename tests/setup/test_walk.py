"""Looking at a folder: bounded, without what is not the project's, and without following links to folders."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from devloop.errors import UsageError
from devloop.setup import gitignore, walk
from tests.setup.conftest import Plant


def test_what_package_managers_compilers_and_git_fill_is_not_entered(plant: Plant) -> None:
    tree = plant(
        {
            "app.py": "",
            "node_modules/x/Dockerfile": "",
            ".git/Dockerfile": "",
            "vendor/Dockerfile": "",
            "out/Dockerfile": "",
            "web/build/page.js": "",
            "web/keep/page.js": "",
            "secret.env": "",
            ".gitignore": "/out/\n*.env\n",
            "web/.gitignore": "build\n",
        }
    )
    assert tree.files == (".gitignore", "app.py", "web/.gitignore", "web/keep/page.js")


@pytest.mark.parametrize(
    ("patterns", "path", "is_folder", "expected"),
    [
        ("*.log", "a/b.log", False, True),
        ("/*.log", "a/b.log", False, False),
        ("a/b", "a/b", False, True),
        ("a/b", "c/a/b", False, False),
        ("**/b", "c/a/b", False, True),
        ("a/**", "a/b/c", False, True),
        ("a/**/c", "a/c", False, True),
        ("build/", "build", False, False),
        ("build/", "x/build", True, True),
        ("*.log\n!keep.log", "keep.log", False, False),
        ("# a\n\n\\#b", "#b", False, True),
        ("file[0-9]", "file7", False, True),
        ("file[!0-9]", "file7", False, False),
        ("[", "[", False, True),
        ("[z-a]x", "zx", False, False),
    ],
)
def test_patterns_mean_what_they_mean_to_git(patterns: str, path: str, is_folder: bool, expected: bool) -> None:
    assert gitignore.ignores(gitignore.parse(patterns, ""), path, is_folder=is_folder) is expected


def test_a_link_to_a_folder_is_not_followed_and_one_to_a_file_is(plant: Plant, tmp_path: Path) -> None:
    plant({"api/Dockerfile": "FROM scratch\n"})
    (tmp_path / "shop/api/loop").symlink_to(tmp_path / "shop")
    (tmp_path / "shop/Dockerfile").symlink_to("api/Dockerfile")
    (tmp_path / "shop/broken").symlink_to("nowhere")
    tree = walk.look(tmp_path / "shop")
    assert tree.files == ("Dockerfile", "api/Dockerfile")


def test_of_a_huge_folder_the_nearest_files_are_looked_at(plant: Plant, tmp_path: Path) -> None:
    plant({f"{letter}/{number}": "" for letter in "abc" for number in range(50)} | {"Dockerfile": ""})
    tree = walk.look(tmp_path / "shop", most_files=60)
    assert tree.is_cut
    assert len(tree.files) == 60
    assert "Dockerfile" in tree.files


def test_files_that_are_no_text_or_too_large_read_as_empty(plant: Plant, tmp_path: Path) -> None:
    tree = plant({"large": "x" * (walk.MOST_BYTES + 1), "small": "y"})
    (tmp_path / "shop/binary").write_bytes(b"a\0b")
    assert (tree.read("large"), tree.read("binary"), tree.read("none"), tree.read("small")) == ("", "", "", "y")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot look into"):
        walk.look(tmp_path / "nowhere")


def test_a_folder_that_may_not_be_read_is_told_and_the_rest_is_found() -> None:
    script = (
        "import os, sys, pathlib; from devloop.setup import walk\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        "tree = walk.look(pathlib.Path(sys.argv[1])); print(tree.files, tree.unreadable)"
    )
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        root.chmod(0o755)
        (root / "locked").mkdir(mode=0o700)
        (root / "Dockerfile").write_text("")
        (root / "locked").chmod(0o000)
        ran = subprocess.run([sys.executable, "-c", script, made], capture_output=True, text=True, check=False)
        (root / "locked").chmod(0o700)
    assert ran.stdout == "('Dockerfile',) ('locked',)\n", ran.stderr
