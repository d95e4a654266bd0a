"""Where each kind of object names images, and where a row of the configuration says that it does."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from devloop.config import model
from devloop.products import Manifest
from devloop.render import images
from devloop.render.places import Table

REF = "shop/api:0123456789abcdef"
POD = "{initContainers: [{image: shop/api}], containers: [{image: shop/api}], ephemeralContainers: [{image: shop/api}]}"

# What the object is, and how many places of it name shop/api.
KNOWN = {
    "v1 Pod": (f"spec: {POD}", 3),
    "apps/v1 Deployment": (f"spec: {{template: {{spec: {POD}}}}}", 3),
    "apps/v1 StatefulSet": (f"spec: {{template: {{spec: {POD}}}}}", 3),
    "apps/v1 DaemonSet": (f"spec: {{template: {{spec: {POD}}}}}", 3),
    "apps/v1 ReplicaSet": (f"spec: {{template: {{spec: {POD}}}}}", 3),
    "v1 ReplicationController": (f"spec: {{template: {{spec: {POD}}}}}", 3),
    "v1 PodTemplate": (f"template: {{spec: {POD}}}", 3),
    "batch/v1 Job": (f"spec: {{template: {{spec: {POD}}}}}", 3),
    "batch/v1 CronJob": (f"spec: {{jobTemplate: {{spec: {{template: {{spec: {POD}}}}}}}}}", 3),
    "apps.openshift.io/v1 DeploymentConfig": (f"spec: {{template: {{spec: {POD}}}}}", 3),
    "serving.knative.dev/v1 Service": (f"spec: {{template: {{spec: {POD}}}}}", 3),
    "serving.knative.dev/v1 Configuration": (f"spec: {{template: {{spec: {POD}}}}}", 3),
    "serving.knative.dev/v1 Revision": (f"spec: {POD}", 3),
    "argoproj.io/v1alpha1 Rollout": (f"spec: {{template: {{spec: {POD}}}}}", 3),
    **{
        f"argoproj.io/v1alpha1 {kind}": (
            f"""
{where}
    templates:
    - container: {{image: shop/api}}
    - script: {{image: shop/api, source: echo}}
      sidecars: [{{image: shop/api}}]
      initContainers: [{{image: shop/api}}]
    - containerSet: {{containers: [{{image: shop/api}}]}}
""",
            5,
        )
        for kind, where in {
            "Workflow": "spec:",
            "WorkflowTemplate": "spec:",
            "ClusterWorkflowTemplate": "spec:",
            "CronWorkflow": "spec:\n  workflowSpec:",
        }.items()
    },
    **{
        f"tekton.dev/v1 {kind}": (
            f"""
{where}
        steps: [{{image: shop/api}}, {{image: other}}]
        sidecars: [{{image: shop/api}}]
        stepTemplate: {{image: shop/api}}
""",
            3,
        )
        for kind, where in {
            "Task": "spec:",
            "ClusterTask": "spec:",
            "TaskRun": "spec:\n  taskSpec:",
            "Pipeline": "spec:\n  tasks:\n  - name: a\n    taskSpec:",
            "PipelineRun": "spec:\n  pipelineSpec:\n    tasks:\n    - taskSpec:",
        }.items()
    },
    "tekton.dev/v1beta1 StepAction": ("spec: {image: shop/api}", 1),
    "serving.kserve.io/v1beta1 InferenceService": (
        """
spec:
  predictor: {model: {image: shop/api, modelFormat: {name: x}}, containers: [{image: shop/api}]}
  transformer: {containers: [{image: shop/api}]}
  explainer: {alibi: {image: shop/api}}
