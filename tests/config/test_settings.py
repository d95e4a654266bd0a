"""A user's own settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from devloop.config.settings import ContextSettings, Settings, of_environment, read
from devloop.errors import ConfigError, UsageError


def test_the_file_is_read_with_positions(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("context: kind-a\nprofile: [x]\nverbose: 1\ncontexts: [{name: kind-b, registry: localhost:5001}]\n")
    assert read(file) == Settings(
        "kind-a", profile=("x",), verbose=1, contexts=(ContextSettings("kind-b", registry="localhost:5001"),)
    )
    file.write_text(
        "contxt: a\nregistry: 'a b'\ncontexts:\n  - {name: x, registry: 'A B'}\n  - {name: x, namespace: A B}\n"
    )
    with pytest.raises(ConfigError) as raised:
        read(file)
    assert [str(each).removeprefix(str(file)) for each in raised.value.problems] == [
        ":1:1: unknown field `contxt`; did you mean `context`?",
        ":2:11: `a b` is no registry, at registry; for example `localhost:5001`",
        ":4:25: `A B` is no registry, at contexts[0].registry; for example `localhost:5001`",
        ":5:26: `A B` is not a valid name, at contexts[1].namespace; write `a-b`",
        ":5:12: `x` is there already, at contexts[1].name; put all of it into one entry",
    ]


def test_a_file_of_another_shape_is_told_of_settings(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("- x\n")
    with pytest.raises(ConfigError, match="where fields such as `context: kind-devloop` are wanted"):
        read(tmp_path / "config.yaml")


@pytest.mark.parametrize("text", ["", "\n# nothing yet\n", "---\n"])
def test_a_file_that_says_nothing_sets_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    assert read(tmp_path / "config.yaml") == Settings()


def test_the_environment_says_the_same_things(tmp_path: Path) -> None:
    env = {"DEVLOOP_PROFILE": "a,-b", "DEVLOOP_VERBOSE": "2", "DEVLOOP_CONTEXT": "", "DEVLOOP_TEST_X": "1"}
    assert of_environment(env) == Settings(profile=("a", "-b"), verbose=2)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DEVLOOP_WATCH", "nativ", "`nativ` is not one of native, poll, manual, at watch"),
        ("DEVLOOP_VERBOSE", "much", "found the text `much` where a whole number is wanted, at verbose"),
        ("DEVLOOP_REGISTRY", "a b", "`a b` is no registry, at registry"),
        ("DEVLOOP_NAMESPACE", "../x", "`../x` is not a valid name, at namespace"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        of_environment({name: value})
    assert (raised.value.message, raised.value.where) == (message, name)
