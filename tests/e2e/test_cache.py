"""The images that devloop keeps: what `devloop cache` tells and removes, and `--no-cache`."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl
from tests.e2e.project import Project
from tests.e2e.web import eventually


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / tmp_path.name)


def refs(project: Project) -> set[str]:
    listed = subprocess.run(
        ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", project.image("web")],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(listed.stdout.split())


def build(devloop: Devloop, project: Project, *words: str) -> str:
    done = devloop.run("build", *words)
    assert done.code == 0, done.stdout
    return str(done.events[-1]["images"][project.image("web")])


def test_images_are_listed_and_superseded_ones_removed(devloop: Devloop, project: Project) -> None:
    there = devloop.at(project.folder)
    made = []
    for number in range(5):
        project.edit(f"{number} {uuid.uuid4()}")
        made.append(build(there, project))
    project.write("web/index.html", "not built")
    listed = there.run("cache", "ls").of(kind="image")
    assert [each["ref"] for each in listed] == made[::-1]
    assert not any(each["is_current"] for each in listed)
    assert all(each["size_bytes"] > 1_000_000 for each in listed)
    said = there.run("cache", "prune", as_json=False)
    assert said.code == 0
    assert all(ref in said.stdout for ref in made[:2])
    assert refs(project) == set(made[2:])
    assert build(there, project) not in made
    current = there.run("cache", "ls", as_json=False)
    assert current.stdout.count(" current") == 1
    assert "4 images of e2e in the engine" in current.stdout
    assert there.run("cache", "prune", "--all").code == 0
    (left,) = refs(project)
    assert left not in made
    assert "removed nothing" in there.run("cache", "prune", "--all", as_json=False).stdout


def test_what_a_pod_uses_stays(devloop: Devloop, project: Project, kubectl: Kubectl) -> None:
    there = devloop.at(project.folder)
    assert there.run("run").code == 0
    (used,) = refs(project)
    project.edit("another")
    build(there, project)
    assert there.run("cache", "prune", "--all").code == 0
    assert used in refs(project)
    assert there.run("delete").code == 0
    kubectl.wait_gone()

    def is_gone() -> (
        bool
    ):  # the kubelet removes the container some moments after the pod's object is gone, or within a minute
        assert there.run("cache", "prune", "--all").code == 0
        return used not in refs(project)

    eventually(is_gone, timeout_s=90, what="the image that no pod uses any more to go")


def test_without_a_cluster_the_engine_is_tidied_all_the_same(bare_devloop: Devloop, project: Project) -> None:
    there = bare_devloop.at(project.folder)
    before = there.run("build", "--output", "json")
    assert before.code == 0
    project.edit("another")
    done = there.run("cache", "prune", "--all", as_json=False, env={"KUBECONFIG": "/nowhere"})
    assert done.code == 0
    assert "only the engine is tidied" in done.stdout
    assert refs(project) == set()


def test_building_anew_gives_another_image_that_rolls_out_and_stays(
    devloop: Devloop, project: Project, kubectl: Kubectl
) -> None:
    project.write("web/Dockerfile", (project.folder / "web/Dockerfile").read_text() + "RUN cat /proc/uptime > /made\n")
    there = devloop.at(project.folder)
    first = there.run("run")
    assert first.code == 0
    made = kubectl.run("exec", "deployment/web", "--", "cat", "/made")
    pods = kubectl.pod_uids()
    second = there.run("run", "--no-cache")
    assert second.code == 0
    assert second.events[-1]["images"] != first.events[-1]["images"]
    assert kubectl.run("exec", "deployment/web", "--", "cat", "/made") != made
    assert kubectl.pod_uids() != pods
    third = there.run("run")
    assert third.events[-1]["images"] == second.events[-1]["images"]
    assert not third.of(kind="step", step="build", state="finished")


@pytest.mark.parametrize(
    "words", [("run", "--images", "x.json", "--no-cache"), ("build", "--dry-run", "--no-cache")], ids=["run", "build"]
)
def test_building_anew_and_not_building_exclude_each_other(
    bare_devloop: Devloop, project: Project, words: tuple[str, ...]
) -> None:
    done = bare_devloop.at(project.folder).run(*words, as_json=False)
    assert done.code == 2
    assert "leave one of the two out" in done.stdout + done.stderr