""",
        4,
    ),
    "serving.kserve.io/v1alpha1 ServingRuntime": ("spec: {containers: [{image: shop/api}]}", 1),
    "example.com/v1 Anything": ("spec: {deep: [{containers: [{image: shop/api}]}]}", 1),
    "v1 Volumes": ("spec: {containers: [], volumes: [{name: x, image: {reference: shop/api}}]}", 1),
    # What looks alike in a kind that nobody knows is left alone.
    "example.com/v1 Recipe": ("spec: {steps: [{image: shop/api}], image: shop/api, sidecars: [{image: shop/api}]}", 0),
    "example.com/v1 Workflow": ("spec: {sidecars: [{image: shop/api}]}", 0),
    "v1 ConfigMap": ("data: {IMAGE: shop/api}\ncontainers: [{image: shop/api}]", 0),
    "apiextensions.k8s.io/v1 CustomResourceDefinition": (f"spec: {{template: {{spec: {POD}}}}}", 0),
}


def manifest(kind: str, body: str) -> Manifest:
    api_version, _, name = kind.partition(" ")
    found = yaml.safe_load(body)
    return Manifest({"apiVersion": api_version, "kind": name, "metadata": {"name": "x"}, **found}, "k8s/x.yaml:1")


def filled(given: Manifest, *rows: model.ImagePaths, ref: str = REF) -> Any:
    return images.fill([given], {"shop/api": ref}, ["shop/api"], Table(rows)).manifests[0].object


@pytest.mark.parametrize("kind", KNOWN)
def test_a_known_kind_has_its_images_filled_in(kind: str) -> None:
    body, count = KNOWN[kind]
    given = manifest(kind, body)
    uses = list(images.uses([given], ["shop/api"], Table()))
    assert len(uses) == count
    whole = yaml.safe_dump(filled(given))
    assert whole.count(REF) == count
    assert whole.replace(REF, "shop/api") == yaml.safe_dump(given.object)


SPLIT = model.ImagePaths("MyApp", (".spec.image{repository,tag}",))
TRIPLE = model.ImagePaths("MyApp", (".spec.image{registry,repository,tag}",))


@pytest.mark.parametrize(
    ("row", "body", "ref", "wanted"),
    [
        (
            model.ImagePaths("MyApp", (".spec.image", ".spec.parts[*].image"), "example.com"),
            "spec: {image: shop/api, parts: [{image: shop/api:1}, {image: other}]}",
            REF,
            f"spec: {{image: '{REF}', parts: [{{image: '{REF}'}}, {{image: other}}]}}",
        ),
        (
            model.ImagePaths("*", ("..env[name=WORKER].value",)),
            "spec: {x: [{env: [{name: WORKER, value: shop/api}, {name: OTHER, value: shop/api}]}]}",
            REF,
            f"spec: {{x: [{{env: [{{name: WORKER, value: '{REF}'}}, {{name: OTHER, value: shop/api}}]}}]}}",
        ),
        (
            SPLIT,
            "spec: {image: {repository: shop/api, tag: latest, more: 1}}",
            REF,
            "spec: {image: {repository: shop/api, tag: 0123456789abcdef, more: 1}}",
        ),
        (
            SPLIT,
            "spec: {image: {repository: shop/api, tag: 1.10}}",
            REF,
            "spec: {image: {repository: shop/api, tag: 0123456789abcdef}}",
        ),
        (
            SPLIT,
            "spec: {image: {repository: shop/api}}",
            REF,
            "spec: {image: {repository: shop/api, tag: 0123456789abcdef}}",
        ),
        (
            SPLIT,
            "spec: {image: {repository: shop/api}}",
            "localhost:5001/shop/api:1@sha256:ab",
            "spec: {image: {repository: 'localhost:5001/shop/api', tag: '1@sha256:ab'}}",
        ),
        (
            TRIPLE,
            "spec: {image: {registry: docker.io, repository: shop/api}}",
            REF,
            "spec: {image: {registry: docker.io, repository: shop/api, tag: 0123456789abcdef}}",
        ),
        (
            TRIPLE,
            "spec: {image: {repository: shop/api, tag: x}}",
            "localhost:5001/shop/api:1",
            "spec: {image: {registry: 'localhost:5001', repository: shop/api, tag: '1'}}",
        ),
        (SPLIT, "spec: {image: shop/api}", REF, "spec: {image: shop/api}"),
        (SPLIT, "spec: {image: {tag: x}}", REF, "spec: {image: {tag: x}}"),
        (
            SPLIT,
            "spec: {image: {repository: shop/api, tag: 'sha256:ab'}}",
            REF,
            "spec: {image: {repository: shop/api, tag: 'sha256:ab'}}",
        ),
        (
            model.ImagePaths("MyApp", (".spec.image",), "other.com"),
            "spec: {image: shop/api}",
            REF,
            "spec: {image: shop/api}",
        ),
        (model.ImagePaths("YourApp", (".spec.image",)), "spec: {image: shop/api}", REF, "spec: {image: shop/api}"),
        (model.ImagePaths("MyApp", (".spec.image",)), "spec: {image: 5}", REF, "spec: {image: 5}"),
    ],
)
def test_a_row_says_where_an_unknown_kind_names_images(row: model.ImagePaths, body: str, ref: str, wanted: str) -> None:
    given = manifest("example.com/v1 MyApp", body)
    before = copy.deepcopy(given.object)
    assert filled(given, row, ref=ref)["spec"] == yaml.safe_load(wanted)["spec"]
    assert given.object == before


def test_text_of_a_config_map_counts_only_where_a_row_names_it() -> None:
    given = manifest("v1 ConfigMap", "data: {IMAGE: shop/api, OTHER: shop/api}")
    assert filled(given, model.ImagePaths("*", ("..IMAGE",))) == given.object
    row = model.ImagePaths("ConfigMap", (".data.IMAGE",))
    assert filled(given, row)["data"] == {"IMAGE": REF, "OTHER": "shop/api"}


@pytest.mark.parametrize(
    ("paths", "body"),
    [
        ((".spec.image",), "spec: {image: shop/api, imagePullPolicy: Always}"),
        ((".spec.image{repository,tag}",), "spec: {image: {repository: shop/api, pullPolicy: Always}}"),
        (("..volumes[*].image.reference",), "spec: {volumes: [{image: {reference: shop/api, pullPolicy: Always}}]}"),
    ],
)
def test_a_pull_policy_beside_the_image_counts_too(paths: tuple[str, ...], body: str) -> None:
    given = manifest("example.com/v1 MyApp", body)
    found = images.fill([given], {"shop/api": REF}, ["shop/api"], Table([model.ImagePaths("MyApp", paths)]))
    assert "Always" not in yaml.safe_dump(found.manifests[0].object)
    (warning,) = found.warnings
    assert "myapp/x: imagePullPolicy Always of container ." in warning.message


def test_a_place_that_two_rules_find_is_filled_once_and_told_once() -> None:
    given = manifest("v1 Pod", "spec: {containers: [{name: c, image: shop/api, imagePullPolicy: Always}]}")
    table = Table([model.ImagePaths("Pod", (".spec.containers[*].image", "..image"))])
    (use,) = images.uses([given], ["shop/api"], table)
    assert str(use.place.spot) == ".spec.containers[0].image"
    assert len(images.fill([given], {"shop/api": REF}, ["shop/api"], table).warnings) == 1


def test_each_place_says_which_rule_found_it() -> None:
    rows = [model.ImagePaths("MyApp", (".spec.image",))]
    given = manifest("example.com/v1 MyApp", "spec: {image: shop/api, containers: [{image: shop/api}]}")
    assert {str(each.place.spot): str(each.place.rule) for each in images.uses([given], ["shop/api"], Table(rows))} == {
        ".spec.image": ".spec.image, by imagePaths[0]",
        ".spec.containers[0].image": "..containers[*].image, for every kind",
    }


def test_a_registry_is_taken_off_images_in_parts_too() -> None:
    table = Table([SPLIT])
    given = manifest("example.com/v1 MyApp", "spec: {image: {repository: 'localhost:5001/shop/api', tag: x}}")
    (changed,) = images.without_registry([given], "localhost:5001", table)
    assert changed.object["spec"] == {"image": {"repository": "shop/api", "tag": "x"}}
