"""Build options as words of the command line, and what they do to a real build."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devloop.build import options
from devloop.build.docker import DockerBuilder
from devloop.config import model
from devloop.effects import docker
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed
from devloop.scope import Scope
from devloop.stages import BuildJob, Tools

EVERYTHING = model.Docker(
    target="two",
    labels={"a": "1", "b": "x y"},
    ssh=("default",),
    network="none",
    add_hosts=("db:10.0.0.1",),
    cache_from=("type=registry,ref=r/c",),
    cache_to=("type=inline",),
    no_cache=True,
    platforms=("linux/arm64",),
    flags=("--ulimit=nofile=64",),
)


def test_every_option_has_its_words(tmp_path: Path) -> None:
    assert options.words(EVERYTHING, {"A": "1"}, tmp_path, is_buildx=True) == (
        *(
            "--target",
            "two",
            "--build-arg",
            "A=1",
            "--platform",
            "linux/arm64",
            "--label",
            "a=1",
            "--label",
            "b=x y",
            "--ssh",
            "default",
        ),
        *("--network", "none", "--add-host", "db:10.0.0.1", "--cache-from", "type=registry,ref=r/c"),
        *("--cache-to", "type=inline", "--no-cache", "--ulimit=nofile=64"),
    )
    assert options.words(model.Docker(), {}, tmp_path, is_buildx=False) == ()


def test_secrets_are_named_by_file_or_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("x")
    monkeypatch.setenv("TOKEN", "x")
    spec = model.Docker(secrets=(model.Secret("one", file="token"), model.Secret("two", env="TOKEN")))
    assert options.words(spec, {}, tmp_path, is_buildx=True) == (
        *("--secret", f"id=one,src={tmp_path / 'token'}", "--secret", "id=two,env=TOKEN"),
    )


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (model.Secret("one", file="nothing"), "the secret one is not there"),
        (model.Secret("one", env="DEVLOOP_TEST_UNSET"), "the variable DEVLOOP_TEST_UNSET is not set"),
    ],
    ids=["file", "variable"],
)
def test_a_secret_that_is_not_there_is_told(tmp_path: Path, secret: model.Secret, words: str) -> None:
    with pytest.raises(StepFailed, match=words) as told:
        options.words(model.Docker(secrets=(secret,)), {}, tmp_path, is_buildx=True)
    assert told.value.hint


@pytest.mark.parametrize("spec", [model.Docker(cache_to=("type=inline",)), model.Docker(builder="mine")])
def test_what_only_buildx_can_do_is_told_without_it(tmp_path: Path, spec: model.Docker) -> None:
    with pytest.raises(StepFailed, match="needs docker buildx"):
        options.words(spec, {}, tmp_path, is_buildx=False)


@pytest.mark.parametrize(
    ("spec", "environment", "expected"),
    [
        (model.Docker(), {}, None),
        (model.Docker(), {"DOCKER_DEFAULT_PLATFORM": "linux/arm64"}, "linux/arm64"),
        (model.Docker(platforms=("linux/amd64",)), {"DOCKER_DEFAULT_PLATFORM": "linux/arm64"}, "linux/amd64"),
        (model.Docker(platforms=("linux/b", "linux/a")), {}, "linux/a,linux/b"),
        (model.Docker(builder="far"), {}, "that of the builder far"),
        (model.Docker(), {"BUILDX_BUILDER": "far"}, "that of the builder far"),
        (model.Docker(builder="far", platforms=("linux/amd64",)), {}, "linux/amd64"),
    ],
)
def test_what_is_built_for_is_said_where_it_is_not_the_engines_own(
    spec: model.Docker, environment: dict[str, str], expected: str | None
) -> None:
    assert options.platform(spec, environment) == expected


def test_only_what_alters_the_image_decides() -> None:
    same = (
        {"cache_from": ("x",), "cache_to": ("x",), "no_cache": True, "builder": "x", "ssh": ("default",)},
        {"secrets": (model.Secret("a", env="A"),)},
    )
    other = (
        {"labels": {"a": "1"}},
        {"network": "none"},
        {"add_hosts": ("a:1.2.3.4",)},
        {"flags": ("-q",)},
        {"target": "x"},
    )
    plain = options.values(model.Docker())
    assert all(options.values(replace(model.Docker(), **each)) == plain for each in same)
    found = [options.values(replace(model.Docker(), **each)) for each in other]
    assert len({plain, *found}) == len(other) + 1


# On the real engine


@pytest.fixture
def build(engine: str, tmp_path: Path) -> Iterator[Callable[[str, model.Docker], dict[str, str]]]:
    """A function: a RUN instruction and options → what the instruction wrote to /out, and the image's labels."""
    processes = RealProcesses()
    tools = Tools(processes, docker.connect(None, processes))
    ref = f"devloop-test/{uuid.uuid4().hex[:8]}:1"

    def run(instruction: str, spec: model.Docker) -> dict[str, str]:
        (tmp_path / "Dockerfile").write_text(f"FROM busybox:1.37\n{instruction}\n")
        job = BuildJob(model.Artifact("a/b", docker=spec), tmp_path, ref, {})
        image_id = DockerBuilder().build(Scope(), job, tools)
        asked = ["docker", "image", "inspect", "--format", "{{json .Config.Labels}}", image_id]
        labels = processes.run(Scope(), asked).stdout.strip()
        written = processes.run(Scope(), ["docker", "run", "--rm", "--network=none", image_id, "cat", "/out"]).stdout
        processes.run(Scope(), ["docker", "rmi", image_id])
        return {"out": written, "labels": labels}

    yield run
    tools.engine.untag(ref)


