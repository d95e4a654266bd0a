"""The commands for pipelines: build, render, apply, delete; and what they print."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl
from tests.e2e.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / tmp_path.name)


def test_build_then_render_then_apply_deploys_the_same_as_run(
    devloop: Devloop, project: Project, kubectl: Kubectl
) -> None:
    there = devloop.at(project.folder)
    built = there.run("build")
    assert built.code == 0
    (ref,) = built.events[-1]["images"].values()
    rendered = there.run("render", as_json=False)
    assert rendered.code == 0
    (manifest,) = yaml.safe_load_all(rendered.stdout)
    assert manifest["spec"]["template"]["spec"]["containers"][0]["image"] == ref
    (project.folder / "out.yaml").write_text(rendered.stdout)
    applied = there.run("apply", "out.yaml")
    assert applied.code == 0, applied.stdout
    pods = kubectl.pod_uids()
    assert len(pods) == 1
    assert there.run("run").code == 0
    assert kubectl.pod_uids() == pods
    assert there.run("delete").code == 0
    kubectl.wait_gone()


def test_render_builds_nothing_and_its_json_is_one_list(bare_devloop: Devloop, project: Project) -> None:
    done = bare_devloop.at(project.folder).run(
        "render", "--output", "json", env={"DOCKER_HOST": "unix:///nowhere", "KUBECONFIG": "/nowhere"}
    )
    assert done.code == 0, done.stderr
    listed = json.loads(done.stdout)
    assert listed["kind"] == "List"
    assert listed["items"][0]["kind"] == "Deployment"
    assert "tags are not those of `devloop run`" in done.stderr


def test_apply_wants_images_that_are_built(devloop: Devloop, project: Project) -> None:
    there = devloop.at(project.folder)
    (project.folder / "out.yaml").write_text(there.run("render", as_json=False).stdout)
    done = there.run("apply", "out.yaml", as_json=False)
    assert done.code == 1
    assert "devloop build" in done.stdout


def test_apply_wants_what_render_printed(devloop: Devloop, project: Project) -> None:
    there = devloop.at(project.folder)
    assert there.run("apply", "k8s/web.yaml").code == 1
    missing = there.run("apply", "nothing.yaml", as_json=False)
    assert missing.code == 2
    assert "nothing.yaml" in missing.stdout


def test_render_writes_a_folder_that_apply_takes(devloop: Devloop, project: Project, kubectl: Kubectl) -> None:
    there = devloop.at(project.folder)
    project.write("k8s/more.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n")
    assert there.run("build").code == 0
    done = there.run("render", "--output-dir", "out", as_json=False)
    assert done.code == 0, done.stderr
    assert done.stdout == ""
    files = {each.name for each in (project.folder / "out").iterdir()}
    assert files == {"apps_v1_deployment_web.yaml", "v1_configmap_more.yaml"}
    would = there.run("apply", "--dry-run", "out")
    assert would.code == 0, would.stdout
    assert {each["resource"]: each["action"] for each in would.of(kind="difference")} == {
        "configmap/more": "create",
        "deployment/web": "create",
    }
    assert kubectl.snapshot() == {}
    applied = there.run("apply", "out/v1_configmap_more.yaml", "out")
    assert applied.code == 0, applied.stdout
    assert "no differences" in there.run("apply", "--dry-run", "out", as_json=False).stdout
    (project.folder / "k8s/more.yaml").unlink()
    assert there.run("render", "--output-dir", "out").code == 0
    assert {each.name for each in (project.folder / "out").iterdir()} == {"apps_v1_deployment_web.yaml"}
    assert there.run("apply", "out").code == 0
    assert kubectl.get("configmap", "more") is None


def test_render_offline_asks_no_engine_and_takes_units(bare_devloop: Devloop, project: Project) -> None:
    there = bare_devloop.at(project.folder)
    project.write("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    project.write("devloop.yaml", project.config(extra="  - {name: more, needs: [k8s], manifests: [a.yaml]}\n"))
    away = {"DOCKER_HOST": "unix:///nowhere", "KUBECONFIG": "/nowhere"}
    done = there.run("render", "--offline", "--output", "json", env=away)
    assert done.code == 0, done.stderr
    assert [each["kind"] for each in json.loads(done.stdout)["items"]] == ["Deployment", "ConfigMap"]
    assert "--offline asks no engine" in done.stderr
    assert "nowhere" not in done.stderr
    one = there.run("render", "more", "--output", "json", env=away)
    assert [each["metadata"]["name"] for each in json.loads(one.stdout)["items"]] == ["a"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("render", "wbe"), ("there is no unit of this name", "units are k8s")),
        (("render", "--output-dir", "devloop.yaml"), ("is no folder", "--output-dir devloop.yaml")),
        (("apply", "nothing.yaml"), ("there is no such file or folder", "nothing.yaml")),
        (("apply", "web"), ("has no .yaml, .yml or .json file in it", "--output-dir")),
        (("apply",), ("Missing argument",)),
        (("delete", "k9s"), ("there is no unit of this name", "did you mean k8s?")),
        (("delete", "--include", "data"), ("is not of the form KIND/NAME",)),
        (("delete", "--include", "pod/data"), ("the project has no such object", "what would be kept: nothing")),
        (("ls", "k9s"), ("there is no unit of this name", "did you mean k8s?")),
        (("ls", "--all-projects", "k8s"), ("units are those of one project",)),
        (("history", "pod/a"), ("no unit or workload of this name is deployed", "there are none")),
        (("rollback", "k8s"), ("nothing of it is deployed that has revisions", "devloop ls")),
        (("rollback", "--to", "first"), ("'--to'", "valid int")),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else None,
)
def test_a_wrong_word_is_explained(
    args: tuple[str, ...], words: tuple[str, ...], devloop: Devloop, project: Project
) -> None:
    done = devloop.at(project.folder).run(*args, as_json=False)
    assert done.code == 2, done.stdout
    for each in words:
        assert each in done.stdout + done.stderr


def test_delete_takes_a_unit_and_what_is_included_by_name(devloop: Devloop, project: Project, kubectl: Kubectl) -> None:
    there = devloop.at(project.folder)
    claim = "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}"
    project.write("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    project.write("b.yaml", f"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\n{claim}\n")
    units = "  - {name: a, manifests: [a.yaml]}\n  - {name: b, needs: [a], manifests: [b.yaml]}\n"
    project.write("devloop.yaml", f"apiVersion: devloop/v1\nmetadata: {{name: e2e}}\ndeploy:\n{units}")
    assert there.run("run").code == 0
    assert [each["resource"] for each in there.run("delete", "a").of(kind="removed", state="deleted")] == [
        "configmap/a"
    ]
    kept = there.run("delete")
    assert [(each["state"], each["resource"]) for each in kept.of(kind="removed")] == [
        ("kept", "persistentvolumeclaim/data")
    ]
    assert kubectl.get("persistentvolumeclaim", "data") is not None
    would = there.run("delete", "--include", "PersistentVolumeClaim/data", "--dry-run")
    assert [each["state"] for each in would.of(kind="removed")] == ["would delete"]
    assert there.run("delete", "b", "--include", "persistentvolumeclaim/data").code == 0
    kubectl.wait_gone("persistentvolumeclaim")
    kubectl.wait_gone("configmap", "devloop-e2e")


def test_delete_takes_only_what_is_its_own(devloop: Devloop, project: Project, kubectl: Kubectl) -> None:
    kubectl.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: theirs}\n")
    there = devloop.at(project.folder)
    assert there.run("run").code == 0
    before = kubectl.snapshot()
    would = there.run("delete", "--dry-run", as_json=False)
    assert would.code == 0
    assert "deployment/web" in would.stdout
    assert kubectl.snapshot().keys() == before.keys()
    assert there.run("delete").code == 0
    kubectl.wait_gone("deployment")
    assert kubectl.get("configmap", "theirs") is not None
    again = there.run("delete", as_json=False)
    assert again.code == 0
    assert "nothing" in again.stdout


def test_an_unreachable_cluster_comes_back_and_dev_goes_on(
    devloop: Devloop, project: Project, kubectl: Kubectl, outage: Callable[[bool], None]
) -> None:
    dev = devloop.at(project.folder).start("dev")
    dev.wait_event(kind="update", update=1, state="ready")
    outage(True)
    project.edit("while it was away")
    dev.wait_event(lambda event: "does not answer" in event.get("error", ""), kind="step", state="failed")
    outage(False)
    dev.wait_event(lambda event: event["update"] > 2, kind="update", state="ready", timeout_s=90)


@pytest.fixture
def outage(cluster: object) -> object:
    """Freezes the API server of the test bed's node, which then accepts connections and never answers; thaws it at the end."""
    node = subprocess.run(
        ["docker", "ps", "-q", "--filter", "label=io.x-k8s.kind.role=control-plane"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    if len(node) != 1:
        pytest.skip("which node runs the API server is not known here")

    def toggle(is_away: bool) -> None:
        number = "-STOP" if is_away else "-CONT"
        subprocess.run(["docker", "exec", node[0], "pkill", number, "-f", "^kube-apiserver"], check=True)

    yield toggle
    toggle(False)
