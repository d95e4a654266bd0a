"""`devloop dev` while its user edits: every edit arrives, whenever it was saved, and nobody waits for somebody else's build."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop, Session
from tests.e2e.kube import Kubectl
from tests.e2e.project import DOCKERFILE, Project
from tests.e2e.web import eventually, http_get


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / tmp_path.name)


@pytest.fixture
def pair(tmp_path: Path) -> Project:
    return Project(tmp_path / tmp_path.name, ("api", "web"))


def started(devloop: Devloop, project: Project) -> Session:
    dev = devloop.at(project.folder).start("dev")
    dev.wait_event(kind="update", update=1, state="ready")
    return dev


def answers(project: Project, text: str, name: str = "") -> None:
    port = project.ports[name] if name else project.port
    http_get(port, until=lambda answer: answer.text.strip() == text)


def test_twenty_edits_arrive_one_after_the_other_in_order(devloop: Devloop, project: Project) -> None:
    dev = started(devloop, project)
    answers(project, "first")
    for number in range(20):
        project.edit(f"edit {number}")
        answers(project, f"edit {number}")
        dev.wait_event(kind="update", update=number + 2, state="ready")
    updates = [event for event in dev.events if event["kind"] == "update" and event["state"] == "ready"]
    assert [event["update"] for event in updates] == list(range(1, 22))
    assert all(abs(sum(event["phases"].values()) - event["duration_s"]) < 0.001 for event in updates)


def test_an_edit_of_a_manifest_builds_nothing(devloop: Devloop, project: Project, kubectl: Kubectl) -> None:
    dev = started(devloop, project)
    project.write("k8s/web.yaml", project.manifest().replace("replicas: 1", "replicas: 2"))
    dev.wait_event(kind="update", update=2, state="ready")
    assert len(kubectl.pod_uids()) == 2
    assert not [event for event in dev.events if event.get("step") == "build" and event["update"] == 2]


def test_a_manifest_that_goes_takes_its_object_with_it(devloop: Devloop, pair: Project, kubectl: Kubectl) -> None:
    dev = started(devloop, pair)
    (pair.folder / "k8s/api.yaml").unlink()
    dev.wait_event(kind="update", update=2, state="ready")
    assert kubectl.get("deployment", "api") is None
    assert kubectl.get("deployment", "web") is not None


def test_an_edit_during_start_up_is_not_missed(devloop: Devloop, project: Project) -> None:
    dev = devloop.at(project.folder).start("dev")
    for number in range(40):
        project.edit(f"early {number}")
        time.sleep(0.05)
        if any(event.get("step") == "build" for event in dev.events):
            break
    project.edit("last")
    answers(project, "last")


def test_an_edit_during_a_build_stops_it_and_the_newer_one_goes_live(devloop: Devloop, project: Project) -> None:
    dev = started(devloop, project)
    project.write("web/Dockerfile", DOCKERFILE + "RUN sleep 47\n")
    dev.wait_event(lambda event: "sleep 47" in event["line"], kind="log", source="build")
    assert dev.children()
    project.write("web/Dockerfile", DOCKERFILE)
    project.edit("the newer one")
    dev.wait_event(kind="step", step="build", state="cancelled")
    dev.wait_childless(1)
    answers(project, "the newer one")


def test_an_edit_during_a_rollout_ends_with_the_last_one_live(devloop: Devloop, project: Project) -> None:
    dev = started(devloop, project)
    for number in range(3):
        seen = len(dev.events)
        project.edit(f"rollout {number}")
        dev.wait_event(kind="step", step="ready", state="started", since=seen)
    project.edit("last")
    answers(project, "last")


@pytest.mark.parametrize("breakage", ["RUN sleep 300\n", "RUN false\n"], ids=["blocked", "failing"])
def test_one_images_edit_goes_live_while_the_other_does_not_build(
    breakage: str, devloop: Devloop, pair: Project, kubectl: Kubectl
) -> None:
    dev = started(devloop, pair)
    pair.write("api/Dockerfile", DOCKERFILE + breakage)
    if "false" in breakage:
        dev.wait_event(kind="step", step="build", target=f"image/{pair.image('api')}", state="failed")
    else:
        dev.wait_event(lambda event: "sleep 300" in event["line"], kind="log", source="build")
    pair.edit("meanwhile", "web")
    answers(pair, "meanwhile", "web")
    answers(pair, "first", "api")
    pair.write("api/Dockerfile", DOCKERFILE)
    pair.edit("mended", "api")
    answers(pair, "mended", "api")
    answers(pair, "meanwhile", "web")


def test_logs_come_from_their_first_line_and_over_rollouts(devloop: Devloop, project: Project) -> None:
    project.write(
        "web/Dockerfile",
        'FROM busybox:1.37\nCOPY index.html /www/\nCMD ["sh", "-c", "echo start; cat /www/index.html; sleep 999"]\n',
    )
    project.write(
        "k8s/web.yaml",
        project.manifest().replace("readinessProbe: {tcpSocket: {port: 8080}, periodSeconds: 1}", "tty: false"),
    )
    dev = devloop.at(project.folder).start("dev")
    dev.wait_event(kind="log", source="container", line="first")
    project.edit("second")
    dev.wait_event(kind="log", source="container", line="second")
    lines = [event["line"] for event in dev.events if event["kind"] == "log" and event["source"] == "container"]
    assert lines == ["start", "first", "start", "second"]


def test_other_rules_for_logs_hold_without_a_restart(devloop: Devloop, project: Project, kubectl: Kubectl) -> None:
    ticking = 'CMD ["sh", "-c", "while sleep 0.1; do echo tick; done & exec httpd -f -p 8080 -h /www"]\n'
    project.write("web/Dockerfile", "FROM busybox:1.37\nCOPY index.html /www/\n" + ticking)
    project.write("devloop.yaml", project.config() + "logs: {prefix: none}\n")
    dev = devloop.at(project.folder).start("dev", as_json=False)
    dev.wait_text("\ntick\n")
    pods = kubectl.pod_uids("app=web")
    project.write("devloop.yaml", project.config() + "logs: {prefix: podAndContainer}\n")
    dev.wait_text(r"\[web-\S+ web\] tick\n")
    assert kubectl.pod_uids("app=web") == pods


def test_no_connection_is_refused_while_pods_are_replaced(devloop: Devloop, project: Project) -> None:
    dev = started(devloop, project)
    answers(project, "first")
    for number in range(3):
        seen = len(dev.events)
        project.edit(f"rollout {number}")
        end = time.monotonic() + 20
        while time.monotonic() < end:
            # One try: a refused or broken connection fails the test.
            if http_get(project.port, timeout_s=0).text.strip() == f"rollout {number}":
                break
        # Its number is not known: an edit made before the last one's rollout ended is of the same update.
        dev.wait_event(kind="update", state="ready", since=seen)


def test_a_changed_config_is_taken_over_and_a_broken_one_is_not(
    devloop: Devloop, pair: Project, kubectl: Kubectl
) -> None:
    dev = started(devloop, pair)
    pair.write("devloop.yaml", pair.config() + "nonsense: true\n")
    error = dev.wait_event(kind="error")
    assert "nonsense" in error["message"]
    assert error["where"].startswith("devloop.yaml:")
    pair.edit("still watching", "web")
    dev.wait_event(kind="update", update=2, state="ready")
    answers(pair, "still watching", "web")
    pods = kubectl.pod_uids("app=web")
    pair.write("devloop.yaml", pair.config().replace("k8s/*.yaml", "k8s/web.yaml"))
    dev.wait_event(kind="notice", message="the configuration is valid again")
    eventually(lambda: kubectl.get("deployment", "api") is None, what="api is pruned")
    dev.wait_event(kind="update", update=3, state="ready")
    assert kubectl.pod_uids("app=web") == pods


def test_keep_leaves_it_running(devloop: Devloop, project: Project, kubectl: Kubectl) -> None:
    dev = devloop.at(project.folder).start("dev", "--keep")
    dev.wait_event(kind="update", state="ready")
    before = kubectl.snapshot()
    dev.interrupt()
    assert dev.wait().code == 130
    assert kubectl.snapshot() == before
    assert devloop.at(project.folder).run("delete").code == 0
    kubectl.wait_gone()


def test_of_two_sessions_of_a_project_only_the_last_one_deletes(
    devloop: Devloop, project: Project, kubectl: Kubectl
) -> None:
    first = started(devloop, project)
    second = started(devloop, project)
    told = second.wait_event(lambda event: "runs already" in event["message"], kind="notice")
    assert f"as process {first.pid}" in told["message"]
    second.send(signal.SIGINT)
    assert second.wait(30).code == 130
    assert [each for each in second.events if each["kind"] == "removed"] == []
    left = [each["message"] for each in second.events if each["kind"] == "notice"][-1]
    assert f"stays: process {first.pid} goes on with it" in left
    answers(project, "first")
    first.send(signal.SIGINT)
    assert first.wait(30).code == 130
    kubectl.wait_gone()
