"""Compose files: what becomes of each part of a service, and that nothing is dropped silently."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from devloop.errors import ConfigError, UsageError
from devloop.setup import look, plan
from devloop.setup.compose import read, records, write
from devloop.setup.plan import Decisions
from tests.setup.conftest import Plant


def composed(plant: Plant, service: str, **files: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Kind → object of the service `a`, and all that is lost."""
    text = "services:\n  a:\n" + "".join(f"    {line}\n" for line in service.strip().splitlines())
    tree = plant({"compose.yaml": text, **{name.replace("__", "/"): each for name, each in files.items()}})
    found = read.read(tree, "compose.yaml")
    texts, lost = write.manifests(tree, found, {"a": "shop/a"} if found.services[0].context else {})
    return {each["kind"]: each for each in yaml.safe_load_all(texts["a"])}, (*found.lost, *lost)


def container(objects: dict[str, Any]) -> dict[str, Any]:
    found = objects["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("service", "key", "expected"),
    [
        ("image: x:1", "image", "x:1"),
        ("build: .", "image", "shop/a"),
        ('image: x\ncommand: run "a b"', "args", ["run", "a b"]),
        ("image: x\nentrypoint: [a, b]", "command", ["a", "b"]),
        ("image: x\nenvironment: {A: 1, B: true, C: ''}", "env",
         [{"name": "A", "value": "1"}, {"name": "B", "value": "true"}, {"name": "C", "value": ""}]),
        ("image: x\nenvironment: [A=b=c, 'D=$${x}']", "env", [{"name": "A", "value": "b=c"}, {"name": "D", "value": "${x}"}]),
        ("image: x\nenvironment: ['A=${NONE:-z}', 'B=${NONE-}', 'C=${NONE:+y}']", "env",
         [{"name": "A", "value": "z"}, {"name": "B", "value": ""}, {"name": "C", "value": ""}]),
        ("image: x\nports: ['8080:80']", "ports", [{"name": "tcp-80", "containerPort": 80}]),
        ("image: x\nports: ['127.0.0.1:1:53/udp', 90]", "ports",
         [{"name": "udp-53", "containerPort": 53, "protocol": "UDP"}, {"name": "tcp-90", "containerPort": 90}]),
        ("image: x\nports: ['3000-3001:80-81']", "ports",
         [{"name": "tcp-80", "containerPort": 80}, {"name": "tcp-81", "containerPort": 81}]),
        ("image: x\nports: [{target: 80, published: '1'}]", "ports", [{"name": "tcp-80", "containerPort": 80}]),
        ("image: postgres:16", "ports", [{"name": "tcp-5432", "containerPort": 5432}]),
        ("image: x\nworking_dir: /w", "workingDir", "/w"),
        ("image: x\nuser: '5:6'", "securityContext", {"runAsUser": 5, "runAsGroup": 6}),
        ("image: x\ncap_add: [NET_ADMIN]", "securityContext", {"capabilities": {"add": ["NET_ADMIN"]}}),
        ("image: x\ndeploy: {resources: {limits: {cpus: '0.5', memory: 512m}}}", "resources",
         {"limits": {"cpu": "0.5", "memory": "512Mi"}}),
        ("image: x\nvolumes: [/cache]", "volumeMounts", [{"name": "a-0", "mountPath": "/cache"}]),
        ("image: x\nvolumes: ['data:/d:ro']", "volumeMounts", [{"name": "data", "mountPath": "/d", "readOnly": True}]),
    ],
)  # fmt: skip
def test_a_part_of_a_service_becomes_a_part_of_its_container(
    plant: Plant, service: str, key: str, expected: object
) -> None:
    objects, lost = composed(plant, service)
    assert container(objects)[key] == expected
    assert lost == ()


def test_a_health_check_is_how_it_gets_ready(plant: Plant) -> None:
    objects, _ = composed(plant, "image: x\nhealthcheck: {test: [CMD-SHELL, pg_isready]}")
    assert container(objects)["readinessProbe"]["exec"] == {"command": ["sh", "-c", "pg_isready"]}


