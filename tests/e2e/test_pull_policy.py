"""`imagePullPolicy` of images that are nowhere but on the nodes, and of those that nodes pull from a registry."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from tests.e2e.driver import Completed, Devloop, Event
from tests.e2e.kube import Kubectl
from tests.e2e.local_registry import LocalRegistry
from tests.e2e.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / tmp_path.name)


def asks(project: Project, policy: str) -> None:
    manifest = project.manifest().replace("          image:", f"          imagePullPolicy: {policy}\n          image:")
    assert policy in manifest
    project.write("k8s/web.yaml", manifest)


def warnings(events: tuple[Event, ...]) -> list[Event]:
    return [each for each in events if each["kind"] == "notice" and "imagePullPolicy" in each["message"]]


def applied(kubectl: Kubectl) -> tuple[str, str]:
    deployment = kubectl.get("deployment", "web")
    assert deployment
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return container["imagePullPolicy"], container["image"]


def test_always_would_find_nothing_so_it_is_not_asked_for_and_that_is_said_once(
    devloop: Devloop, project: Project, kubectl: Kubectl
) -> None:
    asks(project, "Always")
    dev = devloop.at(project.folder).start("dev")
    dev.wait_event(kind="update", update=1, state="ready")
    assert applied(kubectl)[0] == "IfNotPresent"
    project.edit("second")
    dev.wait_event(kind="update", update=2, state="ready")
    assert applied(kubectl)[0] == "IfNotPresent"
    (warning,) = warnings(dev.events)
    assert warning["message"].startswith("deployment/web: imagePullPolicy Always of container web is applied as IfNot")
    assert warning["where"].startswith("k8s/web.yaml:")
    assert "leave imagePullPolicy out" in warning["hint"]


def test_never_stays_as_it_is(devloop: Devloop, project: Project, kubectl: Kubectl) -> None:
    asks(project, "Never")
    done = devloop.at(project.folder).run("run")
    assert done.code == 0
    assert applied(kubectl)[0] == "Never"
    assert warnings(done.events) == []


def test_an_image_in_a_registry_may_always_be_pulled(
    devloop: Devloop, project: Project, kubectl: Kubectl, registry: LocalRegistry
) -> None:
    project.edit(f"{uuid.uuid4()}")  # no other test may load what this one has a kubelet pull (KEP-2535)
    asks(project, "Always")
    project.write("devloop.yaml", project.config(f"cluster:\n  registry: {registry.host}\n"))
    there = devloop.at(project.folder)
    done = there.run("run")
    assert done.code == 0, done.stdout
    policy, image = applied(kubectl)
    assert policy == "Always"
    assert image.startswith(f"{registry.host}/{project.image('web')}:")
    assert "@sha256:" in image
    assert warnings(done.events) == []

    rendered = there.run("render", as_json=False)
    assert "imagePullPolicy: Always" in rendered.stdout
    before = kubectl.snapshot()
    again: Completed = there.run("run")
    assert again.code == 0
    assert kubectl.snapshot() == before
