"""Readable tags, on real repositories."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from devloop.build.tags import readable
from devloop.config import model
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed
from devloop.scope import Scope

Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    def run(*words: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "core.hooksPath=/dev/null"]
        done = subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    run("init", "--quiet", "--initial-branch=feature/login")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").write_text("1")
    (tmp_path / "other").write_text("1")
    run("add", "--all")
    run("commit", "--quiet", "--message", "one")
    return run


def tag(policy: model.TagPolicy, base: Path) -> str:
    with Scope("tag") as scope:
        return readable(scope, policy, base, RealProcesses())


def of_git(base: Path, variant: str = "Tags", prefix: str = "", *, ignore_changes: bool = False) -> str:
    return tag(model.TagPolicy(git_commit=model.GitCommit(variant, prefix, ignore_changes)), base)


def test_git_says_what_the_commit_is_called(git: Git, tmp_path: Path) -> None:
    commit, tree = git("rev-parse", "HEAD"), git("rev-parse", "HEAD^{tree}")
    assert of_git(tmp_path) == git("rev-parse", "--short", "HEAD")
    assert of_git(tmp_path, "CommitSha") == commit
    assert commit.startswith(of_git(tmp_path, "AbbrevCommitSha"))
    assert of_git(tmp_path, "TreeSha") == tree
    assert tree.startswith(of_git(tmp_path, "AbbrevTreeSha"))
    assert of_git(tmp_path, "Branches", "on-") == "on-feature-login"
    git("tag", "v1.0")
    assert of_git(tmp_path) == "v1.0"
    git("commit", "--quiet", "--allow-empty", "--message", "two")
    assert re.fullmatch(r"v1\.0-1-g[0-9a-f]+", of_git(tmp_path))


def test_what_is_not_committed_makes_it_dirty_where_the_project_is(git: Git, tmp_path: Path) -> None:
    git("tag", "v1.0")
    (tmp_path / "other").write_text("2")
    assert of_git(tmp_path) == "v1.0-dirty"
    assert of_git(tmp_path / "app") == "v1.0"
    (tmp_path / "app" / "new.py").write_text("new")
    assert of_git(tmp_path / "app") == "v1.0-dirty"
    assert of_git(tmp_path / "app", ignore_changes=True) == "v1.0"


def test_without_a_repository_or_a_commit_the_policy_is_named(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="does not say which commit") as failed:
        of_git(tmp_path)
    assert failed.value.where == "build.tagPolicy"
    assert "not a git repository" in " ".join(failed.value.evidence)


def test_the_clock_of_any_zone_makes_a_tag(tmp_path: Path) -> None:
    utc = tag(model.TagPolicy(date_time=model.DateTime(timezone="UTC")), tmp_path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", utc)
    assert re.fullmatch(r"\d{8}", tag(model.TagPolicy(date_time=model.DateTime("%Y%m%d")), tmp_path))
    with pytest.raises(StepFailed, match="no time zone 'Nowhere/City'"):
        tag(model.TagPolicy(date_time=model.DateTime(timezone="Nowhere/City")), tmp_path)


def test_templates_take_variables_and_components(tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RELEASE", "7")
    assert tag(model.TagPolicy(env_template=model.EnvTemplate("r{{ .RELEASE }}-x")), tmp_path) == "r7-x"
    parts = (
        model.TagComponent("GIT", git_commit=model.GitCommit("Branches")),
        model.TagComponent("WHAT", fixed="beta"),
        model.TagComponent("UNUSED", env_template=model.EnvTemplate("{{.NOT_SET_ANYWHERE}}")),
    )
    policy = model.TagPolicy(custom_template=model.CustomTemplate("{{.GIT}}_{{.WHAT}}", parts))
    assert tag(policy, tmp_path) == "feature-login_beta"


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (model.TagPolicy(env_template=model.EnvTemplate("{{.NOT_SET_ANYWHERE}}")), "NOT_SET_ANYWHERE is not set"),
        (model.TagPolicy(env_template=model.EnvTemplate('{{cmd "git"}}')), "is not understood"),
        (model.TagPolicy(custom_template=model.CustomTemplate("{{.WHAT}}")), "no component is called WHAT"),
        (model.TagPolicy(fixed="a/b"), "'a/b' is no tag"),
        (model.TagPolicy(fixed=".hidden"), "is no tag"),
        (model.TagPolicy(fixed="x" * 129), "is no tag"),
        (model.TagPolicy(custom_template=model.CustomTemplate("")), "'' is no tag"),
        (model.TagPolicy(fixed="0123456789abcdef"), "could be taken for a digest"),
    ],
)
def test_what_is_no_tag_is_refused_with_the_reason(policy: model.TagPolicy, message: str, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=re.escape(message)):
        tag(policy, tmp_path)
