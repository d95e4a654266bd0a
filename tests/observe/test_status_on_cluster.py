"""Readiness of real workloads: what is said, and that it is said by watches, not at a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from devloop import stages
from devloop.errors import StepFailed
from devloop.observe import status
from devloop.observe.pods import PodStore
from devloop.products import Applied, Object, Ready
from devloop.scope import Cancelled, Scope
from tests.observe.conftest import workload

pytestmark = pytest.mark.cluster

SLEEP = "trap 'exit 0' TERM; while true; do sleep 0.1; done"
Apply = Callable[..., Applied]


class Waiter:
    def __init__(self, session: Scope, door: stages.Cluster, store: PodStore) -> None:
        self.session, self.door, self.store = session, door, store
        self.told: list[str] = []

    def ready(self, applied: Applied, deadline_s: float = 60) -> Ready:
        return status.wait_ready(
            self.session, self.door, self.store, applied, deadline_s=deadline_s, on_progress=self.told.append
        )

    def failure(self, applied: Applied, deadline_s: float = 60) -> StepFailed:
        with pytest.raises(StepFailed) as caught:
            self.ready(applied, deadline_s)
        return caught.value


@pytest.fixture
def waiter(session: Scope, door: stages.Cluster, store: PodStore, busybox: str) -> Waiter:
    return Waiter(session, door, store)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_rollout_is_ready_when_only_new_pods_are_left(waiter: Waiter, apply: Apply, kind: str) -> None:
    for version in ("1", "2"):
        applied = apply(workload(SLEEP, kind=kind, env=[{"name": "VERSION", "value": version}]))
        assert waiter.ready(applied) == Ready("shop", "1 pod ready")
        pods = [
            pod for pod in waiter.store.pods(applied.namespace) if "deletionTimestamp" not in pod["metadata"]
        ] or waiter.door.list(waiter.session, "v1", "Pod", namespace=applied.namespace)
        assert {pod["spec"]["containers"][0]["env"][0]["value"] for pod in pods} == {version}


def test_what_is_ready_already_is_so_at_once_and_without_a_watch(waiter: Waiter, apply: Apply) -> None:
    waiter.ready(apply(workload(SLEEP)))
    again = apply(workload(SLEEP))
    fresh = PodStore(waiter.session, waiter.door)
    progress: list[str] = []
    ready = status.wait_ready(waiter.session, waiter.door, fresh, again, deadline_s=60, on_progress=progress.append)
    assert (ready.summary, progress) == ("1 pod ready", [])


def test_a_crash_at_start_is_told_with_the_containers_last_lines(waiter: Waiter, apply: Apply) -> None:
    failure = waiter.failure(apply(workload("echo 'no DATABASE_URL'; exit 3")))
    assert failure.message == "deployment/api: container main crashed at start (exit 3)"
    assert failure.where == "deployment/api"
    assert "no DATABASE_URL" in failure.evidence
    assert failure.hint


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            workload(SLEEP, image="nosuch.invalid/shop/api:1"),
            "deployment/api: image nosuch.invalid/shop/api:1 cannot be pulled",
        ),
        (
            workload(SLEEP, envFrom=[{"configMapRef": {"name": "missing"}}]),
            'deployment/api: container main cannot be started: configmap "missing" not found',
        ),
        (
            workload(
                SLEEP,
                pod={"volumes": [{"name": "settings", "configMap": {"name": "missing"}}]},
                volumeMounts=[{"name": "settings", "mountPath": "/settings"}],
            ),
            'deployment/api: volume settings cannot be mounted: configmap "missing" not found',
        ),
        (
            {**workload(""), "spec": {**workload("", command=["nosuch"])["spec"]}},
            'deployment/api: container main cannot be started: exec: "nosuch": executable file not found in $PATH',
        ),
        (
            workload("tail /dev/zero", resources={"limits": {"memory": "16Mi"}}),
            "deployment/api: container main ran out of memory (limit 16Mi)",
        ),
        (
            workload(SLEEP, pod={"serviceAccountName": "missing"}),
            'serviceaccount "missing" not found',
        ),
        (
            workload(SLEEP, kind="StatefulSet", pod={"serviceAccountName": "missing"}),
            'serviceaccount "missing" not found',
        ),
    ],
    ids=["image", "config map", "volume", "command", "memory", "service account", "stateful set"],
)
def test_what_cannot_start_is_told_long_before_the_deadline(
    waiter: Waiter, apply: Apply, broken: Object, message: str
) -> None:
    failure = waiter.failure(apply(broken))
    assert message in failure.message
    assert "not ready after" not in failure.message


def test_the_deadline_says_what_is_missing(waiter: Waiter, apply: Apply) -> None:
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    failure = waiter.failure(apply(workload(f"echo up; {SLEEP}", readinessProbe=probe)), deadline_s=4)
    assert failure.message.startswith("deployment/api: not ready after 4 s: 0 of 1 pods available; container main of")
    assert "up" in failure.evidence
    assert any(line.startswith("Unhealthy: Readiness probe failed") for line in failure.evidence)


def test_a_fixing_edit_heals_a_crash_that_is_still_going_on(waiter: Waiter, apply: Apply) -> None:
    waiter.failure(apply(workload("exit 3")))
    assert waiter.ready(apply(workload(SLEEP))).summary == "1 pod ready"


def test_a_fixing_edit_heals_a_stateful_set_whose_pod_never_started(waiter: Waiter, apply: Apply) -> None:
    waiter.failure(apply(workload("exit 3", kind="StatefulSet")))
    assert waiter.ready(apply(workload(SLEEP, kind="StatefulSet"))).summary == "1 pod ready"


def test_a_crash_that_mends_itself_is_seen_to_recover(waiter: Waiter, apply: Apply) -> None:
    flaky = f"for each in 1 2; do test -e /shared/$each || {{ touch /shared/$each; exit 1; }}; done; {SLEEP}"
    applied = apply(
        workload(
            flaky,
            pod={"volumes": [{"name": "shared", "emptyDir": {}}]},
            volumeMounts=[{"name": "shared", "mountPath": "/shared"}],
        )
    )
    assert "crashed at start (exit 1)" in waiter.failure(applied).message
    assert status.recovered(waiter.session, waiter.door, waiter.store, applied).summary == "1 pod ready"


def test_jobs_are_waited_for_to_their_end(waiter: Waiter, apply: Apply) -> None:
    def job(name: str, script: str) -> Object:
        spec = {"restartPolicy": "Never", **workload(script)["spec"]["template"]["spec"]}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {"backoffLimit": 0, "template": {"spec": spec}},
        }

    assert waiter.ready(apply(job("good", "sleep 0.5"))).summary == "1 completed"
    failure = waiter.failure(apply(job("bad", "echo why; exit 7")))
    assert failure.message.startswith("job/bad: container main crashed at start (exit 7)")
    assert "why" in failure.evidence


def test_cancelling_ends_the_wait_at_once(waiter: Waiter, apply: Apply) -> None:
    applied = apply(workload(SLEEP, pod={"nodeSelector": {"no": "such-node"}}))
    ended: list[BaseException] = []
    with Scope("update") as update:

        def wait() -> None:
            try:
                status.wait_ready(
                    update, waiter.door, waiter.store, applied, deadline_s=600, on_progress=waiter.told.append
                )
            except Cancelled as cancelled:
                ended.append(cancelled)

        thread = threading.Thread(target=wait)
        thread.start()
        while not any("cannot be scheduled" in text for text in waiter.told):
            time.sleep(0.05)
        update.cancel()
        thread.join(timeout=5)
    assert ended