def test_variables_come_from_the_env_file_and_never_from_this_machine(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "mine")
    objects, lost = composed(
        plant,
        "image: 'x:${TAG}'\nenv_file: [more.env]\nenvironment: [SECRET, 'A=${SECRET}']",
        **{".env": "TAG='2'\n# no\n", "more.env": "export B=c # d\n"},
    )
    assert container(objects)["image"] == "x:2"
    assert container(objects)["env"] == [{"name": "B", "value": "c"}, {"name": "A", "value": ""}]
    assert len([each for each in lost if "SECRET" in each]) == 2
    assert not any("mine" in each for each in lost)


def test_a_mounted_file_becomes_a_config_map(plant: Plant) -> None:
    objects, lost = composed(
        plant, "image: nginx\nvolumes: ['./site.conf:/etc/nginx/site.conf:ro']", **{"site.conf": "server {}\n"}
    )
    assert objects["ConfigMap"]["data"] == {"site.conf": "server {}\n"}
    assert container(objects)["volumeMounts"][0]["subPath"] == "site.conf"
    assert "edits of the file do not reach it" in lost[0]


def test_a_service_without_ports_is_found_by_its_name_all_the_same(plant: Plant) -> None:
    objects, _ = composed(plant, "image: x")
    assert objects["Service"]["spec"] == {"selector": {"app": "a"}, "clusterIP": "None"}


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("image: x\nprivileged: true", "`privileged`: not carried"),
        ("image: x\nvolumes: ['./src:/src']", "the folder src is not mounted"),
        ("build: .\nvolumes: ['./src:/src']", "an edit builds the image anew instead"),
        ("image: x\nvolumes: ['/var/run/docker.sock:/s']", "a path of this machine"),
        ("image: x\nuser: root", "Kubernetes wants a number"),
        ("image: x\nuser: '²'", "Kubernetes wants a number"),
        ("image: x\nrestart: on-failure", "make it a Job"),
        ("image: x\ndepends_on: {b: {condition: service_completed_successfully}}", "make it a Job"),
        ("image: x\nports: ['a:b']", "cannot be read"),
        ("image: x\nports: [{target: [80]}]", "cannot be read"),
        ("image: x\nports: [{target: 80800}]", "cannot be read"),
        ("build: {context: ., ssh: [default]}", "`build.ssh`: not carried"),
        ("image: x\ndeploy: {placement: {}}", "`deploy.placement`: not carried"),
        ("image: x\nenv_file: none.env", "is not there"),
    ],
)
def test_what_cannot_be_carried_is_told(plant: Plant, service: str, words: str) -> None:
    _, lost = composed(plant, service)
    assert any(words in each for each in lost), lost


def test_a_volume_of_two_services_is_claimed_once(plant: Plant) -> None:
    text = "services:\n  a: {image: x, volumes: ['d:/d']}\n  b: {image: x, volumes: ['d:/d']}\n"
    tree = plant({"compose.yaml": text})
    texts, _ = write.manifests(tree, read.read(tree, "compose.yaml"), {})
    assert [each.count("kind: PersistentVolumeClaim") for each in texts.values()] == [1, 0]


@pytest.mark.parametrize("text", ["a: [", "a: 1", "", "services: []", "services: {}", "a: " + "[" * 5000])
def test_a_file_that_is_no_composition_is_said_with_its_place(plant: Plant, text: str) -> None:
    tree = plant({"compose.yaml": text})
    with pytest.raises(ConfigError) as caught:
        plan.make(tree, look.look(tree), Decisions())
    assert caught.value.problems[0].file == "compose.yaml"


@pytest.mark.parametrize(
    ("context", "words"), [("./none", "not in this folder"), ("../other", "outside of this folder")]
)
def test_a_build_without_a_dockerfile_is_said(plant: Plant, context: str, words: str) -> None:
    tree = plant({"compose.yaml": f"services: {{a: {{build: {context}}}}}\n"})
    with pytest.raises(UsageError, match=words):
        plan.make(tree, look.look(tree), Decisions())


def test_services_that_wait_for_each_other_are_said(plant: Plant) -> None:
    tree = plant({"compose.yaml": "services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}\n"})
    with pytest.raises(UsageError, match="wait for each other: "):
        plan.make(tree, look.look(tree), Decisions())


@pytest.mark.parametrize(("name", "expected"), [("a_b", "a-b"), ("1", "service-1"), ("é", "service"), ("web", "web")])
def test_a_services_name_becomes_one_that_kubernetes_takes(name: str, expected: str) -> None:
    assert records.object_name(name) == expected
