"""Tests of images in the real loop: they hold an image back until they pass, and are run as seldom as that allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.driver import Completed, Devloop, Event, Session
from tests.e2e.kube import Kubectl
from tests.e2e.project import Project
from tests.e2e.test_watching import answers

# Runs the image; what is not to be served is written in a file of the tests.
CHECK = """\
#!/bin/sh
page=$(docker run --rm --network none $IMAGE cat /www/index.html)
echo "the page says $page"
for word in $(cat refused.txt); do
  if [ "$page" = "$word" ]; then echo "$word is refused"; exit 3; fi
done
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Its page must not be one of the words in `tests/refused.txt`."""
    made = Project(tmp_path / tmp_path.name)
    (made.folder / "tests").mkdir()
    made.write("tests/check.sh", CHECK)
    made.write("tests/refused.txt", "broken\n")
    with_tests(made, "{command: sh check.sh, dependencies: {paths: [.]}}")
    return made


def with_tests(project: Project, *custom: str) -> None:
    listed = ", ".join(custom)
    config = f"test:\n  - image: {project.image('web')}\n    context: tests\n    custom: [{listed}]\n"
    project.write("devloop.yaml", project.config(config))


def started(devloop: Devloop, project: Project) -> Session:
    dev = devloop.at(project.folder).start("dev")
    dev.wait_event(kind="update", update=1, state="ready")
    return dev


def of_tests(done: Completed, state: str) -> list[Event]:
    return done.of(kind="step", step="test", state=state)


def test_in_dev_an_image_that_fails_is_held_back_until_an_edit_mends_it(devloop: Devloop, project: Project) -> None:
    dev = started(devloop, project)
    placed = [each for each in dev.events if each.get("step") == "place" and each["state"] == "started"]
    tests = [each for each in dev.events if each.get("step") == "test" and each["state"] == "finished"]
    assert tests[0]["at_s"] <= placed[0]["at_s"]
    assert tests[0]["note"] == "1 passed"
    project.edit("broken")
    failed = dev.wait_event(kind="step", step="test", state="failed")
    assert failed["target"] == f"test/{project.image('web')}"
    assert failed["error"] == "the test failed: exit code 3: sh check.sh"
    assert failed["where"] == f"custom[0] of test[0] of {project.image('web')}"
    assert "broken is refused" in failed["evidence"]
    dev.wait_event(kind="log", source="build", target=failed["target"], line="broken is refused")
    dev.wait_event(kind="update", update=2, state="failed")
    answers(project, "first")
    seen = len(dev.events)
    project.edit("mended")
    dev.wait_event(kind="update", update=3, state="ready", since=seen)
    answers(project, "mended")


def test_in_dev_an_edit_of_a_test_tests_again_and_builds_nothing(devloop: Devloop, project: Project) -> None:
    dev = started(devloop, project)
    seen = len(dev.events)
    project.write("tests/refused.txt", "first\n")
    started_again = dev.wait_event(kind="step", step="test", state="started", since=seen)
    assert started_again["reason"] == "tests/refused.txt changed"
    dev.wait_event(kind="update", update=2, state="failed")
    answers(project, "first")
    project.write("tests/refused.txt", "second\n")
    dev.wait_event(kind="update", update=3, state="ready")
    steps = {(each["step"], each["state"]) for each in dev.events[seen:] if each["kind"] == "step"}
    assert steps == {("test", "started"), ("test", "failed"), ("test", "finished")}
    answers(project, "first")


def test_a_failed_test_lets_other_objects_go_live_and_a_fixed_test_lets_the_image_through(
    devloop: Devloop, project: Project, kubectl: Kubectl
) -> None:
    dev = started(devloop, project)
    project.edit("broken")
    dev.wait_event(kind="update", update=2, state="failed")
    project.write("k8s/more.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n")
    dev.wait_event(kind="step", step="apply", state="finished", update=3)
    assert any(each["metadata"]["name"] == "more" for each in kubectl.list("configmaps"))
    answers(project, "first")
    seen = len(dev.events)
    project.write("tests/refused.txt", "nothing\n")
    dev.wait_event(kind="update", state="ready", since=seen)
    answers(project, "broken")
    builds = [each for each in dev.events[seen:] if each.get("step") == "build"]
    assert not builds


def test_run_ends_with_1_and_a_second_one_tests_what_failed_again_but_not_what_passed(
    devloop: Devloop, project: Project, kubectl: Kubectl
) -> None:
    there = devloop.at(project.folder)
    project.edit("broken")
    for _ in range(2):
        done = there.run("run")
        assert done.code == 1
        assert of_tests(done, "failed")
        assert not kubectl.list("deployments")
    assert not done.of(kind="step", step="place")
    project.edit("good")
    assert of_tests(there.run("run"), "finished")
    again = there.run("run")
    assert again.code == 0
    (skipped,) = of_tests(again, "skipped")
    assert skipped["reason"] == "passed before"
    project.write("tests/refused.txt", "other\n")
    once_more = there.run("run")
    assert of_tests(once_more, "finished")
    assert not once_more.of(kind="step", step="build", state="finished")


def test_skip_tests_takes_the_image_along_untested(devloop: Devloop, project: Project) -> None:
    project.edit("broken")
    there = devloop.at(project.folder)
    done = there.run("run", "--skip-tests")
    assert done.code == 0, done.stdout
    assert not done.of(kind="step", step="test")
    dev = there.start("dev", "--skip-tests")
    dev.wait_event(kind="update", update=1, state="ready")
    answers(project, "broken")
    assert not [each for each in dev.events if each.get("step") == "test"]


def test_the_command_tests_all_or_some_and_deploys_nothing(devloop: Devloop, tmp_path: Path, kubectl: Kubectl) -> None:
    project = Project(tmp_path / tmp_path.name, ("web", "api", "plain"))
    tests = "".join(
        f"  - image: {project.image(name)}\n    custom: [{{command: '{command}'}}]\n"
        for name, command in {"web": "echo no; exit 4", "api": "docker run --rm --network none $IMAGE true"}.items()
    )
    project.write("devloop.yaml", project.config(f"test:\n{tests}"))
    there = devloop.at(project.folder)
    done = there.run("test")
    assert done.code == 1
    assert [each["target"] for each in of_tests(done, "failed")] == [f"test/{project.image('web')}"]
    assert [each["target"] for each in of_tests(done, "finished")] == [f"test/{project.image('api')}"]
    assert {each["target"] for each in done.of(kind="step", step="build", state="finished")} == {
        f"image/{project.image(name)}" for name in ("web", "api")
    }
    assert not kubectl.list("deployments")
    assert there.run("test", "api").code == 0
    shown = there.run("test", "api", as_json=False)
    assert f"= test {project.image('api')} skipped  passed before" in shown.stdout
    for name, words in {"plain": "it has no tests", "wbe": "did you mean"}.items():
        refused = there.run("test", name, as_json=False)
        assert refused.code == 2
        assert words in refused.stdout + refused.stderr


def test_tests_that_are_added_while_dev_runs_are_run_and_nothing_is_built(devloop: Devloop, project: Project) -> None:
    project.write("devloop.yaml", project.config())
    dev = started(devloop, project)
    assert not [each for each in dev.events if each.get("step") == "test"]
    seen = len(dev.events)
    with_tests(project, "{command: sh check.sh; false}")
    dev.wait_event(kind="step", step="test", state="failed")
    dev.wait_event(kind="update", update=2, state="failed")
    with_tests(project, "{command: sh check.sh}")
    dev.wait_event(kind="update", update=3, state="ready")
    assert not [each for each in dev.events[seen:] if each.get("step") in ("build", "place", "apply")]
    answers(project, "first")


def test_a_test_that_takes_too_long_is_ended_and_says_so(devloop: Devloop, project: Project) -> None:
    with_tests(project, "{command: echo begun; sleep 300 & wait, timeoutSeconds: 1}")
    session = devloop.at(project.folder).start("test", as_json=False)
    done = session.wait(60)
    assert done.code == 1
    assert "the test did not end within 1 s" in done.stdout
    assert "next: `timeoutSeconds` gives it longer" in done.stdout
    assert "    begun" in done.stdout
    session.wait_childless(1)


@pytest.mark.parametrize("command", ["dev", "run", "test"])
def test_ctrl_c_during_a_test_ends_it_with_130(command: str, devloop: Devloop, project: Project) -> None:
    with_tests(project, "{command: echo begun; sleep 300}")
    session = devloop.at(project.folder).start(command)
    session.wait_event(kind="log", line="begun")
    session.interrupt()
    assert session.wait(30).code == 130
    session.wait_childless(1)


def test_a_newer_edit_ends_the_test_of_the_older_image(devloop: Devloop, project: Project) -> None:
    with_tests(
        project, "{command: 'sh check.sh && if [ -e wait ]; then sleep 300; fi', dependencies: {paths: [check.sh]}}"
    )
    dev = started(devloop, project)
    (project.folder / "tests/wait").touch()
    project.edit("second")
    dev.wait_event(kind="log", line="the page says second")
    (project.folder / "tests/wait").unlink()
    project.edit("third")
    dev.wait_event(kind="step", step="test", state="cancelled")
    dev.wait_event(kind="update", update=2, state="ready")
    answers(project, "third")


def test_explain_knows_the_tests(devloop: Devloop, project: Project) -> None:
    there = devloop.at(project.folder)
    test = f"test/{project.image('web')}"
    (before,) = there.run("explain", test).of(kind="target")
    assert before["files"] == ["tests/check.sh", "tests/refused.txt"]
    assert before["builds_on"] == [f"image/{project.image('web')}"]
    assert before["owed"] is True
    (file,) = there.run("explain", "tests/check.sh").of(kind="file")
    assert list(file["feeds"]) == [test]
    assert file["follows"] == [f"test {test}"]
    (page,) = there.run("explain", "web/index.html").of(kind="file")
    assert [each.split()[0] for each in page["follows"]] == ["build", "test", "place", "apply", "ready"]
    assert there.run("test").code == 0
    (after,) = there.run("explain", test).of(kind="target")
    assert after["owed"] is False
    assert "run would not test" in there.run("explain", test, as_json=False).stdout
