"""Projects with a skaffold.yaml and nothing else, on the real engine and cluster: `devloop run` brings them to Ready as they are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl
from tests.e2e.project import DOCKERFILE, MANIFEST

HEAD = "apiVersion: skaffold/v4beta14\nkind: Config\n"


class Folder:
    """A project of services that serve a page, by a skaffold.yaml."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def image(self, name: str) -> str:
        return f"e2e-{self.folder.name.lower()}/{name}"

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)

    def service(self, name: str, folder: str, page: str, dockerfile: str = DOCKERFILE) -> None:
        self.write({f"{folder}/Dockerfile": dockerfile, f"{folder}/index.html": f"{page}\n"})

    def manifest(self, name: str) -> str:
        return MANIFEST.format(name=name, image=self.image(name))


@pytest.fixture
def shop(tmp_path: Path) -> Folder:
    return Folder(tmp_path / tmp_path.name)


def test_plain_manifests_with_profiles(shop: Folder, devloop: Devloop, kubectl: Kubectl) -> None:
    shop.service(
        "web", "web", "first", DOCKERFILE.replace("COPY", "ARG GREETING=none\nRUN echo $GREETING >/greeting\nCOPY")
    )
    shop.write(
        {
            "k8s/web.yaml": shop.manifest("web"),
            "skaffold.yaml": f"""{HEAD}metadata: {{name: raw}}
build:
  artifacts:
    - image: {shop.image("web")}
      context: web
      docker: {{buildArgs: {{GREETING: "{{{{.GREETING}}}}"}}}}
      sync: {{infer: ["*.html"]}}
profiles:
  - name: two
    activation: [{{env: REPLICAS=2, kubeContext: .}}]
    manifests: {{rawYaml: [two/*.yaml]}}
""",
            "two/web.yaml": shop.manifest("web").replace("replicas: 1", "replicas: 2"),
        }
    )
    there = devloop.at(shop.folder)
    first = there.run("run", env={"GREETING": "good morning"})
    assert first.code == 0, first.stdout + first.stderr
    assert [each["message"] for each in first.of(kind="notice") if "sync" in str(each["message"])]
    # Once is enough: a command that asks what is there does not say it again.
    assert not [each["message"] for each in there.run("ls").of(kind="notice") if "sync" in str(each["message"])]
    assert kubectl.json("get", "deployment", "web")["status"]["readyReplicas"] == 1
    assert kubectl.run("exec", "deployment/web", "--", "cat", "/greeting").strip() == "good morning"

    again = there.run("run", env={"GREETING": "good morning"})
    assert again.code == 0
    assert {event["state"] for event in again.of(step="build")} <= {"started", "skipped"}

    second = there.run("run", env={"GREETING": "good morning", "REPLICAS": "12"})
    assert second.code == 0, second.stdout + second.stderr
    assert kubectl.json("get", "deployment", "web")["status"]["readyReplicas"] == 2

    third = there.run("run", "--profile", "-two", env={"GREETING": "good morning", "REPLICAS": "12"})
    assert third.code == 0, third.stdout + third.stderr
    assert kubectl.json("get", "deployment", "web")["spec"]["replicas"] == 1


def test_overlays_of_kustomize(shop: Folder, devloop: Devloop, kubectl: Kubectl) -> None:
    if shutil.which("kustomize") is None and shutil.which("kubectl") is None:
        pytest.skip("kustomize is not installed")
    shop.service("web", ".", "first")
    shop.write(
        {
            "base/web.yaml": shop.manifest("web"),
            "base/kustomization.yaml": "resources: [web.yaml]\n",
            "overlays/dev/kustomization.yaml": "resources: [../../base]\nlabels: [{pairs: {stage: dev}}]\n",
            "overlays/test/kustomization.yaml": "resources: [../../base]\nlabels: [{pairs: {stage: test}}]\n",
            "skaffold.yaml": f"""apiVersion: skaffold/v2beta29
kind: Config
build:
  artifacts: [{{image: {shop.image("web")}}}]
deploy: {{kustomize: {{paths: [overlays/dev]}}}}
profiles:
  - name: test
    activation: [{{command: build}}]
    patches: [{{path: /deploy/kustomize/paths/0, value: overlays/test}}]
""",
        }
    )
    there = devloop.at(shop.folder)
    first = there.run("run", "-f", "skaffold.yaml")
    assert first.code == 0, first.stdout + first.stderr
    assert kubectl.json("get", "deployment", "web")["metadata"]["labels"]["stage"] == "dev"
    second = there.run("run", "-f", "skaffold.yaml", "-p", "test")
    assert second.code == 0, second.stdout + second.stderr
    web = kubectl.json("get", "deployment", "web")
    assert (web["metadata"]["labels"]["stage"], web["status"]["readyReplicas"]) == ("test", 1)


