"""Any command renders: its output is deployed, its complaints are shown, and it ends when it has to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from devloop.config import model
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed
from devloop.products import Manifest
from devloop.render.custom import CustomRenderer
from devloop.scope import Cancelled, Scope
from tests.render.conftest import tools_with

Write = Callable[[dict[str, str]], Path]
TOOLS = tools_with(RealProcesses())


def render(scope: Scope, base: Path, command: str, **spec: object) -> tuple[Manifest, ...]:
    unit = model.Unit(name="u", custom=model.CustomRender(command, **spec))  # type: ignore[arg-type]
    return CustomRenderer().render(scope, unit, base, "shop", TOOLS)


def test_what_it_prints_is_deployed_and_it_knows_where(scope: Scope, write: Write) -> None:
    base = write(
        {"k8s/render.sh": 'echo kind: ConfigMap\necho apiVersion: v1\necho "metadata: {name: $UNIT-$NAMESPACE-$A}"\n'}
    )
    (found,) = render(scope, base, "sh render.sh", dir="k8s", env={"A": "b"})
    assert found.object["metadata"]["name"] == "u-shop-b"
    assert found.source == "output of sh render.sh:1"


def test_what_it_complains_of_is_shown_as_it_comes_and_is_no_manifest(scope: Scope, tmp_path: Path) -> None:
    shown: list[str] = []
    unit = model.Unit(
        name="u", custom=model.CustomRender("echo 'kind: A' >&2; echo '{apiVersion: v1, kind: B, metadata: {name: b}}'")
    )
    (found,) = CustomRenderer().render(scope, unit, tmp_path, "shop", replace(TOOLS, line=shown.append))
    assert found.object["kind"] == "B"
    assert shown == ["kind: A"]


def test_a_failure_has_its_last_lines(scope: Scope, tmp_path: Path) -> None:
    with pytest.raises(StepFailed) as told:
        render(scope, tmp_path, "echo half: done; echo no such value >&2; exit 3")
    assert told.value.message.startswith("the command that renders failed: exit code 3: echo half")
    assert told.value.evidence == ("no such value",)
    assert told.value.where == "deploy/u"


def test_a_failure_that_was_told_on_standard_output_has_these_lines(scope: Scope, tmp_path: Path) -> None:
    with pytest.raises(StepFailed) as told:
        render(scope, tmp_path, "echo no such value; exit 3")
    assert told.value.evidence == ("no such value",)


@pytest.mark.parametrize(
    ("command", "message"),
    [("true", "printed no object"), ("echo 'a: ['", "not YAML"), ("echo hello", "not a Kubernetes object")],
)
def test_what_is_no_manifest_is_refused(scope: Scope, tmp_path: Path, command: str, message: str) -> None:
    with pytest.raises(StepFailed, match=message):
        render(scope, tmp_path, command)


def test_it_may_not_take_for_ever(scope: Scope, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="did not end within 1 s"):
        render(scope, tmp_path, "sleep 60", timeout_seconds=1)


def test_cancelling_ends_it(tmp_path: Path) -> None:
    ended = threading.Event()

    def run() -> None:
        try:
            render(scope, tmp_path, "touch started; sleep 60")
        except Cancelled:
            ended.set()

    with Scope() as scope:
        scope.spawn("render", run)
        began = time.monotonic()
        while not (tmp_path / "started").exists() and time.monotonic() - began < 10:
            scope.wait(0.01)
        scope.cancel()
    assert ended.is_set()


def test_a_folder_that_is_not_there_is_told(scope: Scope, tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="there is no folder gone"):
        render(scope, tmp_path, "true", dir="gone")


def test_dependencies_are_those_of_the_custom_builder(scope: Scope, write: Write) -> None:
    base = write({"k8s/a.cue": "", "k8s/a.md": "", "b.cue": ""})
    wanted = model.CustomDependencies(paths=("*.cue", "../b.cue"), ignore=("c.cue",))
    unit = model.Unit(name="u", custom=model.CustomRender("x", "k8s", wanted))
    found = CustomRenderer().inputs(scope, unit, base, TOOLS)
    assert found.files == (base / "b.cue", base / "k8s/a.cue")
    assert not found.matches(base / "k8s/c.cue")
    listed = replace(unit, custom=model.CustomRender("x", "k8s", model.CustomDependencies(command="echo a.md")))
    assert CustomRenderer().inputs(scope, listed, base, TOOLS).files == (base / "k8s/a.md",)
