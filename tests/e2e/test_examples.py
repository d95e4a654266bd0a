"""Every example, on the real engine and cluster: deployed, answered over HTTP, and left alone when nothing changed."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl
from tests.e2e.web import eventually, http_get

# Example → its ports on this machine and what answers there.
EXAMPLES = {
    "getting-started": {8080: "Hello from devloop!"},
    "kustomize": {18081: ""},
    "helm": {18082: ""},
    "helm-release": {18087: ""},
    "chain": {18093: "Readings"},
    "custom-builder": {18083: ""},
    "custom-renderer": {18091: "Eggs", 18092: "Soup"},
    "ko": {18086: "Hello from ko!"},
    "modules": {18094: "Menu", 18095: "cake"},
    "multi": {18084: "", 18085: ""},
    "profiles": {18094: "Hello, everybody!"},
    "tests": {18090: "Hello, stranger!"},
}

COLD_S = 240  # with nothing in its cache, Go compiles its library first
NEEDS = {"helm-release": ("helm",), "ko": ("go", "ko")}


@pytest.mark.parametrize("example", EXAMPLES)
def test_run_deploys_it_and_a_second_run_writes_nothing(
    example: str, devloop: Devloop, kubectl: Kubectl, workdir: Callable[[str], Path]
) -> None:
    for program in NEEDS.get(example, ()):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    there = devloop.at(workdir(example))
    first = there.run("run", timeout_s=COLD_S)
    assert first.code == 0, first.stdout + first.stderr
    pods = kubectl.pod_uids()
    assert pods
    assert all(_is_ready(pod) for pod in kubectl.list("pods") if not pod["metadata"].get("deletionTimestamp"))
    before = settled(kubectl)

    second = there.run("run")
    assert second.code == 0, second.stdout + second.stderr
    assert kubectl.pod_uids() == pods
    assert settled(kubectl) == before
    assert second.events[-1]["images"] == first.events[-1]["images"]
    assert {event["state"] for event in second.of(step="build")} <= {"started", "skipped"}

    dev = there.start("dev")
    dev.wait_event(kind="update", state="ready")
    for port, text in EXAMPLES[example].items():
        assert text in http_get(port).text
    assert kubectl.pod_uids() == pods
    dev.interrupt()
    assert dev.wait().code == 130
    kubectl.wait_gone()


def settled(kubectl: Kubectl) -> dict[str, str]:
    """A snapshot once the cluster's own controllers have written their last word."""

    def twice() -> dict[str, str]:
        once = kubectl.snapshot()
        time.sleep(1.5)
        return once if kubectl.snapshot() == once else {}

    return eventually(twice)


def _is_ready(pod: dict[str, object]) -> bool:
    status = pod["status"]
    assert isinstance(status, dict)
    return any(each["type"] == "Ready" and each["status"] == "True" for each in status["conditions"])
