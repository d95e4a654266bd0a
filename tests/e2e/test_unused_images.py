"""What is said of an image that no manifest uses: once, with what was probably meant; and nothing where all is well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop, Event
from tests.e2e.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / tmp_path.name, ("web", "worker"))


def unused(events: Sequence[Event]) -> list[Event]:
    return [each for each in events if each["kind"] == "notice" and "no manifest uses" in each["message"]]


def test_an_image_that_no_manifest_uses_is_told_of_once_in_a_session(devloop: Devloop, project: Project) -> None:
    (project.folder / "k8s/worker.yaml").unlink()
    project.write("devloop.yaml", project.config().partition("portForward")[0])
    at = devloop.at(project.folder)
    done = at.run("run")
    assert done.code == 0
    (notice,) = unused(done.events)
    assert notice["message"] == f"no manifest uses image {project.image('worker')}: it is built for nothing"

    dev = at.start("dev")
    dev.wait_event(kind="update", update=1, state="ready")
    project.write("k8s/web.yaml", "# a comment\n" + project.manifest("web"))
    dev.wait_event(kind="update", update=2, state="ready")
    assert len(unused(dev.events)) == 1


def test_a_slip_in_a_manifest_names_its_place_and_its_artifact(devloop: Devloop, project: Project) -> None:
    wrong = project.manifest("worker").replace("/worker", "/wroker")
    project.write("k8s/worker.yaml", wrong)
    text = devloop.at(project.folder).run("render", as_json=False)
    assert text.code == 0
    assert f"! no manifest uses image {project.image('worker')}" in text.stderr
    assert f"but deployment/worker names {project.image('wroker')} (k8s/worker.yaml:1)" in text.stderr
    assert f"did you mean `{project.image('worker')}`?" in text.stderr


def test_while_a_unit_cannot_be_rendered_nobody_is_accused(devloop: Devloop, project: Project) -> None:
    project.write("k8s/worker.yaml", "kind: [\n")
    done = devloop.at(project.folder).run("run")
    assert done.code == 1
    assert unused(done.events) == []


def test_an_image_that_another_is_built_on_is_used(devloop: Devloop, workdir: Callable[[str], Path]) -> None:
    done = devloop.at(workdir("multi")).run("render", as_json=False)
    assert done.code == 0
    assert "no manifest uses" not in done.stderr
