"""What a chart's output can hang on is exactly what is watched: the table of `fixtures`, judged by the real helm, 3 and 4."""

from __future__ import annotations

from pathlib import Path

import pytest

from devloop.config import model
from devloop.stages import Tools
from tests.render.fixtures import Fixture, broken_promises

CHART = "apiVersion: v2\nname: shop\nversion: 1.0.0\n"


def config_map(name: str, value: str = "1") -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{x: {value}}}\n"


def fixture(name: str, files: dict[str, str], *, unit: dict[str, object] | None = None, **more: object) -> Fixture:
    helm = model.Helm(**{"chart": "chart", "release": "u", **(unit or {})})  # type: ignore[arg-type]
    return Fixture(
        name,
        model.Unit(name="u", helm=helm),
        {"chart/Chart.yaml": CHART, "chart/README.md": "shop\n", "unrelated.yaml": "", **files},
        **more,  # type: ignore[arg-type]
    )


CRD = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: bees.example.com}
"""
DB = {
    "db/Chart.yaml": "apiVersion: v2\nname: db\nversion: 1.0.0\n",
    "db/templates/db.yaml": config_map("db", "'{{ .Values.size }}'"),
    "db/values.yaml": "size: 1\n",
    "db/README.md": "db\n",
}
NEAR = CHART + "dependencies: [{name: db, version: 1.x.x, repository: 'file://../db'}]\n"

FIXTURES = (
    fixture(
        "values of the chart and of files",
        {
            "chart/values.yaml": "a: 1\n",
            "chart/templates/a.yaml": config_map("a", "'{{ .Values.a }} {{ .Values.b }}'"),
            "dev.yaml": "b: 2\n",
            "other.yaml": "b: 3\n",
        },
        unit={"values": ("dev.yaml",)},
        comes={"chart/templates/b.yaml": config_map("b"), "chart/LICENSE": "free"},
    ),
    fixture(
        "a values file outside of the folder of the chart",
        {
            "chart/templates/a.yaml": config_map("a", "'{{ .Values.b }}'"),
            "env/dev/v.yaml": "b: 2\n",
            "env/dev/w.yaml": "",
        },
        unit={"values": ("env/dev/v.yaml",)},
    ),
    fixture(
        "setFile",
        {"chart/templates/a.yaml": config_map("a", "{{ .Values.c | quote }}"), "app.toml": "a = 1\n"},
        unit={"set_file": {"c": "app.toml"}},
    ),
    fixture(
        "helpers",
        {
            "chart/templates/_helpers.tpl": '{{ define "n" }}a{{ end }}',
            "chart/templates/a.yaml": config_map('{{ include "n" . }}'),
            "chart/templates/notes.txt": "",
        },
    ),
    fixture(
        "notes, whose definitions are as good as others",
        {"chart/templates/a.yaml": config_map("a"), "chart/templates/NOTES.txt": "hello {{ .Release.Name }}\n"},
    ),
    fixture(
        "a schema of the values",
        {
            "chart/values.yaml": "a: 1\n",
            "chart/values.schema.json": '{"type": "object", "required": ["a"]}',
            "chart/templates/a.yaml": config_map("a", "'{{ .Values.a }}'"),
        },
    ),
    fixture(
        "definitions",
        {"chart/crds/bee.yaml": CRD, "chart/templates/a.yaml": config_map("a")},
        comes={"chart/crds/wasp.yaml": CRD.replace("bees", "wasps")},
    ),
    fixture(
        "definitions that are left out",
        {"chart/crds/bee.yaml": CRD, "chart/templates/a.yaml": config_map("a")},
        unit={"skip_crds": True},
    ),
    fixture(
        ".helmignore",
        {
            "chart/.helmignore": "no-*.yaml\n*.md\n",
            "chart/templates/a.yaml": config_map("a"),
            "chart/templates/no-b.yaml": config_map("b"),
        },
        comes={"chart/templates/no-c.yaml": config_map("c"), "chart/templates/.a.yaml.swp": ""},
    ),
    fixture(
        "a file that a template gets",
        {
            "chart/templates/a.yaml": config_map("a", '{{ .Files.Get "app.toml" | quote }}'),
            "chart/app.toml": "a = 1\n",
            "chart/other.toml": "",
        },
    ),
    fixture(
        "files that a template ranges over",
        {
            "chart/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n"
            '{{- range $path, $_ := .Files.Glob "conf/*.toml" }}\n  {{ base $path }}: {{ $.Files.Get $path | quote }}\n{{- end }}\n',
            "chart/conf/a.toml": "a = 1\n",
            "chart/conf/a.txt": "a",
            "chart/conf/deep/b.toml": "",
        },
        comes={"chart/conf/new.toml": "b = 2\n", "chart/new.toml": ""},
    ),
    fixture(
        "files of a folder as a whole",
        {
            "chart/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n"
            '{{ (.Files.Glob "conf/**").AsConfig | indent 2 }}\n',
            "chart/conf/a.toml": "a = 1\n",
            "chart/conf/deep/b.toml": "b = 1\n",
        },
    ),
    fixture(
        "a file whose name is a value",
        {
            "chart/templates/a.yaml": config_map("a", "{{ .Files.Get .Values.name | quote }}"),
            "chart/values.yaml": "name: app.toml\n",
            "chart/app.toml": "a = 1\n",
        },
        surplus=frozenset({"chart/README.md"}),
    ),
    fixture(
        "a file that a value's template gets",
        {
            "chart/templates/a.yaml": config_map("a", "{{ tpl .Values.t . | quote }}"),
            "chart/values.yaml": "t: '{{ .Files.Get \"app.toml\" }}'\n",
            "chart/app.toml": "a = 1\n",
        },
        surplus=frozenset({"chart/README.md"}),
    ),
    fixture(
        "a chart in the chart",
        {
            "chart/templates/a.yaml": config_map("a"),
            **{f"chart/charts/{name}": text for name, text in DB.items()},
            "chart/charts/_off/Chart.yaml": "apiVersion: v2\nname: off\nversion: 1.0.0\n",
            "chart/charts/_off/templates/a.yaml": config_map("off"),
        },
        comes={
            "chart/charts/db/templates/new.yaml": config_map("new"),
            "chart/charts/README.md": "helm stumbles over it\n",
            "chart/charts/db-1.0.0.tgz.prov": "",
        },
    ),
    fixture(
        "a dependency in a folder beside the chart",
        {"chart/Chart.yaml": NEAR, "chart/templates/a.yaml": config_map("a"), **DB},
        comes={"db/templates/new.yaml": config_map("new"), "db/LICENSE": "free"},
    ),
    fixture(
        "a dependency with a .helmignore of its own",
        {
            "chart/Chart.yaml": NEAR,
            "chart/templates/a.yaml": config_map("a"),
            **DB,
            "db/.helmignore": "no-*\n",
            "db/templates/no-b.yaml": config_map("b"),
        },
    ),
    fixture(
        "a dependency of a dependency",
        {
            "chart/Chart.yaml": NEAR,
            "chart/templates/a.yaml": config_map("a"),
            **DB,
            "db/Chart.yaml": DB["db/Chart.yaml"]
            + "dependencies: [{name: lib, version: 1.0.0, repository: 'file://../libs/lib'}]\n",
            "libs/lib/Chart.yaml": "apiVersion: v2\nname: lib\nversion: 1.0.0\n",
            "libs/lib/templates/lib.yaml": config_map("lib"),
        },
    ),
    fixture(
        "a library's helper that gets a file of the chart that uses it",
        {
            "chart/Chart.yaml": CHART + "dependencies: [{name: lib, version: 1.0.0, repository: 'file://../lib'}]\n",
            "chart/templates/a.yaml": '{{ include "lib.map" . }}',
            "chart/seed.sql": "select 1\n",
            "lib/Chart.yaml": "apiVersion: v2\nname: lib\nversion: 1.0.0\ntype: library\n",
            "lib/templates/_map.tpl": '{{ define "lib.map" }}'
            + config_map("a", '{{ .Files.Get "seed.sql" | quote }}')
            + "{{ end }}",
        },
    ),
    fixture(
        "old charts' requirements",
        {
            "chart/Chart.yaml": "apiVersion: v1\nname: shop\nversion: 1.0.0\n",
            "chart/requirements.yaml": "dependencies: [{name: db, version: 1.0.0, repository: 'file://../db', condition: db.on}]\n",
            "chart/templates/a.yaml": config_map("a"),
            "chart/values.yaml": "db: {on: true}\n",
            **DB,
        },
    ),
    fixture(
        "a template that does not parse",
        {"chart/templates/a.yaml": "a: {{ nonsense }}\n", "chart/values.yaml": "a: 1\n"},
        fails=True,
        edits={"chart/templates/a.yaml": config_map("a")},
    ),
    fixture(
        "a link to a template",
        {"chart/templates/b.yaml": config_map("b"), "shared/a.yaml": config_map("a"), "shared/b.yaml": ""},
        links={"chart/templates/a.yaml": "../../shared/a.yaml"},
    ),
)


@pytest.mark.parametrize("fixture", FIXTURES, ids=str)
def test_an_edit_renders_again_exactly_where_it_counts(fixture: Fixture, tmp_path: Path, helm: Tools) -> None:
    assert broken_promises(fixture, tmp_path, helm) == []
