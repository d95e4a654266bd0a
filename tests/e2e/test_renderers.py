"""Edits of what renderers read go live, on the examples: only what they change rolls, and nothing is built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl
from tests.e2e.web import http_get

Copy = Callable[[str], Path]


def test_a_line_more_for_a_custom_renderer_is_one_deployment_more(
    devloop: Devloop, kubectl: Kubectl, workdir: Copy
) -> None:
    folder = workdir("custom-renderer")
    dev = devloop.at(folder).start("dev")
    dev.wait_event(kind="update", update=1, state="ready")
    before = kubectl.pod_uids("app=supper")
    services = folder / "services.txt"
    services.write_text("breakfast Porridge\nsupper Soup and bread\ntea Scones\n")
    dev.wait_event(kind="update", update=2, state="ready", timeout_s=90)
    assert "Porridge" in http_get(18091).text
    assert kubectl.pod_uids("app=supper") == before
    assert kubectl.get("deployment", "tea")
    services.write_text("breakfast Porridge\nsupper Soup and bread\n")
    dev.wait_event(kind="update", update=3, state="ready", timeout_s=90)
    kubectl.wait_gone("deployment", "tea")


def test_both_ends_of_a_chain_are_followed_and_a_broken_one_is_told(
    devloop: Devloop, kubectl: Kubectl, workdir: Copy
) -> None:
    folder = workdir("chain")
    dev = devloop.at(folder).start("dev")
    dev.wait_event(kind="update", update=1, state="ready")
    (folder / "overlay/title.env").write_text("TITLE=Evening readings\n")
    dev.wait_event(kind="update", update=2, state="ready", timeout_s=90)
    assert "Evening readings" in http_get(18093).text
    values = folder / "chart/values.yaml"
    values.write_text(values.read_text().replace("replicas: 2", "replicas: 1"))
    dev.wait_event(kind="update", update=3, state="ready", timeout_s=90)
    deployment = kubectl.get("deployment", "readings")
    assert deployment
    assert deployment["spec"]["replicas"] == 1
    patch = folder / "overlay/title.yaml"
    patch.write_text(patch.read_text().replace("name: readings", "name: reading"))
    failed = dev.wait_event(kind="step", step="render", state="failed")
    assert "no matches for Id" in failed["error"]
    assert failed["where"] == "overlay/kustomization.yaml"
    assert {event["state"] for event in dev.events if event.get("step") == "build" and event["update"] > 1} <= {
        "skipped"
    }
