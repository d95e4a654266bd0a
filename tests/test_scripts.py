"""The decisions of scripts/test and scripts/check, in a folder where every program that they call is a stand-in.

The stand-ins write down how they were called. What the scripts do for real is shown by running them, which CI does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OK = "exit 0"
# Says which python it was asked for what; `-c` is asked for whether it works.
PYTHON = 'case "$*" in "-m pytest"*) note pytest "$*"; exit "${PYTEST_CODE:-0}";; *) exit 0;; esac'
NOTE = """#!/usr/bin/env bash
note() {{ printf '%s\\n' "$* context=${{DEVLOOP_TEST_CONTEXT:-}} required=${{DEVLOOP_TEST_REQUIRE_CLUSTER:-}}" \
"no_cluster=${{DEVLOOP_TEST_NO_CLUSTER:-}} kubeconfig=${{KUBECONFIG:-}}" | paste -sd' ' >> "{calls}"; }}
{text}
"""


@dataclass
class Place:
    """A copy of the scripts, a fresh-looking environment, and a PATH that begins with the stand-ins."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def stand_in(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(NOTE.format(calls=self.root / "calls", text=text))
        path.chmod(0o755)

    def run(self, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"HOME": str(self.root), "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", **variables}
        return subprocess.run(
            ["bash", *argv], cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=60
        )

    def test(self, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.root / "scripts" / "test"), *args, **variables)

    @property
    def calls(self) -> list[str]:
        path = self.root / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def pytest_call(self) -> str:
        (call,) = [call for call in self.calls if call.startswith("pytest ")]
        return call


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A machine without an engine, where we are not root: no cluster is possible."""
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts")
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    place = Place(tmp_path)
    for tool in ("ruff", "mypy"):
        place.stand_in(f".venv/bin/{tool}", OK)
    place.stand_in(".venv/bin/python", PYTHON)
    place.stand_in("bin/docker", "exit 1")
    place.stand_in("bin/id", "echo 1000")
    place.stand_in("tests/testbed/up", "note up; exit 1")
    made = place.run("-c", f'. "{tmp_path}/scripts/lib.sh" && venv_key > .venv/.devloop-stamp')
    assert made.returncode == 0, made.stderr
    return place


def test_without_a_possible_cluster_it_is_not_complete_and_says_why_last(place: Place) -> None:
    done = place.test()
    assert done.returncode == 1
    assert "required= no_cluster=no kind with a Docker engine here" in place.pytest_call()
    last = done.stderr.splitlines()[-2:]
    assert "NOT COMPLETE: the end-to-end tests were skipped: no kind" in last[0]
    assert "DEVLOOP_TEST_CONTEXT" in last[1]


def test_being_content_without_a_cluster_is_green_and_silent_after_pytest(place: Place) -> None:
    done = place.test("--no-cluster", "-k", "some words", "tests/e2e")
    assert done.returncode == 0
    assert place.pytest_call().startswith("pytest -m pytest -k some words tests/e2e context= ")
    assert "no_cluster=--no-cluster was given" in place.pytest_call()
    assert done.stderr.splitlines()[-1] == "scripts/check: generated files: ok"


def test_fast_leaves_out_engine_and_cluster(place: Place) -> None:
    assert place.test("--fast").returncode == 0
    assert "pytest -m pytest -m not docker and not cluster context=" in place.pytest_call()


def test_failures_and_an_empty_run_are_failures(place: Place) -> None:
    assert place.test("--fast", PYTEST_CODE="1").returncode == 1
    empty = place.test("--fast", PYTEST_CODE="5")
    assert empty.returncode == 5
    assert "no test was run" in empty.stderr


def test_a_failing_check_ends_it_before_the_tests_and_names_all_that_failed(place: Place) -> None:
    place.stand_in(".venv/bin/mypy", "echo bad type; exit 1")
    place.stand_in(".venv/bin/ruff", "case $1 in format) exit 0;; *) echo bad line; exit 1;; esac")
    done = place.test("--fast")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "scripts/check: failed: lint types"
    assert done.stdout.splitlines() == ["bad line", "bad type"]
    assert place.calls == []


def test_a_named_context_is_used_and_has_to_answer(place: Place) -> None:
    place.stand_in("bin/kubectl", 'note kubectl "$*"; [ "$2" = good ]')
    assert place.test(DEVLOOP_TEST_CONTEXT="good").returncode == 0
    assert "context=good required=1 no_cluster= " in place.pytest_call()
    bad = place.test(DEVLOOP_TEST_CONTEXT="bad")
    assert bad.returncode == 1
    assert bad.stderr.splitlines()[-1] == "scripts/test: the cluster of context bad does not answer"


def test_where_kind_is_installed_a_cluster_of_our_own_is_made_beside_the_users(place: Place) -> None:
    place.stand_in("bin/docker", OK)
    place.stand_in("bin/kubectl", OK)
    place.stand_in("bin/kind", 'note kind "$*"; case "$*" in "get clusters") echo mine;; esac')
    done = place.test()
    assert done.returncode == 0
    assert "kind create cluster --name devloop-test" in done.stderr
    config = place.root / ".cache/devloop-testbed/devloop-test.kubeconfig"
    made = [call for call in place.calls if call.startswith("kind create")]
    assert [f"--name devloop-test --kubeconfig {config}" in call for call in made] == [True]
    assert f"context=kind-devloop-test required=1 no_cluster= kubeconfig={config}" in place.pytest_call()


def test_the_cluster_that_kind_made_last_time_is_used_again(place: Place) -> None:
    place.stand_in("bin/docker", OK)
    place.stand_in("bin/kubectl", OK)
    place.stand_in("bin/kind", 'note kind "$*"; case "$*" in "get clusters") echo devloop-test;; esac')
    assert place.test().returncode == 0
    assert not [call for call in place.calls if call.startswith("kind create")]
    assert "context=kind-devloop-test required=1" in place.pytest_call()


def test_a_kind_that_can_make_no_cluster_is_a_reason(place: Place) -> None:
    place.stand_in("bin/docker", OK)
    place.stand_in("bin/kubectl", "exit 1")
    place.stand_in("bin/kind", 'case "$*" in "get clusters") exit 0;; *) exit 1;; esac')
    done = place.test()
    assert done.returncode == 1
    assert "skipped: kind create cluster --name devloop-test gave no cluster" in done.stderr


@pytest.mark.skipif(
    not Path("/etc/debian_version").exists() or not shutil.which("apt-get"), reason="the test bed is Debian's"
)
@pytest.mark.parametrize("is_up", [True, False])
def test_on_debian_as_root_the_test_bed_is_brought_up(place: Place, is_up: bool) -> None:
    place.stand_in("bin/id", "echo 0")
    place.stand_in("bin/go", OK)
    up = "echo 'export PATH=/bed/bin:$PATH KUBECONFIG=/bed/kubeconfig'" if is_up else "exit 1"
    place.stand_in("tests/testbed/up", f'note up "$*"; [ "$1" != --plan ] || exit 0; {up}')
    done = place.test()
    assert [call.split(" context=")[0] for call in place.calls][:2] == ["up --plan --all", "up --all"]
    if is_up:
        assert done.returncode == 0
        assert "context=kind-devloop required=1 no_cluster= kubeconfig=/bed/kubeconfig" in place.pytest_call()
    else:
        assert done.returncode == 1
        assert "NOT COMPLETE: the end-to-end tests were skipped: the test bed did not come up" in done.stderr
        assert "required= no_cluster=the test bed did not come up" in place.pytest_call()


def test_ci_runs_the_tests_with_no_standard_input(place: Place) -> None:
    done = subprocess.run(
        ["bash", "-c", f'exec bash "{place.root}/.ci/run" --fast <&-'],
        env={"HOME": str(place.root), "PATH": f"{place.root / 'bin'}:{os.environ['PATH']}", "CI": "true"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert place.pytest_call()
