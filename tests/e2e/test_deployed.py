"""What is deployed, listed from any machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop, Event
from tests.e2e.kube import Kubectl
from tests.e2e.project import Project

KEPT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept, annotations: {devloop.dev/keep: 'true'}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / tmp_path.name)


def listed(devloop: Devloop, *args: str) -> dict[str, Event]:
    done = devloop.run("ls", *args)
    assert done.code == 0, done.stdout
    return {each["resource"]: each for each in done.of(kind="object")}


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
