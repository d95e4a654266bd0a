"""Images built in one place and deployed in another: `devloop build` with its options, and `devloop run --images`."""

from __future__ import annotations

import json
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl
from tests.e2e.local_registry import LocalRegistry
from tests.e2e.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Unique in content, too: a kubelet that pulled an image asks a registry before it runs the same one under another name (KEP-2535)."""
    made = Project(tmp_path / tmp_path.name, ("web", "api"))
    for name in made.names:
        made.edit(f"{name} {uuid.uuid4()}", name)
    return made


def has(ref: str) -> bool:
    return subprocess.run(["docker", "image", "inspect", ref], capture_output=True, check=False).returncode == 0


def written(project: Project) -> dict[str, str]:
    said = json.loads((project.folder / "images.json").read_text())
    return {each["imageName"]: each["tag"] for each in said["builds"]}


def test_a_dry_run_builds_nothing_and_names_what_a_build_makes(devloop: Devloop, project: Project) -> None:
    there = devloop.at(project.folder)
    dry = there.run("build", "--dry-run")
    assert dry.code == 0
    refs = dry.events[-1]["images"]
    assert {each["message"] for each in dry.of(kind="notice")} == {f"would build {ref}" for ref in refs.values()}
    assert not any(map(has, refs.values()))
    built = there.run("build", "-b", "web", "--file-output", "images.json")
    assert built.code == 0
    name = project.image("web")
    assert built.events[-1]["images"] == written(project) == {name: refs[name]}
    assert [has(refs[project.image(each)]) for each in ("web", "api")] == [True, False]
    said = {each["message"] for each in there.run("build", "--dry-run").of(kind="notice")}
    assert said == {f"{refs[name]} is built already", f"would build {refs[project.image('api')]}"}


def test_wrong_names_and_files_are_refused_before_anything_is_built(bare_devloop: Devloop, project: Project) -> None:
    there = bare_devloop.at(project.folder)

    def refused(*words: str) -> str:
        done = there.run(*words, as_json=False, env={"DOCKER_HOST": "unix:///nowhere", "KUBECONFIG": "/nowhere"})
        assert done.code == 2, done.stdout
        return done.stdout + done.stderr

    assert f"did you mean {project.image('web')}?" in refused("build", "-b", project.image("wbe"))
    assert "its folder is not there" in refused("build", "--file-output", "nowhere/images.json")
    assert "leave --file-output or --dry-run out" in refused("build", "--dry-run", "--file-output", "images.json")
    assert "No such file" in refused("run", "--images", "images.json")
    (project.folder / "images.json").write_text('{"builds": [')
    assert "images.json:1:13: " in refused("run", "--images", "images.json")
    (project.folder / "images.json").write_text('{"builds": [{"imageName": "web"}]}')
    assert "is not of the form" in refused("run", "--images", "images.json")
    (project.folder / "images.json").write_text('{"builds": [{"imageName": "web", "tag": "localhost:5000/web"}]}')
    assert "has no tag or digest" in refused("run", "--images", "images.json")
    given = {"builds": [{"imageName": project.image("web"), "tag": f"{project.image('web')}:1"}]}
    (project.folder / "images.json").write_text(json.dumps(given))
    assert f"names no image for {project.image('api')}" in refused("run", "--images", "images.json")


def test_a_failed_build_leaves_the_file_as_it_was(devloop: Devloop, project: Project) -> None:
    (project.folder / "images.json").write_text("before")
    project.write("web/Dockerfile", "FROM busybox:1.37\nRUN false\n")
    assert devloop.at(project.folder).run("build", "--file-output", "images.json").code == 1
    assert (project.folder / "images.json").read_text() == "before"


def test_run_deploys_the_images_of_a_file_whatever_the_sources_say(
    devloop: Devloop, project: Project, kubectl: Kubectl
) -> None:
    there = devloop.at(project.folder)
    assert there.run("build", "--file-output", "images.json").code == 0
    project.edit("not this", "web")
    project.write("api/Dockerfile", "FROM busybox:1.37\nRUN false\n")
    done = there.run("run", "--images", "images.json")
    assert done.code == 0
    assert not [each for each in done.of(kind="step", step="build") if each["state"] == "finished"]
    images = {pod["spec"]["containers"][0]["image"] for pod in kubectl.list("pods")}
    assert images == set(written(project).values())
    subprocess.run(["docker", "rmi", written(project)[project.image("web")]], check=True, capture_output=True)
    gone = there.run("run", "--images", "images.json", as_json=False)
    assert gone.code == 1
    assert "`devloop build --push` names it by its digest" in gone.stdout


def test_what_is_pushed_is_deployed_by_its_digest_and_needs_no_engine_then(
    devloop: Devloop, project: Project, kubectl: Kubectl, registry: LocalRegistry
) -> None:
    there = devloop.at(project.folder)
    project.write("devloop.yaml", project.config() + f"cluster:\n  registry: {registry.host}/team\n")
    pushed = there.run("build", "--push", "--file-output", "images.json")
    assert pushed.code == 0
    refs = written(project)
    assert all(ref.startswith(f"{registry.host}/team/") and "@sha256:" in ref for ref in refs.values())
    assert refs == pushed.events[-1]["images"]
    again = there.run("build", "--push")
    assert [each["state"] for each in again.of(kind="step", step="place") if each["state"] != "started"] == [
        "skipped",
        "skipped",
    ]
    for ref in refs.values():
        local = ref.partition("@")[0].removeprefix(f"{registry.host}/team/")
        subprocess.run(["docker", "rmi", local], check=True, capture_output=True)
    done = there.run("run", "--images", "images.json")
    assert done.code == 0, done.stdout
    images = {pod["spec"]["containers"][0]["image"] for pod in kubectl.list("pods")}
    assert images == set(refs.values())


def test_a_readable_tag_stands_beside_the_one_that_is_deployed(
    devloop: Devloop, project: Project, registry: LocalRegistry
) -> None:
    there = devloop.at(project.folder)
    config = project.config().replace("build:\n", "build:\n  tagPolicy: {envTemplate: {template: 'r{{.RELEASE}}'}}\n")
    project.write("devloop.yaml", config + f"cluster:\n  registry: {registry.host}\n")
    unset = there.run("build", as_json=False)
    assert unset.code == 1
    assert "the environment variable RELEASE is not set (build.tagPolicy)" in unset.stdout
    name = project.image("web")
    done = there.run("build", "-b", "web", env={"RELEASE": "7"})
    assert done.of(kind="step", state="finished")[0]["note"] == f"0 of 1 steps cached; also {name}:r7"
    assert has(f"{name}:r7")
    assert not done.events[-1]["images"][name].endswith(":r7")
    assert there.run("build", "-b", "web", "--push", "--tag", "v1.2").code == 0
    assert sorted(json.loads(registry.tags(name))["tags"]) == sorted(
        [done.events[-1]["images"][name].rpartition(":")[2], "v1.2"]
    )
    for tag in ("r7", "v1.2"):
        subprocess.run(["docker", "rmi", f"{name}:{tag}"], check=True, capture_output=True)


def test_what_is_in_the_registry_is_built_nowhere_else_but_for_what_others_stand_on(
    devloop: Devloop, project: Project, kubectl: Kubectl, registry: LocalRegistry
) -> None:
    there = devloop.at(project.folder)
    base = project.image("web")
    config = project.config().replace(
        "context: api\n", f"context: api\n      requires: [{{image: {base}, alias: BASE}}]\n"
    )
    project.write("devloop.yaml", config + f"cluster:\n  registry: {registry.host}\n")
    project.write("api/Dockerfile", "ARG BASE\nFROM $BASE\nCOPY index.html /www/index.html\n")
    first = there.run("run")
    assert first.code == 0, first.stdout
    pods = kubectl.pod_uids()
    for name, ref in first.events[-1]["images"].items():
        local = ref.partition("@")[0].removeprefix(f"{registry.host}/")
        assert local.startswith(name)
        subprocess.run(["docker", "rmi", local], check=True, capture_output=True)
    again = there.run("run")
    assert again.code == 0, again.stdout
    assert again.events[-1]["images"] == first.events[-1]["images"]
    built = {
        each["target"]: each["state"] for each in again.of(kind="step", step="build") if each["state"] != "started"
    }
    assert built == {f"image/{base}": "finished", f"image/{project.image('api')}": "skipped"}
    assert kubectl.pod_uids() == pods
    # What is to be tested has to be here.
    test = f"test:\n  - image: {project.image('api')}\n    custom: [{{command: docker image inspect $IMAGE}}]\n"
    project.write("devloop.yaml", config + f"cluster:\n  registry: {registry.host}\n" + test)
    tested = there.run("run")
    assert tested.code == 0, tested.stdout
    assert tested.of(kind="step", step="build", state="finished", target=f"image/{project.image('api')}")
    assert tested.of(kind="step", step="test", state="finished")
