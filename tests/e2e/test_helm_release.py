"""Releases of the real helm, 3 and 4, on a real cluster: as few revisions as there are changes, and none is left half done."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import Completed, Devloop
from tests.e2e.kube import Kubectl
from tests.e2e.project import Project
from tests.e2e.web import eventually

CONFIG = """\
apiVersion: devloop/v1
metadata: {name: releases}
deploy:
  - name: web
    helm: {chart: chart, mode: release, values: [dev.yaml]}
"""
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data: {value: "{{ .Values.value }}", same: "1"}
"""
# A hook that no node runs, so that it ends when a test says so: as long, helm is in the midst of its work.
HOOK = """\
{{ if .Values.slow }}
apiVersion: v1
kind: Pod
metadata: {name: slow, annotations: {helm.sh/hook: "pre-install,pre-upgrade"}}
spec: {nodeSelector: {no: such}, terminationGracePeriodSeconds: 0, containers: [{name: c, image: none}]}
{{ end }}
"""


class Helm:
    """The helm of a test, 3 or 4, on its namespace: an eye that shares no code with devloop."""

    def __init__(self, program: str, kubectl: Kubectl) -> None:
        self.program = program
        self._kubectl = kubectl

    def argv(self, *words: str) -> list[str]:
        return [self.program, *words, "--kube-context", self._kubectl.context, "--namespace", self._kubectl.namespace]

    def run(self, *words: str) -> str:
        done = subprocess.run(self.argv(*words), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"helm {words}: {done.stderr}"
        return done.stdout

    def history(self, release: str = "web") -> list[tuple[int, str]]:
        """Revision and status of each."""
        found: list[dict[str, Any]] = json.loads(self.run("history", release, "--output", "json"))
        return [(each["revision"], each["status"]) for each in found]

    def releases(self) -> list[str]:
        return sorted(each["name"] for each in json.loads(self.run("list", "--output", "json")))


@pytest.fixture(params=["helm", "helm4"])
def helm(
    request: pytest.FixtureRequest,
    kubectl: Kubectl,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Helm:
    program = shutil.which(request.param)
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    folder = tmp_path_factory.mktemp("bin")
    (folder / "helm").symlink_to(program)
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), os.environ["PATH"]]))
    return Helm(program, kubectl)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(
        tmp_path,
        {
            "devloop.yaml": CONFIG,
            "dev.yaml": "value: first\n",
            "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
            "chart/values.yaml": "slow: false\n",
            "chart/templates/web.yaml": TEMPLATE,
            "chart/templates/slow.yaml": HOOK,
        },
    )


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def value(kubectl: Kubectl, name: str = "web") -> str:
    return kubectl.run("get", "configmap", name, "--ignore-not-found", "-o", "jsonpath={.data.value}")


def finish_hook(kubectl: Kubectl) -> None:
    """What the kubelet would write."""
    kubectl.run(
        "patch", "pod", "slow", "--subresource=status", "--type=merge", "-p", '{"status": {"phase": "Succeeded"}}'
    )


def messages(done: Completed) -> str:
    return "\n".join(each["message"] for each in done.of(kind="notice"))


Run = Callable[..., Completed]


@pytest.fixture
def run(devloop: Devloop, project: Path) -> Run:
    """A function: runs `devloop run` there and expects it to succeed."""

    def run(*words: str, code: int = 0) -> Completed:
        done = devloop.at(project).run(*(words or ("run",)), timeout_s=120)
        assert done.code == code, done.stdout + done.stderr
        return done

    return run


def test_as_many_revisions_as_changes(run: Run, project: Path, kubectl: Kubectl, helm: Helm) -> None:
    run()
    assert (helm.releases(), value(kubectl), helm.history()) == (["web"], "first", [(1, "deployed")])
    before = kubectl.snapshot()
    write(project, {"dev.yaml": "# a comment\nvalue:   first\n"})
    (applied,) = run().of(kind="step", step="apply", state="skipped")
    assert "nothing to upgrade: release web, revision 1" in applied["reason"]
    assert kubectl.snapshot() == before
    write(project, {"dev.yaml": "value: second\n"})
    run()
    assert (value(kubectl), helm.history()) == ("second", [(1, "superseded"), (2, "deployed")])


