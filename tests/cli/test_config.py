"""`devloop config`, and the options of every command that reads the configuration, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devloop.cli import app

CONFIG = """\
apiVersion: devloop/v1
metadata: {name: shop}
deploy: [{manifests: [a.yaml]}]
profiles:
  - {name: one, activation: [{command: config .*}], build: {concurrency: 1}}
  - {name: two, build: {concurrency: "${TWO:-2}"}}
  - {name: kind, activation: [{kubeContext: kind-.*}], build: {concurrency: 7}}
  - {name: registry, cluster: {registry: project:1, namespace: project}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, and nothing of the user who runs the tests."""
    (tmp_path / "devloop.yaml").write_text(CONFIG)
    (tmp_path / "a.yaml").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return tmp_path


def value(capfd: pytest.CaptureFixture[str], path: str, *args: str) -> object:
    code = app.run(["config", "show", "-o", "json", "--explain", path, *args])
    out, err = capfd.readouterr()
    assert code == 0, err
    return json.loads(out)["value"]


def settings(folder: Path, text: str) -> None:
    (folder / "xdg" / "devloop").mkdir(parents=True)
    (folder / "xdg" / "devloop" / "config.yaml").write_text(text)


@pytest.mark.parametrize(
    ("args", "found"),
    [
        ([], 1),
        (["-p", "two"], 2),
        (["--profile", "two", "--var", "TWO=3"], 3),
        (["-p", "-one"], 0),
        (["-p", "two,-one"], 2),
        (["-p", "two", "-p", "kind"], 7),
    ],
)
def test_profiles_are_asked_for_by_name(
    folder: Path, capfd: pytest.CaptureFixture[str], args: list[str], found: int
) -> None:
    assert value(capfd, "build.concurrency", *args) == found


def test_the_context_activates_profiles(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert value(capfd, "build.concurrency", "--context", "kind-a") == 7
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "kind-b",
        "contexts": [],
        "clusters": [],
        "users": [],
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
    assert value(capfd, "build.concurrency") == 7


def test_flags_win_over_the_environment_and_that_over_the_users_file(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(folder, "profile: [two]\n")
    assert value(capfd, "build.concurrency") == 2
    monkeypatch.setenv("DEVLOOP_PROFILE", "kind,-one")
    assert value(capfd, "build.concurrency") == 7
    assert value(capfd, "build.concurrency", "-p", "-one") == 0


def test_the_project_stands_between_the_environment_and_the_users_file(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(
        folder,
        "registry: user:1\nnamespace: user\ncontext: a\ncontexts: [{name: b, registry: context:1, profile: [two]}]\n",
    )
    assert value(capfd, "cluster") == {"context": "a", "namespace": "user", "registry": "user:1"}
    assert value(capfd, "cluster.registry", "-p", "registry") == "project:1"
    assert value(capfd, "cluster.namespace", "-p", "registry") == "project"
    assert value(capfd, "build.concurrency", "--context", "b") == 2
    assert value(capfd, "cluster.registry", "--context", "b") == "context:1"
    monkeypatch.setenv("DEVLOOP_REGISTRY", "env:1")
    assert value(capfd, "cluster.registry", "-p", "registry") == "env:1"


def test_wrong_settings_are_told_with_their_place(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings(folder, "outputs: json\n")
    assert app.run(["config", "validate"]) == 2
    assert "config.yaml:1:1: unknown field `outputs`; did you mean `output`?" in capfd.readouterr().err


def test_output_can_be_a_setting(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEVLOOP_OUTPUT", "json")
    assert app.run(["config", "validate", "-p", "two"]) == 0
    said = [json.loads(each).get("message") for each in capfd.readouterr().out.splitlines()]
    assert said[0].startswith("the profiles one and two both set build.concurrency")
    assert said[1] == "devloop.yaml is valid (images: 0, units: 1, profiles: one, two)"


def test_everything_wrong_is_told_and_the_code_is_2(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "devloop.yaml").write_text(CONFIG.replace("a.yaml", "'${A}'").replace("name: shop", "nam: shop"))
    assert app.run(["config", "validate", "-o", "json"]) == 2
    errors = [each for each in map(json.loads, capfd.readouterr().out.splitlines()) if each["kind"] == "error"]
    assert [each["where"] for each in errors] == ["devloop.yaml:2:12", "devloop.yaml:3:23"]


def test_an_unknown_profile_and_a_wrong_variable_are_usage_errors(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert app.run(["config", "show", "-p", "tow"]) == 2
    assert "did you mean `two`?" in capfd.readouterr().err
    assert app.run(["config", "show", "--var", "s3cr3t"]) == 2
    assert "s3cr3t" not in capfd.readouterr().err
    assert app.run(["config", "show", "--var", "X=1"]) == 0
    assert "nothing in the configuration names the variable X" in capfd.readouterr().err


def test_commands_give_values_and_late_ones_are_ended(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    variables = "vars:\n  - {name: N, command: 'echo 4; echo noise >&2'}\n  - {name: SLOW, command: sleep 60, timeoutSeconds: 1}\n"
    (folder / "devloop.yaml").write_text(CONFIG + variables + "build: {concurrency: '${N}'}\n")
    assert value(capfd, "build.concurrency", "-p", "-one") == 4
    (folder / "devloop.yaml").write_text(CONFIG + variables + "build: {concurrency: '${SLOW}'}\n")
    assert app.run(["config", "validate", "-p", "-one"]) == 2
    assert "`sleep 60` took longer than 1 s" in capfd.readouterr().out


def test_secrets_are_in_no_event_and_no_error(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / ".env").write_text("TOKEN=s3cr3t\n")
    (folder / "devloop.yaml").write_text(
        CONFIG + "logs: {exclude: [!secret 'a${TOKEN}', '${TOKEN}']}\nvars: [{name: TOKEN, secret: true}]\n"
    )
    for args in (["config", "show"], ["config", "show", "--explain", "logs.exclude"], ["config", "validate"]):
        assert app.run(args) == 0
        assert "s3cr3t" not in "".join(capfd.readouterr())


def test_a_profile_of_the_users_file_counts_where_a_project_has_it(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(folder, "profile: [two, of-another-project]\n")
    assert value(capfd, "build.concurrency") == 2
    monkeypatch.setenv("DEVLOOP_PROFILE", "of-another-project")
    assert app.run(["config", "validate"]) == 2
    assert "no profile is named `of-another-project`" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("environment", "args", "said"),
    [
        ({}, [], "your settings, "),
        ({"DEVLOOP_NAMESPACE": "env"}, [], "DEVLOOP_NAMESPACE of the environment"),
        ({"DEVLOOP_NAMESPACE": "env"}, ["-n", "flag"], "--namespace"),
    ],
)
def test_what_decides_instead_of_the_file_is_told(
    folder: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    environment: dict[str, str],
    args: list[str],
    said: str,
) -> None:
    settings(folder, "namespace: user\n")
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    assert app.run(["config", "show", "--explain", "cluster.namespace", *args]) == 0
    found = capfd.readouterr().out.splitlines()
    assert found[0] == f"cluster.namespace = {(args or [*environment.values(), 'user'])[-1 if args else 0]}"
    assert found[1].startswith(f"  from {said}")


def test_a_namespace_that_is_none_reaches_no_cluster(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert app.run(["delete", "--namespace", "../kube-system"]) == 2
    assert "--namespace: `../kube-system` is no name of a namespace" in capfd.readouterr().err


def test_below_a_project_its_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "devloop.yaml").write_text("apiVersion: devloop/v1\n")
    (tmp_path / "src" / "api").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "src" / "api")
    assert app.run(["config", "validate"]) == 2
    said = capfd.readouterr()
    assert f"next: devloop.yaml is in {tmp_path}: change to it, or give `-f ../..`" in said.out + said.err
