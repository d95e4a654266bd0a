"""Ctrl-C in every phase, and kill -9: nothing is left behind, and the next run converges."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl
from tests.e2e.project import DOCKERFILE, Project
from tests.e2e.web import eventually, http_get


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / tmp_path.name)


# Phase → the step that has started when Ctrl-C comes.
PHASES = ("build", "place", "render", "apply", "ready")


@pytest.mark.parametrize("command", ["dev", "run"])
@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_ends_it_with_130_and_leaves_no_process(
    phase: str, command: str, devloop: Devloop, project: Project, kubectl: Kubectl
) -> None:
    if phase == "build":
        project.write("web/Dockerfile", DOCKERFILE + f"RUN sleep {60 if command == 'dev' else 61}\n")
    session = devloop.at(project.folder).start(command)
    session.wait_event(kind="step", step=phase, state="started")
    session.interrupt()
    done = session.wait(30)
    assert done.code == 130
    assert done.events[-1]["exit_code"] == 130
    session.wait_childless(1)
    if command == "dev":
        kubectl.wait_gone()


def test_ctrl_c_before_anything_has_started_is_130(devloop: Devloop, project: Project) -> None:
    session = devloop.at(project.folder).start("dev")
    eventually(lambda: session.text, every_s=0.01)
    session.interrupt()
    assert session.wait(30).code == 130


def test_ctrl_c_before_it_has_begun_leaves_what_ran_before(
    devloop: Devloop, project: Project, kubectl: Kubectl
) -> None:
    there = devloop.at(project.folder)
    assert there.run("run").code == 0
    before = kubectl.snapshot()
    dev = there.start("dev")
    dev.wait_event(kind="session", state="configured")
    dev.interrupt()
    assert dev.wait().code == 130
    started = any(event["kind"] == "update" for event in dev.events)
    assert started or kubectl.snapshot() == before


@pytest.mark.parametrize("command", ["diff", "ls", "history", "rollback", "delete"])
def test_ctrl_c_while_the_cluster_keeps_silent_is_130(
    command: str, bare_devloop: Devloop, project: Project, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = tmp_path / "kubeconfig"
        config.write_text(
            "apiVersion: v1\nkind: Config\ncurrent-context: silent\n"
            f"clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{silent.getsockname()[1]}'}}}}]\n"
            "users: [{name: u, user: {token: t}}]\ncontexts: [{name: silent, context: {cluster: c, user: u}}]\n"
        )
        session = bare_devloop.at(project.folder).start(command, env={"KUBECONFIG": str(config)})
        silent.settimeout(30)
        connection, _ = silent.accept()
        with connection:
            session.interrupt()
            assert session.wait(20).code == 130


def test_ctrl_c_while_a_rollback_waits_leaves_it_written(devloop: Devloop, project: Project, kubectl: Kubectl) -> None:
    there = devloop.at(project.folder)
    project.write("web/Dockerfile", DOCKERFILE.replace("8080", "8081"))
    assert there.run("build").code == 0
    never = there.start("run")
    never.wait_event(kind="step", step="ready", state="started")
    never.interrupt()
    assert never.wait(30).code == 130
    project.write("web/Dockerfile", DOCKERFILE)
    assert there.run("run").code == 0
    session = there.start("rollback")
    session.wait_event(lambda event: "was rolled back" in event["message"], kind="notice")
    session.interrupt()
    assert session.wait(30).code == 130
    live = kubectl.get("deployment", "web")
    assert live is not None
    assert live["metadata"]["annotations"]["devloop.dev/rolled-back"] == "1"


def test_the_terminal_is_as_it_was(devloop: Devloop, project: Project, kubectl: Kubectl) -> None:
    session = devloop.at(project.folder).start("dev", with_terminal=True)
    session.wait_text(r"update 1 live")
    session.interrupt()
    assert session.wait(30).code == 130
    assert session.is_terminal_restored
    assert "Traceback" not in session.text
    kubectl.wait_gone()


@pytest.mark.parametrize("phase", PHASES)
def test_after_kill_9_run_converges(phase: str, devloop: Devloop, project: Project, kubectl: Kubectl) -> None:
    there = devloop.at(project.folder)
    session = there.start("dev")
    session.wait_event(kind="step", step=phase, state="started")
    session.kill()
    project.edit("after the kill")
    assert there.run("run").code == 0
    dev = there.start("dev")
    http_get(project.port, until=lambda answer: answer.text.strip() == "after the kill")
    # What ran before answers at once; until it has begun, a session that is interrupted leaves all as it was.
    dev.wait_event(kind="update", state="ready")
    dev.interrupt()
    dev.wait()
    kubectl.wait_gone()
    # What the killed one had started may end by itself a little later.
    session.wait_childless(30)