def test_hooks_before_a_deploy_run_before_an_upgrade_only(run: Run, project: Path, helm: Helm) -> None:
    write(project, {"devloop.yaml": CONFIG + "    hooks: {beforeDeploy: [{command: echo x >> ran.txt}]}\n"})
    for _ in range(2):
        run()
    assert ((project / "ran.txt").read_text(), len(helm.history())) == ("x\n", 1)


def test_a_rollback_is_told_and_not_fought(run: Run, project: Path, kubectl: Kubectl, helm: Helm) -> None:
    run()
    write(project, {"dev.yaml": "value: second\n"})
    run()
    helm.run("rollback", "web", "1")
    said = messages(run())
    assert "revision 3 (Rollback to 1) was made by someone else, and is left as it is" in said
    assert (value(kubectl), len(helm.history())) == ("first", 3)
    write(project, {"dev.yaml": "value: third\n"})
    assert "it is upgraded now, since something changed" in messages(run())
    assert (value(kubectl), len(helm.history())) == ("third", 4)


@pytest.mark.parametrize("when", ["install", "upgrade"])
def test_what_a_killed_helm_left_is_put_right(run: Run, project: Path, kubectl: Kubectl, helm: Helm, when: str) -> None:
    if when == "upgrade":
        run()
    slow = ["--set", "value=second,slow=true"]
    killed = subprocess.Popen(helm.argv("upgrade", "--install", "web", str(project / "chart"), *slow))
    eventually(lambda: kubectl.get("pod", "slow"), timeout_s=60, what="helm's hook")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert helm.history()[-1][1] == f"pending-{when}"
    write(project, {"dev.yaml": "value: third\n"})
    said = messages(run())
    assert f"release web: its {when} had broken off at revision {2 if when == 'upgrade' else 1}, and was " in said
    assert (value(kubectl), helm.history()[-1][1]) == ("third", "deployed")


def test_a_failed_upgrade_is_told_and_the_next_change_mends_it(
    run: Run, project: Path, kubectl: Kubectl, helm: Helm
) -> None:
    run()
    write(
        project,
        {"chart/templates/bad.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: []}\n"},
    )
    (failed,) = run(code=1).of(kind="step", state="failed")
    assert failed["step"] == "apply"
    assert failed["error"].startswith("helm upgrade web: ")
    assert "spec.ports" in failed["error"]
    (project / "chart/templates/bad.yaml").unlink()
    run()
    assert helm.history()[-1][1] == "deployed"


def test_ctrl_c_lets_an_upgrade_finish(run: Run, project: Path, devloop: Devloop, kubectl: Kubectl, helm: Helm) -> None:
    write(project, {"dev.yaml": "value: first\nslow: true\n"})
    session = devloop.at(project).start("run")
    eventually(lambda: kubectl.get("pod", "slow"), timeout_s=60, what="helm's hook")
    session.interrupt()
    finish_hook(kubectl)
    assert session.wait(60).code == 130
    assert (value(kubectl), helm.history()) == ("first", [(1, "deployed")])


def test_a_second_ctrl_c_ends_helm_in_order(
    run: Run, project: Path, devloop: Devloop, kubectl: Kubectl, helm: Helm
) -> None:
    write(project, {"dev.yaml": "value: first\nslow: true\n"})
    session = devloop.at(project).start("run")
    eventually(lambda: kubectl.get("pod", "slow"), timeout_s=60, what="helm's hook")
    session.interrupt()
    time.sleep(1)  # two signals at once are one
    session.interrupt()
    assert session.wait(30).code == 130
    assert helm.history() == [(1, "failed")]
    write(project, {"dev.yaml": "value: first\n"})
    run()
    assert (value(kubectl), helm.history()[-1][1]) == ("first", "deployed")


def test_what_is_nobodys_is_not_taken_over(run: Run, project: Path, kubectl: Kubectl, helm: Helm) -> None:
    kubectl.run("create", "configmap", "web")
    (failed,) = run(code=1).of(kind="step", state="failed")
    assert "cannot be imported into the current release" in failed["error"]
    assert "--take-ownership" in failed["hint"]


