"""A chart is watched without what helm does not load, and rendered by the real helm where there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devloop.config import model
from devloop.errors import StepFailed, UsageError
from devloop.products import Manifest
from devloop.render.helm import HelmRenderer
from devloop.scope import Scope
from devloop.stages import Tools
from devloop.testing.processes import FakeProcesses
from tests.render.conftest import tools_with

Write = Callable[[dict[str, str]], Path]


def hook(name: str, when: str) -> str:
    return (
        f"apiVersion: v1\nkind: Pod\nmetadata:\n  name: {name}\n  annotations: {{helm.sh/hook: {when!r}}}\n"
        "spec: {containers: [{name: c, image: busybox}]}\n"
    )


TREE = {
    "chart/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n",
    "chart/values.yaml": "replicas: 1\nimage: shop/api\n",
    "chart/templates/api.yaml": (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {{ .Release.Name }}-api\nspec:\n"
        "  replicas: {{ .Values.replicas }}\n  template:\n    spec:\n      containers: [{name: api, image: {{ .Values.image }}}]\n"
    ),
    "chart/templates/where.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: where}\ndata: {ns: {{ .Release.Namespace }}}\n",
    "chart/crds/crd.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: as.x.y}\n",
    "chart/README.md": "hello",
    "chart/.helmignore": "*.md\n",
    "dev.yaml": "replicas: 2\n",
}


def unit(**more: object) -> model.Unit:
    options = {"chart": "chart", "values": ("dev.yaml",), **more}
    return model.Unit(name="shop", helm=model.Helm(**options))  # type: ignore[arg-type]


def render(scope: Scope, base: Path, tools: Tools, **more: object) -> dict[str, Manifest]:
    found = HelmRenderer().render(scope, unit(**more), base, "default", tools)
    return {each.object["metadata"]["name"]: each for each in found}


@pytest.fixture
def helm(real_tools: Callable[[str], Tools]) -> Tools:
    return real_tools("helm")


def test_the_chart_and_the_values_count_but_not_what_helm_ignores(scope: Scope, write: Write) -> None:
    base = write(TREE)
    found = HelmRenderer().inputs(scope, unit(), base, tools_with(FakeProcesses()))
    assert [path.relative_to(base).as_posix() for path in found.files] == sorted(set(TREE) - {"chart/README.md"})
    assert found.matches(base / "chart/templates/new.yaml")
    assert not found.matches(base / "chart/templates/.api.yaml.swp")
    assert not found.matches(base / "other.yaml")
    assert set(found.roots) == {base / "chart", base / "dev.yaml"}
    assert found.definitions == {base / "chart/.helmignore"}


def test_options_decide_too(scope: Scope, write: Write) -> None:
    base = write(TREE)
    renderer, tools = HelmRenderer(), tools_with(FakeProcesses())
    assert (
        renderer.inputs(scope, unit(), base, tools).values
        != renderer.inputs(scope, unit(set={"a": "b"}), base, tools).values
    )


def test_without_helm_the_way_out_is_told(scope: Scope, write: Write) -> None:
    with pytest.raises(UsageError, match="helm is not installed"):
        render(scope, write(TREE), tools_with(FakeProcesses()))


def test_a_missing_chart_is_told(scope: Scope, write: Write) -> None:
    processes = FakeProcesses()
    processes.when("helm", stdout="")
    with pytest.raises(StepFailed, match="no chart chart"):
        render(scope, write({}), tools_with(processes))


def test_the_real_helm_renders_with_values_settings_and_crds(scope: Scope, write: Write, helm: Tools) -> None:
    found = render(scope, write(TREE), helm, set={"image": "other"})
    assert sorted(found) == ["as.x.y", "shop-api", "where"]
    spec = found["shop-api"].object["spec"]
    assert spec["replicas"] == 2
    assert spec["template"]["spec"]["containers"][0]["image"] == "other"
    assert found["shop-api"].source == "chart/templates/api.yaml"
    assert found["as.x.y"].source == "chart/crds/crd.yaml"
    assert found["where"].object["data"] == {"ns": "default"}
    assert "namespace" not in found["where"].object["metadata"]


def test_release_and_namespace_can_be_set(scope: Scope, write: Write, helm: Tools) -> None:
    found = render(scope, write(TREE), helm, release="mine", namespace="elsewhere")
    assert "mine-api" in found
    assert found["where"].object["data"] == {"ns": "elsewhere"}
    assert found["where"].object["metadata"]["namespace"] == "elsewhere"


def test_only_hooks_that_an_install_would_run_are_kept(scope: Scope, write: Write, helm: Tools) -> None:
    hooks = {
        "a": "pre-install,pre-upgrade",
        "b": "test",
        "c": "pre-delete",
        "d": "post-rollback",
        "e": "post-install, test",
    }
    base = write({**TREE, **{f"chart/templates/{name}.yaml": hook(name, when) for name, when in hooks.items()}})
    assert {"a", "e"} == set(render(scope, base, helm)) & set(hooks)


def test_a_template_error_names_the_template_and_line(scope: Scope, write: Write, helm: Tools) -> None:
    base = write({**TREE, "chart/templates/bad.yaml": 'a: 1\nb: {{ required "say x" .Values.x }}\n'})
    with pytest.raises(StepFailed) as told:
        render(scope, base, helm)
    assert told.value.where is not None
    assert told.value.where.startswith("chart/templates/bad.yaml:2")
    assert "say x" in told.value.message


def test_a_dependency_that_is_not_there_names_the_command_that_gets_it(scope: Scope, write: Write, helm: Tools) -> None:
    dependency = "dependencies:\n- {name: db, version: 1.0.0, repository: 'file://../db'}\n"
    with pytest.raises(StepFailed) as told:
        render(scope, write({**TREE, "chart/Chart.yaml": TREE["chart/Chart.yaml"] + dependency}), helm)
    assert told.value.hint == "helm dependency build chart"


def test_what_renders_to_no_yaml_is_told_with_its_template(scope: Scope, write: Write, helm: Tools) -> None:
    with pytest.raises(StepFailed) as told:
        render(scope, write({**TREE, "chart/templates/bad.yaml": "a: [\n"}), helm)
    assert told.value.where is not None
    assert told.value.where.startswith("chart/templates/bad.yaml")
