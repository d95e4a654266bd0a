"""Other people's commands on our objects, and ours on theirs: real kubectl, real managedFields."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devloop.deploy import fields, marks
from devloop.deploy.apply import Consent
from devloop.errors import StepFailed
from devloop.products import Manifest, Object
from tests.deploy.conftest import World, config_map, manifest
from tests.e2e.kube import Kubectl
from tests.e2e.web import eventually

FORCING = Consent(is_forcing=True)


def deployment(image: str = "none:1", replicas: int | None = 0, **env: str) -> Manifest:
    container = {"name": "c", "image": image, "env": [{"name": name, "value": value} for name, value in env.items()]}
    labels = {"app": "api"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return manifest("apps/v1", "Deployment", "api", spec=spec if replicas is None else {**spec, "replicas": replicas})


def api(world: World) -> dict[str, Any]:
    found = world.live("Deployment", "api", "apps/v1")
    assert found is not None
    return found


def image(world: World) -> str:
    return str(api(world)["spec"]["template"]["spec"]["containers"][0]["image"])


def by_kubectl(kubectl: Kubectl, each: Manifest, *options: str) -> None:
    kubectl.run("apply", "--filename=-", *options, stdin=json.dumps(each.object))


def managers(live: Object | None) -> dict[str, Object]:
    assert live is not None
    return {each["manager"]: each for each in live["metadata"].get("managedFields") or ()}


def test_what_somebody_edited_is_not_taken_from_them(real: World, kubectl: Kubectl) -> None:
    real.apply(config_map("a"), config_map("b"))
    kubectl.run("patch", "configmap", "a", "--patch", '{"data": {"key": "edited"}}', "--field-manager=kubectl-edit")
    with pytest.raises(StepFailed) as told:
        real.apply(config_map("a", "2"), config_map("b", "2"))
    assert told.value.message == "the cluster refused configmap/a: kubectl-edit owns .data.key"
    assert told.value.where == "k8s/a.yaml:1"
    assert "--force-conflicts" in (told.value.hint or "")
    live, other = real.live("ConfigMap", "a"), real.live("ConfigMap", "b")
    assert live is not None
    assert other is not None
    assert (live["data"], other["data"]) == ({"key": "edited"}, {"key": "2"})


def test_drift_of_an_owned_field_is_disputed_too_and_force_takes_it_and_says_so(real: World, kubectl: Kubectl) -> None:
    real.apply(deployment())
    kubectl.run("set", "image", "deployment/api", "c=none:9")
    with pytest.raises(StepFailed, match=r"kubectl-set owns \.spec\.template\.spec\.containers\[name=\"c\"\]\.image"):
        real.apply(deployment())
    real.apply(deployment(), consent=FORCING)
    assert image(real) == "none:1"
    assert any("fields taken over: kubectl-set owned .spec.template" in line for line in real.lines), real.lines
    real.apply(deployment())
    assert real.cluster.writes == []


def test_kubectl_scale_keeps_its_replicas_and_the_rest_goes_live(real: World, kubectl: Kubectl) -> None:
    real.apply(deployment())
    kubectl.run("scale", "deployment/api", "--replicas=2")
    assert real.apply(deployment()).objects[0].is_changed is False
    assert real.cluster.writes == []
    real.apply(deployment("none:2"))
    assert (api(real)["spec"]["replicas"], image(real)) == (2, "none:2")
    assert real.lines == ["deployment/api keeps its replicas: kubectl owns .spec.replicas, through scale"]
    real.apply(deployment("none:2"))
    assert real.cluster.writes == []
    real.apply(deployment("none:3"), consent=FORCING)
    assert api(real)["spec"]["replicas"] == 0


def test_an_autoscaler_keeps_its_replicas(real: World) -> None:
    scaler = manifest(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "api",
        spec={
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"},
            "minReplicas": 3,
            "maxReplicas": 4,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
                }
            ],
        },
    )
    real.apply(deployment(replicas=1), scaler)
    eventually(lambda: api(real)["spec"]["replicas"] == 3 or None, timeout_s=60)
    real.apply(deployment("none:2", replicas=1), scaler)
    assert (api(real)["spec"]["replicas"], image(real)) == (3, "none:2")
    assert real.lines == [
        "deployment/api keeps its replicas: kube-controller-manager owns .spec.replicas, through scale"
    ]


def test_what_kubectl_apply_made_is_taken_over_once_and_for_all(real: World, kubectl: Kubectl) -> None:
    by_kubectl(kubectl, deployment("none:0", A="1", B="2"))
    kubectl.run("annotate", "deployment/api", "theirs=1")
    real.apply(deployment("none:1", A="1", B="2"))
    assert image(real) == "none:1"
    assert real.lines == [
        'deployment/api: fields taken over: kubectl-client-side-apply owned .spec.template.spec.containers[name="c"].image'
    ]
    # What was applied by both went with the manifest only if both let go of it.
    real.apply(deployment("none:1", B="2"))
    container = api(real)["spec"]["template"]["spec"]["containers"][0]
    assert container["env"] == [{"name": "B", "value": "2"}]
    assert marks.annotation(api(real), "theirs") == "1"
    assert marks.annotation(api(real), "kubectl.kubernetes.io/last-applied-configuration")
    assert marks.is_adopted(api(real))
    real.apply(deployment("none:1", B="2"))
    assert real.cluster.writes == []


def test_what_only_kubectl_apply_set_stays(real: World, kubectl: Kubectl) -> None:
    theirs = config_map("a", "1")
    theirs.object["data"]["theirs"] = "1"
    by_kubectl(kubectl, theirs)
    real.apply(config_map("a", "2"))
    live = real.live("ConfigMap", "a")
    assert live is not None
    assert live["data"] == {"key": "2", "theirs": "1"}


@pytest.mark.parametrize("manager", ["kubectl", "helm", "argocd-controller"])
def test_who_applies_on_the_server_is_asked_for(real: World, kubectl: Kubectl, manager: str) -> None:
    by_kubectl(kubectl, config_map("a", "theirs"), "--server-side", f"--field-manager={manager}")
    with pytest.raises(StepFailed, match=rf"configmap/a: {manager} owns \.data\.key"):
        real.apply(config_map("a"))
    assert not marks.label(real.live("ConfigMap", "a"), marks.PART_OF)
    real.apply(config_map("a"), consent=FORCING)
    assert real.lines == [f"configmap/a: fields taken over: {manager} owned .data.key"]


def test_what_is_given_back_is_owned_no_longer(real: World, kubectl: Kubectl) -> None:
    by_kubectl(kubectl, config_map("a", "theirs"))
    real.apply(config_map("a", "ours"), config_map("b"))
    assert any(fields.is_ours(each) for each in managers(real.live("ConfigMap", "a")).values())
    real.apply(config_map("b"))
    live = real.live("ConfigMap", "a")
    assert live is not None
    assert live["data"] == {"key": "ours"}
    assert marks.removal(live) == {}
    assert "devloop" not in managers(live)
    by_kubectl(kubectl, config_map("a", "again"), "--server-side")
    live = real.live("ConfigMap", "a")
    assert live is not None
    assert live["data"] == {"key": "again"}


def test_a_whole_project_that_is_deleted_gives_back_what_was_there(real: World, kubectl: Kubectl) -> None:
    by_kubectl(kubectl, deployment("none:0"))
    real.apply(deployment("none:1"))
    deleted = real.delete()
    assert deleted.deleted == ()
    assert [str(ref) for ref, _ in deleted.kept] == ["deployment/api"]
    assert "devloop" not in managers(api(real))
    assert real.live("ConfigMap", "devloop-shop") is None
