"""What every door to a Docker engine promises: the same tests for the shipped fake and for the real one."""

from __future__ import annotations

import io
import json
import tarfile
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed
from devloop.scope import Cancelled, Scope
from devloop.stages import Engine
from devloop.testing.engine import FakeEngine
from tests.e2e.web import eventually
from tests.store_engine import NoStoreEngine, store_engine


class Fake:
    """Two images that share their base, and a container, in the fake."""

    def __init__(self, name: str, tmp_path: Path) -> None:
        self.fake = FakeEngine()
        self.engine: Engine = self.fake
        self.name = name
        for tag in ("v1", "v2"):
            self.fake.add(f"{name}:{tag}", [{"base": b"same"}, {"file": tag.encode()}])
        self.fake.add_container(f"{name}-box", {"devloop-test": name, "other": "x"})

    def build(self, ref: str) -> None:
        self.fake.add(ref, [{"base": b"same"}, {"file": b"built"}])

    def registry(self) -> str:
        return "localhost:5001"

    def close(self) -> None:
        """Nothing to clean up."""


class Real:
    """The same in the real engine."""

    run_words: ClassVar[tuple[str, ...]] = ("run", "-d", "--rm")

    def __init__(self, name: str, tmp_path: Path, environment: Mapping[str, str] | None = None) -> None:
        self._environment = environment or {"DOCKER_BUILDKIT": "1"}
        self.engine: Engine = docker.connect(environment)
        self.name = name
        self._folder = tmp_path
        self._containers = [f"{name}-box"]
        (tmp_path / "Dockerfile").write_text("FROM busybox:1.37\nARG TAG\nCOPY file-$TAG /file\n")
        for tag in ("v1", "v2", "v3"):
            (tmp_path / f"file-{tag}").write_text(f"{name} {tag}")
        for tag in ("v1", "v2"):
            self.build(f"{name}:{tag}")
        self._docker(
            *self.run_words, "--name", f"{name}-box", "--label", f"devloop-test={name}", "--label", "other=x",
            "busybox:1.37", "sleep", "600",
        )  # fmt: skip

    def build(self, ref: str) -> None:
        self._docker("build", "-q", "--build-arg", f"TAG={ref.rpartition(':')[2]}", "-t", ref, str(self._folder))

    def registry(self) -> str:
        if self.engine.inspect("registry:2") is None:
            pytest.skip("the engine has no registry:2; tests/testbed/up makes one")
        name = f"{self.name}-registry"
        self._docker(*self.run_words, "--name", name, "--publish", "127.0.0.1:0:5000", "registry:2")
        self._containers.append(name)
        with Scope("port") as scope:
            address = (
                RealProcesses()
                .run(scope, ["docker", "port", name, "5000/tcp"], env=self._environment)
                .stdout.split()[0]
            )
        host = f"localhost:{address.rpartition(':')[2]}"
        eventually(lambda: self._answers(host), timeout_s=30, what="the registry's answer")
        return host

    def _answers(self, host: str) -> bool:
        try:
            return self.engine.pushed(f"{host}/{self.name}:none") is None
        except StepFailed:
            return False

    def close(self) -> None:
        self._docker("rm", "-f", *self._containers)
        for tag in ("v1", "v2", "v3"):
            self.engine.untag(f"{self.name}:{tag}")

    def _docker(self, *words: str) -> None:
        with Scope("docker") as scope:
            RealProcesses().run(scope, ["docker", *words], env=self._environment)


World = Fake | Real


class Podman(Real):
    """The same in podman, behind its Docker-compatible socket."""

    # What it gives containers otherwise is more than every machine allows.
    run_words: ClassVar[tuple[str, ...]] = (
        *Real.run_words,
        "--ulimit",
        "nofile=1024:1024",
        "--ulimit",
        "nproc=1024:1024",
    )

    def __init__(self, name: str, tmp_path: Path, address: str) -> None:
        super().__init__(name, tmp_path, {"DOCKER_HOST": address, "DOCKER_BUILDKIT": "0"})

    def registry(self) -> str:
        pytest.skip("podman is not asked for a registry's images: its socket has no such question")


