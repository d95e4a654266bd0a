"""Images of a BuildKit apart from the engine: what travels, what the engine gets, and what happens when something is missing."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from devloop.build.docker import DockerBuilder
from devloop.build.layout import is_exported_by, layout
from devloop.config import model
from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed
from devloop.scope import Cancelled, Scope
from devloop.stages import BuildJob, Tools

BASE_BYTES = 3_000_000


@dataclass
class Bench:
    """A project of one image, whose first layer is big and whose last one is small."""

    folder: Path
    builder: str
    cache: Path
    image: str = "devloop-test/layout"
    said: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "base").write_bytes(os.urandom(BASE_BYTES))
        (self.folder / "Dockerfile").write_text('FROM scratch\nCOPY base /\nCOPY app /\nCMD ["/app"]\n')
        self.write("0")
        processes = RealProcesses()
        self.tools = Tools(processes, docker.connect(None, processes), self.said.append, self.notes.append)

    def write(self, text: str) -> None:
        (self.folder / "app").write_text(text)

    def build(self, scope: Scope | None = None) -> str:
        self.notes.clear()
        artifact = model.Artifact(self.image, docker=model.Docker(builder=self.builder))
        job = BuildJob(artifact, self.folder, f"{self.image}:1", {})
        self.images.append(DockerBuilder({}).build(scope or Scope(), job, self.tools))
        return self.images[-1]

    def remove(self) -> None:
        """Takes what was built out of the engine; what is not there any more is no matter."""
        subprocess.run(["docker", "rmi", "--force", *self.images], capture_output=True, check=False)

    def app(self, image_id: str) -> str:
        """What the file holds in the engine's image, by the engine's own account of it."""
        script = 'set -e; id=$(docker create "$1"); docker cp "$id:/app" - | tar -xO; docker rm "$id" > /dev/null'
        return subprocess.run(["sh", "-c", script, "-", image_id], capture_output=True, text=True, check=True).stdout

    @property
    def received(self) -> str:
        return next(note for note in self.notes if note.endswith("from the builder"))

    @property
    def blobs(self) -> list[Path]:
        return list(self.cache.glob("devloop/layouts/*/oci/blobs/sha256/*"))


@pytest.fixture
def bench(buildkit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "a, folder").mkdir()
    bench = Bench(tmp_path / "a, folder", buildkit, tmp_path / "cache")
    yield bench
    bench.remove()


def test_the_second_time_only_the_changed_layer_travels(bench: Bench) -> None:
    assert bench.app(bench.build()) == "0"
    assert bench.received == "3.0 MB of 3.0 MB from the builder"
    bench.write("1")
    image_id = bench.build()
    assert bench.app(image_id) == "1"
    assert bench.received.endswith("of 3.0 MB from the builder")
    assert "MB of" not in bench.received
    found = bench.tools.engine.inspect(image_id)
    assert found is not None
    assert json.loads(found.config)["config"]["Cmd"] == ["/app"]
    assert not any("lacks layers" in line for line in bench.said)
    # Of the first image only what the second one shares is kept.
    assert len(bench.blobs) == len({"manifest", "config", "base", "app"})
    assert (bench.cache / "devloop" / "layouts").stat().st_mode & 0o077 == 0


def test_an_image_that_is_there_already_is_the_same_again(bench: Bench) -> None:
    first = bench.build()
    assert bench.build() == first
    assert bench.received == "0 B of 3.0 MB from the builder"


def test_an_engine_that_lost_the_base_gets_all_of_it_and_that_is_said(bench: Bench) -> None:
    bench.build()
    bench.remove()
    bench.write("1")
    assert bench.app(bench.build()) == "1"
    assert any("the engine lacks layers" in line for line in bench.said)


def test_a_layout_that_was_damaged_is_told_and_made_anew(bench: Bench) -> None:
    bench.build()
    bench.remove()
    for blob in bench.blobs:
        blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    bench.write("1")
    assert bench.app(bench.build()) == "1"
    assert any("it gets the image as a whole" in line for line in bench.said)
    assert bench.blobs == []
    bench.write("2")
    assert bench.app(bench.build()) == "2"
    assert bench.received == "3.0 MB of 3.0 MB from the builder"


def test_a_layout_that_a_builder_was_killed_over_is_made_anew(bench: Bench) -> None:
    bench.build()
    (index,) = bench.cache.glob("devloop/layouts/*/oci/index.json")
    index.write_bytes(index.read_bytes()[:20])
    bench.write("1")
    assert bench.app(bench.build()) == "1"
    assert bench.received == "3.0 MB of 3.0 MB from the builder"


def test_a_layout_that_was_deleted_is_made_anew(bench: Bench) -> None:
    bench.build()
    shutil.rmtree(bench.cache)
    bench.write("1")
    assert bench.app(bench.build()) == "1"


def test_two_builds_of_one_image_at_once_have_a_layout_each(bench: Bench) -> None:
    built: list[str] = []
    threads = [threading.Thread(target=lambda: built.append(bench.build())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(built)) == 1
    assert bench.app(built[0]) == "0"


def test_a_build_that_is_cut_off_leaves_nothing_in_the_way(bench: Bench) -> None:
    bench.build()
    (bench.folder / "base").write_bytes(os.urandom(10 * BASE_BYTES))
    for wait_s in (0.05, 0.15, 0.25, 0.35):
        scope = Scope()
        timer = threading.Timer(wait_s, scope.cancel)
        timer.start()
        try:
            bench.build(scope)
        except Cancelled:
            continue
        finally:
            timer.join()
    bench.write("1")
    assert bench.app(bench.build()) == "1"
    assert not any(each.name == "ingest" for each in bench.cache.glob("devloop/layouts/*/oci/*"))


def test_the_engines_own_builder_needs_no_layout(engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    bench = Bench(tmp_path, "default", tmp_path / "cache")
    bench.image = "devloop-test/own"
    image_id = bench.build()
    try:
        assert bench.app(image_id) == "0"
        assert not (tmp_path / "cache" / "devloop" / "layouts").exists()
    finally:
        bench.remove()


class _Answers:
    """Programs that say this."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers = answers

    def run(self, _scope: Scope, argv: list[str], **_options: Any) -> Any:
        script = f"printf %b {json.dumps(self._answers[argv[2]])}"
        return RealProcesses().run(Scope(), ["sh", "-c", script], check=False)


