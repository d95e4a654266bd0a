"""What becomes of images when the ones that they stand on move in the engine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.driver import Completed, Devloop
from tests.e2e.engine import layers, remove_images
from tests.e2e.project import Project
from tests.e2e.registry import Registry
from tests.e2e.web import http_get


@pytest.fixture(autouse=True)
def _no_images_left(engine: str, tmp_path: Path) -> Iterator[None]:
    yield
    remove_images(f"e2e-{tmp_path.name.lower()}")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / tmp_path.name)
    (project.folder / "base").mkdir()
    project.write("base/Dockerfile", "FROM busybox:1.37\nCOPY base.html /www/base.html\n")
    project.write(
        "web/Dockerfile", (project.folder / "web/Dockerfile").read_text().replace("busybox:1.37", base(project))
    )
    return project


@pytest.fixture
def registry() -> Iterator[Registry]:
    with closing(Registry()) as made:
        yield made
        remove_images(made.name)


def base(project: Project) -> str:
    return project.image("base:dev")


def build_base(project: Project, content: str) -> None:
    project.write("base/base.html", f"{content}\n")
    docker("build", "--quiet", "--tag", base(project), str(project.folder / "base"))


def docker(*arguments: str) -> None:
    done = subprocess.run(
        ["docker", *arguments], env={**os.environ, "DOCKER_BUILDKIT": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def answers(project: Project, text: str) -> None:
    http_get(project.port, "/base.html", until=lambda answer: answer.text.strip() == text)


def test_a_rebuilt_base_is_one_update_of_what_stands_on_it(devloop: Devloop, project: Project) -> None:
    build_base(project, "first")
    dev = devloop.at(project.folder).start("dev")
    dev.wait_event(kind="update", update=1, state="ready")
    answers(project, "first")
    build_base(project, "first")
    docker("tag", base(project), project.image("other:dev"))
    docker("tag", project.image("other:dev"), base(project))
    build_base(project, "second")
    answers(project, "second")
    ready = dev.wait_event(kind="update", update=2, state="ready")
    assert ready["changed"] == [f"base image {base(project)}"]
    assert ready["fresh"] is True
    project.edit("edited")
    dev.wait_event(kind="update", update=3, state="ready")
    of_builds = [each for each in dev.events if each["kind"] == "step" and each["step"] == "build"]
    assert [(each["state"], each["reason"]) for each in of_builds if each["state"] == "finished"] == [
        ("finished", "first time in this session"),
        ("finished", f"base image {base(project)} changed"),
        ("finished", "web/index.html changed"),
    ]
    assert not [each for each in of_builds if each["state"] == "cancelled"]


def test_manual_takes_a_rebuilt_base_over_on_enter(devloop: Devloop, project: Project) -> None:
    build_base(project, "first")
    dev = devloop.at(project.folder).start("dev", "--output", "json", "--watch", "manual", with_terminal=True)
    dev.wait_event(kind="update", update=1, state="ready")
    build_base(project, "second")
    dev.type("\n")
    answers(project, "second")
    assert dev.wait_event(kind="update", update=2, state="ready")["changed"] == [f"base image {base(project)}"]


def test_render_and_explain_know_the_base_of_now(bare_devloop: Devloop, project: Project) -> None:
    there = bare_devloop.at(project.folder)
    build_base(project, "first")
    first = built(there.run("build", "--output", "json"), project)
    assert first in there.run("render", as_json=False).stdout
    assert "run would not build" in there.run("explain", project.image("web"), as_json=False).stdout
    build_base(project, "second")
    second = there.run("render", as_json=False).stdout
    assert first not in second
    explained = there.run("explain", project.image("web"), as_json=False).stdout
    assert "run would build" in explained
    assert f"builds on {base(project)}" in explained
    assert built(there.run("build", "--output", "json"), project) in second


def test_a_base_is_pulled_only_when_asked_to(bare_devloop: Devloop, project: Project, registry: Registry) -> None:
    there = bare_devloop.at(project.folder)
    name = f"{registry.name}/base:dev"
    project.write("web/Dockerfile", f"FROM {name}\nCOPY index.html /\n")
    older = registry.serve("older")
    docker("pull", "--quiet", name)
    newer = registry.serve("newer")
    registry.asked.clear()
    ref = built(there.run("build", "--output", "json"), project)
    assert layers(ref)[0] == older
    assert registry.asked == []
    artifact = f"    - image: {project.image('web')}\n      context: web\n"
    project.write("devloop.yaml", project.config().replace(artifact, f"{artifact}      docker: {{pullParent: true}}\n"))
    ref = built(there.run("build", "--output", "json"), project)
    assert layers(ref)[0] == newer
    assert ref in there.run("render", as_json=False).stdout
    registry.close()
    done = there.run("build", "--output", "json")
    (failed,) = done.of(kind="step", step="build", state="failed")
    assert "docker pull" in failed["error"]
    assert registry.name in failed["hint"]
    assert "without docker.pullParent" in failed["hint"]


def built(done: Completed, project: Project) -> str:
    assert done.code == 0, done.stdout
    ref = done.events[-1]["images"][project.image("web")]
    assert isinstance(ref, str)
    return ref