def test_a_chart_whose_values_take_the_image(shop: Folder, devloop: Devloop, kubectl: Kubectl) -> None:
    if shutil.which("helm") is None:
        pytest.skip("helm is not installed")
    shop.service("web", ".", "first")
    template = MANIFEST.format(
        name="{{ .Release.Name }}", image="{{ .Values.image.repository }}:{{ .Values.image.tag }}"
    )
    shop.write(
        {
            "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n",
            "chart/values.yaml": "image: {repository: nowhere/none, tag: none}\nstage: none\n",
            "chart/templates/web.yaml": template.replace("replicas: 1", "replicas: {{ .Values.replicas }}"),
            "skaffold.yaml": f"""{HEAD}build:
  artifacts: [{{image: {shop.image("web")}}}]
deploy:
  helm:
    releases:
      - name: web-{{{{.STAGE}}}}
        chartPath: chart
        setValues: {{replicas: 1}}
        setValueTemplates:
          image:
            repository: "{{{{.IMAGE_REPO}}}}"
            tag: "{{{{.IMAGE_TAG}}}}@{{{{.IMAGE_DIGEST}}}}"
""",
        }
    )
    done = devloop.at(shop.folder).run("run", "-f", "skaffold.yaml", env={"STAGE": "dev"})
    assert done.code == 0, done.stdout + done.stderr
    web = kubectl.json("get", "deployment", "web-dev")
    assert web["status"]["readyReplicas"] == 1
    assert web["spec"]["template"]["spec"]["containers"][0]["image"].startswith(shop.image("web") + ":")


def test_modules_that_require_each_other(shop: Folder, devloop: Devloop, kubectl: Kubectl) -> None:
    for name in ("api", "web"):
        shop.service(name, f"{name}/src", name)
        shop.write(
            {
                f"{name}/k8s/{name}.yaml": shop.manifest(name),
                f"{name}/skaffold.yaml": f"""{HEAD}metadata: {{name: {name}}}
build:
  artifacts: [{{image: {shop.image(name)}, context: src}}]
""",
            }
        )
    shop.write(
        {
            "skaffold.yaml": f"{HEAD}requires: [{{path: api}}, {{path: web/skaffold.yaml, configs: [web]}}]\n"
            f"---\n{HEAD}metadata: {{name: empty}}\n"
        }
    )
    done = devloop.at(shop.folder).run("run", "-f", "skaffold.yaml")
    assert done.code == 0, done.stdout + done.stderr
    for name in ("api", "web"):
        assert kubectl.json("get", "deployment", name)["status"]["readyReplicas"] == 1
        assert kubectl.run("exec", f"deployment/{name}", "--", "cat", "/www/index.html").strip() == name


def test_what_import_writes_runs_like_the_file_itself(shop: Folder, devloop: Devloop, kubectl: Kubectl) -> None:
    shop.service("web", "web", "first")
    shop.write(
        {
            "k8s/web.yaml": shop.manifest("web"),
            "skaffold.yaml": f"{HEAD}build:\n  artifacts: [{{image: {shop.image('web')}, context: web}}]\nverify: [{{name: x}}]\n",
        }
    )
    there = devloop.at(shop.folder)
    assert there.run("run").code == 0
    before = kubectl.pod_uids()
    imported = there.run("import")
    assert imported.code == 0, imported.stdout + imported.stderr
    assert "# not carried: skaffold.yaml, line 5: verify: " in (shop.folder / "devloop.yaml").read_text()
    again = there.run("run")
    assert again.code == 0, again.stdout + again.stderr
    assert kubectl.pod_uids() == before
    refused = there.run("import")
    assert (refused.code, os.path.exists(shop.folder / "devloop.yaml")) == (2, True)
    assert "--force" in refused.stdout + refused.stderr


def test_dev_follows_edits_of_a_required_file(shop: Folder, devloop: Devloop, kubectl: Kubectl) -> None:
    shop.service("web", "web/src", "first")
    required = f"{HEAD}metadata: {{name: web}}\nbuild:\n  artifacts: [{{image: {shop.image('web')}, context: src}}]\n"
    shop.write(
        {
            "web/k8s/web.yaml": shop.manifest("web"),
            "web/two.yaml": shop.manifest("web").replace("replicas: 1", "replicas: 2"),
            "web/skaffold.yaml": required,
            "skaffold.yaml": f"{HEAD}requires: [{{path: web}}]\n",
        }
    )
    dev = devloop.at(shop.folder).start("dev")
    dev.wait_event(kind="update", state="ready", timeout_s=120)
    assert kubectl.json("get", "deployment", "web")["status"]["readyReplicas"] == 1
    shop.write({"web/skaffold.yaml": f"{required}manifests: {{rawYaml: [two.yaml]}}\n"})
    dev.wait_event(kind="update", state="ready", update=2, timeout_s=120)
    assert kubectl.json("get", "deployment", "web")["status"]["readyReplicas"] == 2
    dev.interrupt()
    assert dev.wait().code == 130
    assert kubectl.get("deployment", "web") is None
