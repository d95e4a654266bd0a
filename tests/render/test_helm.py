"""A chart is watched without what helm does not load, and rendered by the real helm where there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devloop.config import model
from devloop.errors import StepFailed, UsageError
from devloop.products import Manifest
from devloop.render import images
from devloop.render.helm import HelmRenderer
from devloop.render.places import Table
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


DEPENDS_ON_DB = "dependencies:\n- {name: db, version: 1.0.0, repository: 'file://../db'}\n"
DB = {
    "db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.0.0\n",
    "db/templates/db.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: db}\n",
    "db/templates/noise.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: noise}\n",
    "db/.helmignore": "noise.yaml\n",
}


def unit(**more: object) -> model.Unit:
    options = {"chart": "chart", "values": ("dev.yaml",), **more}
    return model.Unit(name="shop", helm=model.Helm(**options))  # type: ignore[arg-type]


def render(scope: Scope, base: Path, tools: Tools, **more: object) -> dict[str, Manifest]:
    found = HelmRenderer().render(scope, unit(**more), base, "default", tools)
    return {each.object["metadata"]["name"]: each for each in found}


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


def test_a_dependency_that_is_not_there_is_told(scope: Scope, write: Write, helm: Tools) -> None:
    with pytest.raises(StepFailed, match=r"the dependency db is not there: no Chart\.yaml in") as told:
        render(scope, write({**TREE, "chart/Chart.yaml": TREE["chart/Chart.yaml"] + DEPENDS_ON_DB}), helm)
    assert told.value.where == "chart/Chart.yaml"


def test_a_dependency_in_a_folder_is_rendered_from_there(scope: Scope, write: Write, helm: Tools) -> None:
    base = write({**TREE, "chart/Chart.yaml": TREE["chart/Chart.yaml"] + DEPENDS_ON_DB, **DB})
    found = render(scope, base, helm)
    assert found["db"].source == "db/templates/db.yaml"
    assert not (base / "chart/charts").exists()
    assert "noise" not in found, "what the dependency's own .helmignore names is left out"


def test_a_dependency_that_depends_on_what_depends_on_it_is_told(scope: Scope, write: Write, helm: Tools) -> None:
    back = "dependencies: [{name: shop, version: 0.1.0, repository: 'file://../chart'}]\n"
    chart = {"chart/Chart.yaml": TREE["chart/Chart.yaml"] + DEPENDS_ON_DB}
    base = write({**TREE, **chart, **DB, "db/Chart.yaml": DB["db/Chart.yaml"] + back})
    with pytest.raises(StepFailed, match="the chart depends on itself: chart → db → chart"):
        render(scope, base, helm)


def test_a_dependency_without_a_repository_has_to_lie_in_charts(scope: Scope, write: Write, helm: Tools) -> None:
    dependency = "dependencies:\n- {name: db, version: 1.0.0}\n"
    with pytest.raises(StepFailed, match="missing in charts/ directory: db") as told:
        render(scope, write({**TREE, "chart/Chart.yaml": TREE["chart/Chart.yaml"] + dependency}), helm)
    assert told.value.hint == "they name no `repository`, so they have to lie in chart/charts"


def test_values_of_every_kind_arrive(scope: Scope, write: Write, helm: Tools) -> None:
    data = (
        "{n: {{ .Values.n | quote }}, kind: {{ kindOf .Values.n }}, file: {{ .Values.f | quote }}, "
        "json: {{ .Values.j.a | toJson | quote }}}"
    )
    where = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: where}}\ndata: {data}\n"
    base = write({**TREE, "chart/templates/where.yaml": where, "app.toml": "a = 1, 2\n"})
    found = render(
        scope, base, helm, set_string={"n": "0012"}, set_file={"f": "app.toml"}, set_json={"j": '{"a": [1]}'}
    )
    assert found["where"].object["data"] == {"n": "0012", "kind": "string", "file": "a = 1, 2\n", "json": "[1]"}


def test_the_cluster_that_a_chart_is_told_of_can_be_set(scope: Scope, write: Write, helm: Tools) -> None:
    data = '{version: {{ .Capabilities.KubeVersion.Minor | quote }}, has: {{ .Capabilities.APIVersions.Has "x.y/v1" | quote }}}'
    where = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: where}}\ndata: {data}\n"
    base = write({**TREE, "chart/templates/where.yaml": where})
    found = render(scope, base, helm, kube_version="1.29", api_versions=("x.y/v1",))
    assert found["where"].object["data"] == {"version": "29", "has": "true"}


def test_definitions_can_be_left_out(scope: Scope, write: Write, helm: Tools) -> None:
    assert "as.x.y" not in render(scope, write(TREE), helm, skip_crds=True)


def test_more_words_for_helm_are_passed_on(scope: Scope, write: Write, helm: Tools) -> None:
    assert set(render(scope, write(TREE), helm, args=("--show-only", "templates/api.yaml"))) == {"shop-api"}
    with pytest.raises(StepFailed, match="unknown flag: --nonsense"):
        render(scope, write(TREE), helm, args=("--nonsense",))


def test_a_post_renderer_has_the_last_word(scope: Scope, write: Write, helm: Tools) -> None:
    base = write({**TREE, "mark.sh": '#!/bin/sh\nsed "s/name: where/name: $1/"\n'})
    (base / "mark.sh").chmod(0o755)
    found = render(scope, base, helm, post_renderer="./mark.sh there")
    assert {"there", "shop-api"} <= set(found)
    assert base / "mark.sh" in HelmRenderer().inputs(scope, unit(post_renderer="./mark.sh there"), base, helm).files


def test_a_post_renderer_that_fails_is_told(scope: Scope, write: Write, helm: Tools) -> None:
    with pytest.raises(StepFailed, match="exit code 3"):
        render(scope, write(TREE), helm, post_renderer="sh -c 'exit 3'")


CHART_IMAGES = {
    "{{ .Values.image }}": model.HelmImage("shop/api", value="image"),
    "{{ .Values.image }}:{{ .Chart.Version }}": model.HelmImage("shop/api", value="image"),
    "{{ .Values.i.repository }}:{{ .Values.i.tag }}": model.HelmImage(
        "shop/api", repository="i.repository", tag="i.tag"
    ),
    "{{ .Values.i.reg }}/{{ .Values.i.repo }}:{{ .Values.i.tag }}": model.HelmImage(
        "shop/api", registry="i.reg", repository="i.repo", tag="i.tag"
    ),
    "{{ .Values.i.repo }}{{ if .Values.i.digest }}@{{ .Values.i.digest }}{{ else }}:{{ .Values.i.tag }}{{ end }}": model.HelmImage(
        "shop/api", repository="i.repo", tag="i.tag", digest="i.digest"
    ),
}


@pytest.mark.parametrize("template", CHART_IMAGES)
def test_an_image_that_a_chart_takes_as_values_is_found_as_the_artifact(
    scope: Scope, write: Write, helm: Tools, template: str
) -> None:
    api = TREE["chart/templates/api.yaml"].replace("{{ .Values.image }}", f'"{template}"')
    pinned = "image: other\ni: {reg: quay.io, repo: other, repository: other, tag: v9, digest: 'sha256:00'}\n"
    base = write({**TREE, "chart/templates/api.yaml": api, "dev.yaml": f"replicas: 2\n{pinned}"})
    found = render(scope, base, helm, images=(CHART_IMAGES[template],))
    filled = images.fill([found["shop-api"]], {"shop/api": "shop/api:0123"}, ["shop/api"], Table())
    assert filled.manifests[0].object["spec"]["template"]["spec"]["containers"][0]["image"] == "shop/api:0123"


def test_what_renders_to_no_yaml_is_told_with_its_template(scope: Scope, write: Write, helm: Tools) -> None:
    with pytest.raises(StepFailed) as told:
        render(scope, write({**TREE, "chart/templates/bad.yaml": "a: [\n"}), helm)
    assert told.value.where is not None
    assert told.value.where.startswith("chart/templates/bad.yaml")
