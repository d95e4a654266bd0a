"""What kustomizations are built on is exactly what is watched: the table of `fixtures`, judged by the real kustomize."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devloop.config import model
from devloop.stages import Tools
from tests.render.fixtures import Fixture, broken_promises

K = "dev/kustomization.yaml"
UNIT = model.Unit(name="u", kustomize=model.Kustomize(path="dev"))


def config_map(name: str, value: str = "1") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{x: '{value}'}}\n"


DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: api, labels: {app: api}}
spec:
  replicas: 1
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: api, image: shop/api, env: [{name: A, value: b}]}]}
"""
CUSTOM = (
    "apiVersion: example.com/v1\nkind: Bee\nmetadata: {name: bee}\nspec: {config: settings, list: [{key: a, v: '1'}]}\n"
)
REFERENCE = "nameReference:\n- kind: ConfigMap\n  fieldSpecs: [{kind: Bee, path: spec/config}]\n"
REPLACEMENTS = (
    "source: {kind: ConfigMap, name: a, fieldPath: data.x}\n"
    "targets: [{select: {kind: Deployment}, fieldPaths: [spec.template.metadata.labels.app]}]\n"
)
CRD = """{"example.com/v1.Bee": {"Schema": {"type": "object", "properties": {"spec": {
"x-kubernetes-object-ref-api-version": "v1", "x-kubernetes-object-ref-kind": "ConfigMap", "x-kubernetes-object-ref-name-key": "config",
"type": "object"}}}}}
"""
SCHEMA = """{"definitions": {"v1.Bee": {"properties": {"spec": {"properties": {"list": {"type": "array", "items": {"type": "object"},
"x-kubernetes-patch-merge-key": "key", "x-kubernetes-patch-strategy": "merge"}}}},
"x-kubernetes-group-version-kind": [{"group": "example.com", "version": "v1", "kind": "Bee"}]}}}
"""
BEE_PATCH = "apiVersion: example.com/v1\nkind: Bee\nmetadata: {name: bee}\nspec: {list: [{key: b, v: '2'}]}\n"
SIX = "- op: replace\n  path: /spec/replicas\n  value: 3\n"
REPLICAS = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec: {replicas: 2}\n"
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.0.0\n",
    "values.yaml": "size: 1\n",
    "templates/db.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: db}\n"
        "data: {size: '{{ .Values.size }}', more: '{{ .Values.more }}', seed: {{ .Files.Get \"seed.sql\" | quote }}}\n"
    ),
    "seed.sql": "select 1\n",
    "ignored.txt": "",
    ".helmignore": "ignored.txt\n",
}


def chart(folder: str) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in CHART.items()}


def fixture(name: str, kustomization: str, files: dict[str, str], **more: object) -> Fixture:
    """Files are named from the folder `dev`."""
    placed = {str(Path("dev", each)).replace("dev/../", ""): text for each, text in files.items()}
    return Fixture(name, UNIT, {K: kustomization, "unrelated.yaml": "", "dev/unrelated.yaml": "", **placed}, **more)  # type: ignore[arg-type]


