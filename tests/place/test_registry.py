"""Placing through a registry."""

from __future__ import annotations

import pytest

from devloop.errors import StepFailed
from devloop.place.registry import RegistryPlacer, pushed_ref
from devloop.products import Image
from devloop.scope import Cancelled, Scope
from devloop.stages import Tools
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import FakeProcesses


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def tools(engine: FakeEngine) -> Tools:
    return Tools(FakeProcesses(), engine)


@pytest.mark.parametrize(
    ("registry", "ref", "pushed"),
    [
        ("localhost:5001", "shop/api:v1", "localhost:5001/shop/api:v1"),
        ("reg.example/team", "api:v1", "reg.example/team/api:v1"),
        ("reg.example/team", "reg.example/team/api:v1", "reg.example/team/api:v1"),
        ("localhost:5001", "reg.example:5000/api:v1", "localhost:5001/reg.example_5000/api:v1"),
    ],
)
def test_a_ref_is_put_below_the_registry(registry: str, ref: str, pushed: str) -> None:
    assert pushed_ref(registry, ref) == pushed


def test_what_runs_is_what_was_pushed(engine: FakeEngine, tools: Tools) -> None:
    image = Image("shop/api", "shop/api:v1", engine.add("shop/api:v1", [{"a": b"1"}, {"b": b"2"}]))
    with Scope("test") as scope:
        placed, was_sent = RegistryPlacer("localhost:5001/").place(scope, image, tools)
    assert placed.ref.startswith("localhost:5001/shop/api:v1@sha256:")
    assert (was_sent, placed.way) == (True, "2 layers → localhost:5001")
    assert engine.pushes == ["localhost:5001/shop/api:v1"]


@pytest.mark.parametrize("name", ["shop/api", "localhost:5001/shop/api"])
def test_nodes_may_know_the_registry_by_another_name(engine: FakeEngine, tools: Tools, name: str) -> None:
    image = Image(name, f"{name}:v1", engine.add(f"{name}:v1", [{"a": b"1"}]))
    with Scope("test") as scope:
        placed, _ = RegistryPlacer("localhost:5001", "registry:5000").place(scope, image, tools)
    assert engine.pushes == ["localhost:5001/shop/api:v1"]
    assert placed.ref.startswith("registry:5000/shop/api:v1@sha256:")


def test_what_the_registry_has_counts_as_there(engine: FakeEngine, tools: Tools) -> None:
    image = Image("shop/api", "shop/api:v1", engine.add("shop/api:v1", [{"a": b"1"}]))
    placer = RegistryPlacer("localhost:5001")
    with Scope("test") as scope:
        first, _ = placer.place(scope, image, tools)
        second, was_sent = placer.place(scope, image, tools)
    assert (was_sent, second.way, second.ref) == (False, "in localhost:5001 already", first.ref)


def test_what_others_pushed_is_found_without_the_engine_having_it(engine: FakeEngine, tools: Tools) -> None:
    placer, image = RegistryPlacer("localhost:5001", "registry:5000"), Image("shop/api", "shop/api:v1", "")
    assert placer.find(image, tools) is None
    pushed = Image("shop/api", "shop/api:v1", engine.add("shop/api:v1", [{"a": b"1"}]))
    with Scope("test") as scope:
        placed, _ = placer.place(scope, pushed, tools)
    engine.untag("shop/api:v1")
    found = placer.find(image, tools)
    assert found is not None
    assert (found.ref, found.way) == (placed.ref, "in localhost:5001 already")


def test_the_name_for_the_push_does_not_stay(engine: FakeEngine, tools: Tools) -> None:
    image = Image("shop/api", "shop/api:v1", engine.add("shop/api:v1", [{"a": b"1"}]))
    with Scope("test") as scope:
        RegistryPlacer("localhost:5001").place(scope, image, tools)
    assert engine.inspect("localhost:5001/shop/api:v1") is None
    assert engine.inspect("shop/api:v1") is not None


def test_a_name_that_is_below_the_registry_already_stays(engine: FakeEngine, tools: Tools) -> None:
    ref = "localhost:5001/api:v1"
    image = Image("localhost:5001/api", ref, engine.add(ref, [{"a": b"1"}]))
    with Scope("test") as scope:
        RegistryPlacer("localhost:5001").place(scope, image, tools)
    assert engine.inspect(ref) is not None


def test_a_cancelled_push_leaves_no_name(engine: FakeEngine, tools: Tools) -> None:
    image = Image("shop/api", "shop/api:v1", engine.add("shop/api:v1", [{"a": b"1"}]))
    engine.blocked.add("push")
    with Scope("test") as scope:
        timer = Scope("timer")
        scope.spawn("cancel", lambda: (timer.wait(0.05), scope.cancel())[0])  # type: ignore[func-returns-value]
        with pytest.raises(Cancelled):
            RegistryPlacer("localhost:5001").place(scope, image, tools)
    assert engine.inspect("localhost:5001/shop/api:v1") is None


def test_an_image_that_the_engine_lost_fails(tools: Tools) -> None:
    with Scope("test") as scope, pytest.raises(StepFailed):
        RegistryPlacer("localhost:5001").place(scope, Image("a", "a:1", f"sha256:{'0' * 64}"), tools)


def test_what_its_build_pushed_gets_its_names_and_is_not_pushed_again(engine: FakeEngine) -> None:
    processes = FakeProcesses()
    processes.when("docker", "buildx", "imagetools", "create")
    digest = f"sha256:{'ab' * 32}"
    image = Image("shop/api", "shop/api:v1", "", ("shop/api:latest",), f"localhost:5001/shop/api@{digest}")
    with Scope("test") as scope:
        placed, was_sent = RegistryPlacer("localhost:5001", "registry:5000").place(
            scope, image, Tools(processes, engine)
        )
    assert (placed.ref, was_sent) == (f"registry:5000/shop/api:v1@{digest}", True)
    (call,) = processes.calls
    assert call.argv[4:] == (
        *("--tag", "localhost:5001/shop/api:v1", "--tag", "localhost:5001/shop/api:latest"),
        f"localhost:5001/shop/api@{digest}",
    )
    assert engine.pushes == []


@pytest.mark.parametrize(
    ("registry", "expected"),
    [("localhost:5001", "localhost:5001/shop/api"), ("", "shop/api"), ("shop", "shop/api")],
)
def test_a_build_is_told_where_its_image_goes(registry: str, expected: str) -> None:
    assert RegistryPlacer(registry).repository("shop/api") == expected
