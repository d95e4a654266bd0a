"""The command line by itself: help, versions, exit codes, completion, and how quickly it gets there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devloop import __version__

HEAVY = (
    "docker",
    "jsonschema",
    "kubernetes",
    "requests",
    "rich",
    "urllib3",
    "watchdog",
    "websocket",
    "yaml",
)
COMMANDS = (
    *("dev", "run", "build", "render", "apply", "diff", "ls", "history", "rollback", "delete", "explain", "schema"),
    "version",
)


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def devloop(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "devloop", *args],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["run", "--help"]])
def test_help_and_version_load_nothing_heavy(args: list[str]) -> None:
    done = python(
        "import sys\nfrom devloop.cli.app import run\n"
        f"code = run({args!r})\nfound = sorted({{name.partition('.')[0] for name in sys.modules}} & set({HEAVY!r}))\n"
        "print('heavy:', found, code)"
    )
    assert done.stdout.splitlines()[-1] == "heavy: [] 0", done.stdout + done.stderr


def test_help_names_every_command() -> None:
    done = devloop("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert f"\n  {command} " in done.stdout
        assert devloop(command, "--help").returncode == 0


def test_the_version_is_the_packages() -> None:
    assert devloop("--version").stdout == f"devloop {__version__}\n"
    assert devloop("version").stdout == f"devloop {__version__}\n"
    assert json.loads(devloop("version", "--output", "json").stdout)["version"] == __version__


@pytest.mark.parametrize("args", [["nope"], ["run", "--bogus"], ["apply"], ["run", "--output", "yaml"]])
def test_a_wrong_command_line_is_exit_2_without_a_traceback(args: list[str]) -> None:
    done = devloop(*args)
    assert done.returncode == 2
    assert "Error" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_arguments_show_the_help() -> None:
    assert "Usage: devloop" in "".join([devloop().stdout, devloop().stderr])


def test_a_bug_is_exit_3_with_a_report_and_no_traceback(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom devloop.cli import app\n"
        "@app.app.command()\ndef boom() -> None:\n    raise RuntimeError('a bug')\n"
        "sys.exit(app.run(['boom']))"
    )
    done = python(code, XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 3
    assert "bug in devloop" in done.stderr
    assert "Traceback" not in done.stderr
    report = (tmp_path / "devloop" / "bug.log").read_text()
    assert "RuntimeError: a bug" in report
    assert __version__ in report


def test_the_report_of_a_bug_has_no_secrets(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom devloop.cli import app, options, report\n"
        "common = options.Common()\ncommon.outside.keep(['s3cr3t'], {})\n"
        "def body(report):\n    try:\n        {}['s3cr3t']\n    except KeyError:\n        raise RuntimeError('no s3cr3t')\n"
        "@app.app.command()\ndef boom() -> int:\n    return report.reporting(common, body)\n"
        "sys.exit(app.run(['boom']))"
    )
    done = python(code, XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 3
    assert "bug in devloop: RuntimeError: no ***" in done.stderr
    log = (tmp_path / "devloop" / "bug.log").read_text()
    assert "KeyError: '***'" in log
    assert "RuntimeError: no ***" in log
    assert "s3cr3t" not in done.stdout + done.stderr + log


@pytest.mark.parametrize("flag", [[], ["--events"]])
def test_schema_prints_what_is_committed(flag: list[str]) -> None:
    name = "events-v1.json" if flag else "devloop-v1.json"
    committed = Path(__file__).parents[2] / "schemas" / name
    assert devloop("schema", *flag).stdout == committed.read_text()


def test_the_shell_completes_commands() -> None:
    done = devloop(
        _DEVLOOP_COMPLETE="complete_bash", COMP_WORDS="devloop re", COMP_CWORD="1", _TYPER_COMPLETE_ARGS="devloop re"
    )
    assert "render" in done.stdout


@pytest.mark.parametrize("command", ["diff", "render", "ls", "delete", "history", "rollback"])
def test_units_are_completed(command: str, tmp_path: Path) -> None:
    (tmp_path / "k.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: k}\n")
    (tmp_path / "devloop.yaml").write_text(
        "apiVersion: devloop/v1\ndeploy: [{name: shop, manifests: [k.yaml]}, {name: mail, manifests: [k.yaml]}]\n"
    )
    environment = {"_DEVLOOP_COMPLETE": "complete_bash", "COMP_WORDS": f"devloop {command} s", "COMP_CWORD": "2"}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("devloop"))],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, **environment},
    )
    assert done.stdout.split() == ["shop"], done.stderr


def test_profiles_of_all_modules_are_completed(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db/devloop.yaml").write_text("apiVersion: devloop/v1\nprofiles: [{name: small}, {name: both}]\n")
    (tmp_path / "devloop.yaml").write_text(
        "apiVersion: devloop/v1\nrequires: [db]\nbuild: {artifacts: [{image: a, context: db, custom: {command: x}}]}\n"
        "profiles: [{name: both}, {name: large}]\n"
    )
    environment = {"_DEVLOOP_COMPLETE": "complete_bash", "COMP_WORDS": "devloop dev -p ", "COMP_CWORD": "3"}
    done = subprocess.run(
        [str(Path(sys.executable).with_name("devloop"))],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, **environment},
    )
    assert sorted(done.stdout.split()) == ["both", "large", "small"], done.stderr
