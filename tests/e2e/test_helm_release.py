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


def removed(done: Completed) -> list[tuple[str, str]]:
    return [(each["state"], each["resource"]) for each in done.of(kind="removed")]


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
    assert "revision 3 is a rollback to revision 1, and is left as it is" in said
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
        assert removed(run("delete")) == [("deleted", "release/web")]
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
    assert removed(run("delete", "--dry-run")) == [("would delete", "release/web")]
    assert helm.releases() == ["web"]
    shutil.rmtree(project / "chart")
    write(
        project,
        {"devloop.yaml": CONFIG.partition("deploy:")[0] + "deploy: [{manifests: [one.yaml]}]\n", "one.yaml": ""},
    )
    assert removed(run("delete")) == [("deleted", "release/web")]
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
    (error,) = run("diff", code=2).of(kind="error")
    assert error["hint"] == failed["hint"]
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
    config = project.config("devOverrides: fast\n").replace(
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
    notices = [each["message"] for each in dev.events if each["kind"] == "notice"]
    assert len([each for each in notices if "`devOverrides` change nothing of a release" in each]) == 1
    assert json.loads(helm.run("get", "values", "web", "-o", "json"))["image"] == dict(
        zip(("repository", "tag"), built.rsplit(":", 1), strict=True)
    )
    there = devloop.at(project.folder)
    assert there.run("diff").code == 0
    history = there.run("history", "release/web").of(kind="revision")
    assert [len(each["images"]) for each in history] == [1, 1]
    assert history[1]["images"] == [built]
    # Another checkout, whose edit the session does not see.
    other = shutil.copytree(project.folder, tmp_path / "elsewhere" / "p")
    write(other, {"web/index.html": "third"})
    (change,) = devloop.at(other).run("diff").of(kind="difference", resource="deployment/web")
    lines = [line for line in change["diff"][2:] if line[0] in "+-"]
    assert len(lines) == 2
    assert lines[0].strip("- ") == f"image: {built}"
    assert lines[1].startswith("+")
    assert f"image: {image}:" in lines[1]
    write(project.folder, {"web/index.html": "third"})
    dev.wait_event(kind="update", update=3, state="ready", timeout_s=90)
    (deployed,) = kubectl.json("get", "deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert lines[1].endswith(f"image: {deployed['image']}")
    rolled = there.run("rollback", "deploy/web", timeout_s=120)
    assert rolled.code == 0, rolled.stdout
    (deployed,) = kubectl.json("get", "deployment", "web")["spec"]["template"]["spec"]["containers"]
    assert deployed["image"] == built
    assert rolled.of(kind="step", step="ready", state="finished")


def told(run: Run, *words: str, code: int) -> dict[str, str]:
    """What `devloop diff` would do to each object."""
    return {each["resource"]: each["action"] for each in run("diff", *words, code=code).of(kind="difference")}


def test_diff_tells_what_run_then_does_to_a_release(run: Run, project: Path, kubectl: Kubectl, helm: Helm) -> None:
    assert told(run, code=1) == {"release/web": "install", "configmap/web": "create"}
    assert kubectl.snapshot() == {}
    run()
    before = kubectl.snapshot()
    assert told(run, code=0) == {}
    write(
        project,
        {"dev.yaml": "value: second\n", "chart/templates/more.yaml": TEMPLATE.replace("Name }}", "Name }}-more")},
    )
    done = run("diff", code=1)
    changes = {each["resource"]: each for each in done.of(kind="difference")}
    assert {name: each["action"] for name, each in changes.items()} == {
        "release/web": "upgrade",
        "configmap/web": "change",
        "configmap/web-more": "create",
    }
    assert changes["release/web"]["why"] == "chart, values or images are not those of revision 1"
    changed = changes["configmap/web"]["diff"][2:]
    assert [line for line in changed if line[0] in "+-"] == ["-  value: first", "+  value: second"]
    assert changes["configmap/web"]["source"].startswith("chart/templates/web.yaml")
    assert (kubectl.snapshot(), len(helm.history())) == (before, 1)
    run()
    assert told(run, code=0) == {}
    (project / "chart/templates/more.yaml").unlink()
    assert told(run, code=1) == {"release/web": "upgrade", "configmap/web-more": "delete"}
    write(project, {"devloop.yaml": CONFIG.replace("name: web", "name: other")})
    assert told(run, code=1) == {"release/web": "uninstall", "release/other": "install", "configmap/other": "create"}


def test_diff_knows_what_helm_would_not_take_and_what_it_would_take_over(
    run: Run, project: Path, kubectl: Kubectl, helm: Helm
) -> None:
    kubectl.run("create", "configmap", "web")
    done = run("diff", code=2)
    (error,) = done.of(kind="error")
    assert "configmap/web is there already, and no part of release web" in error["message"]
    kubectl.run("delete", "configmap", "web")
    write(project, {"devloop.yaml": CONFIG.replace("mode: release, ", "")})
    run()
    write(project, {"devloop.yaml": CONFIG})
    assert told(run, code=1) == {"release/web": "install", "configmap/web": "adopt"}


def test_explain_says_whether_a_release_would_be_upgraded(
    run: Run, project: Path, kubectl: Kubectl, helm: Helm
) -> None:
    def owed() -> tuple[bool, list[str]]:
        (target,) = run("explain", "deploy/web").of(kind="target")
        return target["owed"], target["why"]

    assert owed() == (True, ["release web would be installed: is not installed"])
    run()
    assert owed() == (False, ["release web: revision 1 was made from the same"])
    write(project, {"dev.yaml": "value: second\n"})
    assert owed() == (
        True,
        ["release web would be upgraded: chart, values or images are not those of revision 1"],
    )
    run()
    helm.run("rollback", "web", "1")
    assert owed() == (False, ["release web: revision 3 is a rollback to revision 1, and is left as it is"])


def test_history_and_rollback_of_a_release(run: Run, project: Path, kubectl: Kubectl, helm: Helm) -> None:
    run()
    write(project, {"dev.yaml": "value: second\n"})
    run()
    found = run("history", "web").of(kind="revision")
    assert [(each["resource"], each["revision"], each["status"], each["is_current"]) for each in found] == [
        ("release/web", 1, "superseded", False),
        ("release/web", 2, "deployed", True),
    ]
    assert all(each["digest"] and each["unit"] == "web" and each["age_s"] < 600 for each in found)
    before = kubectl.snapshot()
    done = run("rollback", "web", "--to", "1", "--dry-run")
    changes = {each["resource"]: each for each in done.of(kind="difference")}
    assert "+  value: first" in changes["configmap/web"]["diff"]
    assert (kubectl.snapshot(), len(helm.history())) == (before, 2)
    said = messages(run("rollback", "web", "--to", "1"))
    assert "release web was rolled back to revision 1: revision 3" in said
    assert (value(kubectl), helm.history()[-1]) == ("first", (3, "deployed"))
    assert [each.get("cause", "") for each in run("history", "release/web").of(kind="revision")] == [
        "",
        "",
        "Rollback to 1",
    ]
    would = run("diff")
    assert would.of(kind="difference") == []
    assert "release web: revision 3 is a rollback to revision 1, and would be left as it is" in messages(would)
    assert "revision 3 is a rollback to revision 1, and is left as it is" in messages(run())
    assert len(helm.history()) == 3
    (error,) = run("rollback", "web", "--to", "3", code=2).of(kind="error")
    assert error["message"] == "revision 3 is what is deployed"
    (error,) = run("rollback", "web", "--to", "9", code=2).of(kind="error")
    assert error["hint"] == "there are 1 (superseded), 2 (superseded), 3 (deployed)"
    write(project, {"dev.yaml": "value: third\n"})
    assert "release web: revision 3 is a rollback to revision 1; it is upgraded now" in messages(run())
    assert value(kubectl) == "third"


def test_ls_tells_of_releases_and_their_objects(run: Run, project: Path, kubectl: Kubectl, helm: Helm) -> None:
    write(project, {"plain.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\n"})
    write(project, {"devloop.yaml": CONFIG + "  - {name: plain, manifests: [plain.yaml]}\n"})
    run()
    found = {each["resource"]: each for each in run("ls").of(kind="object")}
    assert {name: (each["unit"], each["source"], each["state"]) for name, each in found.items()} == {
        "configmap/plain": ("plain", "plain.yaml", "ready"),
        "configmap/web": ("web", "web/templates/web.yaml", "ready"),
        "release/web": ("web", "web-1.0.0", "ready"),
    }
    assert found["release/web"]["why"] == "revision 1, deployed"
    assert found["configmap/web"]["project"] == found["configmap/plain"]["project"]
    assert [each["resource"] for each in run("ls", "web").of(kind="object")] == ["configmap/web", "release/web"]
    every = run("ls", "--all-projects").of(kind="object")
    assert "release/web" in [each["resource"] for each in every if each["namespace"] == kubectl.namespace]
