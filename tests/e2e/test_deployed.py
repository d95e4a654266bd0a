"""What is deployed, listed from any machine; its revisions, and the way back to one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop, Event
from tests.e2e.kube import Kubectl
from tests.e2e.project import DOCKERFILE, Project

KEPT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept, annotations: {devloop.dev/keep: 'true'}}\n"
BROKEN = 'FROM busybox:1.37\nCOPY index.html /www/index.html\nCMD ["sh", "-c", "echo broken; exit 7"]\n'


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / tmp_path.name)


def listed(devloop: Devloop, *args: str) -> dict[str, Event]:
    done = devloop.run("ls", *args)
    assert done.code == 0, done.stdout
    return {each["resource"]: each for each in done.of(kind="object")}


def revisions(devloop: Devloop, *args: str) -> dict[int, Event]:
    done = devloop.run("history", *args)
    assert done.code == 0, done.stdout
    return {each["revision"]: each for each in done.of(kind="revision")}


def image(kubectl: Kubectl) -> str:
    live = kubectl.get("deployment", "web")
    assert live is not None
    return str(live["spec"]["template"]["spec"]["containers"][0]["image"])


def test_ls_tells_on_any_machine_what_is_there_and_where_it_is_from(
    devloop: Devloop, project: Project, kubectl: Kubectl, tmp_path: Path
) -> None:
    there = devloop.at(project.folder)
    assert listed(there) == {}
    project.write("k8s/kept.yaml", KEPT)
    kubectl.apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: theirs}\n")
    project.write("k8s/theirs.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: theirs}\n")
    ran = there.run("run")
    assert ran.code == 0
    # Another machine: a checkout, no cache, no engine.
    other = tmp_path / "elsewhere"
    shutil.copytree(project.folder, other)
    away = {"XDG_CACHE_HOME": str(tmp_path / "no-cache"), "DOCKER_HOST": "unix:///nowhere"}
    done = devloop.at(other).run("ls", env=away)
    assert done.code == 0, done.stdout
    found = {each["resource"]: each for each in done.of(kind="object")}
    assert found.keys() == {"deployment/web", "configmap/kept", "configmap/theirs"}
    web = found["deployment/web"]
    assert (web["state"], web["source"], web["namespace"]) == ("ready", "k8s/web.yaml", devloop.namespace)
    assert web["images"] == [ran.events[-1]["images"][project.image("web")]]
    assert web["project"] == f"{devloop.namespace}/e2e"
    assert "devloop.dev/keep" in found["configmap/kept"]["kept"]
    assert found["configmap/theirs"]["kept"] == "it was there before devloop"
    everywhere = devloop.at(tmp_path).run("ls", "--all-projects")
    assert everywhere.code == 0, everywhere.stdout
    mine = {each["resource"] for each in everywhere.of(kind="object", project=f"{devloop.namespace}/e2e")}
    assert mine == found.keys()
    text = there.run("ls", as_json=False).stdout
    assert "stays on delete: it was there before devloop" in text
    assert f"3 objects of e2e in context {devloop.context}, namespace {devloop.namespace}" in text


def test_a_broken_image_is_rolled_back_and_the_next_run_says_so(
    devloop: Devloop, project: Project, kubectl: Kubectl
) -> None:
    there = devloop.at(project.folder)
    assert there.run("run").code == 0
    good, snapshot = image(kubectl), kubectl.pod_uids()
    project.write("web/Dockerfile", BROKEN)
    assert there.run("run").code == 1
    broken = image(kubectl)
    assert broken != good
    told = revisions(there)
    assert {number: (each["images"], each["is_current"]) for number, each in told.items()} == {
        1: ([good], False),
        2: ([broken], True),
    }
    assert revisions(there, "deployment/web").keys() == told.keys()
    dry = there.run("rollback", "--dry-run")
    assert dry.code == 0
    (change,) = dry.of(kind="difference")
    changed = [line for line in change["diff"][2:] if line[0] in "+-"]
    assert [each.split("image: ")[1] for each in changed] == [broken, good]
    assert image(kubectl) == broken
    done = there.run("rollback")
    assert done.code == 0, done.stdout
    assert image(kubectl) == good
    assert kubectl.pod_uids() == snapshot, "the pods of then, never ended, serve again"
    assert listed(there)["deployment/web"]["why"] == "was rolled back to revision 1 by devloop rollback"
    assert revisions(there)[3]["is_current"]
    differs = there.run("diff")
    assert differs.code == 1
    assert differs.of(kind="difference")[0]["why"] == "was rolled back to revision 1 by devloop rollback"
    project.write("web/Dockerfile", DOCKERFILE)
    again = there.run("run")
    assert again.code == 0, again.stdout
    assert [each["message"] for each in again.of(kind="notice")] == [
        "deployment/web was rolled back to revision 1 by devloop rollback; it is again as on disk now"
    ]
    assert there.run("diff").code == 0


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_other_workloads_have_revisions_too(kind: str, devloop: Devloop, project: Project, kubectl: Kubectl) -> None:
    strategy = "updateStrategy: {type: RollingUpdate}" + ("\n  serviceName: web" if kind == "StatefulSet" else "")
    manifest = project.manifest().replace("kind: Deployment", f"kind: {kind}")
    manifest = manifest.replace("strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}", strategy)
    project.write("k8s/web.yaml", manifest if kind == "StatefulSet" else manifest.replace("  replicas: 1\n", ""))
    there = devloop.at(project.folder)
    assert there.run("run").code == 0
    project.edit("second")
    assert there.run("run").code == 0
    first, second = revisions(there).values()
    assert (first["is_current"], second["is_current"]) == (False, True)
    assert first["images"] != second["images"]
    done = there.run("rollback", f"{kind.lower()}/web", "--to", "1")
    assert done.code == 0, done.stdout
    images = {pod["spec"]["containers"][0]["image"] for pod in kubectl.list("pods") if not _is_going(pod)}
    assert images == set(first["images"])


def _is_going(pod: Event) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def test_what_there_is_no_way_back_to_is_refused(devloop: Devloop, tmp_path: Path) -> None:
    project = Project(tmp_path / "two", ("web", "api"))
    there = devloop.at(project.folder)
    nothing = there.run("rollback", as_json=False)
    assert nothing.code == 2
    assert "nothing of it is deployed" in nothing.stdout
    assert there.run("run").code == 0
    for args, words in {
        (): "2 workloads have revisions, each its own",
        ("deployment/web",): "there is no earlier revision",
        ("deployment/web", "--to", "7"): "there is no revision 7",
        ("deployment/web", "--to", "1"): "revision 1 is what is deployed",
        ("deployment/wbe",): "no unit or workload of this name is deployed",
    }.items():
        done = there.run("rollback", *args, as_json=False)
        assert done.code == 2, done.stdout
        assert words in done.stdout
    assert "there are 1 (current)" in there.run("rollback", "deployment/web", "--to", "7", as_json=False).stdout
    assert there.run("rollback", "deployment/web", "--to", "0", as_json=False).code == 2
