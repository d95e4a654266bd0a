"""Files, globs and folders of manifests are found, watched and read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from devloop.config import model
from devloop.errors import StepFailed
from devloop.products import Inputs, Manifest
from devloop.render import documents
from devloop.render.manifests import ManifestsRenderer, to_yaml
from devloop.scope import Scope
from devloop.testing.processes import FakeProcesses
from tests.render.conftest import tools_with

Write = Callable[[dict[str, str]], Path]


def config_map(name: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n"


def inputs(scope: Scope, base: Path, *patterns: str) -> Inputs:
    unit = model.Unit(name="u", manifests=patterns)
    return ManifestsRenderer().inputs(scope, unit, base, tools_with(FakeProcesses()))


def render(scope: Scope, base: Path, *patterns: str) -> tuple[Manifest, ...]:
    unit = model.Unit(name="u", manifests=patterns)
    return ManifestsRenderer().render(scope, unit, base, "default", tools_with(FakeProcesses()))


def names(found: Inputs) -> list[str]:
    return [path.relative_to(found.base).as_posix() for path in found.files]


TREE = {
    "k8s/a.yaml": config_map("a"),
    "k8s/b.yml": config_map("b"),
    "k8s/c.json": '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}',
    "k8s/README.md": "# not a manifest",
    "k8s/deep/d.yaml": config_map("d"),
    "k8s/deep/er/e.yaml": config_map("e"),
    "one.txt": config_map("one"),
}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("k8s", "a b c"),
        ("k8s/", "a b c"),
        ("./k8s", "a b c"),
        ("k8s/*.yaml", "a"),
        ("k8s/*", "a b c d"),
        ("k8s/**", "a b c d e"),
        ("k8s/**/*.yaml", "a d e"),
        ("k*", "a b c"),
        ("one.txt", "one"),
    ],
)
def test_a_pattern_names_files(scope: Scope, write: Write, pattern: str, expected: str) -> None:
    base = write(TREE)
    rendered = render(scope, base, pattern)
    assert sorted(each.object["metadata"]["name"] for each in rendered) == expected.split()
    found = inputs(scope, base, pattern)
    assert set(found.files) == {base / each.source.partition(":")[0] for each in rendered}
    assert all(found.matches(path) for path in found.files)


@pytest.mark.parametrize(
    ("pattern", "path", "counts"),
    [
        ("k8s", "k8s/new.yaml", True),
        ("k8s", "k8s/new.txt", False),
        ("k8s", "k8s/deep/new.yaml", False),
        ("k8s/*.yaml", "k8s/new.yaml", True),
        ("k8s/*.yaml", "k8s/new.json", False),
        ("k8s/**", "k8s/x/y/z/new.yaml", True),
        ("missing.yaml", "missing.yaml", True),
    ],
)
def test_a_file_that_appears_counts_or_not(scope: Scope, write: Write, pattern: str, path: str, counts: bool) -> None:
    base = write(TREE)
    assert inputs(scope, base, pattern).matches(base / path) is counts


def test_a_file_that_two_patterns_name_is_read_once(scope: Scope, write: Write) -> None:
    assert len(render(scope, write(TREE), "k8s/a.yaml", "k8s/*.yaml")) == 1


def test_a_link_counts_with_the_file_behind_it(scope: Scope, write: Write, tmp_path: Path) -> None:
    base = write({"shared/x.yaml": config_map("x"), "k8s/a.yaml": config_map("a")})
    (base / "k8s/link.yaml").symlink_to(base / "shared/x.yaml")
    found = inputs(scope, base, "k8s")
    assert names(found) == ["k8s/a.yaml", "k8s/link.yaml", "shared/x.yaml"]
    assert base / "shared/x.yaml" in found.roots
    assert found.matches(base / "shared/x.yaml")


def test_a_pattern_without_files_is_an_error_at_rendering_but_can_be_watched(scope: Scope, write: Write) -> None:
    base = write({})
    assert inputs(scope, base, "k8s/*.yaml").files == ()
    assert inputs(scope, base, "k8s/*.yaml").roots == (base / "k8s",)
    with pytest.raises(StepFailed, match=r"no file matches `k8s/\*.yaml`"):
        render(scope, base, "k8s/*.yaml")


def test_problems_of_all_files_are_told_at_once(scope: Scope, write: Write) -> None:
    base = write({"k8s/a.yaml": "a: [", "k8s/b.yaml": config_map("b") + "---\nkind: X\n", "k8s/c.yaml": "x: 1\nx: 2\n"})
    with pytest.raises(StepFailed) as told:
        render(scope, base, "k8s")
    assert told.value.where is not None
    assert told.value.where.startswith("k8s/a.yaml:")
    assert [each.partition(": ")[0] for each in told.value.evidence][:2] == ["k8s/b.yaml:6:1", "k8s/b.yaml:6:1"]
    assert any(each.startswith("k8s/c.yaml:2:1: duplicate key") for each in told.value.evidence)


def test_the_same_object_in_two_files_names_both(scope: Scope, write: Write) -> None:
    with pytest.raises(StepFailed, match=r"configmap/a is there twice: in k8s/a\.yaml:1 and in k8s/b\.yaml:1"):
        render(scope, write({"k8s/a.yaml": config_map("a"), "k8s/b.yaml": config_map("a")}), "k8s")


def test_what_is_not_utf8_is_told_with_its_file(scope: Scope, write: Write) -> None:
    base = write({})
    (base / "a.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(StepFailed) as told:
        render(scope, base, "a.yaml")
    assert told.value.where == "a.yaml"


def test_manifests_as_yaml_read_back_the_same() -> None:
    found = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "a"},
            "data": {"x": "1\n2\n", "y": "yes", "z": "ü", "sha": "1e3", "n": "n", "time": "12:30", "mode": "0o17"},
        }
    ]
    text = to_yaml(found)
    assert list(yaml.safe_load_all(text)) == found
    assert [each.value for each in documents.parse(text, "f")[0]] == found
    assert "'n': 'n'\n" in text
    assert text.startswith("---\napiVersion: v1\nkind: ConfigMap\n")
    assert "x: |\n" in text