FIXTURES = (
    fixture(
        "resources", "resources: [a.yaml, sub/b.yaml]\n", {"a.yaml": config_map("a"), "sub/b.yaml": config_map("b")}
    ),
    fixture(
        "a base and its base",
        "resources: [../base]\nnamePrefix: dev-\n",
        {
            "../base/kustomization.yaml": "resources: [../deep, a.yaml]\n",
            "../base/a.yaml": config_map("a"),
            "../deep/kustomization.yml": "resources: [b.yaml]\n",
            "../deep/b.yaml": config_map("b"),
            "../other/kustomization.yaml": "resources: [c.yaml]\n",
            "../other/c.yaml": config_map("c"),
        },
        comes={
            "base/kustomization.yml": "resources: []\n",
            "deep/Kustomization": "",
            "base/new.yaml": config_map("new"),
        },
    ),
    fixture(
        "bases, as they used to be",
        "bases: [../old]\n",
        {"../old/Kustomization": "resources: [a.yaml]\n", "../old/a.yaml": config_map("a")},
    ),
    fixture(
        "a diamond of bases",
        "resources: [../left, ../right]\n",
        {
            "../left/kustomization.yaml": "resources: [../top]\nnamePrefix: l-\n",
            "../right/kustomization.yaml": "resources: [../top]\nnamePrefix: r-\n",
            "../top/kustomization.yaml": "resources: [a.yaml]\n",
            "../top/a.yaml": config_map("a"),
        },
    ),
    fixture(
        "a component with a patch of its own",
        "resources: [api.yaml]\ncomponents: [../extra]\n",
        {
            "api.yaml": DEPLOYMENT,
            "../extra/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches: [{path: p.yaml}]\n",
            "../extra/p.yaml": REPLICAS,
        },
    ),
    fixture(
        "generators of ConfigMaps and Secrets",
        "configMapGenerator:\n- {name: a, files: [one.txt, renamed=two.txt], envs: [a.env]}\n"
        "secretGenerator:\n- {name: s, files: [deep/three.txt], env: b.env, literals: [x=unrelated.yaml]}\n",
        {"one.txt": "1\n", "two.txt": "2\n", "a.env": "A=1\n", "deep/three.txt": "3\n", "b.env": "B=1\n"},
    ),
    fixture(
        "a generator merged over a base's",
        "resources: [../base]\nconfigMapGenerator: [{name: a, behavior: merge, files: [over.txt=mine.txt]}]\n",
        {
            "../base/kustomization.yaml": "configMapGenerator: [{name: a, files: [over.txt, kept.txt]}]\n",
            "../base/over.txt": "base\n",
            "../base/kept.txt": "base\n",
            "mine.txt": "mine\n",
        },
    ),
    fixture(
        "patches by file and inline",
        "resources: [api.yaml]\npatches:\n- path: merge.yaml\n- path: six.yaml\n  target: {kind: Deployment}\n"
        "- patch: |\n    - {op: add, path: /metadata/labels/in, value: line}\n  target: {name: api}\n",
        {"api.yaml": DEPLOYMENT, "merge.yaml": REPLICAS.replace("2", "2, paused: true"), "six.yaml": SIX},
    ),
    fixture(
        "patchesStrategicMerge by file and inline",
        "resources: [api.yaml]\npatchesStrategicMerge:\n- merge.yaml\n- |-\n"
        "  apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: api, labels: {in: line}}\n",
        {"api.yaml": DEPLOYMENT, "merge.yaml": REPLICAS},
    ),
    fixture(
        "patchesJson6902 by file and inline",
        "resources: [api.yaml]\npatchesJson6902:\n"
        "- {path: six.json, target: {group: apps, version: v1, kind: Deployment, name: api}}\n"
        '- {patch: \'[{"op": "remove", "path": "/metadata/labels"}]\', target: {group: apps, version: v1, kind: Deployment, name: api}}\n',
        {"api.yaml": DEPLOYMENT, "six.json": '[{"op": "replace", "path": "/spec/replicas", "value": 4}]'},
    ),
    fixture(
        "replacements by path and inline",
        "resources: [a.yaml, api.yaml]\nreplacements:\n- path: replace.yaml\n- source: {kind: ConfigMap, name: a}\n"
        "  targets: [{select: {kind: Deployment}, fieldPaths: [metadata.labels.app]}]\n",
        {"a.yaml": config_map("a"), "api.yaml": DEPLOYMENT, "replace.yaml": REPLACEMENTS},
    ),
    fixture(
        "a file of a transformer",
        "resources: [a.yaml]\ntransformers: [t/prefix.yaml]\n",
        {
            "a.yaml": config_map("a"),
            "t/prefix.yaml": (
                "apiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: p}\n"
                "prefix: x-\nfieldSpecs: [{path: metadata/name}]\n"
            ),
        },
    ),
    fixture(
        "transformers that name patches, seen from the kustomization",
        "resources: [api.yaml]\ntransformers: [t/patch.yaml]\n",
        {
            "api.yaml": DEPLOYMENT,
            "t/patch.yaml": (
                "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: p}\npath: patch.yaml\n---\n"
                "apiVersion: builtin\nkind: PatchStrategicMergeTransformer\nmetadata: {name: q}\npaths: [t/merge.yaml]\n---\n"
                "apiVersion: builtin\nkind: PatchJson6902Transformer\nmetadata: {name: r}\npath: six.yaml\n"
                "target: {group: apps, version: v1, kind: Deployment, name: api}\n"
            ),
            "patch.yaml": REPLICAS.replace("replicas: 2", "paused: true"),
            "t/patch2.yaml": "",
            "t/merge.yaml": REPLICAS.replace("replicas: 2", "minReadySeconds: 3"),
            "six.yaml": SIX,
        },
    ),
    fixture(
        "a transformer in a folder of its own",
        "resources: [a.yaml, api.yaml]\ntransformers: [../t]\n",
        {
            "a.yaml": config_map("a"),
            "api.yaml": DEPLOYMENT,
            "../t/kustomization.yaml": "resources: [replace.yaml]\n",
            "../t/replace.yaml": "apiVersion: builtin\nkind: ReplacementTransformer\nmetadata: {name: r}\nreplacements: [{path: r.yaml}]\n",
            "../t/r.yaml": "",
            "r.yaml": REPLACEMENTS,
        },
    ),
    fixture(
        "generators in files and in place",
        "generators:\n- g/maps.yaml\n- |-\n  apiVersion: builtin\n  kind: SecretGenerator\n  metadata: {name: s}\n  envs: [s.env]\n",
        {
            "g/maps.yaml": (
                "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: one}\nfiles: [f.txt]\n---\n"
                "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: two}\nfiles: [k=g/f.txt]\n"
            ),
            "f.txt": "top\n",
            "g/f.txt": "below\n",
            "s.env": "A=1\n",
        },
    ),
    fixture(
        "a generator that waits for its file",
        "generators: [g.yaml]\n",
        {"g.yaml": "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: one}\nfiles: [late.txt]\n"},
        comes={"dev/late.txt": "now\n", "dev/other.txt": ""},
        fails=True,
    ),
    fixture(
        "a validator in a folder",
        "resources: [api.yaml]\nvalidators: [v]\n",
        {
            "api.yaml": DEPLOYMENT,
            "v/kustomization.yaml": "resources: [v.yaml]\n",
            "v/v.yaml": "apiVersion: builtin\nkind: NamespaceTransformer\nmetadata: {name: n, namespace: x}\nunsetOnly: true\n",
        },
        fails=True,
    ),
    fixture(
        "configurations",
        "resources: [bee.yaml]\nconfigurations: [names.yaml]\nnamePrefix: p-\nconfigMapGenerator: [{name: settings, literals: [a=b]}]\n",
        {"bee.yaml": CUSTOM, "names.yaml": REFERENCE},
    ),
    fixture(
        "crds",
        "resources: [bee.yaml]\ncrds: [bee.json]\nnamePrefix: p-\nconfigMapGenerator: [{name: settings, literals: [a=b]}]\n",
        {"bee.yaml": CUSTOM, "bee.json": CRD},
    ),
    fixture(
        "openapi",
        "resources: [bee.yaml]\nopenapi: {path: schema.json}\npatches: [{path: p.yaml}]\n",
        {"bee.yaml": CUSTOM, "schema.json": SCHEMA, "p.yaml": BEE_PATCH},
    ),
    fixture(
        "a chart that is inflated",
        "helmCharts:\n- {name: db, releaseName: db, valuesFile: v.yaml, additionalValuesFiles: [more.yaml]}\n",
        {**chart("charts/db"), "v.yaml": "size: 2\n", "more.yaml": "more: yes\n"},
        edits={"dev/charts/db/ignored.txt": "x\n"},
        comes={"dev/charts/db/templates/new.yaml": config_map("new"), "dev/charts/db/templates/_tpl/x": ""},
        surplus=frozenset({"dev/charts/db/templates/_tpl/x"}),
    ),
    fixture(
        "a chart of helmGlobals with its own values",
        "helmGlobals: {chartHome: mine}\nhelmCharts:\n- {name: db, releaseName: db}\n",
        {**chart("mine/db"), "mine/web/Chart.yaml": "", "charts/db/Chart.yaml": ""},
    ),
    fixture(
        "a fetched chart lies below its version",
        "helmCharts:\n- {name: db, releaseName: db, version: 1.0.0, repo: 'https://charts.invalid'}\n",
        {**chart("charts/db-1.0.0/db"), "charts/db/Chart.yaml": ""},
    ),
    fixture(
        "a chart in a generator's file",
        "generators: [g.yaml]\n",
        {
            "g.yaml": (
                "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: g}\n"
                "name: db\nreleaseName: db\nchartHome: mine\nvaluesFile: v.yaml\n"
            ),
            **chart("mine/db"),
            "v.yaml": "size: 3\n",
        },
    ),
    fixture(
        "helmChartInflationGenerator",
        "helmChartInflationGenerator:\n- {chartName: db, chartHome: ./mine, releaseName: db, values: v.yaml}\n",
        {**chart("mine/db"), "v.yaml": "size: 3\n"},
    ),
    fixture(
        "links to files",
        "resources: [a.yaml]\nconfigMapGenerator: [{name: c, files: [c.txt]}]\n",
        {"real/a.yaml": config_map("a"), "real/c.txt": "1\n"},
        links={"dev/a.yaml": "real/a.yaml", "dev/c.txt": "second.txt", "dev/second.txt": "real/c.txt"},
    ),
    fixture(
        "a base that is a link elsewhere",
        "resources: [../base]\n",
        {
            "../real/deep/kustomization.yaml": "resources: [a.yaml, ../beside]\n",
            "../real/deep/a.yaml": config_map("a"),
            "../real/beside/kustomization.yaml": "resources: [b.yaml]\n",
            "../real/beside/b.yaml": config_map("b"),
        },
        links={"base": "real/deep"},
    ),
    fixture(
        "a link in the middle of a path",
        "resources: [sub/a.yaml]\n",
        {"real/a.yaml": config_map("a"), "real/unrelated.yaml": ""},
        links={"dev/sub": "real"},
    ),
    fixture(
        "field names in any case",
        "Resources: [a.yaml]\nconfigmapgenerator: [{Name: c, Files: [c.txt]}]\n",
        {"a.yaml": config_map("a"), "c.txt": "1\n"},
    ),
    fixture(
        "what is missing yet",
        "resources: [later.yaml]\n",
        {},
        comes={"dev/later.yaml": config_map("later"), "dev/later/kustomization.yaml": ""},
        fails=True,
    ),
    fixture(
        "a base that is missing yet",
        "resources: [../base]\n",
        {"../base/README": ""},
        comes={"base/kustomization.yaml": "configMapGenerator: [{name: a}]\n", "base/other.yaml": ""},
        fails=True,
    ),
    fixture("a broken kustomization", "resources: [\n", {"a.yaml": config_map("a")}, fails=True),
    fixture(
        "what is remote",
        "resources: [a.yaml, 'https://127.0.0.1:1/x.yaml']\nconfigMapGenerator: [{name: c, files: ['https://127.0.0.1:1/c.txt']}]\n",
        {"a.yaml": config_map("a")},
        fails=True,
    ),
)


@pytest.mark.parametrize("fixture", FIXTURES, ids=str)
def test_an_edit_renders_again_exactly_where_it_counts(
    fixture: Fixture, tmp_path: Path, real_tools: Callable[[str], Tools]
) -> None:
    if "chart" in fixture.name.lower():
        real_tools("helm")
    assert broken_promises(fixture, tmp_path, real_tools("kustomize")) == []
