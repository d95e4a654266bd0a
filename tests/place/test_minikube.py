"""What only minikube knows: its engine, and its own way of loading images."""

from __future__ import annotations

import json

import pytest

from devloop.errors import StepFailed, Unavailable
from devloop.place.minikube import MinikubePlacer, engine_environment, runtime
from devloop.products import Image
from devloop.scope import Scope
from devloop.stages import Tools
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import Call, FakeProcesses, Reply

PROFILES = json.dumps(
    {
        "invalid": [],
        "valid": [
            {"Name": "minikube", "Config": {"KubernetesConfig": {"ContainerRuntime": "docker"}}},
            {"Name": "other", "Config": {"KubernetesConfig": {"ContainerRuntime": "containerd"}}},
        ],
    }
)
DOCKER_ENV = "DOCKER_TLS_VERIFY=1\nDOCKER_HOST=tcp://192.168.49.2:2376\nDOCKER_CERT_PATH=/h/.minikube/certs\nMINIKUBE_ACTIVE_DOCKERD=minikube\n"


@pytest.fixture
def minikube() -> FakeProcesses:
    fake = FakeProcesses()
    fake.when("minikube", "profile", "list", stdout=PROFILES)
    fake.when("minikube", "--profile", "minikube", "docker-env", stdout=DOCKER_ENV)
    return fake


def test_a_minikube_profile_with_docker_brings_its_engine(minikube: FakeProcesses) -> None:
    with Scope("test") as scope:
        assert engine_environment(scope, "minikube", minikube) == {
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_HOST": "tcp://192.168.49.2:2376",
            "DOCKER_CERT_PATH": "/h/.minikube/certs",
        }


@pytest.mark.parametrize("context", ["other", "prod", "kind-devloop"])
def test_another_context_brings_none(minikube: FakeProcesses, context: str) -> None:
    with Scope("test") as scope:
        assert engine_environment(scope, context, minikube) == {}


def test_a_kind_context_asks_nobody(minikube: FakeProcesses) -> None:
    with Scope("test") as scope:
        engine_environment(scope, "kind-devloop", minikube)
    assert minikube.calls == []


def test_without_minikube_nothing_is_run() -> None:
    with Scope("test") as scope:
        assert engine_environment(scope, "minikube", FakeProcesses()) == {}


@pytest.mark.parametrize("said", ["", "no profiles found", "{}", '{"valid": null}', "[]"])
def test_minikube_without_profiles_brings_none(said: str) -> None:
    fake = FakeProcesses()
    fake.when("minikube", "profile", "list", stdout=said, code=14)
    with Scope("test") as scope:
        assert engine_environment(scope, "minikube", fake) == {}


def test_a_stopped_minikube_is_an_outage(minikube: FakeProcesses) -> None:
    minikube.when(
        "minikube", "--profile", "minikube", "docker-env", stderr="The control-plane node is not running\n", code=83
    )
    with Scope("test") as scope, pytest.raises(Unavailable) as caught:
        engine_environment(scope, "minikube", minikube)
    assert caught.value.hint is not None
    assert "minikube start" in caught.value.hint


@pytest.mark.parametrize(("context", "what"), [("minikube", "docker"), ("other", "containerd"), ("prod", "")])
def test_a_profile_has_a_runtime(minikube: FakeProcesses, context: str, what: str) -> None:
    with Scope("test") as scope:
        assert runtime(scope, context, minikube) == what


class Machine:
    """A profile in a virtual machine. `loses`: it says that it loaded an image, and did not."""

    def __init__(self) -> None:
        self.processes = FakeProcesses()
        self.images: list[str] = ["registry.k8s.io/pause:3.10"]
        self.loses = False
        self.processes.when("minikube", "--profile", "vm", "image", "ls", does=lambda _: Reply("\n".join(self.images)))
        self.processes.when("minikube", "--profile", "vm", "image", "load", does=self._load)
        self.engine = FakeEngine()
        self.image = Image("shop/api", "shop/api:1", self.engine.add("shop/api:1", [{"a": b"1"}]))

    def place(self) -> tuple[str, bool]:
        with Scope("test") as scope:
            placed, was_sent = MinikubePlacer("vm").place(scope, self.image, Tools(self.processes, self.engine))
        assert placed.ref == self.image.ref
        return placed.way, was_sent

    def _load(self, call: Call) -> Reply:
        assert call.argv[-2] == "--daemon"
        assert self.engine.inspect(call.argv[-1])
        if not self.loses:
            self.images.append(f"docker.io/{call.argv[-1]}")
        return Reply()


def test_an_image_is_loaded_once_by_minikube() -> None:
    machine = Machine()
    assert machine.place() == ("in full, by minikube image load", True)
    assert machine.place() == ("on the node already", False)
    assert len(machine.processes.called("minikube", "--profile", "vm", "image", "load")) == 1


def test_a_load_that_only_pretends_is_a_failure() -> None:
    machine = Machine()
    machine.loses = True
    with pytest.raises(StepFailed, match="left no image") as caught:
        machine.place()
    assert caught.value.hint
    assert "minikube --profile vm status" in caught.value.hint


def test_minikubes_own_words_are_the_failure() -> None:
    machine = Machine()
    machine.processes.when("minikube", "--profile", "vm", "image", "load", stderr="X Exiting: no space left\n", code=80)
    with pytest.raises(StepFailed, match="minikube --profile vm image load") as caught:
        machine.place()
    assert "no space left" in caught.value.evidence[-1]


def test_what_minikube_has_is_left_to_the_kubelet() -> None:
    machine = Machine()
    with Scope("test") as scope:
        assert not MinikubePlacer("vm").tidy(scope, ["shop/api:1"], Tools(machine.processes, machine.engine))
    assert machine.processes.calls == []