def test_an_upgrade_that_somebody_else_is_at_is_waited_for(
    run: Run, project: Path, devloop: Devloop, kubectl: Kubectl, helm: Helm
) -> None:
    words = helm.argv("upgrade", "--install", "web", str(project / "chart"), "--set", "value=theirs,slow=true")
    with subprocess.Popen(words) as theirs:
        eventually(lambda: kubectl.get("pod", "slow"), timeout_s=60, what="helm's hook")
        session = devloop.at(project).start("run")
        session.wait_event(kind="notice", predicate=lambda each: "waiting for whoever is at it" in each["message"])
        finish_hook(kubectl)
    assert theirs.returncode == 0
    assert session.wait(60).code == 0
    assert (value(kubectl), helm.history()) == ("first", [(1, "superseded"), (2, "deployed")])


def test_a_namespace_is_made_when_asked_for(run: Run, project: Path, kubectl: Kubectl, helm: Helm) -> None:
    other = f"{kubectl.namespace}-more"
    there = Kubectl(kubectl.context, other)
    text = CONFIG.replace("mode: release", f"mode: release, namespace: {other}")
    write(project, {"devloop.yaml": text})
    (failed,) = run(code=1).of(kind="step", state="failed")
    assert f'namespaces "{other}" not found' in failed["error"]
    try:
        write(project, {"devloop.yaml": text.replace("mode: release", "mode: release, createNamespace: true")})
        run()
        assert value(there) == "first"
        assert "deleted release web" in messages(run("delete"))
        assert there.snapshot() == {}
        assert kubectl.run("get", "namespace", other, "-o", "name").strip() == f"namespace/{other}"
    finally:
        kubectl.run("delete", "namespace", other, "--wait=false", "--ignore-not-found")


def test_units_that_are_only_rendered_may_share_a_namespace_that_they_ask_for(
    run: Run, project: Path, kubectl: Kubectl
) -> None:
    other = f"{kubectl.namespace}-more"
    spec = f"chart: chart, values: [dev.yaml], namespace: {other}, createNamespace: true"
    units = "".join(f"  - {{name: {name}, helm: {{{spec}}}}}\n" for name in ("one", "two"))
    write(project, {"devloop.yaml": CONFIG.partition("  - name")[0] + units})
    try:
        run()
        there = Kubectl(kubectl.context, other)
        assert (value(there, "one"), value(there, "two")) == ("first", "first")
        run("delete")
        assert there.snapshot() == {}
        assert kubectl.run("get", "namespace", other, "-o", "name").strip() == f"namespace/{other}"
    finally:
        kubectl.run("delete", "namespace", other, "--wait=false", "--ignore-not-found")


def test_delete_uninstalls_from_anywhere(run: Run, project: Path, kubectl: Kubectl, helm: Helm) -> None:
    run()
    assert "would delete release web" in messages(run("delete", "--dry-run"))
    assert helm.releases() == ["web"]
    shutil.rmtree(project / "chart")
    write(
        project,
        {"devloop.yaml": CONFIG.partition("deploy:")[0] + "deploy: [{manifests: [one.yaml]}]\n", "one.yaml": ""},
    )
    assert "deleted release web" in messages(run("delete"))
    assert helm.releases() == []
    assert kubectl.snapshot() == {}
    assert "deleted nothing" in messages(run("delete"))


def test_dev_uninstalls_on_the_way_out_and_when_a_unit_is_gone(
    devloop: Devloop, project: Path, kubectl: Kubectl, helm: Helm
) -> None:
    more = "  - {name: more, helm: {chart: chart, mode: release, values: [dev.yaml]}, needs: [web]}\n"
    write(project, {"devloop.yaml": CONFIG + more})
    dev = devloop.at(project).start("dev")
    dev.wait_event(kind="update", update=1, state="ready")
    order = [each["target"] for each in dev.events if each.get("step") == "apply" and each.get("state") == "finished"]
    assert order == ["deploy/web", "deploy/more"]
    assert helm.releases() == ["more", "web"]
    write(project, {"devloop.yaml": CONFIG})
    eventually(lambda: helm.releases() == ["web"], timeout_s=30)
    write(project, {"dev.yaml": "value: second\n"})
    dev.wait_event(kind="update", state="ready", since=len(dev.events))
    assert value(kubectl) == "second"
    dev.interrupt()
    assert dev.wait(60).code == 130
    assert helm.releases() == []


