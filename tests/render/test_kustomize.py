"""A kustomization is watched with all it is built on, and rendered by the real kustomize where there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devloop.config import model
from devloop.errors import StepFailed, UsageError
from devloop.products import Inputs
from devloop.render.kustomize import KustomizeRenderer
from devloop.scope import Scope
from devloop.stages import Tools
from devloop.testing.processes import FakeProcesses
from tests.render.conftest import tools_with

Write = Callable[[dict[str, str]], Path]

DEPLOYMENT = """# the api
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: api, image: shop/api}]}
"""
TREE = {
    "base/kustomization.yaml": "resources: [deployment.yaml]\n",
    "base/deployment.yaml": DEPLOYMENT,
    "dev/kustomization.yaml": (
        "resources: [../base]\n"
        "patches:\n- path: replicas.yaml\n- target: {kind: Deployment}\n  patch: |\n"
        "    - {op: add, path: /metadata/labels, value: {a: b}}\n"
        "configMapGenerator:\n- name: settings\n  files: [app.ini=files/app.ini]\n  envs: [dev.env]\n"
    ),
    "dev/replicas.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec: {replicas: 2}\n",
    "dev/files/app.ini": "x = 1\n",
    "dev/dev.env": "A=1\n",
}
UNIT = model.Unit(name="u", kustomize=model.Kustomize(path="dev"))


def inputs(scope: Scope, base: Path, path: str = "dev") -> Inputs:
    unit = model.Unit(name="u", kustomize=model.Kustomize(path=path))
    return KustomizeRenderer().inputs(scope, unit, base, tools_with(FakeProcesses()))


def names(found: Inputs) -> list[str]:
    return [path.relative_to(found.base).as_posix() for path in found.files]


def test_the_closure_goes_through_bases_patches_and_generators(scope: Scope, write: Write) -> None:
    found = inputs(scope, write(TREE))
    assert names(found) == sorted(TREE)
    assert all(found.matches(path) for path in found.files)


def test_kustomization_files_define_the_listing_under_each_name(scope: Scope, write: Write) -> None:
    base = write(TREE)
    definitions = {path.relative_to(base).as_posix() for path in inputs(scope, base).definitions}
    assert definitions == {
        f"{folder}/{name}"
        for folder in ("base", "dev")
        for name in ("kustomization.yaml", "kustomization.yml", "Kustomization")
    }


def test_every_field_that_names_a_file_counts(scope: Scope, write: Write) -> None:
    kustomization = """
