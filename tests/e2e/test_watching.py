"""What counts as an edit, and when, in a running `devloop dev`."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop, Event, Session
from tests.e2e.kube import Kubectl
from tests.e2e.project import Project
from tests.e2e.web import eventually, http_get

BUILD = """\
cat index.html > seen
touch started
while [ -e wait ]; do sleep 0.05; done
docker build --tag $IMAGE .
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / tmp_path.name)


def started(devloop: Devloop, project: Project, *options: str, with_terminal: bool = False) -> Session:
    dev = devloop.at(project.folder).start("dev", "--output", "json", *options, with_terminal=with_terminal)
    dev.wait_event(kind="update", update=1, state="ready")
    return dev


def answers(project: Project, text: str) -> None:
    http_get(project.port, until=lambda answer: answer.text.strip() == text)


def builds(events: tuple[Event, ...], state: str) -> list[Event]:
    return [each for each in events if each["kind"] == "step" and each["step"] == "build" and each["state"] == state]


def test_an_update_says_that_it_is_fresh(devloop: Devloop, project: Project) -> None:
    dev = started(devloop, project)
    project.edit("again")
    ready = dev.wait_event(kind="update", update=2, state="ready")
    assert ready["fresh"] is True


def test_a_file_that_changes_while_it_is_built_is_built_again(devloop: Devloop, project: Project) -> None:
    config = project.config().replace(
        "      context: web\n",
        "      context: web\n      custom: {command: sh build.sh, dependencies: {paths: [index.html, build.sh]}}\n",
    )
    project.write("devloop.yaml", config)
    project.write("web/build.sh", BUILD)
    dev = started(devloop, project)
    folder = project.folder / "web"
    (folder / "started").unlink()
    (folder / "wait").write_text("")
    project.edit("during")
    eventually((folder / "started").exists, what="the build runs")
    assert (folder / "seen").read_text().strip() == "during"
    seen = len(dev.events)
    project.edit("after")
    dev.wait_event(kind="step", step="build", state="cancelled", since=seen)
    (folder / "wait").unlink()
    ready = dev.wait_event(kind="update", state="ready", since=seen)
    assert ready["fresh"] is True
    answers(project, "after")


def test_a_save_of_the_same_content_builds_nothing_and_says_so(
    devloop: Devloop, project: Project, kubectl: Kubectl
) -> None:
    project.write("web/Dockerfile", (project.folder / "web/Dockerfile").read_text() + "COPY . /all\n")
    project.write("web/.dockerignore", "*.md\n")
    dev = started(devloop, project)
    before = kubectl.snapshot()
    project.edit("first")
    told = dev.wait_event(kind="unchanged", why="same content")
    assert told["files"] == ["web/index.html"]
    (project.folder / "web/index.html").touch()
    (project.folder / "web/notes.md").write_text("nobody copies this")
    dev.wait_event(kind="unchanged", why="not an input")
    assert not builds(dev.events[dev.events.index(told) :], "started")
    assert kubectl.snapshot() == before


def test_manual_waits_for_enter(devloop: Devloop, project: Project) -> None:
    dev = started(devloop, project, "--watch", "manual", with_terminal=True)
    project.edit("second")
    dev.wait_event(lambda event: "web/index.html" in event["message"], kind="notice")
    answers(project, "first")
    assert all(each["update"] < 2 for each in dev.events)
    dev.type("\n")
    answers(project, "second")
    assert dev.wait_event(kind="update", update=2, state="ready")["fresh"] is True
    dev.interrupt()
    assert dev.wait().code == 130
    assert dev.is_terminal_restored


def test_manual_without_an_input_says_so(devloop: Devloop, project: Project) -> None:
    dev = started(devloop, project, "--watch", "manual")
    dev.wait_event(lambda event: "standard input" in event["message"], kind="notice")


def test_polling_finds_an_edit(devloop: Devloop, project: Project) -> None:
    dev = started(devloop, project, "--watch", "poll")
    project.edit("polled")
    answers(project, "polled")
    assert dev.wait_event(kind="update", update=2, state="ready")["fresh"] is True


def test_a_switch_of_branches_is_one_update(devloop: Devloop, project: Project) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "core.hooksPath=/dev/null"]
        subprocess.run(["git", *identity, *arguments], cwd=project.folder, check=True, capture_output=True)

    project.write("web/Dockerfile", (project.folder / "web/Dockerfile").read_text() + "COPY many /many\n")
    git("init", "--quiet", "--initial-branch=one")
    for branch in ("one", "two"):
        if branch == "two":
            git("switch", "--quiet", "--create", branch)
        for number in range(2000):
            path = project.folder / "web/many" / f"{number % 50}" / f"{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(branch)
        project.edit(branch)
        git("add", "--all")
        git("commit", "--quiet", "--message", branch)
    dev = started(devloop, project)
    answers(project, "two")
    git("switch", "--quiet", "one")
    answers(project, "one")
    dev.wait_event(kind="update", update=2, state="ready")
    assert [each["update"] for each in dev.events if each["kind"] == "update" and each["state"] == "started"] == [1, 2]
    assert not builds(dev.events, "cancelled")
