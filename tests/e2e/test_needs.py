"""Units that need something of the cluster besides other units."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl

CONFIG = """\
apiVersion: devloop/v1
metadata: {{name: needy}}
deploy:
  - {{name: alone, manifests: [alone.yaml]}}
  - name: web
    needs: [{needs}]
    manifests: [web.yaml]
"""
JOB = """\
apiVersion: batch/v1
kind: Job
metadata: {{name: migrate}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{{name: migrate, image: "busybox:1.37", imagePullPolicy: IfNotPresent, command: {command}}}]
"""
DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: things.{group}}}
spec:
  group: {group}
  names: {{kind: Thing, plural: things}}
  scope: Namespaced
  versions:
    - {{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}}}
"""


def config_map(name: str, value: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: {value!r}}}\n"


def project(folder: Path, needs: str) -> Path:
    (folder / "devloop.yaml").write_text(CONFIG.format(needs=needs))
    (folder / "alone.yaml").write_text(config_map("alone", "1"))
    (folder / "web.yaml").write_text(config_map("web", "1"))
    return folder


def applied(kubectl: Kubectl, text: str) -> None:
    kubectl.run("apply", "-f", "-", stdin=text)


@pytest.mark.usefixtures("busybox")
def test_a_unit_waits_for_somebody_elses_job_and_nothing_else_does(
    devloop: Devloop, tmp_path: Path, kubectl: Kubectl
) -> None:
    dev = devloop.at(project(tmp_path, "{resource: job/migrate}")).start("dev")
    dev.wait_event(kind="step", step="apply", target="deploy/alone", state="finished")
    dev.wait_event(kind="log", target="deploy/web", line="waits for job/migrate: is not there")
    assert kubectl.run("get", "configmap", "web", "--ignore-not-found", "-o", "name") == ""
    applied(kubectl, JOB.format(command='["true"]'))
    dev.wait_event(kind="update", update=1, state="ready")
    assert kubectl.run("get", "configmap", "web", "-o", "jsonpath={.data.value}") == "1"


@pytest.mark.usefixtures("busybox")
def test_run_says_why_a_job_that_failed_is_not_waited_for(devloop: Devloop, tmp_path: Path, kubectl: Kubectl) -> None:
    applied(kubectl, JOB.format(command='["false"]'))
    kubectl.run("wait", "--for=condition=Failed", "job/migrate", "--timeout=60s")
    done = devloop.at(project(tmp_path, "{resource: job/migrate}")).run("run")
    assert done.code == 1
    (failed,) = done.of(kind="step", state="failed")
    assert (failed["step"], failed["target"]) == ("await", "deploy/web")
    assert failed["error"].startswith("needs job/migrate: ")


def test_run_names_what_does_not_come_in_time(devloop: Devloop, tmp_path: Path) -> None:
    done = devloop.at(project(tmp_path, "{resource: service/db, timeoutSeconds: 2}")).run("run")
    assert done.code == 1
    (failed,) = done.of(kind="step", state="failed")
    assert failed["error"] == "needs service/db, which is not so after 2 s: is not there"
    assert "timeoutSeconds" in failed["hint"]


def test_an_object_of_any_kind_can_be_needed_even_before_its_kind_is_there(
    devloop: Devloop, tmp_path: Path, kubectl: Kubectl, namespace: str
) -> None:
    group = f"{namespace}.devloop.dev"
    needs = f"{{resource: Thing/one, apiVersion: {group}/v1, jsonpath: '{{.status.phase}}=Bound'}}"
    try:
        dev = devloop.at(project(tmp_path, needs)).start("dev")
        dev.wait_event(kind="log", target="deploy/web")
        applied(kubectl, DEFINITION.format(group=group))
        kubectl.run("wait", "--for=condition=Established", f"crd/things.{group}", "--timeout=30s")
        thing = f"apiVersion: {group}/v1\nkind: Thing\nmetadata: {{name: one}}\nstatus: {{phase: %s}}\n"
        applied(kubectl, thing % "Pending")
        dev.wait_event(kind="log", target="deploy/web", line="waits for thing/one: {.status.phase} is Pending")
        applied(kubectl, thing % "Bound")
        dev.wait_event(kind="update", update=1, state="ready")
    finally:
        kubectl.run("delete", "crd", f"things.{group}", "--ignore-not-found", "--wait=false")


def test_ctrl_c_ends_the_wait(devloop: Devloop, tmp_path: Path) -> None:
    session = devloop.at(project(tmp_path, "{resource: job/never}")).start("run")
    session.wait_event(kind="log", target="deploy/web", line="waits for job/never: is not there")
    session.interrupt()
    assert session.wait(20).code == 130


@pytest.mark.parametrize(
    ("need", "said"),
    [
        ("{resource: job}", "`job` does not say both kind and name"),
        ("{resource: jbo/x}", "did you mean `job`"),
        ("{resource: widget/x}", "say its `apiVersion` too"),
        ("{resource: job/x, jsonpath: '.a..b'}", "at character 4"),
        ("{resource: job/x, unit: alone}", "`unit`"),
        ("{unit: alnoe}", "did you mean `alone`"),
    ],
)
def test_a_wrong_need_is_explained(bare_devloop: Devloop, tmp_path: Path, need: str, said: str) -> None:
    done = bare_devloop.at(project(tmp_path, need)).run("render", as_json=False)
    assert done.code == 2
    assert said in done.stderr
    assert "devloop.yaml:6:" in done.stderr
