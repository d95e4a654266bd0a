"""What `dev` has otherwise: which fields, of which workloads, and what is told of it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from devloop import events
from devloop.config import model
from devloop.products import Manifest
from devloop.render.finish import Finish, Images, finish
from devloop.render.overrides import FAST, effective
from devloop.render.places import Table

PRESET = model.DevOverrides(preset="fast")
HPA = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: w}
spec: {scaleTargetRef: {kind: Deployment, name: w}}
"""


def workload(
    spec: str = "", pod: str = "", kind: str = "Deployment", image: str = "shop/api", more: str = ""
) -> Manifest:
    container = {"name": "c", "image": image, **(yaml.safe_load(more) or {})}
    whole = {
        **(yaml.safe_load(spec) or {}),
        "template": {"spec": {"containers": [container], **(yaml.safe_load(pod) or {})}},
    }
    api = {"Rollout": "argoproj.io/v1alpha1", "Service": "serving.knative.dev/v1"}.get(kind, "apps/v1")
    return Manifest({"apiVersion": api, "kind": kind, "metadata": {"name": "w"}, "spec": whole}, "k8s/w.yaml:1")


def done(
    given: Manifest, *others: Manifest, spec: model.DevOverrides = PRESET
) -> tuple[Any, tuple[events.Notice, ...]]:
    before = copy.deepcopy(given.object)
    images = Images(["shop/api"], {"shop/api": "shop/api:1"})
    finished = finish([given, *others], images, Finish(Table(), "dev", overrides=spec))
    assert given.object == before
    return finished.manifests[0].object["spec"], finished.notices


def only(**given: Any) -> model.DevOverrides:
    return model.DevOverrides(**given)


def test_every_field_of_the_preset_is_applied_and_told_with_what_it_was() -> None:
    given = workload(
        "replicas: 3\nminReadySeconds: 5\nstrategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}",
        "terminationGracePeriodSeconds: 60",
        more="readinessProbe: {periodSeconds: 5, initialDelaySeconds: 7}\nlivenessProbe: {initialDelaySeconds: 30}",
    )
    spec, (notice,) = done(given)
    assert spec["replicas"] == 1
    assert spec["minReadySeconds"] == 0
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": 0}}
    pod = spec["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 1
    probe = {"periodSeconds": 1, "initialDelaySeconds": 0, "failureThreshold": 22}
    assert pod["containers"][0]["readinessProbe"] == probe
    assert pod["containers"][0]["livenessProbe"] == {"initialDelaySeconds": 30}
    assert notice.where == "k8s/w.yaml:1"
    assert notice.message == (
        "devOverrides: deployment/w has replicas 1 (not 3), minReadySeconds 0 (not 5), terminationGracePeriodSeconds 1 (not 60), "
        "c.readinessProbe.periodSeconds 1 (not 5), c.readinessProbe.initialDelaySeconds 0 (not 7), "
        "c.readinessProbe.failureThreshold 22 (not the default), maxSurge 100% (not 0), maxUnavailable 0 (not 1)"
    )


@pytest.mark.parametrize(
    ("given", "spec", "told"),
    [
        (workload("replicas: 3"), only(replicas=2), "replicas 2 (not 3)"),
        (workload("replicas: 1"), only(replicas=2), ""),
        (workload("replicas: 0"), only(replicas=1), ""),
        (workload(""), only(replicas=1), ""),
        (workload("replicas: 3", kind="StatefulSet"), only(replicas=1), "replicas 1 (not 3)"),
        (workload("replicas: 3", kind="Rollout"), only(replicas=1), "replicas 1 (not 3)"),
        (workload("replicas: 3", image="postgres:16"), PRESET, ""),
        (workload("", kind="Service"), PRESET, ""),
        (workload("replicas: many"), only(replicas=1), ""),
        (
            workload(""),
            only(termination_grace_period_seconds=1),
            "terminationGracePeriodSeconds 1 (not the default)",
        ),
        (workload("", "terminationGracePeriodSeconds: 0"), only(termination_grace_period_seconds=1), ""),
        (workload("", kind="DaemonSet"), only(termination_grace_period_seconds=2), "GracePeriodSeconds 2"),
        (workload("strategy: {type: Recreate}"), only(max_surge=1), ""),
        (workload("", "hostNetwork: true"), only(max_surge=1), ""),
        (workload("", more="ports: [{containerPort: 1, hostPort: 1}]"), only(max_surge=1), ""),
        (workload("", "volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]"), only(max_surge=1), ""),
        (workload("", kind="StatefulSet"), only(max_surge=1), ""),
        (workload("strategy: {rollingUpdate: {maxSurge: 0}}"), only(max_unavailable=0), ""),
        (workload("strategy: {rollingUpdate: {maxSurge: 1}}"), only(max_surge="100%"), "maxSurge 100% (not 1)"),
        (workload("", more="livenessProbe: {periodSeconds: 9}"), only(probe_period_seconds=1), ""),
        (workload("", more="readinessProbe: {periodSeconds: 1}"), only(probe_period_seconds=1), ""),
        (workload("", more="readinessProbe: {periodSeconds: fast}"), only(probe_period_seconds=1), ""),
        (
            workload("", more="startupProbe: {failureThreshold: 30}"),
            only(probe_period_seconds=1),
            "c.startupProbe.periodSeconds 1 (not the default), c.startupProbe.failureThreshold 300 (not 30)",
        ),
        (workload("replicas: 3"), only(), ""),
    ],
)
def test_a_field_is_overridden_where_it_helps_and_nowhere_else(
    given: Manifest, spec: model.DevOverrides, told: str
) -> None:
    found, notices = done(given, spec=spec)
    if told:
        assert told in notices[0].message
    else:
        expected = copy.deepcopy(given.object["spec"])
        if expected["template"]["spec"]["containers"][0]["image"] == "shop/api":
            expected["template"]["spec"]["containers"][0]["image"] = "shop/api:1"
        assert (found, notices) == (expected, ())


@pytest.mark.parametrize("kind", ["kind: Deployment, ", ""])
def test_what_an_autoscaler_scales_keeps_its_replicas(kind: str) -> None:
    scaler = Manifest(yaml.safe_load(HPA.replace("kind: Deployment, ", kind)), "k8s/h.yaml:1")
    spec, notices = done(workload("replicas: 3"), scaler, spec=only(replicas=1))
    assert spec["replicas"] == 3
    assert notices == ()


def test_a_field_that_is_given_beside_the_preset_wins() -> None:
    wanted = effective(model.DevOverrides(preset="fast", replicas=2))
    assert wanted.replicas == 2
    assert wanted.max_surge == FAST.max_surge
