"""One renderer's output goes into the next, is edited in the end, and is known by where it was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from devloop import builtin
from devloop.config import model
from devloop.effects.process import RealProcesses
from devloop.errors import StepFailed, UsageError
from devloop.products import Manifest
from devloop.scope import Scope
from devloop.stages import Tools
from devloop.testing.processes import FakeProcesses
from tests.render.conftest import tools_with
from tests.render.test_kustomize_inputs import CHART, DEPLOYMENT, config_map

Write = Callable[[dict[str, str]], Path]
COMPONENT = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
PATCH = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: db}\ndata: {patched: 'yes'}\n"
TREE = {
    **{f"chart/{name}": text for name, text in CHART.items()},
    "dev/kustomization.yaml": f"{COMPONENT}resources: [extra.yaml]\npatches: [{{path: patch.yaml}}]\n",
    "dev/extra.yaml": config_map("extra"),
    "dev/patch.yaml": PATCH,
    "k8s/a.yaml": config_map("a"),
    "k8s/api.yaml": DEPLOYMENT,
}
OVER = model.Then(kustomize=model.Kustomize("dev"))
HELM = model.Unit(name="u", helm=model.Helm(chart="chart"), then=(OVER,))


def then(command: str) -> model.Then:
    return model.Then(custom=model.CustomRender(command))


def render(scope: Scope, base: Path, unit: model.Unit, tools: Tools) -> dict[str, Manifest]:
    found = builtin.renderer(unit).render(scope, unit, base, "default", tools)
    return {each.object["metadata"]["name"]: each for each in found}


def plain(*transforms: model.Transform, then: tuple[model.Then, ...] = ()) -> model.Unit:
    return model.Unit(name="u", manifests=("k8s",), then=then, transforms=transforms)


def test_a_charts_output_goes_into_kustomize(scope: Scope, write: Write, real_tools: Callable[[str], Tools]) -> None:
    real_tools("helm")
    base = write(TREE)
    found = render(scope, base, HELM, real_tools("kustomize"))
    assert found.keys() == {"db", "extra"}
    assert found["db"].object["data"]["patched"] == "yes"
    assert found["db"].source == "chart/templates/db.yaml"
    assert found["extra"].source == "dev/extra.yaml:1"
    assert sorted(path.relative_to(base).as_posix() for path in base.rglob("*") if path.is_file()) == sorted(TREE)


def test_what_is_no_component_is_told_how_to_become_one(
    scope: Scope, write: Write, real_tools: Callable[[str], Tools]
) -> None:
    base = write({**TREE, "dev/kustomization.yaml": "patches: [{path: patch.yaml}]\n"})
    with pytest.raises(StepFailed, match="expected kind 'Component' for path 'dev'") as told:
        render(scope, base, plain(then=(OVER,)), real_tools("kustomize"))
    assert told.value.where == "dev/kustomization.yaml"
    assert "`kind: Component`" in str(told.value.hint)


def test_a_command_gets_the_objects_and_gives_others(scope: Scope, write: Write) -> None:
    unit = plain(then=(then("sed 's/x: .1./x: \"2\"/'"), then("cat; echo ---; cat extra.yaml")))
    base = write({**TREE, "extra.yaml": config_map("extra")})
    found = render(scope, base, unit, tools_with(RealProcesses()))
    assert found["a"].object["data"] == {"x": "2"}
    assert found["a"].source == "k8s/a.yaml:1"
    assert found["extra"].source == "output of cat; echo ---; cat extra.yaml"


def test_edits_change_what_they_select_and_nothing_else(scope: Scope, write: Write, yq_tools: Tools) -> None:
    unit = plain(
        model.Transform(".spec.replicas = 3", model.Selector(kind="Deployment", labels={"app": "api"})),
        model.Transform('.metadata.annotations["a.b/c"] = "ü"'),
        model.Transform("del(.data.x)", model.Selector(name="a", api_version="v1")),
    )
    found = render(scope, write(TREE), unit, yq_tools)
    assert found["api"].object["spec"]["replicas"] == 3
    assert found["api"].source == "k8s/api.yaml:1"
    assert found["a"].object["data"] == {}
    assert {each.object["metadata"]["annotations"]["a.b/c"] for each in found.values()} == {"ü"}


def test_text_that_looks_like_something_else_passes_yq_unharmed(scope: Scope, write: Write, yq_tools: Tools) -> None:
    data = {"n": "0123", "b": "yes", "e": "1e3", "t": "a\n\tb\n", "u": "😀", "d": "2024-01-01", "": "~"}
    base = write(
        {"k8s/a.json": json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})}
    )
    found = render(scope, base, plain(model.Transform('.metadata.labels.a = "b"')), yq_tools)
    assert found["a"].object["data"] == data


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (".spec.replicas = (", "yq: "),
        (".data", "does not leave each object an object"),
        ("select(false)", "does not leave each object an object: 2 became 0"),
        ('.data.x = load_str("k8s/a.yaml")', "file operations have been disabled"),
        (".data.x = strenv(HOME)", "env operations have been disabled"),
    ],
)
def test_an_expression_that_cannot_be_used_is_told(
    scope: Scope, write: Write, yq_tools: Tools, expression: str, message: str
) -> None:
    with pytest.raises(StepFailed, match=message) as told:
        render(scope, write(TREE), plain(model.Transform(expression)), yq_tools)
    assert told.value.where == "deploy/u: transforms[0]"


def test_a_selection_that_meets_nothing_says_what_there_is(scope: Scope, write: Write, yq_tools: Tools) -> None:
    unit = plain(model.Transform(".a = 1", model.Selector(kind="Deployment", name="apii")))
    with pytest.raises(StepFailed, match="no object is selected") as told:
        render(scope, write(TREE), unit, yq_tools)
    assert told.value.hint == "there are ConfigMap a, Deployment api"


def test_without_yq_and_with_another_program_of_that_name_the_way_out_is_told(scope: Scope, write: Write) -> None:
    unit = plain(model.Transform(".a = 1"))
    base = write(TREE)
    with pytest.raises(UsageError, match="yq is not installed") as told:
        render(scope, base, unit, tools_with(FakeProcesses()))
    assert "Mike Farah" in str(told.value.hint)
    processes = FakeProcesses()
    processes.when("yq", stderr="jq: Unknown option --input-format\n", code=2)
    with pytest.raises(StepFailed) as other:
        render(scope, base, unit, tools_with(processes))
    assert "another program" in str(other.value.hint)


def test_a_folder_is_left_out_only_where_no_step_looks(scope: Scope, write: Write) -> None:
    wanted = model.CustomDependencies(paths=("tool",), ignore=("tool/node_modules",))
    step = model.Then(custom=model.CustomRender("cat", dependencies=wanted))
    base = write({**TREE, "tool/a.js": "", "tool/node_modules/b.js": ""})
    unit = plain(then=(step,))
    found = builtin.renderer(unit).inputs(scope, unit, base, tools_with(FakeProcesses()))
    assert found.leaves_out(base / "tool/node_modules")
    assert not found.leaves_out(base / "tool")
    assert not found.leaves_out(base / "k8s")
    assert found.why(base / "tool/a.js") == "`dependencies.paths` names it: tool"
    assert found.why(base / "x") == "no entry of `manifests` names it; no entry of `dependencies.paths` names it"
