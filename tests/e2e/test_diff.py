"""`devloop diff`: what a run would change, told beforehand; its exit code; and that no secret is in it."""

from __future__ import annotations

import base64
import uuid
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop, Event
from tests.e2e.kube import Kubectl
from tests.e2e.local_registry import LocalRegistry
from tests.e2e.project import Project

SECRET = """\
apiVersion: v1
kind: Secret
metadata: {{name: login}}
stringData: {{password: {value}}}
"""
VALUES = ("correct-horse", "battery-staple")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / tmp_path.name)


def told(devloop: Devloop, *args: str, code: int) -> dict[str, Event]:
    done = devloop.run("diff", *args)
    assert done.code == code, done.stdout
    assert done.events[-1]["exit_code"] == code
    return {each["resource"]: each for each in done.of(kind="difference")}


def test_it_tells_what_run_then_does(devloop: Devloop, project: Project, kubectl: Kubectl) -> None:
    there = devloop.at(project.folder)
    first = told(there, code=1)
    assert {name: each["action"] for name, each in first.items()} == {"deployment/web": "create"}
    assert kubectl.snapshot() == {}
    assert there.run("run").code == 0
    assert told(there, code=0) == {}
    snapshot = kubectl.snapshot()
    project.edit("other")
    project.write("k8s/more.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\ndata: {a: b}\n")
    second = told(there, code=1)
    assert {name: each["action"] for name, each in second.items()} == {
        "deployment/web": "change",
        "configmap/more": "create",
    }
    assert second["configmap/more"]["source"] == "k8s/more.yaml:1"
    changed = [line for line in second["deployment/web"]["diff"][2:] if line[0] in "+-"]
    assert len(changed) == 2, changed
    assert all(f"image: {project.image('web')}:" in line for line in changed)
    assert kubectl.snapshot() == snapshot
    ref = there.run("run").events[-1]["images"][project.image("web")]
    assert changed[1].endswith(f"image: {ref}")
    assert told(there, code=0) == {}


def test_as_text_it_is_a_unified_diff_with_a_sum(devloop: Devloop, project: Project) -> None:
    there = devloop.at(project.folder)
    plain = there.run("diff", as_json=False)
    assert plain.code == 1
    lines = plain.stdout.splitlines()
    assert lines[0].startswith("+ create deployment/web in ")
    assert lines[2] == f"+++ deployment/web in {devloop.namespace} (k8s/web.yaml:1)"
    assert "+kind: Deployment" in lines
    assert "1 would be created, 0 would stay as they are" in plain.stdout
    assert "\x1b[" not in plain.stdout
    colored = there.run("diff", as_json=False, env={"FORCE_COLOR": "1"})
    assert "\x1b[32m+kind: Deployment\x1b[0m" in colored.stdout


def test_no_secret_is_told_in_any_form(devloop: Devloop, project: Project, kubectl: Kubectl) -> None:
    there = devloop.at(project.folder)
    project.write("k8s/login.yaml", SECRET.format(value=VALUES[0]))
    assert there.run("run").code == 0
    project.write("k8s/login.yaml", SECRET.format(value=VALUES[1]))
    for output in ("json", "text"):
        done = there.run("diff", "--output", output, "-v")
        assert done.code == 1
        for value in VALUES:
            assert value not in done.stdout + done.stderr
            assert base64.b64encode(value.encode()).decode() not in done.stdout + done.stderr
        assert "password: '*** (before)'" in done.stdout
        assert "password: '*** (after)'" in done.stdout
    (project.folder / "k8s/login.yaml").unlink()
    gone = told(there, code=1)["secret/login"]
    assert gone["action"] == "delete"
    assert "-  password: '***'" in gone["diff"]


def test_what_goes_wrong_is_2_and_more(devloop: Devloop, project: Project) -> None:
    there = devloop.at(project.folder)
    assert there.run("diff", "--namespace", "not-there").code == 2
    assert there.run("diff", "--context", "nowhere").code == 2
    unknown = there.run("diff", "webb", as_json=False)
    assert unknown.code == 2
    assert "there is no unit of this name" in unknown.stdout
    project.write("k8s/bad.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndata: [1]\n")
    refused = there.run("diff")
    assert refused.code == 2
    assert refused.of(kind="error")[0]["where"] == "k8s/bad.yaml:1"
    assert [each["resource"] for each in refused.of(kind="difference")] == ["deployment/web"]
    project.write("k8s/bad.yaml", "kind: [")
    broken = there.run("diff")
    assert broken.code == 2
    assert broken.of(kind="error")[0]["where"].startswith("k8s/bad.yaml:")
    (project.folder / "k8s/bad.yaml").unlink()
    project.write("web/Dockerfile", "FROM scratch\nCOPY nowhere\n")
    unnamed = there.run("diff")
    assert unnamed.code == 2
    assert unnamed.of(kind="error")[0]["where"] == "web/Dockerfile:2"


def test_one_unit_of_several(devloop: Devloop, project: Project) -> None:
    there = devloop.at(project.folder)
    project.write("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    project.write("b.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n")
    project.write(
        "devloop.yaml",
        "apiVersion: devloop/v1\nmetadata: {name: e2e}\ndeploy:\n"
        "  - {name: a, manifests: [a.yaml]}\n  - {name: b, needs: [a], manifests: [b.yaml]}\n",
    )
    assert told(there, "b", code=1).keys() == {"configmap/b"}
    assert told(there, "deploy/a", code=1).keys() == {"configmap/a"}
    assert told(there, code=1).keys() == {"configmap/a", "configmap/b"}


def test_what_was_pushed_is_no_difference(devloop: Devloop, project: Project, registry: LocalRegistry) -> None:
    there = devloop.at(project.folder)
    project.edit(f"unique {uuid.uuid4()}")
    project.write("devloop.yaml", project.config() + f"cluster:\n  registry: {registry.host}\n")
    assert there.run("run").code == 0
    assert told(there, code=0) == {}
    project.edit(f"unique {uuid.uuid4()}")
    changed = told(there, code=1)["deployment/web"]["diff"]
    assert any(line.startswith("+") and f"image: {registry.host}/{project.image('web')}:" in line for line in changed)
