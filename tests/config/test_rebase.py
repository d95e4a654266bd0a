"""Paths of a module, as the main folder of a session sees them: every field that is one, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from devloop.config import model
from devloop.config.rebase import rebased
from devloop.config.shapes import Field, Many, Record, fields
from devloop.config.tree import Place, Scalar

# What its documentation says is relative to the file has to be marked, and the other way round.
_RELATIVE = re.compile("relative to this file|folder of this file")


def every_field(
    record: type[Any] = model.Project, seen: frozenset[type[Any]] = frozenset()
) -> Iterator[tuple[str, Field]]:
    for each in fields(record):
        yield f"{record.__name__}.{each.key}", each
        shape = each.shape.item if isinstance(each.shape, Many) else each.shape
        if isinstance(shape, Record) and shape.type not in seen and not each.is_part:
            yield from every_field(shape.type, seen | {shape.type})


# Text that names files but is relative to something that is rebased itself: a context, the folder of a command.
INSIDE = {
    "BuildpacksDependencies.paths",
    "Buildpacks.projectDescriptor",
    "CustomDependencies.paths",
    "CustomTestDependencies.paths",
    "Docker.dockerfile",
    "GitSource.path",
    "ImageTest.structureTests",
    "Ko.dir",
    "Ko.main",
    "Secret.file",
}
# What is used while the file itself is read, and by then is done with.
READ_BEFORE = {"Variable.command", "Variable.inputs"}
# JSON pointers, paths into objects, contexts of a kubeconfig.
NO_FILES = {"Activation.kubeContext", "Cluster.context", "ImagePaths.paths", "Need.jsonpath", "Patch.path"}


def test_what_is_said_to_be_relative_to_the_file_is_marked_and_nothing_else() -> None:
    said = {name for name, each in every_field() if _RELATIVE.search(each.doc)} - READ_BEFORE
    marked = {name for name, each in every_field() if each.path}
    assert said == marked


def test_what_is_called_like_a_path_is_one_or_is_relative_to_something_that_moves() -> None:
    names = re.compile("path|file|dir|folder|context$|chart|manifests|project_descriptor", re.IGNORECASE)
    called = {
        name for name, each in every_field() if names.search(each.key) and each.shape in ("text", "texts", Many("text"))
    }
    unmarked = {name for name, each in every_field() if not each.path}
    assert called & unmarked <= INSIDE | NO_FILES


@pytest.mark.parametrize(
    ("path", "moved"),
    [
        ("k8s", "../db/k8s"),
        (".", "../db"),
        ("../shared", "../shared"),
        ("k8s/", "../db/k8s/"),
        ("k8s/**/*.yaml", "../db/k8s/**/*.yaml"),
        ("/srv/k8s", "/srv/k8s"),
        ("https://example.com/a.yaml#sha256=1", "https://example.com/a.yaml#sha256=1"),
        ("", ""),
    ],
)
def test_a_path_means_the_same_place_from_another_folder(path: str, moved: str) -> None:
    assert rebased(model.Unit("db", manifests=(path,)), "../db").manifests == (moved,)


def test_a_folder_whose_name_looks_like_a_pattern_is_taken_as_it_is_called() -> None:
    unit = rebased(model.Unit("db", manifests=("k8s", "k8s/*.yaml")), "../d[b]")
    assert unit.manifests == ("../d[b]/k8s", "../d[[]b]/k8s/*.yaml")


def test_a_default_that_means_the_folder_of_the_file_still_does() -> None:
    hooks = model.UnitHooks(after_deploy=(model.UnitHook("./seed.sh"), model.UnitHook("x", dir="bin", inputs=("a/*",))))
    custom = model.CustomRender("./render.sh")
    unit = rebased(model.Unit("db", custom=custom, hooks=hooks), "../db")
    assert unit.custom is not None
    assert unit.custom.dir == "../db"
    assert unit.hooks is not None
    assert [each.dir for each in unit.hooks.after_deploy] == ["../db", "../db/bin"]
    assert unit.hooks.after_deploy[1].inputs == ("../db/a/*",)


def test_what_is_relative_to_a_context_moves_with_it() -> None:
    docker = model.Docker("dev/Dockerfile", secrets=(model.Secret("npmrc", file=".npmrc"),))
    hooks = model.Hooks(before=(model.Hook("make"), model.Hook("make", dir="tools")))
    artifact = rebased(model.Artifact("shop/db", docker=docker, hooks=hooks), "../db")
    assert (artifact.context, artifact.docker) == ("../db", docker)
    assert artifact.hooks is not None
    assert [each.dir for each in artifact.hooks.before] == [None, "../db/tools"]


def test_nothing_moves_in_the_main_folder() -> None:
    unit = model.Unit("db", manifests=("./k8s//a.yaml",))
    assert rebased(unit, ".") is unit


def test_charts_move_only_when_they_are_on_this_machine() -> None:
    def chart(spec: model.Helm) -> str:
        helm = rebased(model.Unit("db", helm=spec), "../db").helm
        assert helm is not None
        return helm.chart

    assert chart(model.Helm("chart")) == "../db/chart"
    assert chart(model.Helm("oci://registry.example.com/charts/redis")) == "oci://registry.example.com/charts/redis"
    assert chart(model.Helm("redis", repo="https://charts.example.com")) == "redis"


def test_files_and_programs_of_a_chart_move() -> None:
    spec = model.Helm("chart", set_file={"config": "app.toml"}, set={"a": "b"}, post_renderer="./mark.sh x/y")
    helm = rebased(model.Unit("db", helm=spec), "../db").helm
    assert helm is not None
    assert (helm.set_file, helm.set, helm.post_renderer) == (
        {"config": "../db/app.toml"},
        {"a": "b"},
        "../db/mark.sh x/y",
    )
    spec = model.Helm("chart", post_renderer="yq .")
    helm = rebased(model.Unit("db", helm=spec), "../db").helm
    assert helm is not None
    assert helm.post_renderer == "yq ."


def test_what_a_patch_says_is_no_path_and_no_record() -> None:
    value = Scalar(Place("devloop.yaml", 1, 1), "web/Dockerfile")
    profile = model.Profile("small", patches=(model.Patch("/build/artifacts/0/docker/dockerfile", value=value),))
    assert rebased(model.Project("devloop/v1", profiles=(profile,)), "../db").profiles == (profile,)