def test_labels_hosts_and_network_reach_the_build(build: Callable[[str, model.Docker], dict[str, str]]) -> None:
    spec = model.Docker(labels={"shop": "a b"}, add_hosts=("db.example:10.9.8.7",), network="none")
    found = build("RUN cat /etc/hosts > /out; ls /sys/class/net >> /out", spec)
    assert found["labels"] == '{"shop":"a b"}'
    assert "10.9.8.7" in found["out"]
    assert found["out"].split()[-1] == "lo"


def test_a_secret_is_seen_by_its_instruction_and_in_no_layer(
    build: Callable[[str, model.Docker], dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("of file")
    monkeypatch.setenv("DEVLOOP_TEST_TOKEN", "of variable")
    spec = model.Docker(secrets=(model.Secret("one", file="token"), model.Secret("two", env="DEVLOOP_TEST_TOKEN")))
    read = "cat /run/secrets/one /run/secrets/two | wc -c > /out; ! grep -r variable /etc"
    found = build(f"RUN --mount=type=secret,id=one --mount=type=secret,id=two {read}", spec)
    assert int(found["out"]) == len("of file" + "of variable")


def test_an_image_for_another_platform_is_loaded(engine: str, tmp_path: Path) -> None:
    processes = RealProcesses()
    tools = Tools(processes, docker.connect(None, processes))
    (tmp_path / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY of-$TARGETARCH /\n")
    (tmp_path / "of-arm64").touch()
    artifact = model.Artifact("a/b", docker=model.Docker(platforms=("linux/arm64",)))
    inputs = DockerBuilder({}).inputs(Scope(), artifact, tmp_path, tools)
    assert (("platform", "linux/arm64") in inputs.values, inputs.is_for_engine) == (True, False)
    found = tools.engine.inspect(DockerBuilder().build(Scope(), BuildJob(artifact, tmp_path, "a/b:1", {}), tools))
    assert found is not None
    assert (found.os, found.architecture) == ("linux", "arm64")
    tools.engine.untag(found.image_id)


def test_without_cache_everything_runs_again(build: Callable[[str, model.Docker], dict[str, str]]) -> None:
    instruction = "RUN cat /proc/sys/kernel/random/uuid > /out"
    first, second = (build(instruction, model.Docker())["out"] for _ in range(2))
    assert first == second
    assert build(instruction, model.Docker(no_cache=True))["out"] != first
