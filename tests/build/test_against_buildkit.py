"""The rules for inputs against BuildKit itself: random contexts are built, and what arrives in the image is compared.

Every file holds its own path and has a name of its own, so what arrives tells where it came from, wherever it was copied to.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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

CASES = 320
AT_ONCE = 3
FOLDERS = ("a", "b", "lib", ".git", "a b", "ü")
ENDINGS = ("py", "txt", "md")
IGNORES = (
    "*.py", "**/*.txt", "lib", "lib/*", "a/**", "b/?.py", "/a", "*", "**", "**/lib", "a/b/", ".git", "[ab]", "[^a]", "a/*/f*",
    "./b/../lib", "*/*", "**/b/**", "f1*", "# comment", "", "  a/lib  ", "a b", "Dockerfile", ".dockerignore", "**/f?.*",
)  # fmt: skip
EXCEPTIONS = ("lib", "b", "**/*.md", "a/b", "*.py", "a/lib/*", "**/lib", "b/**", "f*", "a/*/*.py", " lib ")


@dataclass
class Case:
    """A context with what was put into it, and how it is to be built."""

    folder: Path
    rng: random.Random
    files: list[str] = field(default_factory=list)
    links: dict[str, str] = field(default_factory=dict)
    dockerfile: str = "Dockerfile"
    target: str | None = None
    build_args: dict[str, str] = field(default_factory=dict)
    escape: str = "\\"

    def grow(self) -> None:
        """Writes a tree, perhaps with links, an ignore file and a Dockerfile."""
        for number in range(self.rng.randint(5, 14)):
            parts = [*self.rng.choices(FOLDERS, k=self.rng.randint(0, 3)), f"f{number}.{self.rng.choice(ENDINGS)}"]
            self.write("/".join(parts), "/".join(parts))
            self.files.append("/".join(parts))
        for number in range(self.rng.choice((0, 0, 1, 2))):
            self.link(f"link{number}")
        self.dockerfile = self.rng.choice(("Dockerfile", "Dockerfile", "Dockerfile", "docker/web.Dockerfile"))
        if self.rng.random() < 0.8:
            names = (".dockerignore", ".dockerignore", f"{self.dockerfile}.dockerignore")
            self.write(self.rng.choice(names), self.ignore())
        self.write(self.dockerfile, self.text())

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

    def text(self) -> str:
        """A Dockerfile whose stages copy, mount and take from each other; one stage is never reached."""
        lines = self.head()
        lines += ["FROM scratch AS unused", "COPY . /", f"FROM {self.rng.choice(('scratch', '$BOTTOM'))} AS base"]
        lines += [self.copy(f"/base/{number}/") for number in range(self.rng.randint(0, 1))]
        has_mount = self.rng.random() < 0.25
        if has_mount:
            lines += ["FROM busybox:1.37 AS probe", *self.mounts()]
        lines += [f"FROM {self.rng.choice(('base', 'BASE', 'scratch'))} AS final", "ARG WHERE=lib", "ENV SUB=b NONE="]
        lines += [self.copy(f"/final/{number}/") for number in range(self.rng.randint(1, 2))]
        if has_mount:
            lines.append(f"COPY --from={self.rng.choice(('probe', 'Probe', '2'))} /seen /seen")
        if self.rng.random() < 0.3:
            lines.append(f"COPY --from={self.rng.choice(('base', '1'))} / /from-base/")
        if self.rng.random() < 0.2:
            self.target = "final"
            lines += ["FROM scratch AS later", "COPY . /"]
        if self.rng.random() < 0.3:
            self.build_args = {"WHERE": self.rng.choice(("a", "b", "a/lib"))}
        return "\n".join(lines) + "\n"

    def head(self) -> list[str]:
        lines = ["ARG BOTTOM=scratch"]
        if self.rng.random() < 0.2:
            self.escape = "`"
            lines.insert(0, "# escape=`")
        return lines

    def mounts(self) -> list[str]:
        """What a mount shows is copied out of it; the folder is made first, so that nothing in it is no failure."""
        lines = ["RUN mkdir /seen"]
        for number in range(self.rng.randint(1, 2)):
            source = self.rng.choice(["", "lib", "$SUB", *self.folders(), *self.files])
            options = ["type=bind", f"target=/m{number}", *([f"source={source}"] if source else [])]
            self.rng.shuffle(options)
            if any(" " in each or "," in each for each in options):
                continue
            lines += ["ARG SUB=a"] if source == "$SUB" else []
            lines.append(f"RUN --mount={','.join(options)} cp -r /m{number} /seen/{number}")
        return lines

    def copy(self, to: str) -> str:
        sources = [self.source() for _ in range(self.rng.choice((1, 1, 2)))]
        if any(" " in source for source in sources) or self.rng.random() < 0.2:
            quoted = ", ".join(f'"{source}"' for source in (*sources, to))
            return f"COPY [{quoted}]"
        word = self.rng.choice(("COPY", "COPY", "ADD", "copy --chown=1:1"))
        gap = f" {self.escape}\n  # between\n  " if self.rng.random() < 0.15 else " "
        return f"{word}{gap}{gap.join(sources)} {to}"

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
    argv = [*command, "--output", f"type=local,dest={into}", "--file", str(case.folder / case.dockerfile)]
    argv += ["--target", case.target] if case.target else []
    argv += [word for name, value in case.build_args.items() for word in ("--build-arg", f"{name}={value}")]
    if RealProcesses().run(Scope(), [*argv, str(case.folder)], env={"DOCKER_BUILDKIT": "1"}, check=False).code:
        return None
    found = set()
    for folder, folders, names in os.walk(into):
        for path in (Path(folder, name) for name in (*folders, *names)):
            if path.is_symlink():
                found.add(case.links[path.name])
            elif path.is_file() and "ockerfile" not in path.name and path.name != ".dockerignore":
                found.add(path.read_text())
    return found


def compare(command: list[str], tmp_path: Path, seed: int, kind: type[Case] = Case) -> tuple[set[str], set[str]] | None:
    """What arrived and was not listed, and what was listed and did not arrive; None for a build that failed."""
    case = kind(tmp_path / f"context{seed}", random.Random(seed))
    case.grow()
    arrived = received(command, case, tmp_path / f"image{seed}")
    if arrived is None:
        return None
    artifact = model.Artifact("a/b", docker=model.Docker(case.dockerfile, case.target, case.build_args))
    inputs = DockerBuilder().inputs(Scope(), artifact, case.folder, Tools(FakeProcesses(), FakeEngine()))
    listed = {path.relative_to(case.folder).as_posix() for path in inputs.files}
    # A followed link arrives as what it leads to; the Dockerfile and the ignore file decide whether they arrive or not.
    silent = {path.relative_to(case.folder).as_posix() for path in inputs.definitions}
    shutil.rmtree(case.folder)
    return arrived - listed, listed - arrived - silent


def compare_many(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: type[Case], cases: int
) -> None:
    """Builds random contexts until so many could be built. Raises: AssertionError when the rules and BuildKit differ."""
    done: dict[int, tuple[set[str], set[str]]] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for first in range(1, 3 * cases, AT_ONCE):
            seeds = range(first, first + AT_ONCE)
            results = zip(seeds, pool.map(lambda seed: compare(command, tmp_path, seed, kind), seeds), strict=True)
            done |= {seed: result for seed, result in results if result is not None}
            if len(done) >= cases:
                break
    assert len(done) >= cases, "most builds fail"
    too_little = {seed: missing for seed, (missing, _) in done.items() if missing}
    too_much = {seed: more for seed, (_, more) in done.items() if more}
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(done)} builds, {len(done) - len(too_much)} of which received exactly what was listed\n"
        )
    assert not too_little, f"received, but not listed, by seed: {too_little}"
    assert len(too_much) <= 0.05 * len(done), f"listed, but not received, by seed: {too_much}"


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_the_inputs_hold_whatever_buildkit_copies(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compare_many(command, tmp_path, capsys, Case, CASES)
