"""Wrong input: one clear message with its place and what to do next, exit 2 or 1, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.driver import Completed, Devloop
from tests.e2e.project import Project

TWO = "    - image: a/x\n    - image: a/x\n"
CYCLE = "    - {image: a/x, requires: [{image: a/y}]}\n    - {image: a/y, requires: [{image: a/x}]}\n"
HEAD = "apiVersion: devloop/v1\nbuild:\n  artifacts:\n"

# Name → devloop.yaml, and words that its message has to have.
CONFIGS = {
    "bad YAML": ("apiVersion: devloop/v1\nbuild: [\n", ("devloop.yaml:",)),
    "unknown field": (HEAD + "    - {image: a/x, contxt: .}\n", ("devloop.yaml:4:", "contxt", "context")),
    "wrong type": (HEAD + "    - {image: a/x, requires: 3}\n", ("devloop.yaml:4:", "requires")),
    "two of one name": (HEAD + TWO, ("devloop.yaml:5:", "a/x")),
    "cycle in requires": (HEAD + CYCLE, ("a/x → a/y", "devloop.yaml:")),
    "cycle in needs": (
        "apiVersion: devloop/v1\ndeploy:\n  - {name: a, needs: [b], manifests: [k.yaml]}\n  - {name: b, needs: [a], manifests: [k.yaml]}\n",
        ("a → b", "devloop.yaml:"),
    ),
    "no Dockerfile": (HEAD + "    - {image: a/x, context: empty}\n", ("devloop.yaml:4:", "Dockerfile")),
    "nothing": ("apiVersion: devloop/v1\n", ("nothing to",)),
    "another tool's": ("apiVersion: werf/v1\nproject: a\n", ("`werf/v1`", "devloop/v1")),
}


def check(done: Completed, code: int, *words: str) -> None:
    said = done.stdout + done.stderr
    assert done.code == code, said
    for word in words:
        assert word in said
    assert "Traceback" not in said
    assert "next: " in said or code == 2


@pytest.mark.parametrize("command", ["run", "dev", "build", "render"])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_wrong_config_is_explained(name: str, command: str, bare_devloop: Devloop, tmp_path: Path) -> None:
    text, words = CONFIGS[name]
    (tmp_path / "devloop.yaml").write_text(text)
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "k.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: k}\n")
    (tmp_path / "empty").mkdir()
    check(bare_devloop.run(command, as_json=False, timeout_s=20), 2, *words)


def test_a_missing_config_says_how_to_begin(bare_devloop: Devloop) -> None:
    check(bare_devloop.run("run", as_json=False), 2, "devloop.yaml", "apiVersion: devloop/v1")


def test_an_unknown_option_is_exit_2(bare_devloop: Devloop) -> None:
    check(bare_devloop.run("run", "--bogus", as_json=False), 2, "--bogus")


def test_no_such_context_lists_those_that_are(devloop: Devloop, tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    done = devloop.at(project.folder).run("run", "--context", devloop.context[:-1], as_json=False)
    check(done, 2, devloop.context, "did you mean")


def test_an_unreachable_cluster_is_said_as_such(bare_devloop: Devloop, tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    config = tmp_path / "kubeconfig"
    config.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: nowhere\n"
        "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n"
        "users: [{name: u, user: {token: t}}]\ncontexts: [{name: nowhere, context: {cluster: c, user: u}}]\n"
    )
    for command in ("run", "dev", "delete"):
        done = bare_devloop.at(project.folder).run(
            command, as_json=False, env={"KUBECONFIG": str(config)}, timeout_s=20
        )
        check(done, 1, "https://127.0.0.1:1", "nowhere", "refused")


def test_an_unreachable_engine_is_said_as_such(devloop: Devloop, tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    for command in ("run", "build"):
        done = devloop.at(project.folder).run(
            command, as_json=False, env={"DOCKER_HOST": f"unix://{tmp_path}/no.sock"}, timeout_s=20
        )
        check(done, 1, "no.sock", "docker info")


def test_a_missing_namespace_says_how_to_make_it(devloop: Devloop, tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    done = devloop.at(project.folder).run("run", "--namespace", "not-there", as_json=False)
    check(done, 1, "not-there", "kubectl create namespace")


def test_errors_are_events_with_output_json(devloop: Devloop, tmp_path: Path) -> None:
    (tmp_path / "devloop.yaml").write_text(HEAD + "    - {image: a/x, contxt: .}\n    - {image: a/y, contxt: .}\n")
    done = devloop.run("run")
    assert done.code == 2
    assert len(done.of(kind="error")) >= 2
    assert done.events[-1] == {**done.events[-1], "kind": "session", "state": "ended", "exit_code": 2}


@pytest.mark.parametrize("name", ["Shop", "a b", "-a", "a" * 33])
def test_a_name_that_no_cluster_can_have_is_explained(name: str, bare_devloop: Devloop) -> None:
    check(bare_devloop.run("cluster", "create", "--", name, as_json=False), 2, "cannot be the name", "lower-case")


@pytest.mark.parametrize("command", [("create",), ("status",), ("delete", "shop")], ids=lambda each: each[0])
def test_without_kind_and_k3d_it_says_what_is_missing(
    command: tuple[str, ...], bare_devloop: Devloop, tmp_path: Path
) -> None:
    done = bare_devloop.run("cluster", *command, as_json=False, env={"PATH": str(tmp_path)})
    check(done, 2, "neither kind nor k3d is installed", "https://kind.sigs.k8s.io")


@pytest.mark.parametrize("wrong", [("--workers", "-1"), ("--workers", "x"), ("--tool", "minikube")], ids=" ".join)
def test_an_option_of_a_cluster_that_makes_no_sense_is_exit_2(wrong: tuple[str, str], bare_devloop: Devloop) -> None:
    check(bare_devloop.run("cluster", "create", *wrong, as_json=False), 2, wrong[0])
