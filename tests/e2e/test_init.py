"""`devloop init` on repositories as people have them, and what it wrote run on the real cluster without an edit."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from devloop.config import load
from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl
from tests.init.samples import SAMPLES, write

# Maven's and Java's images cannot be had where the tests run; what is written for them is held to a table in tests/setup.
NOT_BUILT_HERE = frozenset({"java-maven"})


def snapshot(folder: Path) -> dict[str, str]:
    return {str(each.relative_to(folder)): each.read_text() for each in folder.rglob("*") if each.is_file()}


@pytest.mark.parametrize("sample", [each for each in SAMPLES if each not in NOT_BUILT_HERE])
def test_what_init_wrote_runs_without_an_edit(
    sample: str, devloop: Devloop, kubectl: Kubectl, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = write(tmp_path, sample)
    there = devloop.at(folder)
    made = there.run("init", "--yes", "--output", "json")
    assert made.code == 0, made.stdout + made.stderr

    ran = there.run("run", timeout_s=240)
    images = ran.events[-1].get("images", {})
    request.addfinalizer(
        lambda: subprocess.run(["docker", "rmi", "--force", *images.values()], check=False) if images else None
    )
    assert ran.code == 0, ran.stdout + ran.stderr
    pods = [each for each in kubectl.list("pods") if not each["metadata"].get("deletionTimestamp")]
    assert pods
    assert all(status["ready"] for pod in pods for status in pod["status"]["containerStatuses"])
    assert images
    assert {container["image"] for pod in pods for container in pod["spec"]["containers"]} == set(images.values())
    deleted = there.run("delete")
    assert deleted.code == 0, deleted.stdout


@pytest.mark.parametrize("sample", SAMPLES)
def test_init_tells_as_one_document_what_it_found_and_wrote(sample: str, bare_devloop: Devloop, tmp_path: Path) -> None:
    folder = write(tmp_path, sample)
    before = snapshot(folder)
    there = bare_devloop.at(folder)
    shown = there.run("init", "--dry-run", "--output", "json")
    assert shown.code == 0, shown.stdout
    assert snapshot(folder) == before
    made = there.run("init", "--yes", "--output", "json")
    (event,) = made.of(kind="setup")
    assert event["state"] == "written"
    assert event["found"]
    assert snapshot(folder) == {**before, **event["files"]}
    assert event["files"] == shown.of(kind="setup")[0]["files"]
    assert load.load(folder / "devloop.yaml").project.build.artifacts


def test_a_configuration_that_is_there_stays(bare_devloop: Devloop, tmp_path: Path) -> None:
    folder = write(tmp_path, "python-with-dockerfile")
    (folder / "devloop.yaml").write_text("mine\n")
    there = bare_devloop.at(folder)
    refused = there.run("init", "--yes")
    assert refused.code == 2
    assert "devloop.yaml is there already" in refused.stdout
    assert (folder / "devloop.yaml").read_text() == "mine\n"
    assert there.run("init", "--yes", "--force").code == 0
    assert "apiVersion" in (folder / "devloop.yaml").read_text()


def test_a_folder_without_a_project_is_said_in_one_message(bare_devloop: Devloop, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing\n")
    ended = bare_devloop.run("init", "--yes")
    assert ended.code == 2
    assert ended.stdout.count("✗") == 1
    assert "nothing here that could be built or deployed" in ended.stdout
    assert not (tmp_path / "devloop.yaml").exists()


def test_what_cannot_be_told_is_asked_for_by_an_option_where_nobody_answers(
    bare_devloop: Devloop, tmp_path: Path
) -> None:
    folder = _ambiguous(tmp_path)
    there = bare_devloop.at(folder)
    refused = there.run("init")
    assert refused.code == 2
    assert "which Dockerfile makes acme/orders" in refused.stdout
    assert "--artifact acme/orders=DOCKERFILE" in refused.stdout
    assert not (folder / "devloop.yaml").exists()
    given = there.run("init", "--artifact", "acme/orders=two/Dockerfile")
    assert given.code == 0, given.stdout
    assert "context: two" in (folder / "devloop.yaml").read_text()


def test_a_person_is_asked_and_shown_everything_before_it_is_written(bare_devloop: Devloop, tmp_path: Path) -> None:
    folder = _ambiguous(tmp_path)
    session = bare_devloop.at(folder).start("init", with_terminal=True)
    session.wait_text("which Dockerfile makes acme/orders")
    assert not (folder / "devloop.yaml").exists()
    session.type("2\n")
    session.wait_text("write 1 file")
    assert not (folder / "devloop.yaml").exists()
    session.type("\n")
    ended = session.wait()
    assert ended.code == 0, ended.stdout
    assert "context: two" in (folder / "devloop.yaml").read_text()


def test_ctrl_c_at_a_question_leaves_everything_as_it_was(bare_devloop: Devloop, tmp_path: Path) -> None:
    folder = _ambiguous(tmp_path)
    before = snapshot(folder)
    session = bare_devloop.at(folder).start("init", with_terminal=True)
    session.wait_text("which Dockerfile makes acme/orders")
    session.interrupt()
    assert session.wait().code == 130
    assert snapshot(folder) == before


def test_a_folder_that_cannot_be_written_to_is_left_as_it_was(bare_devloop: Devloop, tmp_path: Path) -> None:
    folder = write(tmp_path, "python-without")
    (folder / "k8s").write_text("a file where the manifests would lie\n")
    before = snapshot(folder)
    ended = bare_devloop.at(folder).run("init", "--yes", "--output", "json")
    assert ended.code == 2, ended.stdout
    assert "cannot be written" in json.dumps(ended.events)
    assert snapshot(folder) == before
    assert not os.path.lexists(folder / "Dockerfile")


def _ambiguous(tmp_path: Path) -> Path:
    folder = write(tmp_path, "other-name")
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "Dockerfile").write_text("FROM busybox:1.37\n")
    for each in (folder / "backend").iterdir():
        each.unlink()
    (folder / "backend").rmdir()
    manifest = folder / "manifests/all.yaml"
    manifest.write_text(manifest.read_text().replace("registry.acme.example/team/orders-service:v3", "acme/orders"))
    return folder
