"""Files of Skaffold that are wrong: one clear message each, or a note, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devloop.config import model
from devloop.config.decode import decode
from devloop.config.importing import writing
from devloop.config.load import find, load
from devloop.config.profiles import Facts
from devloop.errors import ConfigError, DevloopError
from tests.config.importing.converting import HEAD, converted, plain
from tests.config.importing.rows import ROWS


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("apiVersion: skaffold/v2beta28\nkind: Config\n", "is older than what devloop reads"),
        ("apiVersion: skaffold/v1\nkind: Config\n", "is older than what devloop reads"),
        ("apiVersion: skaffold/v4beta15\nkind: Config\n", "is no version that devloop reads"),
        ("apiVersion: skaffold/v4bta14\nkind: Config\n", "is no version that devloop reads"),
        ("apiVersion: skaffold/v4beta14\nkind: Pod\n", "not the configuration of a project"),
        ("apiVersion: skaffold/v4beta14\nkind: Config\n---\nkind: Config\n", "no configuration of Skaffold"),
        ("apiVersion: skaffold/v4beta14\nbuild: [a, b\nx: y\n", "never closed"),
        ("apiVersion: skaffold/v4beta14\nbuild:\n\tartifacts: []\n", "a tab in the indentation"),
        ("apiVersion: skaffold/v4beta14\n--- text\n", "found text where fields"),
        ("apiVersion: skaffold/v4beta14\nx: !other y\n---\nx: *z\n", "the tag `!other`"),
        ("apiVersion: skaffold/v4beta14\nx: &x [1]\n---\nx: *x\n", "nothing above has the anchor"),
        (HEAD + "# " + "x" * 1_100_000, "larger than 1 MB"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(text: str, wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted):
        converted(text)


def test_an_old_version_names_the_way_out() -> None:
    with pytest.raises(ConfigError) as raised:
        converted("apiVersion: skaffold/v2beta12\nkind: Config\n")
    assert raised.value.where == "skaffold.yaml:1:13"
    assert "skaffold fix --overwrite" in (raised.value.hint or "")


@pytest.mark.parametrize("version", ["v2beta29", "v3alpha1", "v4beta1", "v4beta9", "v4beta14"])
def test_versions_from_v2beta29_on_are_read(version: str) -> None:
    made = converted(f"apiVersion: skaffold/{version}\nkind: Config\nbuild: {{artifacts: [{{image: a}}]}}\n")
    assert plain(made.root)["build"] == {"artifacts": [{"image": "a"}]}


@pytest.mark.parametrize(
    ("text", "path", "line", "reason"),
    [
        ("build: {artefacts: []}", "build.artefacts", 3, "did you mean `artifacts`?"),
        ("build:\n  artifacts:\n    - image: a\n      ko: {man: D}", "build.artifacts[0].ko.man", 6, "did you mean `main`?"),
        ("deploi: {}", "deploi", 3, "did you mean `deploy`?"),
        ("build: {artifacts: {image: a}}", "build.artifacts", 3, "a list is wanted here"),
        ("build: text", "build", 3, "fields are wanted here"),
        ("build: {artifacts: [{context: a}]}", "build.artifacts[0].image", 3, "needs its `image`"),
        ("build: {artifacts: [text]}", "build.artifacts[0]", 3, "fields are wanted here"),
        ("profiles: [{name: p, patches: [{path: /build/artifacts/7/image, value: x}]}]", "profiles[0].patches", 3, "there is no `/build`"),
        ("profiles: [{name: p, patches: [{op: add, path: /kind, value: X}]}]", "profiles[0].patches", 3, "not change `kind`"),
        ("requires: [{path: .., configs: [x]}]", "requires[0].configs", 3, "there is no configuration `x`"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_it_is_noted_at_its_line(text: str, path: str, line: int, reason: str) -> None:
    files = {"../skaffold.yaml": HEAD} if ".." in text else {}
    notes = converted(
        text.replace("..", "other"), {name.replace("..", "other"): each for name, each in files.items()}
    ).notes
    found = [each for each in notes if each.path == path]
    assert [(each.place.line, each.matters) for each in found] == [(line, True)]
    assert reason in found[0].reason


def test_a_required_file_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no file") as raised:
        converted("requires: [{path: nowhere}]")
    assert raised.value.problems[0].where == "skaffold.yaml:3:19"
    assert [each.name for each in raised.value.missing] == ["nowhere"]


def test_what_is_left_out_is_told_with_the_problems_that_it_may_lead_to(shop: Path) -> None:
    (shop / "skaffold.yaml").write_text(f"{HEAD}manifests: {{rawYaml: ['{{{{.GONE}}}}.yaml']}}\n")
    with pytest.raises(ConfigError, match="nothing to build or deploy") as raised:
        load(shop / "skaffold.yaml")
    (note,) = raised.value.notes
    assert "GONE is not set" in note


def test_configurations_that_require_each_other_are_read_once() -> None:
    other = f"{HEAD}metadata: {{name: other}}\nrequires: [{{path: ..}}]\nbuild: {{artifacts: [{{image: b}}]}}\n"
    made = converted("requires: [{path: other}]\nbuild: {artifacts: [{image: a}]}", {"other/skaffold.yaml": other})
    assert [each["image"] for each in plain(made.root)["build"]["artifacts"]] == ["b", "a"]
    assert [each.name for each in made.files] == ["skaffold.yaml", "skaffold.yaml"]


def test_what_changes_images_or_objects_is_noted_first() -> None:
    made = converted(
        "verify: [{name: v}]\nbuild: {artifacts: [{image: a, sync: {auto: true}}], cluster: {}, hooks: {before: []}}"
    )
    assert [each.matters for each in made.notes] == sorted([each.matters for each in made.notes], reverse=True)
    assert [each.path for each in made.notes] == ["build.cluster", "build.hooks", "verify", "build.artifacts[0].sync"]


def test_a_template_that_cannot_be_filled_in_leaves_its_field_out() -> None:
    text = "build: {artifacts: [{image: a, docker: {buildArgs: {A: '{{.GONE}}', B: '{{cmd \"ls\"}}', C: c}}}]}"
    made = converted(text)
    assert plain(made.root)["build"]["artifacts"][0]["docker"] == {"buildArgs": {"C": "c"}}
    assert ["GONE is not set" in each.reason or "more than a variable" in each.reason for each in made.notes] == [
        True,
        True,
    ]


def test_notes_of_a_profile_are_told_when_it_is_active(shop: Path) -> None:
    (shop / "skaffold.yaml").write_text(
        f"{HEAD}build: {{artifacts: [{{image: a}}]}}\n"
        "profiles: [{name: p, activation: [{env: P=1}], build: {googleCloudBuild: {}}}]\n"
    )
    assert load(shop / "skaffold.yaml").warnings == ()
    active = load(shop / "skaffold.yaml", facts=Facts(env={"P": "1"}))
    assert [each for each, _ in active.active] == ["p"]
    assert ["googleCloudBuild" in each for each in active.warnings] == [True]


def test_problems_have_the_places_of_the_file_itself(shop: Path) -> None:
    (shop / "skaffold.yaml").write_text(
        f"{HEAD}build:\n  artifacts:\n    - image: Wrong Name\n    - {{image: a, context: nowhere}}\nmanifests: {{rawYaml: [none.yaml]}}\n"
    )
    with pytest.raises(ConfigError) as raised:
        load(shop / "skaffold.yaml")
    assert [(each.line, each.column) for each in raised.value.problems] == [(5, 14), (6, 27), (7, 23)]


def test_skaffold_yaml_is_found_where_there_is_no_devloop_yaml(shop: Path) -> None:
    (shop / "skaffold.yaml").write_text(HEAD)
    assert find(shop) == shop / "skaffold.yaml"
    (shop / "devloop.yaml").write_text("apiVersion: devloop/v1\n")
    assert find(shop) == shop / "devloop.yaml"


def test_fifty_artifacts_change_in_each_of_ten_profiles() -> None:
    artifacts = "".join(f"    - {{image: i{n}, context: c{n}, docker: {{buildArgs: {{A: x}}}}}}\n" for n in range(50))
    patches = ", ".join(f"{{path: /build/artifacts/{n}/context, value: d}}" for n in range(50))
    profiles = "".join(f"  - {{name: p{n}, patches: [{patches}]}}\n" for n in range(10))
    made = converted(f"build:\n  artifacts:\n{artifacts}profiles:\n{profiles}")
    assert len(plain(made.root)["profiles"][9]["build"]["artifacts"]) == 50


VALUES = st.recursive(
    st.sampled_from(["", "a", "null", "true", "0", "-1", "{{.X}}", "{{", "../x", "/", "~", "v4"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "image", "name", "path"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_no_mixed_up_file_ends_in_a_traceback(data: st.DataObject) -> None:
    import yaml

    row = data.draw(st.sampled_from(ROWS))
    head = "" if row.given.startswith("apiVersion:") else HEAD
    tree = yaml.safe_load(head + row.given)
    _spoil(tree, data)
    try:
        made = converted(yaml.safe_dump(tree, sort_keys=False), row.files)
    except DevloopError:
        return
    decode(made.root, model.Project)
    writing.text(made.root, made.notes, "skaffold.yaml")


def _spoil(tree: object, data: st.DataObject) -> None:
    """Puts something else in the place of one value."""
    here = tree
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here))) if isinstance(here, list) else []
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        below = here[key]  # type: ignore[index]
        if not isinstance(below, dict | list) or not below or data.draw(st.booleans()):
            here[key] = data.draw(VALUES)  # type: ignore[index]
            return
        here = below
