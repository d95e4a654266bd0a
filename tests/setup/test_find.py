"""What is found in a folder, kind by kind."""

from __future__ import annotations

import pytest

from devloop.build import dockerfile
from devloop.setup import charts, dockerfiles, kustomizations, look, objects
from devloop.setup.languages import find as languages
from tests.init.samples import deployment
from tests.setup.conftest import Plant


@pytest.mark.parametrize(
    ("files", "context"),
    [
        ({"api/Dockerfile": "FROM x\nCOPY app.py .\n", "api/app.py": ""}, "api"),
        ({"docker/api.Dockerfile": "FROM x\nCOPY go.mod ./\nCOPY cmd/ cmd/\n", "go.mod": "", "cmd/main.go": ""}, "."),
        ({"a/docker/Dockerfile": "FROM x\nCOPY src/app.py .\n", "a/src/app.py": ""}, "a"),
        ({"api/Dockerfile": "FROM x AS b\nFROM y\nCOPY --from=b /app.py .\n", "app.py": ""}, "api"),
        ({"api/Dockerfile": "FROM x\nCOPY . .\n", "app.py": ""}, "api"),
        ({"api/Dockerfile": "nonsense\n"}, "api"),
    ],
)
def test_a_dockerfiles_context_is_the_folder_that_has_what_it_copies(
    plant: Plant, files: dict[str, str], context: str
) -> None:
    (found,) = dockerfiles.find(plant(files))
    assert found.context == context


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("Dockerfile", ""),
        ("Dockerfile.api", "api"),
        ("Dockerfile-api", "api"),
        ("api.Dockerfile", "api"),
        ("api.dockerfile", "api"),
    ],
)
def test_a_dockerfiles_name_may_say_what_it_is_for(name: str, word: str) -> None:
    assert dockerfiles.is_dockerfile(f"x/{name}")
    assert dockerfiles.word(f"x/{name}") == word


@pytest.mark.parametrize("name", ["Dockerfile.dockerignore", "dockerfile_lint.py", "Makefile"])
def test_other_names_are_no_dockerfiles(name: str) -> None:
    assert not dockerfiles.is_dockerfile(name)


def test_the_last_stages_ports_count() -> None:
    text = (
        "FROM a\nEXPOSE 1\nFROM b\nEXPOSE 80 443/tcp 53/udp $PORT\nEXPOSE 8080 99999 ² 0\n" + f"EXPOSE {'9' * 5000}\n"
    )
    assert dockerfiles.exposed(text) == (80, 443, 8080)


