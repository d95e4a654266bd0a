"""The rules for inputs against BuildKit itself: random contexts are built, and what arrives in the image is compared.

Every file holds its own path and has a name of its own, so what arrives tells where it came from, wherever it was copied to.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devloop.build.docker import DockerBuilder
from devloop.config import model
from devloop.effects.process import RealProcesses
from devloop.scope import Scope
from devloop.stages import Tools
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import FakeProcesses

CASES = 80
FOLDERS = ("a", "b", "lib", ".git", "a b")
ENDINGS = ("py", "txt", "md")
IGNORES = (
    "*.py", "**/*.txt", "lib", "lib/*", "a/**", "b/?.py", "/a", "*", "**", "**/lib", "a/b/", ".git", "[ab]", "[^a]", "a/*/f*",
    "./b/../lib", "*/*", "**/b/**", "f1*", "# comment", "", "  a/lib  ", "a b", "Dockerfile", ".dockerignore", "**/f?.*",
)  # fmt: skip
EXCEPTIONS = ("lib", "b", "**/*.md", "a/b", "*.py", "a/lib/*", "**/lib", "b/**", "f*", "a/*/*.py", " lib ")


@dataclass
class Case:
    """A context with what was put into it."""

    folder: Path
    rng: random.Random
    files: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)

    def grow(self) -> None:
        """Writes a tree, perhaps with links, an ignore file and a Dockerfile."""
        for number in range(self.rng.randint(5, 14)):
            parts = [*self.rng.choices(FOLDERS, k=self.rng.randint(0, 3)), f"f{number}.{self.rng.choice(ENDINGS)}"]
            self.write("/".join(parts), "/".join(parts))
            self.files.append("/".join(parts))
        for number in range(self.rng.choice((0, 0, 1, 2))):
            self.link(f"link{number}")
        if self.rng.random() < 0.8:
            self.write(self.rng.choice((".dockerignore", ".dockerignore", "Dockerfile.dockerignore")), self.ignore())
        self.write("Dockerfile", self.dockerfile())

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def link(self, name: str) -> None:
        folder = self.rng.choice(["", *self.folders()])
        target = self.rng.choice([*self.files, *self.folders()])
        path = f"{folder}/{name}" if folder else name
        text = f"/{target}" if self.rng.random() < 0.3 else os.path.relpath(target, folder or ".")
        (self.folder / path).symlink_to(text)
        self.links[name] = path

    def folders(self) -> list[str]:
        return sorted({parent.as_posix() for name in self.files for parent in Path(name).parents} - {"."})

    def ignore(self) -> str:
        lines = self.rng.choices(IGNORES, k=self.rng.randint(1, 4))
        if self.rng.random() < 0.5:
            lines.insert(self.rng.randint(0, len(lines)), f"!{self.rng.choice(EXCEPTIONS)}")
        return "\n".join(lines) + "\n"

    def dockerfile(self) -> str:
        lines = ["FROM scratch AS unused", "COPY . /", "FROM scratch AS base"]
        lines += [self.copy(f"/base/{number}/") for number in range(self.rng.randint(0, 1))]
        lines += [f"FROM {self.rng.choice(('base', 'scratch'))} AS final", "ARG WHERE=lib", "ENV SUB=b NONE="]
        lines += [self.copy(f"/final/{number}/") for number in range(self.rng.randint(1, 2))]
        return "\n".join(lines) + "\n"

    def copy(self, to: str) -> str:
        sources = [self.source() for _ in range(self.rng.choice((1, 1, 2)))]
        if any(" " in source for source in sources) or self.rng.random() < 0.2:
            quoted = ", ".join(f'"{source}"' for source in (*sources, to))
            return f"COPY [{quoted}]"
        return f"{self.rng.choice(('COPY', 'COPY', 'ADD', 'copy --chown=1:1'))} {' '.join(sources)} {to}"

    def source(self) -> str:
        make: Callable[[], str] = self.rng.choice((self.named, self.named, self.wild, self.odd))
        return make()

    def named(self) -> str:
        return self.rng.choice([*self.files, *self.folders(), *self.links.values()])

    def wild(self) -> str:
        """A path that exists, with some of it made wildcards."""
        parts = self.named().split("/")
        at = self.rng.randrange(len(parts))
        parts[at] = self.rng.choice(("*", f"{parts[at][0]}*", f"[{parts[at][0]}]*", f"?{parts[at][1:]}", "**"))
        return "/".join(parts)

    def odd(self) -> str:
        return self.rng.choice(
            (
                ".",
                "/",
                "./",
                "*",
                "*.py",
                "../lib",
                "a/.",
                "a/../b",
                "$WHERE",
                "${WHERE}/*",
                "a/$SUB",
                "${NONE:-a}",
                "[a-b]",
            )
        )


@pytest.fixture(scope="module")
def command(engine: str) -> list[str]:
    """Builds into a folder, with whichever BuildKit client there is."""
    listed = RealProcesses().run(Scope(), ["docker", "buildx", "build", "--help"], check=False)
    return ["docker", "buildx", "build"] if "--output" in listed.stdout else ["docker", "build"]


def received(command: list[str], case: Case, into: Path) -> set[str] | None:
    """Paths in the context of what arrived; None when the build failed, as it does when a source is ignored."""
    argv = [*command, "--output", f"type=local,dest={into}", str(case.folder)]
    if RealProcesses().run(Scope(), argv, env={"DOCKER_BUILDKIT": "1"}, check=False).code:
        return None
    found = set()
    for folder, folders, names in os.walk(into):
        for path in (Path(folder, name) for name in (*folders, *names)):
            if path.is_symlink():
                found.add(case.links[path.name])
            elif path.is_file() and path.name not in ("Dockerfile", ".dockerignore", "Dockerfile.dockerignore"):
                found.add(path.read_text())
    return found


@pytest.mark.docker
@pytest.mark.timeout(300)
def test_the_inputs_hold_whatever_buildkit_copies(command: list[str], tmp_path: Path) -> None:
    exact = tried = seed = 0
    while tried < CASES:
        seed += 1
        case = Case(tmp_path / f"context{seed}", random.Random(seed))
        case.grow()
        arrived = received(command, case, tmp_path / f"image{seed}")
        if arrived is None:
            assert seed < 3 * CASES, "most builds fail"
            continue
        tried += 1
        inputs = DockerBuilder().inputs(
            Scope(), model.Artifact("a/b"), case.folder, Tools(FakeProcesses(), FakeEngine())
        )
        listed = {path.relative_to(case.folder).as_posix() for path in inputs.files}
        assert arrived <= listed, f"seed {seed}: {case.folder} lists too little"
        # A followed link arrives as what it leads to.
        followed = {path.relative_to(case.folder).as_posix() for path in inputs.definitions}
        exact += arrived | followed == listed | followed
        shutil.rmtree(case.folder)
    assert exact >= 0.95 * CASES