@pytest.fixture(
    scope="module",
    params=["fake", *(pytest.param(each, marks=pytest.mark.docker) for each in ("real", "containerd-store", "podman"))],
)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    name, folder = f"devloop-test-{uuid.uuid4().hex[:12]}", tmp_path_factory.mktemp("image")
    made: World
    match request.param:
        case "fake":
            made = Fake(name, folder)
        case "podman":
            made = Podman(name, folder, request.getfixturevalue("podman"))
        case "containerd-store":
            try:
                made = Real(name, folder, {"DOCKER_HOST": store_engine()["DOCKER_HOST"]})
            except NoStoreEngine as why:
                pytest.skip(str(why))
        case _:
            request.getfixturevalue("engine")
            made = Real(name, folder)
    yield made
    made.close()


@pytest.fixture
def scope() -> Iterator[Scope]:
    with Scope("test") as made:
        yield made


def test_it_says_what_it_is(world: World) -> None:
    info = world.engine.info()
    assert all((info.version, info.name, info.operating_system, info.api_version))


def test_an_image_is_found_by_name_tag_and_id(world: World) -> None:
    found = world.engine.inspect(f"{world.name}:v1")
    assert found is not None
    assert found.image_id.startswith("sha256:")
    assert f"{world.name}:v1" in found.tags
    assert found.size_bytes > 0
    assert (found.os, bool(found.architecture)) == ("linux", True)
    assert world.engine.inspect(found.image_id) == found


def test_layers_are_diff_ids_base_first(world: World) -> None:
    one, two = world.engine.inspect(f"{world.name}:v1"), world.engine.inspect(f"{world.name}:v2")
    assert one is not None
    assert two is not None
    assert one.layers[:-1] == two.layers[:-1]
    assert one.layers[-1] != two.layers[-1]
    assert all(layer.startswith("sha256:") for layer in one.layers)


def test_the_config_of_an_image_names_its_layers_and_platform(world: World) -> None:
    found = world.engine.inspect(f"{world.name}:v1")
    assert found is not None
    config = json.loads(found.config)
    assert tuple(config["rootfs"]["diff_ids"]) == found.layers
    assert (config["os"], config["architecture"]) == (found.os, found.architecture)
    assert "config" in config


def test_what_is_not_there_is_none(world: World) -> None:
    assert world.engine.inspect(f"{world.name}:never") is None
    assert world.engine.inspect(f"sha256:{'0' * 64}") is None


def test_the_tags_of_a_name_say_when_they_were_given_last(world: World) -> None:
    now_s = time.time()
    before = world.engine.tagged(world.name)
    assert before.keys() >= {f"{world.name}:v1", f"{world.name}:v2"}
    assert all(now_s - 3600 < at_s < now_s + 60 for at_s in before.values())
    two = world.engine.inspect(f"{world.name}:v2")
    assert two is not None
    time.sleep(0.01)
    world.engine.tag(two.image_id, f"{world.name}:v2")
    after = world.engine.tagged(world.name)
    # podman remembers when an image was made, not when it was named.
    assert after[f"{world.name}:v2"] > before[f"{world.name}:v2"] or isinstance(world, Podman)
    assert world.engine.tagged(f"{world.name}-other") == {}


def test_a_name_is_given_moved_and_taken_away(world: World) -> None:
    one, two = world.engine.inspect(f"{world.name}:v1"), world.engine.inspect(f"{world.name}:v2")
    assert one is not None
    assert two is not None
    ref = f"{world.name}:v3"
    for image in (one, two):
        world.engine.tag(image.image_id, ref)
        named = world.engine.inspect(ref)
        assert named is not None
        assert named.image_id == image.image_id
    world.engine.untag(ref)
    assert world.engine.inspect(ref) is None
    assert world.engine.inspect(two.image_id) is not None