resources: [r.yaml, https://example.com/x.yaml, "github.com/a/b//c?ref=v1", "git@github.com:a/b.git"]
bases: [../old]
components: [../component]
crds: [crd.json]
configurations: [names.yaml]
transformers: [transform.yaml, "apiVersion: builtin\\nkind: X\\n"]
generators: [generate.yaml]
validators: [validate]
patchesStrategicMerge: [merge.yaml, "kind: A\\nmetadata: {name: x}\\n"]
patchesJson6902: [{path: six.yaml, target: {kind: A, name: x}}, {patch: "[]"}]
replacements: [{path: replace.yaml}, {source: {kind: A}}]
openapi: {path: schema.json}
secretGenerator: [{name: s, files: [key=secret.txt, plain.txt], env: one.env}]
helmGlobals: {chartHome: ./mine}
helmCharts: [{name: db, valuesFile: db.yaml, additionalValuesFiles: [more.yaml]}]
"""
    expected = [
        *(
            "r.yaml",
            "crd.json",
            "names.yaml",
            "transform.yaml",
            "generate.yaml",
            "merge.yaml",
            "six.yaml",
            "replace.yaml",
        ),
        *("schema.json", "secret.txt", "plain.txt", "one.env", "db.yaml", "more.yaml", "mine/db/Chart.yaml"),
        *("mine/db/templates/x.yaml", "gone.sh", "validate/kustomization.yml", "validate/v.yaml"),
    ]
    files = {f"dev/{name}": "" for name in expected} | {
        "dev/Kustomization": kustomization,
        "dev/generate.yaml": "kind: Mine\nspec: {files: [gone.sh, 'not a file']}\n",
        "dev/validate/kustomization.yml": "resources: [v.yaml]\n",
        "old/kustomization.yaml": "",
        "component/kustomization.yaml": "kind: Component\n",
        "dev/unrelated.yaml": "",
    }
    found = inputs(scope, write(files))
    assert names(found) == sorted(set(files) - {"dev/unrelated.yaml"})
    assert not found.matches(found.base / "dev/unrelated.yaml")
    assert found.matches(found.base / "dev/mine/db/templates/new.yaml")


def test_a_file_that_is_missing_yet_counts_when_it_comes(scope: Scope, write: Write) -> None:
    base = write({"dev/kustomization.yaml": "resources: [later.yaml]\n"})
    found = inputs(scope, base)
    assert found.matches(base / "dev/later.yaml")
    assert base / "dev/later.yaml" in found.definitions


def test_a_broken_kustomization_is_watched_all_the_same(scope: Scope, write: Write) -> None:
    assert names(inputs(scope, write({"dev/kustomization.yaml": "resources: [\n"}))) == ["dev/kustomization.yaml"]
    assert inputs(scope, write({}), "nowhere").matches(write({}) / "nowhere/kustomization.yaml")


def test_bases_that_go_in_a_circle_are_listed_once(scope: Scope, write: Write) -> None:
    found = inputs(
        scope, write({"dev/kustomization.yaml": "resources: [../b]", "b/kustomization.yaml": "resources: [../dev]"})
    )
    assert names(found) == ["b/kustomization.yaml", "dev/kustomization.yaml"]


def test_kubectl_takes_the_place_of_kustomize(scope: Scope, write: Write) -> None:
    processes = FakeProcesses()
    processes.when("kubectl", "kustomize", stdout="apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    (found,) = KustomizeRenderer().render(scope, UNIT, write(TREE), "default", tools_with(processes))
    assert found.object["metadata"]["name"] == "a"


def test_without_either_program_the_way_out_is_told(scope: Scope, write: Write) -> None:
    with pytest.raises(UsageError, match="neither kustomize nor kubectl is installed"):
        KustomizeRenderer().render(scope, UNIT, write(TREE), "default", tools_with(FakeProcesses()))


@pytest.fixture(params=["kustomize", "kubectl"])
def program(request: pytest.FixtureRequest, real_tools: Callable[[str], Tools]) -> Tools:
    """Tools with only one of the two programs."""
    tools = real_tools(request.param)

    class One:
        run = staticmethod(tools.processes.run)

        def find(self, name: str) -> str | None:
            return tools.processes.find(name) if name == request.param else None

    return tools_with(One())


def test_the_real_program_renders_and_sources_are_found(scope: Scope, write: Write, program: Tools) -> None:
    found = {
        each.object["kind"]: each for each in KustomizeRenderer().render(scope, UNIT, write(TREE), "default", program)
    }
    assert found["Deployment"].object["spec"]["replicas"] == 2
    assert found["Deployment"].object["metadata"]["labels"] == {"a": "b"}
    assert found["Deployment"].source == "base/deployment.yaml:2"
    assert found["ConfigMap"].object["data"] == {"app.ini": "x = 1\n", "A": "1"}
    assert found["ConfigMap"].source == "dev/kustomization.yaml"


def test_what_the_real_program_complains_of_is_the_message(scope: Scope, write: Write, program: Tools) -> None:
    base = write({**TREE, "base/kustomization.yaml": "resources: [gone.yaml]\n"})
    with pytest.raises(StepFailed) as told:
        KustomizeRenderer().render(scope, UNIT, base, "default", program)
    assert told.value.message.startswith("kustomize build dev: accumulating resources")
    assert "gone.yaml: no such file or directory" in told.value.message
    assert str(base) not in told.value.message
    assert told.value.where == "dev/kustomization.yaml"
    assert told.value.hint


def test_a_missing_folder_is_told_before_any_program_runs(scope: Scope, write: Write) -> None:
    with pytest.raises(StepFailed, match="no folder dev"):
        KustomizeRenderer().render(scope, UNIT, write({}), "default", tools_with(FakeProcesses()))


def test_what_is_remote_counts_by_name_and_its_failure_says_the_way_out(
    scope: Scope, write: Write, real_tools: Callable[[str], Tools]
) -> None:
    kustomization = "resources: [deployment.yaml, 'http://127.0.0.1:1/x.yaml']\n"
    base = write({"dev/kustomization.yaml": kustomization, "dev/deployment.yaml": DEPLOYMENT})
    found = inputs(scope, base)
    assert ("remote", "http://127.0.0.1:1/x.yaml") in found.values
    assert not any("127.0.0.1" in str(root) for root in found.roots)
    with pytest.raises(StepFailed) as told:
        KustomizeRenderer().render(scope, UNIT, base, "default", real_tools("kustomize"))
    assert "connection refused" in told.value.message
    assert told.value.hint == (
        "kustomize fetches http://127.0.0.1:1/x.yaml itself, at each render; a copy in the project needs no network, and is watched"
    )


def test_the_helm_that_inflates_charts_counts(scope: Scope, write: Write) -> None:
    processes = FakeProcesses()
    processes.when("kustomize")
    processes.when("helm")
    base = write({"dev/kustomization.yaml": "helmCharts: [{name: db}]\n", "off/kustomization.yaml": ""})
    found = KustomizeRenderer().inputs(scope, UNIT, base, tools_with(processes))
    assert dict(found.values).keys() == {"kustomize", "helm"}
    assert dict(inputs(scope, base, "off").values).keys() == {"kustomize"}
