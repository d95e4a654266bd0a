"""From a path to a project: finding the file, defaults, positions, and what is read."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devloop.config import model
from devloop.config.load import Loaded, find, load
from devloop.errors import ConfigError, UsageError

SMALLEST = """\
apiVersion: devloop/v1
build:
  artifacts:
    - image: shop/api
deploy:
  - manifests: [k8s/*.yaml]
portForward:
  - resource: deployment/api
    port: 8080
"""


def loaded(folder: Path, text: str) -> Loaded:
    file = folder / "devloop.yaml"
    file.write_text(text, encoding="utf-8")
    return load(file)


def units(folder: Path, *entries: str) -> list[model.Unit]:
    text = "apiVersion: devloop/v1\ndeploy:\n" + "".join(f"  - {entry}\n" for entry in entries)
    return list(loaded(folder, text).project.deploy)


def test_the_smallest_file_is_a_project(shop: Path) -> None:
    project = loaded(shop, SMALLEST).project
    assert project == model.Project(
        api_version="devloop/v1",
        metadata=model.Metadata(name="shop"),
        build=model.Build(artifacts=(model.Artifact(image="shop/api"),)),
        deploy=(model.Unit(name="k8s", manifests=("k8s/*.yaml",)),),
        port_forward=(model.PortForward(resource="deployment/api", port=8080, local_port=8080),),
    )


def test_every_field_is_read(shop: Path) -> None:
    project = loaded(
        shop,
        """\
apiVersion: devloop/v1
metadata: {name: my-shop}
build:
  concurrency: 2
  artifacts:
    - image: localhost:5000/shop/base
      docker:
        dockerfile: Dockerfile.dev
        target: dev
        buildArgs: {A: 1, B: true, C: 1.10, D: "x", E: 0x10, F: ""}
    - image: shop/job
      context: api
      custom:
        command: |
          ./build.sh
          echo done
        dependencies: {paths: ["src/**/*.py"], ignore: ["*.md"], command: ls}
      requires: [{image: localhost:5000/shop/base, alias: BASE}]
deploy:
  - name: db
    helm: {chart: chart, release: pg, values: [dev.yaml], set: {size: 1Gi, replicas: 2}, namespace: data}
    readyDeadlineSeconds: 60
  - name: web
    needs: [db, {resource: job/migrate, namespace: ops, timeoutSeconds: 30}]
    kustomize: {path: overlays/dev}
cluster: {context: kind-dev, namespace: dev, registry: "localhost:5001"}
portForward:
  - {resource: svc/web, port: http, localPort: 8080, namespace: dev, address: 0.0.0.0}
  - {resource: StatefulSet/db, port: "5432"}
logs: {enabled: false, prefix: pod, exclude: [istio-*]}
""",
    ).project
    custom = model.Custom("./build.sh\necho done\n", model.CustomDependencies(("src/**/*.py",), ("*.md",), "ls"))
    job = model.Need(resource="Job/migrate", api_version="batch/v1", namespace="ops", timeout_seconds=30)
    arguments = {"A": "1", "B": "true", "C": "1.10", "D": "x", "E": "0x10", "F": ""}
    assert project == model.Project(
        api_version="devloop/v1",
        metadata=model.Metadata("my-shop"),
        build=model.Build(
            (
                model.Artifact("localhost:5000/shop/base", docker=model.Docker("Dockerfile.dev", "dev", arguments)),
                model.Artifact(
                    "shop/job", "api", custom=custom, requires=(model.Require("localhost:5000/shop/base", "BASE"),)
                ),
            ),
            2,
        ),
        deploy=(
            model.Unit(
                "db",
                helm=model.Helm(
                    "chart",
                    release="pg",
                    values=("dev.yaml",),
                    set={"size": "1Gi", "replicas": "2"},
                    namespace="data",
                ),
                ready_deadline_seconds=60,
            ),
            model.Unit("web", (model.Need("db"), job), kustomize=model.Kustomize("overlays/dev")),
        ),
        cluster=model.Cluster("kind-dev", "dev", "localhost:5001"),
        port_forward=(
            model.PortForward("service/web", "http", 8080, "dev", "0.0.0.0"),
            model.PortForward("statefulset/db", 5432, 5432),
        ),
        logs=model.Logs(enabled=False, prefix="pod", exclude=("istio-*",)),
    )


def test_a_field_with_nothing_after_it_counts_as_left_out(shop: Path) -> None:
    written = SMALLEST + "cluster:\nlogs:\n  prefix:\n"
    assert loaded(shop, written).project == loaded(shop, SMALLEST).project


def test_values_know_where_they_are_written(shop: Path) -> None:
    positions = loaded(shop, SMALLEST).positions
    assert positions.where(("build", "artifacts", 0, "image")) == "devloop.yaml:4:14"
    assert positions.where(("portForward", 0, "port")) == "devloop.yaml:9:11"
    assert positions.where(()) == "devloop.yaml:1:1"


def test_a_default_is_where_that_stands_which_it_belongs_to(shop: Path) -> None:
    positions = loaded(shop, SMALLEST).positions
    assert positions.where(("build", "artifacts", 0, "docker", "dockerfile")) == "devloop.yaml:4:7"
    assert not positions.has(("build", "artifacts", 0, "context"))
    assert positions.where(("build", "artifacts", 7, "image")) == "devloop.yaml:4:5"


def test_places_are_relative_to_where_one_is_or_absolute(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shop.parent)
    assert loaded(shop, SMALLEST).positions.where(()) == "shop/devloop.yaml:1:1"
    monkeypatch.chdir(shop / "api")
    assert loaded(shop, SMALLEST).positions.where(()) == f"{shop}/devloop.yaml:1:1"


def test_what_was_read_is_absolute(shop: Path) -> None:
    (shop / "devloop.yaml").write_text(SMALLEST, encoding="utf-8")
    found = load(Path("devloop.yaml"))
    assert (found.file, found.base, found.files) == (
        shop / "devloop.yaml",
        shop,
        (shop / ".env", shop / "devloop.yaml"),
    )


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("manifests: [k8s/*.yaml]", "k8s"),
        ("manifests: [k8s]", "k8s"),
        ("manifests: [./k8s/]", "k8s"),
        ("manifests: [k8s/**/*.yaml]", "k8s"),
        ("manifests: [k8s/api.yaml, k8s/more]", "api"),
        ("manifests: ['*.yaml']", "shop"),
        ("manifests: [.]", "shop"),
        ("manifests: [../shop/k8s/*.yaml]", "k8s"),
        ("kustomize: overlays/dev", "dev"),
        ("kustomize: {path: overlays/dev/}", "dev"),
        ("helm: {chart: chart}", "chart"),
        ("helm: {chart: charts/db/}", "db"),
        ("helm: {chart: chart, release: quotes}", "quotes"),
        ("{name: web, helm: {chart: chart, release: quotes}}", "web"),
    ],
)
def test_a_unit_is_called_after_what_it_deploys(shop: Path, entry: str, name: str) -> None:
    assert [each.name for each in units(shop, entry)] == [name]


def test_a_base_is_called_after_what_it_is_the_base_of(shop: Path) -> None:
    (shop / "web/base").mkdir()
    (shop / "web/base/kustomization.yaml").touch()
    assert units(shop, "kustomize: web/base")[0].name == "web"


def test_adding_manifests_renames_nothing(shop: Path) -> None:
    assert (
        units(shop, "manifests: [k8s/api.yaml]")[0].name == units(shop, "manifests: [k8s/api.yaml, dev.yaml]")[0].name
    )


def test_a_release_is_called_as_its_unit(shop: Path) -> None:
    made = units(shop, "helm: {chart: chart}", "{name: db, helm: {chart: charts/db}}")
    assert [each.helm.release for each in made if each.helm] == ["chart", "db"]


@pytest.mark.parametrize(
    ("folder", "name"), [("My Shop_2", "my-shop-2"), ("…", "project"), ("-x-", "x"), ("a" * 100, "a" * 63)]
)
def test_a_project_is_called_after_its_folder(tmp_path: Path, folder: str, name: str) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "Dockerfile").touch()
    text = "apiVersion: devloop/v1\nbuild: {artifacts: [{image: a}]}\n"
    assert loaded(tmp_path / folder, text).project.metadata.name == name


@pytest.mark.parametrize(("short", "long"), [("po/a", "pod/a"), ("deploy/a", "deployment/a"), ("Svc/a", "service/a")])
def test_kinds_are_known_by_their_short_names(shop: Path, short: str, long: str) -> None:
    text = SMALLEST.replace("deployment/api", short)
    assert loaded(shop, text).project.port_forward[0].resource == long


def test_absolute_paths_and_packed_charts_are_allowed(shop: Path, tmp_path: Path) -> None:
    (tmp_path / "db-1.0.0.tgz").touch()
    text = f"""\
apiVersion: devloop/v1
build:
  artifacts: [{{image: api, context: {shop}/api, docker: {{dockerfile: {shop}/Dockerfile.dev}}}}]
deploy:
  - {{name: a, manifests: [{shop}/k8s/*.yaml]}}
  - {{name: b, kustomize: {shop}/overlays/dev}}
  - {{name: c, helm: {{chart: {tmp_path}/db-1.0.0.tgz, values: [{shop}/dev.yaml]}}}}
"""
    assert len(loaded(shop, text).project.deploy) == 3


def test_anchors_and_merge_keys_work_and_keep_their_places(shop: Path) -> None:
    text = """\
apiVersion: devloop/v1
build:
  artifacts:
    - &api
      image: shop/api
      docker: &docker {target: dev}
    - <<: *api
      image: shop/web
      docker: {<<: *docker, dockerfile: Dockerfile.dev}
"""
    found = loaded(shop, text)
    first, second = found.project.build.artifacts
    assert (first.docker, second.docker) == (model.Docker(target="dev"), model.Docker("Dockerfile.dev", "dev"))
    assert found.positions.where(("build", "artifacts", 1, "docker", "target")) == "devloop.yaml:6:32"


def test_loading_twice_gives_the_same_and_sees_the_disk_of_now(shop: Path) -> None:
    assert loaded(shop, SMALLEST).project == loaded(shop, SMALLEST).project
    (shop / "Dockerfile").unlink()
    with pytest.raises(ConfigError, match="no Dockerfile in the context"):
        loaded(shop, SMALLEST)


def test_all_problems_come_at_once_in_the_order_of_the_file(shop: Path) -> None:
    text = SMALLEST.replace("k8s/*", "k9s/*").replace("8080", "0").replace("image:", "imagee:")
    with pytest.raises(ConfigError) as raised:
        loaded(shop, text)
    assert [(each.line, each.column) for each in raised.value.problems] == [(4, 7), (6, 17), (9, 11)]
    assert raised.value.message.endswith("(and 2 more)")


@pytest.mark.parametrize("name", ["devloop.yaml", "devloop.yml"])
def test_the_file_is_found_here_in_a_folder_or_by_name(shop: Path, name: str) -> None:
    (shop / name).touch()
    assert find(None) == find(Path()) == find(shop) == find(Path(name)) == shop / name


def test_a_missing_file_says_how_to_start(shop: Path) -> None:
    for start in (None, shop, Path("devloop.yaml")):
        with pytest.raises(UsageError) as raised:
            find(start)
        assert "apiVersion: devloop/v1" in (raised.value.hint or "")
    with pytest.raises(UsageError, match=r"no file other\.yaml"):
        find(Path("other.yaml"))


def test_the_start_that_is_suggested_works(shop: Path) -> None:
    with pytest.raises(UsageError) as raised:
        find(None)
    hint = raised.value.hint or ""
    fields = hint.partition(": ")[2].replace(", for a Dockerfile in this folder", "").replace("NAME", "api")
    assert loaded(shop, fields.replace("; ", "\n")).project.deploy


def test_a_file_that_cannot_be_read_is_no_traceback(shop: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read gone\.yaml: No such file or directory"):
        load(shop / "gone.yaml")
    with pytest.raises(UsageError, match="cannot read k8s: Is a directory"):
        load(shop / "k8s")


def test_a_current_folder_that_is_gone_is_no_traceback(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = shop / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UsageError, match="the current folder is gone"):
        find(None)
    assert loaded(shop, SMALLEST).positions.where(()) == f"{shop}/devloop.yaml:1:1"
    os.chdir(shop)


def test_importing_it_imports_nothing_heavy() -> None:
    light = {"yaml", "devloop", *sys.stdlib_module_names}
    code = "import sys, devloop.config.load; print(*{name.partition('.')[0] for name in sys.modules})"
    found = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    before = subprocess.run(
        [sys.executable, "-I", "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    already = {name.partition(".")[0] for name in before.stdout.split()}
    assert set(found.stdout.split()) - light - already == set()


def test_what_is_loaded_can_be_compared_and_changed_by_copy(shop: Path) -> None:
    project = loaded(shop, SMALLEST).project
    assert dataclasses.replace(project, deploy=()) != project