def test_taking_away_a_name_that_is_not_there_does_nothing(world: World) -> None:
    world.engine.untag(f"{world.name}:never")


def test_naming_what_is_not_there_fails(world: World) -> None:
    with pytest.raises(StepFailed):
        world.engine.tag(f"sha256:{'0' * 64}", f"{world.name}:v3")


def test_saved_images_are_a_tar_with_a_manifest(world: World, scope: Scope) -> None:
    refs = [f"{world.name}:v1", f"{world.name}:v2"]
    archive = b"".join(world.engine.save(scope, refs))
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        text = manifest.read().decode()
    assert all(ref in text for ref in refs)


def test_saving_what_is_not_there_fails(world: World, scope: Scope) -> None:
    with pytest.raises(StepFailed):
        b"".join(world.engine.save(scope, [f"{world.name}:never"]))


def test_cancelling_ends_a_save(world: World) -> None:
    with Scope("test") as scope:
        chunks = world.engine.save(scope, [f"{world.name}:v1"])
        next(chunks)
        scope.cancel()
        with pytest.raises(Cancelled):
            for _ in chunks:
                pass


def test_pushing_what_is_not_there_fails(world: World, scope: Scope) -> None:
    with pytest.raises(StepFailed):
        world.engine.push(scope, f"127.0.0.1:9/{world.name}:never")


def test_a_registry_is_asked_for_what_was_pushed(world: World, scope: Scope) -> None:
    ref = f"{world.registry()}/team/{world.name}:v1"
    assert world.engine.pushed(ref) is None
    world.engine.tag(f"{world.name}:v1", ref)
    digest = world.engine.push(scope, ref)
    world.engine.untag(ref)
    assert world.engine.pushed(ref) == digest
    assert world.engine.pushed(f"{ref}0") is None


def test_pulling_what_is_not_there_fails(world: World, scope: Scope) -> None:
    with pytest.raises(StepFailed):
        world.engine.pull(scope, f"127.0.0.1:9/{world.name}:never")


def test_any_name_may_have_moved_before_one_listens(world: World, scope: Scope) -> None:
    assert next(world.engine.image_events(scope)) == ""


def test_a_name_that_is_given_is_told_and_one_that_is_taken_away_is_too(world: World, scope: Scope) -> None:
    found = world.engine.inspect(f"{world.name}:v1")
    assert found is not None
    events = world.engine.image_events(scope)
    next(events)
    world.engine.tag(found.image_id, f"{world.name}:v3")
    assert f"{world.name}:v3" in events
    world.engine.untag(f"{world.name}:v3")
    assert "" in events


def test_a_name_that_a_build_gives_is_told_one_way_or_another(world: World, scope: Scope) -> None:
    events = world.engine.image_events(scope)
    next(events)
    ref = f"{world.name}:v3"
    world.build(ref)
    assert any(name in ("", ref) for name in events)
    world.engine.untag(ref)


def test_cancelling_ends_the_events(world: World) -> None:
    with Scope("test") as scope:
        events = world.engine.image_events(scope)
        next(events)
        scope.spawn("cancel", scope.cancel)
        with pytest.raises(Cancelled):
            for _ in events:
                pass


def test_containers_are_found_by_all_their_labels(world: World) -> None:
    (found,) = world.engine.containers({"devloop-test": world.name, "other": "x"})
    assert found.name == f"{world.name}-box"
    assert found.labels["devloop-test"] == world.name
    assert world.engine.containers({"devloop-test": world.name, "other": "y"}) == ()


def test_an_empty_value_asks_for_the_label_alone(world: World) -> None:
    assert [box.name for box in world.engine.containers({"devloop-test": world.name, "other": ""})] == [
        f"{world.name}-box"
    ]


def test_the_cli_is_told_how_to_reach_the_same_engine(world: World) -> None:
    assert world.engine.environment()
