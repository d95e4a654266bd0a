"""ytt is called as its documentation says; what it prints is deployed. It is not to be had here: `ytt.py` takes its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devloop.config import model
from devloop.errors import StepFailed, UsageError
from devloop.render.ytt import YttRenderer
from devloop.scope import Scope
from devloop.stages import Tools
from devloop.testing.processes import FakeProcesses
from tests.render.conftest import tools_with

Write = Callable[[dict[str, str]], Path]

TREE = {
    "config/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    "more.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n",
    "values.yaml": "x: 1\n",
}
SPEC = model.Ytt(
    files=("config", "more.yaml"),
    data_values={"db.host": "pg"},
    data_values_yaml={"replicas": "2"},
    data_values_files=("values.yaml",),
)
UNIT = model.Unit(name="u", ytt=SPEC)


def test_files_and_values_are_handed_over(scope: Scope, write: Write, ytt_tools: Tools) -> None:
    found = YttRenderer().render(scope, UNIT, write(TREE), "default", ytt_tools)
    assert [each.object["metadata"]["name"] for each in found] == ["a", "b", "values"]
    assert found[-1].object["data"] == {"files": "x: 1\n", "texts": "db.host=pg", "yaml": "replicas=2"}
    assert found[0].source == "ytt config more.yaml"


def test_its_own_words_are_the_message(scope: Scope, write: Write, ytt_tools: Tools) -> None:
    base = write({"more.yaml": TREE["more.yaml"]})
    with pytest.raises(StepFailed, match=r"ytt config more.yaml: - .*No such file") as told:
        YttRenderer().render(scope, UNIT, base, "default", ytt_tools)
    assert told.value.where == "deploy/u"


def test_without_ytt_the_way_out_is_told(scope: Scope, write: Write) -> None:
    with pytest.raises(UsageError, match="ytt is not installed") as told:
        YttRenderer().render(scope, UNIT, write(TREE), "default", tools_with(FakeProcesses()))
    assert "carvel.dev" in str(told.value.hint)