@pytest.mark.parametrize(
    ("driver", "buildkit", "buildx", "is_exported"),
    [
        ("docker-container", "v0.12.5", "v0.12.1", True),
        ("kubernetes", "v0.11.0", "v0.10.0", True),
        ("remote", "v0.0.0+unknown", "v0.0.0+unknown", True),
        ("remote", "v0.10.6", "v0.12.1", False),
        ("remote", "v0.12.5", "v0.9.1", False),
        ("docker", "v0.12.5", "v0.12.1", False),
    ],
)
def test_a_builder_too_old_for_it_loads_as_ever(driver: str, buildkit: str, buildx: str, *, is_exported: bool) -> None:
    about = f"Name:          b\\nDriver:        {driver}\\nNodes:\\nName:      b0\\nBuildKit version: {buildkit}\\n"
    answers = _Answers({"inspect": about, "version": f"github.com/docker/buildx {buildx} abc\\n"})
    tools = Tools(answers, None)  # type: ignore[arg-type]
    assert is_exported_by(Scope(), "b", tools) is is_exported


def test_layouts_that_nobody_used_for_long_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    home = tmp_path / "devloop" / "layouts"
    for name, age_days in (("old", 31), ("young", 29), ("used", 31)):
        (home / name).mkdir(parents=True)
        (home / name / "lock").touch()
        then = time.time() - age_days * 86400
        os.utime(home / name / "lock", (then, then))
    with (home / "used" / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with layout("builder", tmp_path, "image"):
            assert not (home / "old").exists()
            assert (home / "young").is_dir()
            assert (home / "used").is_dir()


def test_a_cache_folder_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "devloop").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(StepFailed, match="what a builder sends cannot be kept"), layout("builder", tmp_path, "image"):
        pass