PROGRAMS = {
    "flask": (
        {"requirements.txt": "flask\n", "web/__init__.py": "app = Flask(__name__)\n"},
        "Python", (8000,), "FROM python:3.13-slim", '"--app", "web:app"',
    ),
    "gunicorn": (
        {"requirements.txt": "flask\ngunicorn\n", "app.py": "app = Flask(__name__)\n"},
        "Python", (8000,), 'CMD ["gunicorn", "--bind", "0.0.0.0:8000", "app:app"]',
    ),
    "fastapi": (
        {"pyproject.toml": '[project]\ndependencies = ["fastapi"]\nrequires-python = "==3.12.*"\n',
         "main.py": "api: FastAPI = FastAPI()\n"},
        "Python", (8000,), "FROM python:3.12-slim", "pip install uvicorn", '"uvicorn", "main:api"', "COPY pyproject.toml ./",
    ),
    "django": ({"manage.py": "import django", "package.json": "{}"}, "Python", (8000,), '"manage.py", "runserver"'),
    "uv": ({"pyproject.toml": "", "uv.lock": "", "main.py": "port = 7000\n"}, "Python", (7000,), "uv sync --frozen"),
    "plain python": ({"app.py": "print(1)\n"}, "Python", (), 'CMD ["python3", "app.py"]'),
    "npm": (
        {"package.json": '{"scripts": {"start": "node a.js --x"}, "dependencies": {"x": "1"}}',
         "package-lock.json": "{}", "a.js": "x.listen(8081)"},
        "Node", (8081,), "npm ci", 'CMD ["node", "a.js", "--x"]', "FROM node:22-slim",
    ),
    "build": (
        {"package.json": '{"scripts": {"start": "next start", "build": "next build"}, "devDependencies": {"x": "1"}}', "yarn.lock": ""},
        "Node", (3000,), "RUN npm run build", 'CMD ["npm", "start"]', "yarn install --frozen-lockfile",
    ),
    "vite": ({"package.json": '{"scripts": {"build": "vite build"}}'}, "Node", (80,), "FROM nginx:stable"),
    "go": (
        {"go.mod": "module x\ngo 1.27\nrequire y v1\n", "main.go": 'package main\nvar a = "0.0.0.0:9000"\n'},
        "Go", (9000,), "FROM golang:1.27 AS build", "go mod download", "-o /out/app .",
    ),
    "maven": (
        {"pom.xml": "<java.version>17</java.version>",
         "src/main/java/a/B.java": "package a;\nclass B {\npublic static void main(String[] x) {}\n}"},
        "Java", (), "FROM maven:3-eclipse-temurin-17 AS build", "FROM eclipse-temurin:17-jre", '"a.B"]',
    ),
    "spring": (
        {"pom.xml": "spring-boot-maven-plugin", "src/main/resources/application.yml": "server:\n  port: 8181\n"},
        "Java", (8181,), '"-jar", "/app/app.jar"',
    ),
    "gradle": ({"build.gradle": "id 'org.springframework.boot'"}, "Java", (8080,), "bootJar"),
    "rails": ({"Gemfile": "ruby '3.3'\n", "bin/rails": "", "package.json": "{}"}, "Ruby", (3000,), "FROM ruby:3.3-slim", '"bin/rails"'),
    "rack": ({"Gemfile": "", "config.ru": "", "Gemfile.lock": ""}, "Ruby", (9292,), "COPY Gemfile Gemfile.lock ./"),
    "dotnet": (
        {"Shop.Api.csproj": '<Project Sdk="Microsoft.NET.Sdk.Web"><TargetFramework>net8.0</TargetFramework>'},
        ".NET", (8080,), "FROM mcr.microsoft.com/dotnet/aspnet:8.0", '"Shop.Api.dll"',
    ),
    "rust": (
        {"Cargo.toml": '[package]\nname = "shop"\n', "src/main.rs": 'bind("0.0.0.0:7878")'},
        "Rust", (7878,), "target/release/shop",
    ),
}  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_without_a_dockerfile_is_offered_one(plant: Plant, program: str) -> None:
    files, language, ports, *texts = PROGRAMS[program]
    assert isinstance(files, dict)
    (found,), notes = languages.find(plant(files), ())
    assert (found.language, found.ports, found.context, notes) == (language, ports, ".", ())
    text = found.writes["Dockerfile"]
    assert all(str(each) in text for each in texts), text
    parsed = dockerfile.parse(text)
    last = [each.keyword for each in parsed.stages[-1].instructions]
    assert last[-1] == "CMD" or "nginx" in text
    assert "USER" in last or "nginx" in text
    assert "k8s" in found.writes[".dockerignore"].splitlines()
    assert dockerfiles.exposed(text) == ports


def test_each_program_of_a_module_of_go_is_an_image(plant: Plant) -> None:
    main = "package main\n"
    tree = plant(
        {
            "go.mod": "module x\n",
            "cmd/a/main.go": main,
            "cmd/b/main.go": main,
            "hack/gen.go": main,
            "p/p.go": "package p\n",
        }
    )
    found, _ = languages.find(tree, ())
    assert [(each.path, each.dockerfile, each.context) for each in found] == [
        ("cmd/a", "cmd/a/Dockerfile", "."),
        ("cmd/b", "cmd/b/Dockerfile", "."),
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"api/Dockerfile": "", "api/app.py": ""}, []),
        ({"app.py": "", "lib/main.py": ""}, ["."]),
        ({"app.py": "", "web/package.json": '{"main": "x.js"}', "web/x.js": ""}, [".", "web"]),
        ({"package.json": '{"workspaces": ["a"]}', "a/package.json": '{"scripts": {"start": "x"}}'}, ["a"]),
        ({"lib/pyproject.toml": "", "lib/code.py": ""}, []),
        ({"package.json": "[1", "pyproject.toml": "[[["}, []),
    ],
)
def test_parts_of_a_program_are_no_programs(plant: Plant, files: dict[str, str], expected: list[str]) -> None:
    found = look.look(plant(files)).sources
    assert [each.path for each in found if each.is_new] == expected


def test_a_program_that_nobody_knows_how_to_start_is_told(plant: Plant) -> None:
    _, notes = languages.find(plant({"lib/pyproject.toml": "", "lib/code.py": ""}), ())
    assert "lib: looks like Python" in notes[0]


