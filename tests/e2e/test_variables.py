"""Profiles, variables and secrets, in the real loop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.project import Project
from tests.e2e.test_watching import answers
from tests.e2e.web import eventually


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Its page is what `.env` says, by a build argument."""
    made = Project(tmp_path / tmp_path.name)
    made.write(
        "web/Dockerfile", (made.folder / "web/Dockerfile").read_text() + "ARG PAGE\nRUN echo $PAGE > /www/index.html\n"
    )
    made.write(
        "devloop.yaml",
        made.config().replace(
            "context: web\n", 'context: web\n      docker: {buildArgs: {PAGE: "${PAGE}-${EXTRA:-x}"}}\n'
        ),
    )
    made.write(".env", "PAGE=one\n")
    return made


def test_an_edit_of_the_env_file_goes_live_and_what_is_missing_is_waited_for(
    devloop: Devloop, project: Project
) -> None:
    dev = devloop.at(project.folder).start("dev")
    dev.wait_event(kind="update", update=1, state="ready")
    answers(project, "one-x")
    project.write(".env", "PAGE=two\n")
    answers(project, "two-x")
    project.write(".env", "PAG=three\n")
    broken = dev.wait_event(kind="error", timeout_s=30)
    assert broken["message"].startswith("`PAGE` is not set")
    project.write(".env", "PAGE=three\nEXTRA=y\n")
    answers(project, "three-y")
    (project.folder / ".env").unlink()
    project.write(".env", "PAGE=four\n")
    answers(project, "four-x")


def test_a_profile_is_laid_over_and_told(devloop: Devloop, project: Project) -> None:
    project.write(
        "devloop.yaml",
        (project.folder / "devloop.yaml").read_text()
        + "profiles:\n  - {name: tested, test: [{image: "
        + project.image("web")
        + ", custom: [{command: exit 3}]}]}\n"
        + "  - {name: context, activation: [{kubeContext: .*}], vars: [{name: EXTRA, default: z}]}\n",
    )
    there = devloop.at(project.folder)
    assert there.run("run", "-p", "tested").code == 1
    done = there.run("run")
    assert done.code == 0, done.stdout
    assert done.of(kind="session", state="started")[0]["profiles"] == {"context": f"context {devloop.context}"}


def test_a_secret_is_used_and_never_printed(devloop: Devloop, project: Project) -> None:
    project.write(".env", "PAGE=one\nTOKEN=s3cr3t\n")
    project.write(
        "devloop.yaml",
        project.config().replace(
            "context: web\n",
            "context: web\n      docker: {buildArgs: {PAGE: !secret '${TOKEN}'}}\n"
            "      hooks: {before: [{command: 'echo hook $TOKEN; echo $TOKEN > used'}]}\n",
        )
        + "vars: [{name: TOKEN, secret: true}]\n",
    )
    project.write("web/.dockerignore", "used\n")
    project.write(
        "web/Dockerfile", (project.folder / "web/Dockerfile").read_text() + "RUN echo said $PAGE; cat /missing\n"
    )
    there = devloop.at(project.folder)
    for args in (("run",), ("explain"), ("config", "show"), ("config", "validate")):
        done = there.run(*args)
        assert "s3cr3t" not in done.stdout + done.stderr, args
    assert (project.folder / "web/used").read_text() == "s3cr3t\n"
    assert "***" in there.run("run", "-v", as_json=False).stdout


def test_a_secret_of_a_build_comes_from_dotenv(devloop: Devloop, project: Project) -> None:
    project.write(".env", "PAGE=one\nNPM=s3cr3t\n")
    secrets = "context: web\n      docker: {secrets: [{id: npm, env: NPM}]}\n"
    project.write("devloop.yaml", project.config().replace("context: web\n", secrets))
    dockerfile = (project.folder / "web/Dockerfile").read_text()
    check = 'RUN --mount=type=secret,id=npm test "$(cat /run/secrets/npm)" = s3cr3t\n'
    project.write("web/Dockerfile", dockerfile + check)
    done = devloop.at(project.folder).run("build")
    assert done.code == 0, done.stdout
    assert not [each for each in done.stdout.splitlines() if "s3cr3t" in each.replace(check.strip(), "")]


def test_what_a_command_prints_is_asked_again_when_its_inputs_change(devloop: Devloop, project: Project) -> None:
    (project.folder / ".env").unlink()
    with (project.folder / "devloop.yaml").open("a") as file:
        file.write("vars: [{name: PAGE, command: 'cat version/*; echo ran >> runs', inputs: [version/*]}]\n")
    (project.folder / "version").mkdir()
    project.write("version/a", "v1")
    dev = devloop.at(project.folder).start("dev")
    dev.wait_event(kind="update", update=1, state="ready")
    answers(project, "v1-x")
    project.edit("second")
    dev.wait_event(kind="update", update=2, state="ready")
    project.write("version/b", "v2")
    answers(project, "v1v2-x")
    assert (project.folder / "runs").read_text() == "ran\nran\n"


def test_the_user_is_asked_on_a_terminal_only(bare_devloop: Devloop, project: Project) -> None:
    (project.folder / ".env").unlink()
    with (project.folder / "devloop.yaml").open("a") as file:
        file.write("vars: [{name: PAGE, prompt: Which page?}]\n")
    there = bare_devloop.at(project.folder)
    done = there.run("config", "validate", "--output", "json")
    assert done.code == 2
    assert "nobody can be asked" in json.dumps(done.of(kind="error"))
    asked = there.start("config", "show", "--explain", "build.artifacts[0].docker.buildArgs.PAGE", with_terminal=True)
    asked.wait_text("Which page?")
    asked.type("mine\n")
    assert "= mine-x" in asked.wait(30).stdout
    left = there.start("config", "show", with_terminal=True)
    left.wait_text("Which page?")
    left.interrupt()
    assert left.wait(30).code == 130


def test_ctrl_c_ends_a_command_that_gives_a_value(bare_devloop: Devloop, project: Project) -> None:
    with (project.folder / "devloop.yaml").open("a") as file:
        file.write("vars: [{name: EXTRA, command: touch began; sleep 60}]\n")
    left = bare_devloop.at(project.folder).start("config", "validate")
    eventually((project.folder / "began").exists)
    left.interrupt()
    assert left.wait(10).code == 130