def test_a_release_of_a_unit_that_is_gone_is_uninstalled_by_the_next_run(
    run: Run, project: Path, kubectl: Kubectl, helm: Helm
) -> None:
    run()
    write(project, {"devloop.yaml": CONFIG.replace("name: web", "name: other")})
    assert "release web in" in messages(run())
    assert helm.releases() == ["other"]


def test_what_was_applied_is_adopted_by_a_release(run: Run, project: Path, kubectl: Kubectl, helm: Helm) -> None:
    write(project, {"devloop.yaml": CONFIG.replace("mode: release, ", "")})
    run()
    uid = kubectl.json("get", "configmap", "web")["metadata"]["uid"]
    write(project, {"devloop.yaml": CONFIG, "dev.yaml": "value: second\n"})
    assert "release web takes over what devloop applied before" in messages(run())
    found = kubectl.json("get", "configmap", "web")
    assert (found["metadata"]["uid"], found["data"]) == (uid, {"value": "second", "same": "1"})
    assert "devloop.dev" not in json.dumps([found["metadata"]["annotations"], found["metadata"]["labels"]])
    for text in ("third", "fourth"):
        write(project, {"dev.yaml": f"value: {text}\n"})
        run()
    found = kubectl.json("get", "configmap", "web")
    assert (found["metadata"]["uid"], found["data"], len(helm.history())) == (uid, {"value": "fourth", "same": "1"}, 3)
    run("delete")
    assert kubectl.snapshot() == {}


def test_a_release_that_is_to_be_one_no_more_is_told_with_the_way_out(
    run: Run, project: Path, kubectl: Kubectl, helm: Helm
) -> None:
    run()
    write(project, {"devloop.yaml": CONFIG.replace("mode: release, ", "")})
    (failed,) = run(code=1).of(kind="step", state="failed")
    assert f"`helm uninstall web -n {kubectl.namespace}` makes way" in failed["hint"]
    helm.run("uninstall", "web")
    run()
    assert (value(kubectl), helm.releases()) == ("first", [])


def test_an_image_goes_in_by_values_and_an_edit_is_one_revision(
    devloop: Devloop, tmp_path: Path, kubectl: Kubectl, helm: Helm, busybox: str
) -> None:
    project = Project(tmp_path / "p")
    image = project.image("web")
    chart = project.manifest("web").replace(image, '"{{ .Values.image.repository }}:{{ .Values.image.tag }}"')
    mapped = f"images: [{{image: {image}, repository: image.repository, tag: image.tag}}]"
    config = project.config().replace(
        "manifests: [k8s/*.yaml]", f"helm: {{chart: chart, mode: release, release: web, {mapped}}}"
    )
    write(
        project.folder,
        {
            "devloop.yaml": config.replace(f", {mapped}", ""),
            "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
            "chart/templates/web.yaml": chart,
            "chart/values.yaml": f"image: {{repository: {image}, tag: v1}}\n",
        },
    )
    done = devloop.at(project.folder).run("run", timeout_s=120)
    (failed,) = done.of(kind="step", state="failed")
    assert f"the chart uses {image}, and nothing says which values take the image" in failed["error"]
    write(project.folder, {"devloop.yaml": config})
    dev = devloop.at(project.folder).start("dev")
    dev.wait_event(kind="update", update=1, state="ready", timeout_s=90)
    project.edit("second")
    dev.wait_event(kind="update", update=2, state="ready", timeout_s=90)
    (built,) = {
        each["result"]
        for each in dev.events
        if each.get("step") == "place" and each.get("update") == 2 and each.get("result")
    }
    assert kubectl.json("get", "deployment", "web")["spec"]["template"]["spec"]["containers"][0]["image"] == built
    assert helm.history() == [(1, "superseded"), (2, "deployed")]
    assert json.loads(helm.run("get", "values", "web", "-o", "json"))["image"] == dict(
        zip(("repository", "tag"), built.rsplit(":", 1), strict=True)
    )
