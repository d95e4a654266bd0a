"""The page on profiles, variables and settings: all that it shows is read by what it is shown for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from devloop.config import dotenv, settings
from devloop.config.load import load
from devloop.config.profiles import NOWHERE, Facts
from devloop.config.settings import Settings, variable
from devloop.config.shapes import fields
from devloop.config.variables import Command, Sources
from devloop.errors import ConfigError

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
PROFILES, VARIABLES, DOTENV, OWN = (text for _, text in BLOCKS)


def output(command: Command) -> str:
    return {"git rev-parse --short HEAD": "c0ffee"}.get(command.text, "printed")


def test_the_profiles_do_what_the_page_says(shop: Path) -> None:
    (shop / "ci").mkdir()
    (shop / "ci" / "a.yaml").touch()
    (shop / "devloop.yaml").write_text(PROFILES)
    debug = load(shop / "devloop.yaml", ("debug",)).project
    assert debug.build.artifacts[0].docker is not None
    assert debug.build.artifacts[0].docker.target == "debug"
    ci = load(shop / "devloop.yaml", (), Facts(env={"CI": "true"}))
    assert ci.active == (("ci", "CI true"),)
    assert ci.project.deploy[0].manifests == ("k8s/*.yaml", "ci/*.yaml")
    assert (ci.project.build.concurrency, ci.project.logs.enabled) == (1, False)
    assert not load(shop / "devloop.yaml", ("-ci",), Facts(env={"CI": "true"})).active


def test_the_variables_do_what_the_page_says(shop: Path) -> None:
    (shop / "devloop.yaml").write_text(VARIABLES)
    (shop / ".env").write_text(DOTENV)
    found = load(shop / "devloop.yaml", (), NOWHERE, Sources({"TOKEN": "s3cr3t"}, run=output))
    docker = found.project.build.artifacts[0].docker
    assert docker is not None
    assert docker.build_args == {"REVISION": "c0ffee", "BUILT_BY": "nobody for $5", "SCHEMA": "printed"}
    assert found.project.build.artifacts[0].image == "registry.example.com/team/api"
    assert (found.project.build.concurrency, found.secrets) == (2, ("s3cr3t",))
    (shop / ".env").unlink()
    with pytest.raises(ConfigError) as raised:
        load(shop / "devloop.yaml", (), NOWHERE, Sources({"TOKEN": "s3cr3t"}, run=output))
    assert [each.message.partition(",")[0] for each in raised.value.problems] == ["which registry do you push to"]


def test_the_env_file_is_one() -> None:
    assert dotenv.parse(DOTENV, ".env")["GREETING"].value == "hello, world"


def test_the_settings_are_all_there(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(OWN)
    assert settings.read(tmp_path / "config.yaml").of("staging").registry == "registry.example.com/team"
    assert all(f"`{variable(each.key)}`" in PAGE for each in fields(Settings) if each.key != "contexts")
