"""Two units that render the same object: said with both places, nothing of the second one written, mended in either of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl

CONFIG = """\
apiVersion: devloop/v1
metadata: {name: rivals}
deploy:
  - {name: one, manifests: [one.yaml]}
  - {name: two, manifests: [two.yaml]}
"""


def config_map(name: str, value: str) -> str:
    return f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{value: {value!r}}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "devloop.yaml").write_text(CONFIG)
    (tmp_path / "one.yaml").write_text(config_map("mine", "1") + config_map("shared", "of one"))
    (tmp_path / "two.yaml").write_text(config_map("yours", "1") + config_map("shared", "of two"))
    return tmp_path


def test_run_names_the_object_and_both_places_and_writes_nothing_of_the_second(
    devloop: Devloop, project: Path, kubectl: Kubectl
) -> None:
    done = devloop.at(project).run("run")
    assert done.code == 1
    (failed,) = done.of(kind="step", state="failed")
    assert (failed["step"], failed["target"], failed["where"]) == ("apply", "deploy/two", "two.yaml:7")
    assert failed["error"] == "configmap/shared is rendered by deploy/one too, in one.yaml:7"
    assert "one of the two" in failed["hint"]
    assert kubectl.run("get", "configmap", "yours", "--ignore-not-found", "-o", "name") == ""


@pytest.mark.parametrize("mended", ["one", "two"])
def test_dev_is_mended_in_either_unit(devloop: Devloop, project: Path, kubectl: Kubectl, mended: str) -> None:
    dev = devloop.at(project).start("dev", "--output", "json")
    dev.wait_event(kind="step", step="apply", target="deploy/two", state="failed")
    dev.wait_event(kind="update", update=1, state="failed")
    kept = {"one": "mine", "two": "yours"}[mended]
    (project / f"{mended}.yaml").write_text(config_map(kept, "2"))
    dev.wait_event(kind="update", update=2, state="ready")
    other = {"one": "two", "two": "one"}[mended]
    assert kubectl.run("get", "configmap", "shared", "-o", "jsonpath={.data.value}") == f"of {other}"
    assert kubectl.run("get", "configmap", kept, "-o", "jsonpath={.data.value}") == "2"
