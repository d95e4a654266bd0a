"""The rule that is told for a path is the one that decides."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from devloop.build.docker import DockerBuilder
from devloop.config import model
from devloop.products import Inputs
from devloop.scope import Scope
from devloop.stages import Tools
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import FakeProcesses

DOCKERFILE = """\
FROM scratch AS other
COPY unreached /
FROM scratch
COPY a/*.py \\
     b /
RUN --mount=type=bind,source=mounted true
ADD --chown=1:1 . /all
"""


def listed(tmp_path: Path) -> Inputs:
    artifact = model.Artifact(image="shop/api", context="web")
    tools = Tools(FakeProcesses(), FakeEngine(), lambda _line: None)
    return DockerBuilder().inputs(Scope("test"), artifact, tmp_path, tools)


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("web/Dockerfile", "it is the Dockerfile"),
        ("web/.dockerignore", "it is the ignore file"),
        ("web/Dockerfile.dockerignore", "an ignore file has this name"),
        ("web/a/x.py", "web/Dockerfile:4 reads it"),
        ("web/b/deep/y", "web/Dockerfile:4 reads it"),
        ("web/mounted/x", "web/Dockerfile:6 reads it"),
        ("web/anything", "web/Dockerfile:7 reads it"),
        ("web/b/notes.md", "web/.dockerignore:1 keeps it out, though web/Dockerfile:4 names it"),
        ("web/logs/x", "web/.dockerignore:3 keeps it out, though web/Dockerfile:7 names it"),
        ("elsewhere", "it lies outside the build context"),
    ],
)
def test_the_rule_has_its_place(tmp_path: Path, path: str, rule: str) -> None:
    write(tmp_path / "web", Dockerfile=DOCKERFILE, _dockerignore="**/*.md\n!keep.md\nlogs\n")
    assert listed(tmp_path).why(tmp_path / path) == rule


def test_what_no_built_stage_copies_is_told_so(tmp_path: Path) -> None:
    write(tmp_path / "web", Dockerfile="FROM scratch AS other\nCOPY unreached /\nFROM scratch\nCOPY a /\n")
    found = listed(tmp_path).why(tmp_path / "web/unreached")
    assert found == "no COPY, ADD or mount that is built names it in web/Dockerfile"


@pytest.mark.parametrize("seed", range(60))
def test_the_rule_says_what_the_listing_does(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    words = ("a", "b", "x.py", "y.md")
    paths = [tmp_path / "web" / "/".join(rng.choices(words, k=rng.randint(1, 3))) for _ in range(12)]
    copies = "".join(f"COPY {rng.choice(('a', 'b/*', '*.py', 'x.py', 'a/b', '[ab]/x*'))} /{i}/\n" for i in range(2))
    ignored = "\n".join(rng.choices(("*.md", "**/*.py", "a", "!a/b", "b/*", "!**/y.md"), k=3))
    write(tmp_path / "web", Dockerfile=f"FROM scratch\n{copies}", _dockerignore=ignored)
    inputs = listed(tmp_path)
    for path in paths:
        assert inputs.matches(path) == inputs.why(path).endswith("reads it"), (path, inputs.why(path), copies, ignored)
