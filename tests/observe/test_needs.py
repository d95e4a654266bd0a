"""What a unit needs of the cluster: each kind of need, and waiting for several."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from devloop.config import model
from devloop.errors import StepFailed
from devloop.observe import needs
from devloop.observe.pods import PodStore
from devloop.products import Object, ObjectRef
from devloop.scope import Cancelled, Scope
from devloop.testing.cluster import FakeCluster

JOB = model.Need(resource="Job/migrate", api_version="batch/v1", timeout_seconds=1)
SERVICE = model.Need(resource="Service/db", api_version="v1")


def live(kind: str, name: str, api_version: str = "v1", **parts: Any) -> Object:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "default"}, **parts}


def with_conditions(kind: str = "Widget", /, **statuses: str) -> Object:
    conditions = [{"type": each, "status": status, "message": "so it is"} for each, status in statuses.items()]
    return live(kind, "w", "shop.dev/v1", status={"conditions": conditions})


def need(kind: str = "Widget", **parts: Any) -> model.Need:
    return model.Need(resource=f"{kind}/w", api_version="shop.dev/v1", **parts)


def endpoints(*ready: bool | None, service: str = "db") -> Object:
    listed = [{"conditions": {} if each is None else {"ready": each}} for each in ready]
    found = live("EndpointSlice", f"{service}-1", "discovery.k8s.io/v1", endpoints=listed)
    found["metadata"]["labels"] = {"kubernetes.io/service-name": service}
    return found


@pytest.mark.parametrize(
    ("wanted", "found", "message"),
    [
        (need(), None, "is not there"),
        (need(), live("Widget", "w"), None),
        (need(), with_conditions(Ready="False"), "condition Ready is False: so it is"),
        (need(), with_conditions(Available="True"), None),
        (need(), with_conditions(Odd="False"), None),
        (need(condition="Synced"), with_conditions(Ready="True"), "has no condition Synced"),
        (need(condition="synced"), with_conditions(Synced="True"), None),
        (need(condition="Busy=False"), with_conditions(Busy="True"), "condition Busy is True: so it is"),
        (need(condition="Busy=false"), with_conditions(Busy="False"), None),
        (
            need(jsonpath="{.status.phase}=Bound"),
            live("Widget", "w", status={"phase": "Lost"}),
            "{.status.phase} is Lost",
        ),
        (need(jsonpath="{.status.phase}=Bound"), live("Widget", "w", status={"phase": "Bound"}), None),
        (need(jsonpath="{.status.phase}"), live("Widget", "w", status={"phase": "any"}), None),
        (need(jsonpath=".status.on=true"), live("Widget", "w", status={"on": True}), None),
        (need(jsonpath="{.status.phase}"), live("Widget", "w"), "has no {.status.phase}"),
    ],
)
def test_a_need_is_met_or_says_what_is_missing(wanted: model.Need, found: Object | None, message: str | None) -> None:
    answer = needs.answer(wanted, found)
    assert answer.is_met == (message is None)
    if message is not None:
        assert answer.message == message


def test_a_condition_of_an_older_generation_says_nothing() -> None:
    found = with_conditions(Ready="True")
    found["metadata"]["generation"] = 3
    found["status"]["conditions"][0]["observedGeneration"] = 2
    assert needs.answer(need(condition="Ready"), found) == needs.Answer(
        False, "condition Ready speaks of an older generation"
    )


def test_an_object_on_its_way_out_is_not_there() -> None:
    found = live("Widget", "w")
    found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert needs.answer(need(), found).message == "is being deleted"


@pytest.mark.parametrize(
    ("slices", "message"),
    [
        ((), "has no endpoints"),
        ((endpoints(),), "has no endpoints"),
        ((endpoints(False, False),), "none of its 2 endpoints is ready"),
        ((endpoints(False), endpoints(True)), None),
        ((endpoints(None),), None),
        ((endpoints(True, service="other"),), "has no endpoints"),
    ],
)
def test_a_service_needs_a_ready_endpoint(slices: tuple[Object, ...], message: str | None) -> None:
    answer = needs.answer(SERVICE, live("Service", "db", spec={}), slices)
    assert (answer.is_met, answer.message or None) == (message is None, message)


@pytest.fixture
def scope() -> Iterator[Scope]:
    with Scope("test") as made:
        yield made
        made.cancel()


def job(**status: Any) -> Object:
    return live("Job", "migrate", "batch/v1", spec={"template": {"spec": {"containers": []}}}, status=status)


def ended(kind: str) -> Object:
    return job(conditions=[{"type": kind, "status": "True", "reason": "R", "message": "so it ended"}])


def start(scope: Scope, cluster: FakeCluster, *wanted: model.Need, is_endless: bool = False) -> tuple[list[str], Any]:
    """Begins a wait in a thread; what it told, and a function that joins it and raises what it raised."""
    told: list[str] = []
    raised: list[BaseException] = []
    store = PodStore(scope, cluster)

    def body() -> None:
        try:
            needs.wait(
                scope, store, wanted, "default", where="deploy/web", is_endless=is_endless, on_progress=told.append
            )
        except StepFailed as exc:
            raised.append(exc)

    thread = threading.Thread(target=body)
    thread.start()

    def join() -> None:
        thread.join(10)
        assert not thread.is_alive()
        if raised:
            raise raised[0]

    return told, join


def until_told(told: list[str], text: str) -> None:
    for _ in range(500):
        if any(text in each for each in told):
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"never told {text!r}: {told}")


def test_it_goes_on_once_all_are_met(scope: Scope) -> None:
    cluster = FakeCluster()
    told, join = start(scope, cluster, model.Need(resource="Job/migrate", api_version="batch/v1"), SERVICE)
    until_told(told, "waits for job/migrate: is not there; service/db: is not there")
    cluster.put(live("Service", "db", spec={}))
    cluster.put(endpoints(True))
    until_told(told, "waits for job/migrate: is not there")
    cluster.put(ended("Complete"))
    join()


def test_what_was_met_once_is_not_asked_for_again(scope: Scope) -> None:
    cluster = FakeCluster()
    cluster.put(ended("Complete"))
    told, join = start(scope, cluster, model.Need(resource="Job/migrate", api_version="batch/v1"), SERVICE)
    until_told(told, "waits for service/db: is not there")
    cluster.take(ObjectRef("batch/v1", "Job", "default", "migrate"))
    cluster.put(live("Service", "db", spec={"type": "ExternalName"}))
    join()


def test_a_need_that_is_not_met_in_time_is_named(scope: Scope) -> None:
    _, join = start(scope, FakeCluster(), JOB)
    with pytest.raises(StepFailed, match="needs job/migrate, which is not so after 1 s: is not there") as raised:
        join()
    assert raised.value.where == "deploy/web"


def test_a_job_that_failed_is_not_waited_for(scope: Scope) -> None:
    cluster = FakeCluster()
    cluster.put(ended("Failed"))
    _, join = start(scope, cluster, model.Need(resource="Job/migrate", api_version="batch/v1"))
    with pytest.raises(StepFailed, match=r"needs job/migrate: .*so it ended"):
        join()


def test_an_endless_wait_outlives_failures_and_time_outs(scope: Scope) -> None:
    cluster = FakeCluster()
    cluster.put(ended("Failed"))
    told, join = start(scope, cluster, JOB, is_endless=True)
    until_told(told, "so it ended")
    threading.Event().wait(1.2)
    cluster.put(ended("Complete"))
    join()


def test_cancelling_ends_the_wait() -> None:
    with Scope("test") as scope:
        store = PodStore(scope, FakeCluster())
        told: list[str] = []

        def give_up(text: str) -> None:
            told.append(text)
            scope.cancel()

        with pytest.raises(Cancelled):
            needs.wait(scope, store, (JOB,), "default", where="", is_endless=True, on_progress=give_up)
