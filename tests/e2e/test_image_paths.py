"""`imagePaths` on a real cluster: an object of a kind that only its own definition knows gets the image that was built."""

from __future__ import annotations

import uuid
from pathlib import Path

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl
from tests.e2e.project import Project

# Of a group of its own for each test: definitions are the whole cluster's.
DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: gadgets.{group}}}
spec:
  group: {group}
  names: {{kind: Gadget, plural: gadgets, singular: gadget}}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {{openAPIV3Schema: {{type: object, x-kubernetes-preserve-unknown-fields: true}}}}
---
apiVersion: {group}/v1
kind: Gadget
metadata: {{name: small}}
spec:
  image: {image}
  parts: [{{name: one, image: {image}}}, {{name: two, image: busybox:1.37}}]
  worker: {{repository: {image}, tag: latest}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: images}}
data: {{WORKER: {image}, OTHER: {image}}}
"""
ROWS = """\
imagePaths:
  - kind: Gadget
    group: {group}
    paths: [".spec.image", ".spec.parts[*].image", ".spec.worker{{repository,tag}}"]
  - kind: ConfigMap
    paths: [".data.WORKER"]
"""


def test_an_object_of_its_own_kind_gets_the_image_that_was_built(
    devloop: Devloop, tmp_path: Path, kubectl: Kubectl
) -> None:
    group = f"g{uuid.uuid4().hex[:8]}.example.com"
    project = Project(tmp_path / tmp_path.name)
    project.write("devloop.yaml", project.config(ROWS.format(group=group)))
    project.write("k8s/gadget.yaml", DEFINITION.format(group=group, image=project.image("web")))
    at = devloop.at(project.folder)
    try:
        done = at.run("run")
        assert done.code == 0, done.stdout
        (ended,) = done.of(kind="session", state="ended")
        ref = ended["images"][project.image("web")]
        gadget = kubectl.get(f"gadgets.{group}", "small")
        assert gadget is not None
        assert gadget["spec"]["image"] == ref
        assert [each["image"] for each in gadget["spec"]["parts"]] == [ref, "busybox:1.37"]
        assert gadget["spec"]["worker"] == dict(zip(("repository", "tag"), ref.rsplit(":", 1), strict=True))
        config = kubectl.get("configmap", "images")
        assert config is not None
        assert config["data"] == {"WORKER": ref, "OTHER": project.image("web")}

        told = at.run("explain", "deploy/k8s", as_json=False).stdout
        assert f"{project.image('web')} at .spec.parts[0].image of gadget/small (k8s/gadget.yaml:" in told
        assert ".data.WORKER, by imagePaths[1]" in told
        assert "run would not write" in told
    finally:
        kubectl.run("delete", "crd", f"gadgets.{group}", "--ignore-not-found", "--wait=false")
