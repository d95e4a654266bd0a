"""`devloop doctor` on a real engine and cluster: well, and broken on purpose."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl
from tests.e2e.project import Project

SILENT = """
apiVersion: v1
kind: Config
current-context: silent
contexts: [{{name: silent, context: {{cluster: silent, user: nobody}}}}]
clusters: [{{name: silent, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
users: [{{name: nobody, user: {{}}}}]
"""
HELM = """
apiVersion: devloop/v1
metadata: {name: e2e-doctor}
deploy: [{name: web, helm: {chart: chart}}]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / tmp_path.name)


def verdicts(events: tuple[dict[str, object], ...]) -> dict[object, object]:
    return {each["subject"]: each["verdict"] for each in events if each["kind"] == "check"}


def test_where_devloop_works_nothing_is_a_problem(devloop: Devloop, project: Project) -> None:
    done = devloop.at(project.folder).run("doctor")
    found = verdicts(done.events)
    assert done.code == 0, done.stdout
    looked_at = {"configuration", "engine", "docker", "builder", "cluster", "context", "namespace", "clock", "rights"}
    assert looked_at | {"watches", "nodes", "images", "proxies"} <= set(found)
    assert "problem" not in found.values()


def test_without_a_configuration_machine_and_cluster_are_looked_at(devloop: Devloop) -> None:
    done = devloop.run("doctor", as_json=False)
    assert done.code == 0, done.stdout
    assert "no devloop.yaml" in done.stdout
    assert "rights" in done.stdout


def test_a_configuration_that_is_named_has_to_be_there(devloop: Devloop) -> None:
    assert devloop.run("doctor", "-f", "nowhere.yaml").code == 2


def test_without_a_valid_configuration_the_cluster_of_the_settings_is_looked_at(
    devloop: Devloop, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "xdg/devloop").mkdir(parents=True)
    (tmp_path / "xdg/devloop/config.yaml").write_text("registry: localhost:1\n")
    done = devloop.at(project.folder).run("doctor", "-p", "none", env={"XDG_CONFIG_HOME": str(tmp_path / "xdg")})
    assert done.code == 1
    (wrong,) = done.of(kind="check", subject="configuration")
    assert (wrong["verdict"], wrong["found"]) == ("problem", "no profile is named `none`")
    assert "localhost:1" in done.of(kind="check", subject="images")[0]["found"]


def test_each_mistake_of_the_configuration_is_a_finding(devloop: Devloop, project: Project) -> None:
    project.write("devloop.yaml", "apiVersion: devloop/v1\nbuild: {artifact: []}\ndeploy: 1\n")
    done = devloop.at(project.folder).run("doctor")
    assert done.code == 1
    wrong = done.of(kind="check", subject="configuration", verdict="problem")
    assert [each["where"] for each in wrong] == ["devloop.yaml:2:9", "devloop.yaml:3:9"]
    assert verdicts(done.events)["cluster"] == "ok"


def test_a_dead_engine_is_told_and_the_cluster_is_looked_at(devloop: Devloop, project: Project) -> None:
    done = devloop.at(project.folder).run("doctor", env={"DOCKER_HOST": "tcp://127.0.0.1:9"})
    found = verdicts(done.events)
    assert done.code == 1
    assert found["engine"] == "problem"
    assert found["rights"] == "ok"
    assert not {"builder", "images"} & set(found)


@pytest.mark.parametrize("kubeconfig", ["", "apiVersion: v1\nkind: Config\n"])
def test_no_cluster_is_told_and_the_engine_is_looked_at(
    engine: str, bare_devloop: Devloop, tmp_path: Path, kubeconfig: str
) -> None:
    path = tmp_path / "kubeconfig"
    if kubeconfig:
        path.write_text(kubeconfig)
    done = bare_devloop.run("doctor", "--output", "json", env={"KUBECONFIG": str(path)})
    found = verdicts(done.events)
    assert done.code == 1
    assert (found["cluster"], found["engine"]) == ("problem", "ok")
    assert "rights" not in found


def test_a_user_without_rights_is_told_which(
    devloop: Devloop, project: Project, kubectl: Kubectl, tmp_path: Path
) -> None:
    kubeconfig = kubectl.stranger(tmp_path)
    done = devloop.at(project.folder).run("doctor", env={"KUBECONFIG": str(kubeconfig)})
    assert done.code == 1
    (told,) = done.of(kind="check", subject="rights")
    assert told["verdict"] == "problem"
    assert "deployments.apps" in told["found"]
    assert "kubectl create rolebinding" in told["fix"]
    kubectl.run("create", "rolebinding", "r", "--clusterrole=edit", f"--serviceaccount={kubectl.namespace}:stranger")
    again = devloop.at(project.folder).run("doctor", env={"KUBECONFIG": str(kubeconfig)})
    assert verdicts(again.events)["rights"] == "ok"


def test_a_namespace_that_is_not_there_is_a_problem(devloop: Devloop, project: Project) -> None:
    done = devloop.at(project.folder).run("doctor", "--namespace", "no-such-namespace")
    assert done.code == 1
    (told,) = done.of(kind="check", subject="namespace")
    assert told["fix"].startswith("kubectl create namespace no-such-namespace")


def test_a_program_that_the_project_needs_is_looked_for(devloop: Devloop, project: Project, tmp_path: Path) -> None:
    project.write("devloop.yaml", HELM)
    (project.folder / "chart").mkdir()
    project.write("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n")
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("docker", "sh"):
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    done = devloop.at(project.folder).run("doctor", env={"PATH": str(programs)})
    assert done.code == 1
    (told,) = done.of(kind="check", subject="helm")
    assert told["found"] == "helm is not installed, for deploy/web"
    assert os.environ["PATH"] != str(programs)


def test_a_registry_that_the_cluster_is_to_use_and_is_down_is_a_problem(devloop: Devloop, project: Project) -> None:
    text = (project.folder / "devloop.yaml").read_text()
    project.write("devloop.yaml", f"{text}\ncluster: {{registry: 'localhost:9'}}\n")
    done = devloop.at(project.folder).run("doctor")
    assert done.code == 1
    assert verdicts(done.events)["registry"] == "problem"


def test_ctrl_c_ends_it_while_something_does_not_answer(bare_devloop: Devloop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = SILENT.format(port=silent.getsockname()[1])
        path = bare_devloop.cwd / "kubeconfig"
        path.write_text(config)
        session = bare_devloop.start("doctor", env={"KUBECONFIG": str(path), "DOCKER_HOST": "tcp://127.0.0.1:9"})
        silent.settimeout(30)
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(4)
            session.interrupt()
            assert session.wait(30).code == 130
