"""A changed ConfigMap on a real cluster: who uses it gets new pods, and nobody else."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl
from tests.e2e.project import Project

SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: settings}}\ndata: {{greeting: {}, unused: {}}}\n"
USES_IT = """\
          env: [{name: GREETING, valueFrom: {configMapKeyRef: {name: settings, key: greeting}}}]
"""


def shop(folder: Path) -> Project:
    """`web` takes one key of the ConfigMap; `other` takes nothing from it."""
    project = Project(folder, ("web", "other"))
    project.write("k8s/web.yaml", project.manifest("web") + USES_IT)
    project.write("k8s/settings.yaml", SETTINGS.format("hello", "x"))
    return project


def test_a_changed_config_map_rolls_exactly_who_uses_it(devloop: Devloop, tmp_path: Path, kubectl: Kubectl) -> None:
    project = shop(tmp_path / tmp_path.name)
    dev = devloop.at(project.folder).start("dev")
    dev.wait_event(kind="update", update=1, state="ready")
    web, other = kubectl.pod_uids("app=web"), kubectl.pod_uids("app=other")

    project.write("k8s/settings.yaml", "# a comment\n" + SETTINGS.format("hello", "y"))
    dev.wait_event(kind="update", update=2, state="ready")
    assert kubectl.pod_uids("app=web") == web

    project.write("k8s/settings.yaml", SETTINGS.format("bye", "y"))
    dev.wait_event(kind="update", update=3, state="ready")
    assert kubectl.pod_uids("app=web").isdisjoint(web)
    assert kubectl.pod_uids("app=other") == other
    (pod,) = (each for each in kubectl.list("pods", "app=web") if not each["metadata"].get("deletionTimestamp"))
    assert kubectl.run("exec", pod["metadata"]["name"], "--", "sh", "-c", "echo $GREETING").strip() == "bye"
    told = [each["message"] for each in dev.events if each["kind"] == "notice" and "rolls" in each["message"]]
    assert told == ["deployment/web rolls: configmap/settings changed"]


def test_render_and_apply_do_what_run_does_and_it_can_be_turned_off(
    devloop: Devloop, tmp_path: Path, kubectl: Kubectl
) -> None:
    project = shop(tmp_path / tmp_path.name)
    at = devloop.at(project.folder)
    assert at.run("run").code == 0
    before = kubectl.snapshot()
    assert at.run("run").code == 0
    assert kubectl.snapshot() == before

    rendered = at.run("render", as_json=False).stdout
    assert "devloop.dev/config: configmap/settings=" in rendered
    (project.folder / "rendered").write_text(rendered)
    pods = kubectl.pod_uids()
    done = at.run("apply", "rendered")
    assert done.code == 0, done.stdout
    assert kubectl.pod_uids() == pods

    config = project.config().replace("  - manifests:", "  - rollOnConfigChange: false\n    manifests:")
    project.write("devloop.yaml", config)
    assert "devloop.dev/config" not in at.run("render", as_json=False).stdout
