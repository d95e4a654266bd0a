"""`devOverrides` on a real cluster: `dev` applies and shows them, `run` and `render` only when asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import Devloop, Event
from tests.e2e.kube import Kubectl
from tests.e2e.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / tmp_path.name)
    manifest = (
        project.manifest().replace("replicas: 1", "replicas: 2").replace("Seconds: 1\n      c", "Seconds: 3\n      c")
    )
    assert "Seconds: 3" in manifest
    project.write("k8s/web.yaml", manifest)
    project.write("devloop.yaml", project.config("devOverrides: fast\n"))
    return project


def shape(kubectl: Kubectl) -> tuple[int, int, Any]:
    deployment = kubectl.get("deployment", "web")
    assert deployment is not None
    spec = deployment["spec"]
    pod = spec["template"]["spec"]
    return spec["replicas"], pod["terminationGracePeriodSeconds"], spec["strategy"]["rollingUpdate"]["maxSurge"]


def told(events: tuple[Event, ...]) -> list[str]:
    return [each["message"] for each in events if each["kind"] == "notice" and "devOverrides" in each["message"]]


LINE = "devOverrides: deployment/web has replicas 1 (not 2), terminationGracePeriodSeconds 1 (not 3), maxSurge 100% (not 1)"


def test_dev_applies_them_and_shows_each_and_a_change_of_them_is_followed(
    devloop: Devloop, project: Project, kubectl: Kubectl
) -> None:
    dev = devloop.at(project.folder).start("dev")
    dev.wait_event(kind="update", update=1, state="ready")
    assert shape(kubectl) == (1, 1, "100%")
    assert told(dev.events) == [LINE]

    project.edit("second")
    dev.wait_event(kind="update", update=2, state="ready")
    assert told(dev.events) == [LINE]

    project.write("devloop.yaml", project.config("devOverrides: {terminationGracePeriodSeconds: 2}\n"))
    dev.wait_event(kind="update", update=3, state="ready")
    assert shape(kubectl) == (2, 2, 1)

    project.write("devloop.yaml", project.config())
    dev.wait_event(kind="update", update=4, state="ready")
    assert shape(kubectl) == (2, 3, 1)


def test_run_and_render_follow_the_manifests_unless_asked(devloop: Devloop, project: Project, kubectl: Kubectl) -> None:
    at = devloop.at(project.folder)
    done = at.run("run")
    assert done.code == 0
    assert shape(kubectl) == (2, 3, 1)
    assert told(done.events) == []
    assert "replicas: 2" in at.run("render", as_json=False).stdout

    rendered = at.run("render", "--dev-overrides", as_json=False)
    assert "replicas: 1" in rendered.stdout
    assert LINE in rendered.stderr
    done = at.run("run", "--dev-overrides")
    assert done.code == 0
    assert shape(kubectl) == (1, 1, "100%")
    assert told(done.events) == [LINE]


def test_to_ask_for_what_is_not_there_is_a_usage_error(bare_devloop: Devloop, tmp_path: Path) -> None:
    project = Project(tmp_path / tmp_path.name)
    done = bare_devloop.at(project.folder).run("render", "--dev-overrides", as_json=False)
    assert done.code == 2
    assert "devloop.yaml has no `devOverrides`" in done.stderr
    assert "write `devOverrides: fast` there" in done.stderr
