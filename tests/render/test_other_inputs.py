"""What plain manifests, ytt, commands and chains read is exactly what is watched: the table of `fixtures`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devloop.config import model
from devloop.stages import Tools
from tests.render.fixtures import Fixture, broken_promises
from tests.render.test_chain import COMPONENT, HELM, OVER, TREE
from tests.render.test_kustomize_inputs import DEPLOYMENT, config_map


def manifests(*entries: str) -> model.Unit:
    return model.Unit(name="u", manifests=entries)


def command(text: str, folder: str = ".", **dependencies: object) -> model.CustomRender:
    return model.CustomRender(text, folder, model.CustomDependencies(**dependencies))  # type: ignore[arg-type]


def custom(text: str, folder: str = ".", **dependencies: object) -> model.Unit:
    return model.Unit(name="u", custom=command(text, folder, **dependencies))


A, B, C = (config_map(name) for name in "abc")

PLAIN = (
    Fixture("one file", manifests("a.yaml"), {"a.yaml": A, "b.yaml": B}),
    Fixture(
        "a folder is its own files, not those below",
        manifests("k8s"),
        {"k8s/a.yaml": A, "k8s/deep/b.yaml": B, "k8s/notes.txt": "", "other/c.yaml": C},
        comes={
            "k8s/new.yml": C,
            "k8s/new.json": '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "j"}}',
            "k8s/x.sh": "",
        },
    ),
    Fixture(
        "a wildcard",
        manifests("k8s/*/a*.yaml"),
        {"k8s/x/a.yaml": A, "k8s/x/b.yaml": B, "k8s/a.yaml": C},
        comes={"k8s/y/a2.yaml": C, "k8s/y/b2.yaml": C, "k8s/y/z/a3.yaml": C},
    ),
    Fixture(
        "any depth",
        manifests("k8s/**/*.yaml"),
        {"k8s/a.yaml": A, "k8s/x/y/b.yaml": B, "k8s/x/y/c.json": "{}"},
        comes={"k8s/q/r/c.yaml": C},
    ),
    Fixture(
        "a link to a file", manifests("k8s"), {"real.yaml": A, "other.yaml": B}, links={"k8s/a.yaml": "../real.yaml"}
    ),
    Fixture("two entries that overlap", manifests("k8s", "k8s/a.yaml"), {"k8s/a.yaml": A, "k8s/b.yaml": B}),
    Fixture("nothing there yet", manifests("late.yaml"), {"a.yaml": A}, comes={"late.yaml": B}, fails=True),
)
COMMANDS = (
    Fixture("files that are declared", custom("cat a.yaml", paths=("a.yaml",)), {"a.yaml": A, "b.yaml": B}),
    Fixture(
        "a glob that ignores",
        custom("cat *.yaml", "k8s", paths=("*.yaml",), ignore=("b.yaml",)),
        {"k8s/a.yaml": A, "k8s/notes.md": ""},
        comes={"k8s/c.yaml": C, "k8s/notes2.md": ""},
    ),
    Fixture(
        "what a command lists",
        custom("cat $(cat list)", command="cat list; echo list"),
        {"list": "a.yaml\n", "a.yaml": A, "b.yaml": B},
        edits={"list": "a.yaml\nb.yaml\n"},
    ),
    Fixture(
        "a folder outside of its own",
        custom("cat ../shared/*", "k8s", paths=("../shared",)),
        {"shared/a.yaml": A, "k8s/b.yaml": B},
        comes={"shared/c.yaml": C},
    ),
)
CHAINS = (
    Fixture("a chart into kustomize", HELM, {**TREE, "chart/ignored.txt": ""}),
    Fixture(
        "manifests into a component with files of its own",
        model.Unit(name="u", manifests=("k8s",), then=(OVER,)),
        {
            "k8s/api.yaml": DEPLOYMENT,
            "dev/kustomization.yaml": f"{COMPONENT}configMapGenerator: [{{name: c, files: [c.txt]}}]\nnamePrefix: p-\n",
            "dev/c.txt": "1\n",
            "dev/unrelated.yaml": "",
        },
        comes={"k8s/new.yaml": A, "dev/kustomization.yml": ""},
    ),
    Fixture(
        "manifests through commands",
        model.Unit(
            name="u",
            manifests=("k8s",),
            then=(
                model.Then(custom=command("cat - tool/extra.yaml", paths=("tool/extra.yaml",))),
                model.Then(custom=command("sed -f tool/edit.sed", paths=("tool/edit.sed",))),
            ),
        ),
        {"k8s/a.yaml": A, "tool/extra.yaml": f"---\n{B}", "tool/edit.sed": "s/x: .1./x: '2'/\n", "tool/unrelated": ""},
    ),
)
YTT = (
    Fixture(
        "files, folders and values",
        model.Unit(name="u", ytt=model.Ytt(("config", "b.yaml"), data_values_files=("v.yaml",))),
        {"config/a.yaml": A, "config/deep/c.yaml": C, "b.yaml": B, "v.yaml": "x: 1\n", "w.yaml": "x: 1\n"},
        comes={"config/deep/d.yaml": config_map("d"), "d.yaml": ""},
    ),
    Fixture(
        "a file that is missing yet",
        model.Unit(name="u", ytt=model.Ytt(("late.yaml",))),
        {"a.yaml": A},
        comes={"late.yaml": B},
        fails=True,
    ),
    Fixture(
        "a link to a template",
        model.Unit(name="u", ytt=model.Ytt(("config",))),
        {"real.yaml": A},
        links={"config/a.yaml": "../real.yaml"},
    ),
)


@pytest.mark.parametrize("fixture", [*PLAIN, *COMMANDS, *CHAINS], ids=str)
def test_an_edit_renders_again_exactly_where_it_counts(
    fixture: Fixture, tmp_path: Path, real_tools: Callable[[str], Tools]
) -> None:
    if fixture.unit.helm is not None:
        real_tools("helm")
    has_components = any(step.kustomize is not None for step in fixture.unit.then)
    assert broken_promises(fixture, tmp_path, real_tools("kustomize" if has_components else "sh")) == []


@pytest.mark.parametrize("fixture", YTT, ids=str)
def test_what_ytt_is_given_counts(fixture: Fixture, tmp_path: Path, ytt_tools: Tools) -> None:
    assert broken_promises(fixture, tmp_path, ytt_tools) == []


def test_edits_count_with_what_they_edit(tmp_path: Path, yq_tools: Tools) -> None:
    unit = model.Unit(name="u", manifests=("k8s",), transforms=(model.Transform('.data.y = "1"'),))
    fixture = Fixture("transforms", unit, {"k8s/a.yaml": A, "b.yaml": B}, comes={"k8s/c.yaml": C})
    assert broken_promises(fixture, tmp_path, yq_tools) == []


def test_the_judge_finds_what_is_missed_and_what_is_too_much(
    tmp_path: Path, real_tools: Callable[[str], Tools]
) -> None:
    fixture = Fixture("wrong", custom("cat a.yaml", paths=("b.yaml",)), {"a.yaml": A, "b.yaml": B}, comes={"c.yaml": C})
    assert broken_promises(fixture, tmp_path, real_tools("sh")) == [
        "a.yaml filled with rubbish, emptied, removed: the output changes, and nothing is rendered again",
        "b.yaml: it counts, and no change of it shows",
    ]
