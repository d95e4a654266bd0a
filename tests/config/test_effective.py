"""The configuration as it came to be, and where each value comes from."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from devloop.config import effective
from devloop.config.load import Loaded, load
from devloop.config.profiles import NOWHERE
from devloop.config.variables import Sources
from devloop.errors import UsageError

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*/devloop.yaml"))
CONFIG = """\
apiVersion: devloop/v1
build:
  artifacts:
    - image: shop/${NAME}
      docker: {buildArgs: {PRICE: $$5, RAW: '$${x} $$$$', TOKEN: !secret "${TOKEN}", ODD: "0x1F", LINES: "a\\nb"}}
    - image: shop/web
      custom:
        command: ./build.sh ${IMAGE}
deploy:
  - manifests: [k8s/*.yaml]
    needs: []
profiles:
  - name: many
    build: {concurrency: 4, artifacts: [{image: shop/web, context: web}]}
"""


@pytest.fixture
def found(shop: Path) -> Loaded:
    (shop / "devloop.yaml").write_text(CONFIG)
    return load(shop / "devloop.yaml", ("many",), NOWHERE, Sources({"TOKEN": "s3cr3t"}, {"NAME": "api"}))


def explained(found: Loaded, path: str) -> tuple[object, str, str, tuple[str, ...]]:
    said = effective.explain(found, path)
    return said.value, said.where, said.profile, said.origins


def test_what_is_shown_loads_to_the_same(found: Loaded, shop: Path) -> None:
    (shop / "shown.yaml").write_text(effective.text(found))
    again = load(shop / "shown.yaml").project
    assert effective.data(replace(found, project=again)) == effective.data(found)
    assert again.build.artifacts[1].custom == found.project.build.artifacts[1].custom


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_what_is_shown_of_an_example_loads_to_the_same(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / path.parent.name
    shutil.copytree(path.parent, folder)
    before = load(folder / path.name)
    (folder / path.name).write_text(effective.text(before))
    assert effective.data(load(folder / path.name)) == effective.data(before)


def test_no_secret_is_shown(found: Loaded) -> None:
    assert "s3cr3t" not in effective.text(found)
    assert effective.explain(found, "build.artifacts[0].docker.buildArgs.TOKEN").value == "***"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("build.artifacts[0].image", ("shop/api", "devloop.yaml:4:14", "", ("NAME of the environment",))),
        ("build.artifacts[shop/web].context", ("web", "devloop.yaml:14:68", "many", ())),
        ("build.concurrency", (4, "devloop.yaml:14:26", "many", ())),
        ("deploy[k8s].readyDeadlineSeconds", (300, "", "", ())),
        ("build.artifacts[0].docker.dockerfile", ("Dockerfile", "", "", ())),
    ],
)
def test_a_value_is_explained(found: Loaded, path: str, said: tuple[object, str, str, tuple[str, ...]]) -> None:
    assert explained(found, path) == said


@pytest.mark.parametrize(
    ("path", "message", "hint"),
    [
        ("build.artefacts", "build has no `artefacts`", "did you mean `artifacts`?"),
        ("build.artifacts[shop/ap].image", "build.artifacts has no `shop/ap`", "did you mean `shop/api`?"),
        ("deploy[7]", "deploy has no `7`", "there is k8s"),
        ("deploy[²]", "deploy has no `²`", "there is k8s"),
        ("build..x", "`build..x` is no path", "for example `build.artifacts[0].image`"),
    ],
)
def test_a_path_to_nothing_is_told_with_what_there_is(found: Loaded, path: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        effective.explain(found, path)
    assert (raised.value.message, raised.value.hint) == (message, hint)


def test_all_paths_lead_somewhere(found: Loaded) -> None:
    paths = effective.paths(found)
    assert "build.artifacts[1].custom.command" in paths
    assert all(effective.explain(found, each).path == each for each in paths)