def test_overlays_beside_each_other_are_one_kustomization_with_variants(plant: Plant) -> None:
    found, taken = kustomizations.find(
        plant(
            {
                "k8s/base/kustomization.yaml": "resources: [web.yaml]\n",
                "k8s/base/web.yaml": deployment("web", "web:1", 80),
                "k8s/overlays/prod/kustomization.yaml": "resources: [../../base]\npatches: [{path: p.yaml}]\n",
                "k8s/overlays/prod/p.yaml": "kind: x\n",
                "k8s/overlays/local/kustomization.yaml": "bases: [../../base]\nimages: [{name: web, newName: acme/web}]\n",
                "extra/kustomization.yml": "components: [part]\n",
                "extra/part/kustomization.yaml": "kind: Component\n",
            }
        )
    )
    extra, web = sorted(found, key=lambda each: each.path)
    assert (web.path, dict(web.others)) == ("k8s/overlays/local", {"prod": "k8s/overlays/prod"})
    assert [(use.image, use.workload, use.ports) for use in web.uses] == [("acme/web", "deployment/web", (80,))]
    assert (extra.name, extra.path) == ("extra", "extra")
    assert kustomizations.belongs("k8s/overlays/prod/p.yaml", taken)
    assert not kustomizations.belongs("other/p.yaml", taken)


def test_a_circle_of_kustomizations_ends(plant: Plant) -> None:
    found, _ = kustomizations.find(
        plant(
            {
                "a/kustomization.yaml": "resources: [../b]\n",
                "b/kustomization.yaml": "resources: [../a]\n",
                "c/kustomization.yaml": "resources: [../a]\n",
            }
        )
    )
    assert [each.path for each in found] == ["c"]


def test_a_chart_names_its_images_in_values_and_templates(plant: Plant) -> None:
    (found,) = charts.find(
        plant(
            {
                "chart/Chart.yaml": "name: Shop\n",
                "chart/values.yaml": "api: {image: {registry: ghcr.io, repository: a/api, tag: 1}}\nimage: b/web:2\nsource: {repository: 'https://x'}\n",
                "chart/templates/a.yaml": 'image: "c/job:{{ .Values.tag }}"\nimage: {{ .Values.x }}\n',
                "chart/charts/db/Chart.yaml": "name: db\n",
                "values-local.yaml": "image: b/mine:2\n",
                "chart/values.prod.yaml": "x: 1\n",
                "lib/Chart.yaml": "name: lib\ntype: library\n",
            }
        )
    )
    assert (found.name, found.path, found.values, dict(found.others)) == (
        "shop", "chart", ("values-local.yaml",), {"prod": "chart/values.prod.yaml"}
    )  # fmt: skip
    assert [each.image for each in found.uses] == ["ghcr.io/a/api", "b/mine", "c/job"]


def test_a_folder_of_manifests_counts_as_a_whole_unless_other_files_lie_there(plant: Plant) -> None:
    found = look.look(
        plant(
            {
                "k8s/a.yaml": deployment("a", "a", 1),
                "k8s/b.yml": deployment("b", "b@sha256:0", 1),
                "mixed/c.yaml": deployment("c", "c", 1),
                "mixed/settings.yaml": "kind: no\n",
                "kind.yaml": "apiVersion: kind.x-k8s.io/v1alpha4\nkind: Cluster\nmetadata: {name: x}\n",
                "broken.yaml": "apiVersion: v1\nkind: [\n",
                "template.yaml": "apiVersion: v1\nkind: {{ x }}\n",
            }
        )
    )
    assert found.manifests[0].patterns == ("k8s/*.yml", "k8s/*.yaml", "mixed/c.yaml")
    assert [each.is_pinned for each in found.manifests[0].uses] == [False, True, False]
    assert len(found.notes) == 1
    assert found.notes[0].startswith("broken.yaml:")


def test_yaml_that_is_nested_without_end_is_left_out(plant: Plant) -> None:
    tree = plant({"x.yaml": "apiVersion: v1\nkind: " + "[" * 5000})
    assert not objects.read(tree, "x.yaml").found
    assert look.look(plant({"compose.yaml": "a: " + "[" * 5000})).compose == "compose.yaml"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("skaffold.yaml", "`devloop dev -f skaffold.yaml` runs it as it is"),
        ("Tiltfile", "`devloop import Tiltfile` carries over what it says"),
        ("devspace.yaml", "`devloop import devspace.yaml` carries over"),
    ],
)
def test_what_another_tool_says_already_is_pointed_to(plant: Plant, name: str, said: str) -> None:
    assert said in look.look(plant({name: "", "Dockerfile": "FROM x\n"})).notes[0]
