"""`devloop explain` on the examples: the rule for each kind of target, and what is owed before and after a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.project import Project

Copy = Callable[[str], Path]


def files(devloop: Devloop, *what: str) -> dict[str, Any]:
    done = devloop.run("explain", *what)
    assert done.code == 0, done.stdout
    return {event["path"]: event for event in done.of(kind="file")}


def targets(devloop: Devloop, *what: str) -> dict[str, Any]:
    done = devloop.run("explain", *what)
    assert done.code == 0, done.stdout
    return {event["target"]: event for event in done.of(kind="target")}


@pytest.mark.parametrize(
    ("file", "target", "rule"),
    [
        ("getting-started/app.py", "image/", "reads it"),
        ("getting-started/Dockerfile", "image/", "it is the Dockerfile"),
        ("getting-started/.dockerignore", "image/", "ignore file"),
        ("kustomize/overlays/dev/kustomization.yaml", "deploy/", "kustomization"),
        ("helm/chart/values.yaml", "deploy/", "part of the chart"),
        ("helm/dev.yaml", "deploy/", "it is a values file"),
        ("chain/chart/values.yaml", "deploy/", "part of the chart"),
        ("chain/overlay/title.env", "deploy/", "a kustomization names it"),
        ("custom-renderer/services.txt", "deploy/", "`dependencies.paths` names it"),
        ("custom-builder/words/rest.txt", "image/", "`dependencies.paths` names it"),
        ("multi/k8s/web.yaml", "deploy/web", "`manifests` names it: k8s/web.yaml"),
    ],
)
def test_a_file_feeds_its_target_by_a_rule(devloop: Devloop, workdir: Copy, file: str, target: str, rule: str) -> None:
    example, _, path = file.partition("/")
    told = files(devloop.at(workdir(example)), path)[path]
    ((found, why),) = told["feeds"].items()
    assert found.startswith(target)
    assert rule in why
    assert told["follows"]


def test_what_feeds_nothing_says_which_rule_keeps_it_out(devloop: Devloop, tmp_path: Path) -> None:
    project = Project(tmp_path / tmp_path.name)
    project.write("web/Dockerfile", "FROM busybox:1.37\nCOPY . /www\n")
    project.write("web/.dockerignore", "# notes\n*.md\n")
    project.write("web/notes.md", "")
    project.write("elsewhere", "")
    at = devloop.at(project.folder)
    told = files(at, "web/notes.md", "elsewhere")
    target = f"image/{project.image('web')}"
    assert told["web/notes.md"]["ignored_by"][target] == (
        "web/.dockerignore:2 keeps it out, though web/Dockerfile:2 names it"
    )
    assert told["elsewhere"]["ignored_by"][target] == "it lies outside the build context"
    assert all(each["feeds"] == {} and each["follows"] == [] for each in told.values())
    text = at.run("explain", "web/notes.md", as_json=False)
    assert text.stdout.splitlines()[-1] == "  saving it: nothing"


def test_a_target_is_owed_until_it_ran_and_again_after_an_edit(devloop: Devloop, tmp_path: Path) -> None:
    project = Project(tmp_path / tmp_path.name)
    at = devloop.at(project.folder)
    before = targets(at)
    assert [each["owed"] for each in before.values()] == [True, True]
    assert at.run("run").code == 0
    after = targets(at)
    assert [each["owed"] for each in after.values()] == [False, False]
    project.edit("other")
    image, unit = targets(at).values()
    assert image["owed"] is True
    assert unit["owed"] is True
    assert any("is rendered differently" in each for each in unit["why"])
    (only,) = targets(at, image["target"]).values()
    assert only == image | {"at_s": only["at_s"]}


def test_nothing_of_this_name_is_a_usage_error(devloop: Devloop, workdir: Copy) -> None:
    done = devloop.at(workdir("multi")).run("explain", "deploy/wbe")
    assert done.code == 2
    (error,) = done.of(kind="error")
    assert error["where"] == "deploy/wbe"
    assert error["hint"] == "did you mean deploy/web?"


def test_a_broken_target_is_explained_and_the_others_too(devloop: Devloop, workdir: Copy) -> None:
    folder = workdir("multi")
    (folder / "api/Dockerfile").write_text("FROM scratch\nCOPY nowhere\n")
    (folder / "k8s/web.yaml").write_text("kind: [")
    told = targets(devloop.at(folder))
    assert "api/Dockerfile:2: COPY needs a source and a destination" in told["image/multi/api"]["why"][0]
    assert told["image/multi/web"]["owed"] in (True, False)
    assert "cannot be rendered" in told["deploy/web"]["why"][0]
    assert "image/multi/api" in told["deploy/api"]["why"][0]
    assert not any("owed" in told[each] for each in ("image/multi/api", "deploy/web", "deploy/api"))
