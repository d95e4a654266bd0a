"""Hooks around builds, in the real loop."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.project import Project
from tests.e2e.test_watching import answers


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Its page is generated from `source.txt` by a hook."""
    made = Project(tmp_path / tmp_path.name)
    made.write("source.txt", "one")
    with_hooks(made, "sed s/^/generated-/ ../source.txt > index.html")
    made.write("web/.dockerignore", "*.log\n")
    return made


def with_hooks(project: Project, before: str) -> None:
    after = "[{command: 'echo $IMAGE >> after.log'}, {command: date > always.log, always: true}]"
    hooks = f"{{before: [{{command: '{before}'}}], after: {after}}}"
    project.write("devloop.yaml", project.config().replace("context: web\n", f"context: web\n      hooks: {hooks}\n"))


def test_what_a_hook_generates_is_built_and_the_loop_comes_to_rest(devloop: Devloop, project: Project) -> None:
    there = devloop.at(project.folder)
    first = there.run("build")
    assert first.code == 0, first.stdout
    assert (project.folder / "web/index.html").read_text() == "generated-one"
    ref = first.events[-1]["images"][project.image("web")]
    assert (project.folder / "web/after.log").read_text() == f"{ref}\n"
    (project.folder / "web/always.log").unlink()
    again = there.run("build")
    assert again.events[-1]["images"] == first.events[-1]["images"]
    assert not again.of(kind="step", step="build", state="finished")
    assert (project.folder / "web/after.log").read_text() == f"{ref}\n"
    assert (project.folder / "web/always.log").exists()


def test_in_dev_an_edit_goes_live_through_the_hook(devloop: Devloop, project: Project) -> None:
    config = (project.folder / "devloop.yaml").read_text()
    project.write("devloop.yaml", config.replace("../source.txt", "source.txt"))
    project.write("web/source.txt", "one")
    project.write("web/Dockerfile", (project.folder / "web/Dockerfile").read_text() + "COPY source.txt /\n")
    dev = devloop.at(project.folder).start("dev")
    dev.wait_event(kind="update", state="ready")
    answers(project, "generated-one")
    project.write("web/source.txt", "two")
    dev.wait_event(lambda event: event["update"] > 1, kind="update", state="ready")
    answers(project, "generated-two")


def test_a_hook_that_never_writes_the_same_is_an_error_and_no_endless_loop(devloop: Devloop, project: Project) -> None:
    with_hooks(project, "date +%N > index.html")
    done = devloop.at(project.folder).run("build", as_json=False)
    assert done.code == 1
    assert "the inputs changed 5 times in a row while the hooks before it ran" in done.stdout
    assert "must write the same for the same sources" in done.stdout


def test_a_hook_that_fails_is_a_build_that_fails(devloop: Devloop, project: Project) -> None:
    with_hooks(project, "echo no such generator >&2; exit 3")
    done = devloop.at(project.folder).run("build", as_json=False)
    assert done.code == 1
    assert "the hook failed: exit code 3" in done.stdout
    assert f"hooks.before[0] of {project.image('web')}" in done.stdout
    assert "no such generator" in done.stdout
