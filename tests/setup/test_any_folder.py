"""Whatever a folder holds: a valid configuration, or one clear message; never a bug."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devloop.cli import written
from devloop.config import load, names
from devloop.errors import ConfigError, DevloopError
from devloop.scope import Cancelled, Scope
from devloop.setup import look, plan, text, walk
from devloop.setup.plan import Decisions
from tests.init.samples import deployment

_KEYS = st.sampled_from(
    ("apiVersion kind metadata name spec template containers image ports containerPort env services build context dockerfile args "  # noqa: SIM905
    "environment volumes depends_on command healthcheck test deploy resources limits memory profiles resources images newName bases "
    "repository registry scripts start dependencies engines node selector port user expose restart items")
    .split()
)  # fmt: skip
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 99999999999),
    st.sampled_from(["", ".", "..", "../x", "a/b:1", "Deployment", "Service", "v1", "apps/v1", "List", "80:80", "1-9:2",
                      "a=b", "${X:-", "$", "\0", "é", "-"]),
    st.text(max_size=5),
)  # fmt: skip
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=4)),
    max_leaves=12,
)
_FILES = (
    "compose.yaml",
    "k8s/a.yaml",
    "base/kustomization.yaml",
    "overlays/dev/kustomization.yaml",
    "chart/Chart.yaml",
    "chart/values.yaml",
    "web/package.json",
    "api/pyproject.toml",
    "pom.xml",
    "x/Dockerfile",
    ".env",
    ".gitignore",
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(
        st.sampled_from(_FILES), st.one_of(st.dictionaries(_KEYS, _VALUES, max_size=5), _SCALARS), max_size=5
    )
)
def test_any_folder_becomes_a_valid_configuration_or_a_message(found: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as made:
        root = Path(made) / "shop"
        for path, value in found.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(json.dumps(value))
        root.mkdir(exist_ok=True)
        _becomes_valid(root)


_NAMES = st.sampled_from(["a", "b", "A b", "1", "-", "a_b", "é"])


def _mostly(*values: object) -> st.SearchStrategy[object]:
    """One of these, or anything."""
    return st.one_of(st.sampled_from(values), st.sampled_from(values), _VALUES)


_SERVICES = st.fixed_dictionaries(
    {},
    optional={
        "image": _mostly("x", "redis:7", "A:B", "${IMAGE:-x}", "${NONE}"),
        "build": _mostly(".", "x", {"context": "x", "args": {"A": 1}, "target": "t"}, {"dockerfile": "x/Dockerfile"}),
        "ports": _mostly(["8080:80"], ["80", "81/udp"], [{"target": 80}], ["0:0"], ["80:80", "81:80"], ["9-8"]),
        "environment": _mostly({"A": None, "B": 1.5}, ["A", "B=c", "=x"], {"a b": "1"}, {"": "x"}),
        "volumes": _mostly(
            ["d:/d"], ["./x:/x"], ["D d:/d", "/d"], [{"type": "bind", "target": "/x", "source": "x/Dockerfile"}]
        ),
        "depends_on": _mostly(["a", "b"], {"a": {"condition": "service_healthy"}}, ["nobody"], ["A b"]),
        "command": _mostly("run 'x", ["a", 1], "x y", []),
        "healthcheck": _mostly({"test": ["CMD", "x"]}, {"test": "x"}, {"disable": True}),
        "deploy": _mostly({"replicas": 2, "resources": {"limits": {"memory": "1gb", "cpus": 0.5}}}, {"replicas": -1}),
        "user": _mostly("1:2", 5, "root"),
        "restart": _mostly("always", False, "no"),
    },
)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(_NAMES, _SERVICES, min_size=1, max_size=3))
def test_any_compose_file_becomes_a_valid_configuration_or_a_message(services: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        (root / "x").mkdir()
        for file in ("Dockerfile", "x/Dockerfile"):
            (root / file).write_text("FROM x\n")
        (root / "compose.yaml").write_text(json.dumps({"services": services}))
        _becomes_valid(root)
        _has_valid_objects(root)


def _has_valid_objects(root: Path) -> None:
    """What the API server would refuse at once: names that are none, two objects of one name, two units of one."""
    if not (root / "k8s").is_dir():
        return
    found = [each for file in (root / "k8s").iterdir() for each in yaml.safe_load_all(file.read_text())]
    identities = [(each["kind"], each["metadata"]["name"]) for each in found]
    assert len(set(identities)) == len(identities)
    assert all(names.is_label(name) for _, name in identities)
    assert all(name[0].isalpha() for kind, name in identities if kind == "Service")  # of all others it may be a digit
    for each in found:
        if each["kind"] == "Deployment":
            (container,) = each["spec"]["template"]["spec"]["containers"]
            assert container["image"]
            ports = [(port["containerPort"], port.get("protocol")) for port in container.get("ports", [])]
            assert len(set(ports)) == len(ports)


def _becomes_valid(root: Path) -> None:
    tree = walk.look(root)
    decided = Decisions()
    try:
        seen = look.look(tree)
        while (result := plan.make(tree, seen, decided)).questions:
            question = result.questions[0]
            decided = Decisions({**decided.artifacts, question.image: question.choices[0].dockerfile})
    except DevloopError as problem:
        assert problem.message  # noqa: PT017 - a message is one of the two things that may come of it
        return
    for path, content in {"devloop.yaml": text.write(result), **text.paths(result)}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content)
    try:
        assert load.load(root / "devloop.yaml").project.deploy
    except ConfigError as problem:
        assert {each.file.rpartition("/")[2] for each in problem.problems} == {".env"}  # noqa: PT017 - which init did not write


@pytest.mark.parametrize("name", ["shop", "My Shop", "2048", "a" * 80, "-", "null", "true", "ä"])
def test_a_folder_of_any_name_makes_a_valid_configuration(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    root.mkdir()
    (root / "Dockerfile").write_text("FROM x\nEXPOSE 80\n")
    _becomes_valid(root)


@pytest.mark.parametrize("folder", ["a b", "k8s [x]", "it's", 'a"b', "ü", "null", "1.0", "#x", "a: b"])
def test_folders_and_files_of_any_name_are_written_as_they_are(tmp_path: Path, folder: str) -> None:
    for file, content in {"Dockerfile": "FROM x\n", "k8s/a.yaml": deployment("a", "x/a", 80)}.items():
        (tmp_path / folder / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / file).write_text(content)
    _becomes_valid(tmp_path)
    assert load.load(tmp_path / "devloop.yaml").project.build.artifacts[0].context == folder


def test_what_breaks_off_the_writing_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("before")

    def interrupted() -> None:
        assert (tmp_path / "new/folder/file").read_text() == "x"
        scope.cancel()

    with pytest.raises(Cancelled), Scope() as scope:
        written.write(scope, tmp_path, {"there": "after", "new/folder/file": "x"}, interrupted)
    assert [each.name for each in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_text() == "before"
