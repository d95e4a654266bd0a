"""Hooks around the rendering and the deploy of units, on this machine and in containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl

CONFIG = """\
apiVersion: devloop/v1
metadata: {name: hooked}
deploy:
  - name: app
    manifests: [app.yaml]
    hooks:
      %s
"""
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {value: '%s'}\n"
POD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - {name: side, image: "busybox:1.37", imagePullPolicy: IfNotPresent, command: [sleep, "600"]}
        - {name: app, image: "busybox:1.37", imagePullPolicy: IfNotPresent, command: [sleep, "600"]}
"""


def project(folder: Path, *hooks: str, manifest: str = CONFIG_MAP % 1) -> Path:
    (folder / "devloop.yaml").write_text(CONFIG % "\n      ".join(hooks))
    (folder / "app.yaml").write_text(manifest)
    return folder


def lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def test_hooks_run_around_each_step_and_only_when_something_is_written(devloop: Devloop, tmp_path: Path) -> None:
    told = "$DEVLOOP_PROJECT/$DEVLOOP_UNIT/$DEVLOOP_NAMESPACE"
    folder = project(
        tmp_path,
        "beforeRender: [{command: echo before-render >> log}]",
        "afterRender: [{command: 'grep -c ConfigMap $DEVLOOP_MANIFESTS >> log'}]",
        f"beforeDeploy: [{{command: 'echo {told} >> log'}}]",
        "afterDeploy: [{command: 'kubectl --context $DEVLOOP_CONTEXT -n $DEVLOOP_NAMESPACE get cm app -o name >> log'}]",
    )
    there = devloop.at(folder)
    assert there.run("run").code == 0
    expected = ["before-render", "1", f"hooked/app/{devloop.namespace}", "configmap/app"]
    assert lines(folder / "log") == expected
    assert there.run("run").code == 0
    assert lines(folder / "log") == [*expected, "before-render", "1"]
    (folder / "app.yaml").write_text(CONFIG_MAP % 2)
    assert there.run("run").code == 0
    assert lines(folder / "log")[6:] == expected


def test_what_a_hook_generates_is_rendered(devloop: Devloop, tmp_path: Path, kubectl: Kubectl) -> None:
    folder = project(
        tmp_path, "beforeRender: [{command: sed s/source/generated/ template > app.yaml, inputs: [template]}]"
    )
    (folder / "template").write_text(CONFIG_MAP % "source")
    assert devloop.at(folder).run("run").code == 0
    assert kubectl.run("get", "cm", "app", "-o", "jsonpath={.data.value}") == "generated"


@pytest.mark.usefixtures("busybox")
def test_a_hook_runs_in_a_container_and_again_only_for_its_inputs(
    devloop: Devloop, tmp_path: Path, kubectl: Kubectl
) -> None:
    seed = "{command: 'echo seeding as $DEVLOOP_UNIT; echo x >> /tmp/seeds', resource: deployment/app, container: app, inputs: [seeds/**]}"
    folder = project(tmp_path, f"afterDeploy: [{seed}]", manifest=POD)
    (folder / "seeds").mkdir()
    (folder / "seeds/one.sql").write_text("1")

    def seeded() -> int:
        return len(kubectl.run("exec", "deployment/app", "-c", "app", "--", "cat", "/tmp/seeds").split())

    dev = devloop.at(folder).start("dev", "--keep")
    dev.wait_event(kind="log", target="deploy/app", line="seeding as app")
    dev.wait_event(kind="update", update=1, state="ready")
    assert seeded() == 1
    (folder / "seeds/two.sql").write_text("2")
    dev.wait_event(kind="update", update=2, state="ready")
    assert seeded() == 2
    dev.interrupt()
    dev.wait()
    assert devloop.at(folder).run("run").code == 0
    assert seeded() == 2


@pytest.mark.parametrize(
    ("hooks", "failure"),
    [
        (
            "beforeRender: [{command: 'echo so it goes; exit 3'}]",
            ("render", "the hook failed: exit code 3: echo so it goes"),
        ),
        ("afterRender: [{command: 'echo so it goes; false'}]", ("render", "the hook failed: exit code 1")),
        ("beforeDeploy: [{command: 'echo so it goes; false'}]", ("apply", "the hook failed: exit code 1")),
        (
            "afterDeploy: [{command: 'echo so it goes; sleep 60', timeoutSeconds: 1}]",
            ("ready", "did not end within 1 s"),
        ),
        ("afterDeploy: [{command: 'true', resource: deployment/none}]", ("ready", "there is no deployment/none")),
    ],
)
def test_a_hook_that_fails_is_a_step_that_fails(
    devloop: Devloop, tmp_path: Path, kubectl: Kubectl, hooks: str, failure: tuple[str, str]
) -> None:
    step, error = failure
    done = devloop.at(project(tmp_path, hooks)).run("run")
    assert done.code == 1
    (failed,) = done.of(kind="step", state="failed")
    assert failed["step"] == step
    assert error in failed["error"]
    if "so it goes" in hooks:
        assert failed["evidence"] == ["so it goes"]
    is_there = kubectl.run("get", "cm", "app", "--ignore-not-found", "-o", "name") != ""
    assert is_there == (step == "ready")


def test_a_container_before_the_first_deploy_is_left_out_and_that_is_said(devloop: Devloop, tmp_path: Path) -> None:
    done = devloop.at(project(tmp_path, "beforeDeploy: [{command: 'true', resource: deployment/app}]")).run("run")
    assert done.code == 0
    assert done.of(kind="log", line="hooks.beforeDeploy[0] of app is left out: there is no deployment/app")


def test_a_hook_whose_unit_is_made_anew_runs_again(devloop: Devloop, tmp_path: Path) -> None:
    folder = project(tmp_path, "afterDeploy: [{command: echo x >> log, inputs: [app.yaml]}]")
    assert devloop.at(folder).run("run").code == 0
    assert devloop.at(folder).run("delete").code == 0
    assert devloop.at(folder).run("run").code == 0
    assert lines(folder / "log") == ["x", "x"]


@pytest.mark.parametrize(
    ("hooks", "said"),
    [
        ("beforeRender: [{command: x, resource: deployment/a}]", "run on this machine"),
        ("afterDeploy: [{command: x, resource: deplyoment/a}]", "did you mean `deployment`"),
        ("afterDeploy: [{command: x, resource: deployment}]", "both kind and name"),
        ("afterDeploy: [{command: x, container: a}]", "no `resource`"),
        ("afterDeploy: [{command: x, os: [windos]}]", "did you mean `windows`"),
        ("afterDeploy: [{inputs: [a]}]", "`command` is missing"),
    ],
)
def test_a_wrong_hook_is_explained(bare_devloop: Devloop, tmp_path: Path, hooks: str, said: str) -> None:
    done = bare_devloop.at(project(tmp_path, hooks)).run("render", as_json=False)
    assert done.code == 2
    assert said in done.stderr
    assert "devloop.yaml:7:" in done.stderr
