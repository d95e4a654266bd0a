"""Verdicts on objects as a real API server (1.36) showed them, trimmed to what counts."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from devloop.observe import containers
from devloop.observe.verdicts import Around, verdict
from devloop.products import Object

STARTED, ENDED = "2026-11-23T16:47:43Z", "2026-11-23T16:47:45Z"
IMAGE = "shop/api:1"


def ended(code: int, reason: str = "Error", message: str = "") -> dict[str, Any]:
    return {
        "containerID": "containerd://6853a381",
        "exitCode": code,
        "startedAt": STARTED,
        "finishedAt": ENDED,
        "reason": reason,
        "message": message,
    }


def waits(reason: str, message: str = "", last: dict[str, Any] | None = None, restarts: int = 0) -> dict[str, Any]:
    last_state = {"terminated": last} if last else {}
    return {
        "state": {"waiting": {"reason": reason, "message": message}},
        "lastState": last_state,
        "restartCount": restarts,
    }


def stopped(terminated: dict[str, Any], restarts: int = 0) -> dict[str, Any]:
    return {"state": {"terminated": terminated}, "restartCount": restarts, "containerID": terminated["containerID"]}


def runs(*, ready: bool, restarts: int = 0, last: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "state": {"running": {"startedAt": STARTED}},
        "ready": ready,
        "restartCount": restarts,
        "containerID": "containerd://6853a381",
        "lastState": {"terminated": last} if last else {},
    }


def pod(
    container: dict[str, Any] | None,
    *,
    name: str = "api-f77b-wn99x",
    template_hash: str = "f77b",
    labels: dict[str, str] | None = None,
    owner: tuple[str, str] = ("ReplicaSet", "api-f77b"),
    init: dict[str, Any] | None = None,
    phase: str = "Pending",
    **extra: Any,
) -> Object:
    is_ready = bool(container and container.get("ready"))
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-{name}",
            "creationTimestamp": STARTED,
            "labels": labels or {"app": "api", "pod-template-hash": template_hash},
            "ownerReferences": [{"kind": owner[0], "name": owner[1], "uid": f"uid-{owner[1]}", "controller": True}],
            **extra.pop("metadata", {}),
        },
        "spec": {
            "containers": [{"name": "api", "image": IMAGE, "resources": {"limits": {"memory": "16Mi"}}}],
            **({"initContainers": [{"name": "migrate", "image": IMAGE}]} if init else {}),
            **extra.pop("spec", {}),
        },
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": "True" if is_ready else "False"}],
            "containerStatuses": [{"name": "api", "ready": False, "image": IMAGE, **container}] if container else [],
            **({"initContainerStatuses": [{"name": "migrate", "ready": False, **init}]} if init else {}),
            **extra.pop("status", {}),
        },
    }


def deployment(**status: Any) -> Object:
    replicas = status.pop("spec_replicas", 1)
    generation = status.pop("generation", 2)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "api",
            "namespace": "shop",
            "uid": "uid-api",
            "generation": generation,
            "annotations": {"deployment.kubernetes.io/revision": "7"},
        },
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "api"}}, **status.pop("spec", {})},
        "status": {"observedGeneration": 2, **status},
    }


REPLICA_SETS = tuple(
    {
        "metadata": {
            "name": f"api-{template_hash}",
            "uid": f"uid-api-{template_hash}",
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "labels": {"pod-template-hash": template_hash},
            "ownerReferences": [{"kind": "Deployment", "uid": "uid-api", "controller": True}],
        }
    }
    for template_hash, revision in (("aaaa", "6"), ("f77b", "7"))
)


def around(*pods: Object, **more: Any) -> Around:
    return Around(pods=pods, owned=REPLICA_SETS, **more)


ROLLING = {"replicas": 2, "updatedReplicas": 1, "availableReplicas": 1, "unavailableReplicas": 1}


@pytest.mark.parametrize(
    ("live", "state", "message"),
    [
        (
            deployment(generation=3, replicas=1, updatedReplicas=1, availableReplicas=1),
            "waiting",
            "the change is not observed yet",
        ),
        (deployment(), "waiting", "0 of 1 pods updated"),
        (deployment(**ROLLING), "waiting", "1 old pods still there"),
        (deployment(replicas=1, updatedReplicas=1), "waiting", "0 of 1 pods available"),
        (deployment(replicas=1, updatedReplicas=1, availableReplicas=1), "ready", "1 pod ready"),
        (
            deployment(spec_replicas=2, replicas=2, updatedReplicas=2, availableReplicas=2),
            "ready",
            "2 pods ready",
        ),
        (deployment(spec_replicas=0), "ready", "0 pods ready"),
        (deployment(spec={"paused": True}), "failed", "its rollout is paused"),
        (
            deployment(
                replicas=1,
                updatedReplicas=1,
                conditions=[{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}],
            ),
            "failed",
            "no progress in 600 s (progressDeadlineSeconds)",
        ),
        (
            deployment(
                conditions=[
                    {
                        "type": "ReplicaFailure",
                        "status": "True",
                        "reason": "FailedCreate",
                        "message": 'pods "api-f77b-" is forbidden: exceeded quota: small',
                    }
                ]
            ),
            "failed",
            'its pods cannot be created: pods "api-f77b-" is forbidden: exceeded quota: small',
        ),
    ],
)
def test_a_deployment_is_judged_by_its_rollout(live: Object, state: str, message: str) -> None:
    found = verdict(live, around())
    assert (found.state, found.message) == (state, message)


CRASH_LOOP = waits("CrashLoopBackOff", "back-off 10s restarting failed container=api", ended(3), restarts=1)
NO_COMMAND = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start "
    'container process: exec: "nosuch": executable file not found in $PATH'
)


@pytest.mark.parametrize(
    ("status", "message", "reason", "grace_s"),
    [
        (
            waits("ErrImagePull", "dial tcp: lookup nosuch.invalid"),
            f"image {IMAGE} cannot be pulled",
            "ErrImagePull",
            0,
        ),
        (waits("ImagePullBackOff", "Back-off"), f"image {IMAGE} cannot be pulled", "ImagePullBackOff", 0),
        (waits("InvalidImageName"), f"image {IMAGE} has no valid name", "InvalidImageName", 0),
        (
            waits("ErrImageNeverPull"),
            f"image {IMAGE} is not on the node, and its imagePullPolicy is Never",
            "ErrImageNeverPull",
            0,
        ),
        (
            waits("CreateContainerConfigError", 'configmap "missing" not found'),
            'container api cannot be started: configmap "missing" not found',
            "CreateContainerConfigError",
            5,
        ),
        (
            waits("RunContainerError", NO_COMMAND, ended(128, "StartError", NO_COMMAND)),
            'container api cannot be started: exec: "nosuch": executable file not found in $PATH',
            "RunContainerError",
            5,
        ),
        (
            waits("CrashLoopBackOff", "back-off", ended(128, "StartError", NO_COMMAND), restarts=1),
            'container api cannot be started: exec: "nosuch": executable file not found in $PATH',
            "StartError",
            0,
        ),
        (CRASH_LOOP, "container api crashed at start (exit 3)", "Error", 0),
        (stopped(ended(3), restarts=1), "container api crashed at start (exit 3)", "Error", 0),
        (
            waits("CrashLoopBackOff", "", ended(3), restarts=9),
            "container api crashed at start (exit 3, 9 restarts)",
            "Error",
            0,
        ),
        (
            stopped(ended(0, "Completed"), restarts=1),
            "container api ended (exit 0), but has to keep running",
            "Completed",
            0,
        ),
        (stopped(ended(137, "OOMKilled")), "container api ran out of memory (limit 16Mi)", "OOMKilled", 0),
        (
            stopped({**ended(1), "finishedAt": "2026-11-23T16:49:43Z"}, restarts=1),
            "container api crashed after 120 s (exit 1)",
            "Error",
            0,
        ),
    ],
)
def test_a_pod_that_cannot_start_fails_its_deployment(
    status: dict[str, Any], message: str, reason: str, grace_s: float
) -> None:
    found = verdict(deployment(replicas=1, updatedReplicas=1), around(pod(status)))
    assert found.state == "failed"
    assert found.finding is not None
    assert (found.finding.message, found.finding.reason, found.finding.grace_s) == (message, reason, grace_s)
    assert found.finding.hint
    assert (found.finding.container, found.finding.pod) == ("api", "api-f77b-wn99x")


@pytest.mark.parametrize(
    ("image", "hint"),
    [
        ("shop/api:0123456789abcdef", "it was put on the nodes"),
        ("registry.example.com/shop/api:0123456789abcdef@sha256:00", "is the image's name right?"),
        ("postgres:15", "is the image's name right?"),
    ],
)
def test_what_was_loaded_and_is_asked_of_a_registry_is_told_apart(image: str, hint: str) -> None:
    loaded = pod(waits("ErrImagePull"), spec={"containers": [{"name": "api", "image": image}]})
    found = verdict(deployment(replicas=1, updatedReplicas=1), around(loaded))
    assert found.finding is not None
    assert found.finding.hint.startswith(hint)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (waits("ContainerCreating"), "container api of pod api-f77b-wn99x is being started (ContainerCreating)"),
        (runs(ready=False), "container api of pod api-f77b-wn99x is running, not ready yet"),
        (stopped(ended(3)), "container api of pod api-f77b-wn99x ended (exit 3) and is started again"),
        (stopped(ended(0, "Completed")), "container api of pod api-f77b-wn99x ended (exit 0) and is started again"),
        (runs(ready=False, restarts=1, last=ended(3)), "container api of pod api-f77b-wn99x is running, not ready yet"),
    ],
)
def test_what_may_still_come_good_is_waited_for(status: dict[str, Any], message: str) -> None:
    found = verdict(deployment(replicas=1, updatedReplicas=1), around(pod(status)))
    assert (found.state, found.message) == ("waiting", f"0 of 1 pods available; {message}")


def test_a_pod_of_an_older_revision_says_nothing_about_the_change() -> None:
    old = pod(CRASH_LOOP, name="api-aaaa-x", template_hash="aaaa", owner=("ReplicaSet", "api-aaaa"))
    new = pod(waits("ContainerCreating"))
    assert verdict(deployment(**ROLLING), around(old, new)).state == "waiting"


def test_a_pod_is_not_judged_before_its_revision_is_known() -> None:
    assert verdict(deployment(replicas=1, updatedReplicas=1), Around(pods=(pod(CRASH_LOOP),))).state == "waiting"


def test_a_pod_that_is_being_deleted_says_nothing() -> None:
    leaving = pod(CRASH_LOOP, metadata={"deletionTimestamp": ENDED})
    assert verdict(deployment(replicas=1, updatedReplicas=1), around(leaving)).state == "waiting"


def test_the_pods_of_a_namesake_say_nothing() -> None:
    other = pod(CRASH_LOOP, name="api-db-f77b-1", owner=("ReplicaSet", "api-db-f77b"))
    assert verdict(deployment(replicas=1, updatedReplicas=1), around(other)).state == "waiting"


def test_an_init_container_that_fails_twice_fails_the_deployment() -> None:
    broken = pod(waits("PodInitializing"), init=stopped(ended(4), restarts=1))
    found = verdict(deployment(replicas=1, updatedReplicas=1), around(broken))
    assert (found.state, found.message) == ("failed", "init container migrate crashed at start (exit 4)")


def test_an_init_container_that_is_done_is_no_failure() -> None:
    going = pod(waits("PodInitializing"), init={**stopped(ended(0, "Completed"), restarts=0), "ready": True})
    assert verdict(deployment(replicas=1, updatedReplicas=1), around(going)).state == "waiting"


def test_an_unschedulable_pod_is_waited_for_with_the_schedulers_words() -> None:
    text = "0/1 nodes are available: 1 Insufficient memory. no new claims to deallocate"
    stranded = pod(
        None,
        status={
            "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": text}]
        },
    )
    found = verdict(deployment(replicas=1, updatedReplicas=1), around(stranded))
    assert found.state == "waiting"
    assert "cannot be scheduled: 0/1 nodes are available: 1 Insufficient memory" in found.message


def test_a_volume_that_cannot_be_mounted_fails_the_deployment() -> None:
    event = {
        "involvedObject": {"kind": "Pod", "uid": "uid-api-f77b-wn99x"},
        "reason": "FailedMount",
        "message": 'MountVolume.SetUp failed for volume "v" : configmap "missing" not found',
    }
    found = verdict(
        deployment(replicas=1, updatedReplicas=1), around(pod(waits("ContainerCreating")), warnings=(event,))
    )
    assert (found.state, found.message) == (
        "failed",
        'volume v cannot be mounted: configmap "missing" not found',
    )


def test_a_crash_from_before_the_change_is_no_failure_of_the_change() -> None:
    live = deployment(replicas=1, updatedReplicas=1)
    assert verdict(live, around(pod(CRASH_LOOP), since="2026-11-23T16:50:00Z")).state == "waiting"
    assert verdict(live, around(pod(CRASH_LOOP), since=STARTED)).state == "failed"


def stateful_set(**status: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db", "namespace": "shop", "uid": "uid-db", "generation": 2},
        "spec": {"replicas": 1, "updateStrategy": {"type": "RollingUpdate"}, **status.pop("spec", {})},
        "status": {"observedGeneration": 2, "currentRevision": "db-1", "updateRevision": "db-2", **status},
    }


def db_pod(status: dict[str, Any], revision: str) -> Object:
    return pod(
        status, name="db-0", owner=("StatefulSet", "db"), labels={"app": "db", "controller-revision-hash": revision}
    )


def test_a_stateful_set_is_ready_when_its_revisions_agree_and_its_pods_are_ready() -> None:
    assert verdict(stateful_set(readyReplicas=1)).state == "waiting"
    assert verdict(stateful_set(currentRevision="db-2")).state == "waiting"
    assert verdict(stateful_set(currentRevision="db-2", readyReplicas=1)).state == "ready"


def test_a_partitioned_stateful_set_is_ready_when_its_part_is() -> None:
    spec = {"replicas": 3, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}}
    assert verdict(stateful_set(spec=spec, readyReplicas=3)).state == "waiting"
    assert verdict(stateful_set(spec=spec, readyReplicas=3, updatedReplicas=1)).state == "ready"


def test_a_stateful_set_names_the_broken_pod_that_holds_its_rollout_back() -> None:
    found = verdict(stateful_set(replicas=1), Around(pods=(db_pod(CRASH_LOOP, "db-1"),)))
    assert (found.state, found.stuck_pod) == ("waiting", "db-0")


def test_a_stateful_set_fails_with_a_pod_of_the_new_revision() -> None:
    found = verdict(stateful_set(replicas=1), Around(pods=(db_pod(CRASH_LOOP, "db-2"),)))
    assert (found.state, found.stuck_pod) == ("failed", "")


def test_a_stateful_set_says_why_its_pods_are_refused() -> None:
    event = {
        "involvedObject": {"kind": "StatefulSet", "uid": "uid-db"},
        "reason": "FailedCreate",
        "lastTimestamp": ENDED,
        "message": "create Pod db-0 in StatefulSet db failed error: exceeded quota",
    }
    found = verdict(stateful_set(), Around(warnings=(event,)))
    assert found.state == "failed"
    assert "exceeded quota" in found.message
    assert (
        verdict(stateful_set(), Around(warnings=(event,), pods=(db_pod(runs(ready=False), "db-2"),))).state == "failed"
    )


def daemon_set(**status: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {
            "name": "agent",
            "uid": "uid-agent",
            "generation": 2,
            "annotations": {"deprecated.daemonset.template.generation": "2"},
        },
        "spec": {"updateStrategy": {"type": "RollingUpdate"}},
        "status": {"observedGeneration": 2, "desiredNumberScheduled": 1, **status},
    }


def test_a_daemon_set_is_ready_when_every_node_runs_the_new_pod() -> None:
    assert verdict(daemon_set()).message == "0 of 1 pods updated"
    assert verdict(daemon_set(updatedNumberScheduled=1)).message == "0 of 1 pods available"
    assert verdict(daemon_set(updatedNumberScheduled=1, numberAvailable=1)).state == "ready"


@pytest.mark.parametrize(("generation", "state"), [("1", "waiting"), ("2", "failed")])
def test_a_daemon_set_fails_with_a_pod_of_its_new_template_only(generation: str, state: str) -> None:
    crashing = pod(CRASH_LOOP, owner=("DaemonSet", "agent"), labels={"pod-template-generation": generation})
    assert verdict(daemon_set(), Around(pods=(crashing,))).state == state


def job(**status: Any) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "load", "uid": "uid-load"},
        "spec": {"backoffLimit": 1, "completions": 1, **status.pop("spec", {})},
        "status": status,
    }


def job_pod(status: dict[str, Any]) -> Object:
    return pod(status, owner=("Job", "load"), spec={"restartPolicy": "Never"}, phase="Failed")


def test_a_job_is_ready_when_it_is_complete() -> None:
    assert verdict(job()).state == "waiting"
    assert verdict(job(conditions=[{"type": "Complete", "status": "True"}])).state == "ready"
    assert verdict(job(spec={"suspend": True})).state == "ready"


def test_a_job_may_fail_as_often_as_its_limit_allows() -> None:
    found = verdict(job(failed=1), Around(pods=(job_pod(stopped(ended(1))),)))
    assert found.state == "waiting"
    assert "1 of 2 tries failed" in found.message


def test_a_failed_job_says_which_container_failed() -> None:
    condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "limit reached"}
    found = verdict(job(failed=2, conditions=[condition]), Around(pods=(job_pod(stopped(ended(1))),)))
    assert found.state == "failed"
    assert found.message == "container api crashed at start (exit 1); limit reached"
    assert found.finding is not None
    assert found.finding.has_log


def test_a_job_whose_image_cannot_be_pulled_fails_at_once() -> None:
    assert verdict(job(), Around(pods=(job_pod(waits("ErrImagePull")),))).state == "failed"


def test_a_pod_is_ready_when_it_serves_or_has_done_its_work() -> None:
    assert verdict(pod(runs(ready=True), phase="Running")).state == "ready"
    assert verdict(pod(runs(ready=False), phase="Running")).state == "waiting"
    assert verdict(pod(stopped(ended(0, "Completed")), phase="Succeeded")).state == "ready"


def test_an_evicted_pod_fails_with_the_kubelets_words() -> None:
    evicted = pod(None, phase="Failed", status={"reason": "Evicted", "message": "The node was low on memory."})
    assert verdict(evicted).message == "the pod failed: Evicted: The node was low on memory."


def test_a_patched_pod_is_not_ready_while_it_runs_the_old_image() -> None:
    patched = pod(runs(ready=True), phase="Running")
    patched["spec"]["containers"][0]["image"] = "shop/api:2"
    assert verdict(patched).state == "waiting"
    patched["status"]["containerStatuses"][0]["image"] = "docker.io/shop/api:2"
    assert verdict(patched).state == "ready"


def test_a_replica_set_does_not_claim_pods_of_another_image() -> None:
    live = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "api-f77b", "uid": "uid-api-f77b", "generation": 1},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "api", "image": IMAGE}]}}},
        "status": {"observedGeneration": 1, "availableReplicas": 1},
    }
    serving = pod(runs(ready=True))
    assert verdict(live, Around(pods=(serving,))).state == "ready"
    changed = copy.deepcopy(live)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/api:2"  # type: ignore[index]
    assert verdict(changed, Around(pods=(serving,))).state == "failed"


def test_what_is_no_workload_is_ready_when_applied() -> None:
    assert verdict({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"}}).state == "ready"


def test_the_container_that_keeps_a_pod_from_being_ready_is_named() -> None:
    assert containers.unready(pod(runs(ready=False))) == "api"
    assert containers.unready(pod(runs(ready=True))) == ""
    assert containers.unready(pod(waits("PodInitializing"), init=runs(ready=False))) == "migrate"
