"""Variables: where their values come from, where they are filled in, and what is said of those that are not there."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devloop.config.expansion import Malformed, escape, pieces
from devloop.config.load import Loaded, load
from devloop.config.profiles import NOWHERE
from devloop.config.variables import Command, Sources, mask
from devloop.errors import ConfigError, StepFailed

SMALLEST = "apiVersion: devloop/v1\nmetadata: {name: shop}\ndeploy: [{manifests: [k8s/*.yaml]}]\n"


def loaded(shop: Path, text: str, sources: Sources = Sources(), *asked: str, dotenv: str = "") -> Loaded:  # noqa: B008 - frozen
    (shop / "devloop.yaml").write_text(SMALLEST + text)
    if dotenv:
        (shop / ".env").write_text(dotenv)
    return load(shop / "devloop.yaml", asked, NOWHERE, sources)


def wrong(shop: Path, text: str, sources: Sources = Sources()) -> list[str]:  # noqa: B008 - frozen
    with pytest.raises(ConfigError) as raised:
        loaded(shop, text, sources)
    return [str(each) for each in raised.value.problems]


def noting(asked: list[Command]) -> Callable[[Command], str]:
    """What runs no command: it notes what it is asked, and the output is `v7`."""

    def run(command: Command) -> str:
        asked.append(command)
        return "v7"

    return run


def image(value: str) -> str:
    return f"build:\n  artifacts:\n    - image: {value}\n"


NAMED = image("shop/${NAME}")
DECLARED = "vars: [{name: NAME, default: declared}]\n"


@pytest.mark.parametrize(
    ("sources", "dotenv", "text", "found"),
    [
        (Sources({"NAME": "flag"}, {"NAME": "env"}), "NAME=dotenv", DECLARED, "shop/flag"),
        (Sources(env={"NAME": "env"}), "NAME=dotenv", DECLARED, "shop/env"),
        (Sources(), "NAME=dotenv", DECLARED, "shop/dotenv"),
        (Sources(), "", DECLARED, "shop/declared"),
        (Sources(), "", 'vars: [{name: NAME, default: "a${OTHER}"}, {name: OTHER, default: b}]\n', "shop/ab"),
    ],
)
def test_the_first_source_that_knows_a_name_decides(
    shop: Path, sources: Sources, dotenv: str, text: str, found: str
) -> None:
    assert loaded(shop, NAMED + text, sources, dotenv=dotenv).project.build.artifacts[0].image == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("shop/${A}-${B:-b}", "shop/a-b"),
        ("shop/${E:-${A}}", "shop/a"),
        ("shop/${E:-x${U:-y}}", "shop/xy"),
        ("shop/${A:?is needed}", "shop/a"),
        ("shop/a${E}", "shop/a"),
    ],
)
def test_text_is_filled_in(shop: Path, value: str, found: str) -> None:
    sources = Sources(env={"A": "a", "E": ""})
    assert loaded(shop, image(f'"{value}"'), sources).project.build.artifacts[0].image == found


def test_two_dollars_are_one_and_a_single_one_is_itself(shop: Path) -> None:
    text = (
        "build: {artifacts: [{image: a, docker: {buildArgs: {A: '$$x', B: '$${x}', C: '$x', D: 'x$', E: '${N}'}}}]}\n"
    )
    docker = loaded(shop, text, Sources(env={"N": "1"})).project.build.artifacts[0].docker
    assert docker is not None
    assert docker.build_args == {"A": "$x", "B": "${x}", "C": "$x", "D": "x$", "E": "1"}


def test_numbers_and_flags_are_read_again_as_yaml(shop: Path) -> None:
    text = (
        "build: {concurrency: '${N:-2}'}\nlogs: {enabled: \"${L:-false}\", prefix: '${P:-pod}'}\n"
        "portForward: [{resource: svc/api, port: '${PORT:-8080}', localPort: 9000}]\n"
    )
    project = loaded(shop, text).project
    assert (project.build.concurrency, project.logs.enabled, project.logs.prefix) == (2, False, "pod")
    assert project.port_forward[0].port == 8080


def test_a_number_that_is_none_is_told_where_it_is_written(shop: Path) -> None:
    assert wrong(shop, "build: {concurrency: '${N:-two}'}\n") == [
        "devloop.yaml:4:22: found the text `two` where a whole number is wanted, at build.concurrency"
    ]


def test_what_becomes_empty_counts_as_left_out(shop: Path) -> None:
    text = "build: {artifacts: [{image: a, docker: {target: '${T:-}', dockerfile: '${D:-}'}}]}\n"
    docker = loaded(shop, text).project.build.artifacts[0].docker
    assert docker is not None
    assert (docker.target, docker.dockerfile) == (None, "Dockerfile")


def test_only_what_the_active_profiles_leave_has_to_be_there(shop: Path) -> None:
    text = (
        image("${BASE}")
        + "profiles:\n"
        + "  - name: other\n    build: {concurrency: '${N}', artifacts: !replace [{image: 'shop/${OTHER}'}]}\n"
        + "    vars: [{name: N, default: '7'}]\n"
    )
    assert loaded(shop, text, Sources(env={"BASE": "a"})).project.build.artifacts[0].image == "a"
    found = loaded(shop, text, Sources(env={"OTHER": "b"}), "other").project.build
    assert (found.concurrency, found.artifacts[0].image) == (7, "shop/b")


def test_everything_that_is_missing_is_told_at_once_at_its_place(shop: Path) -> None:
    text = "build:\n  concurrency: ${PARALEL}\n  artifacts:\n    - image: ${A}/${B}\nvars: [{name: PARALLEL, default: '2'}]\n"
    assert wrong(shop, text) == [
        "devloop.yaml:5:16: `PARALEL` is not set, at build.concurrency; did you mean `PARALLEL`?",
        "devloop.yaml:7:14: `A` is not set, at build.artifacts[0].image; "
        "set it with `--var A=…`, in the environment or in `.env`",
        "devloop.yaml:7:14: `B` is not set, at build.artifacts[0].image; "
        "set it with `--var B=…`, in the environment or in `.env`",
    ]


def test_shell_commands_get_what_they_name_and_stay_as_they_are_otherwise(shop: Path) -> None:
    text = (
        "build:\n  artifacts:\n    - image: a\n      custom: {command: './build.sh ${TAG} $IMAGE $HOME ${F}'}\n"
        "vars: [{name: TAG, default: it's}, {name: UNUSED, prompt: Which?}]\n"
    )
    custom = loaded(shop, text, Sources({"F": "f"}, {"HOME": "/h"})).project.build.artifacts[0].custom
    assert custom is not None
    assert custom.command == ("TAG=${TAG-'it'\"'\"'s'}; export TAG; export F=f; ./build.sh ${TAG} $IMAGE $HOME ${F}")


def test_a_secret_reaches_a_command_by_its_environment_alone(shop: Path) -> None:
    text = (
        image("a")
        + "test: [{image: a, custom: [{command: ./test $TOKEN}]}]\nvars: [{name: TOKEN, default: s3cr3t, secret: true}]\n"
    )
    found = loaded(shop, text)
    assert found.project.test[0].custom[0].command == (
        "TOKEN=${TOKEN-$DEVLOOP_SECRET_shop_TOKEN}; export TOKEN; ./test $TOKEN"
    )
    assert (found.exports, found.secrets) == ({"DEVLOOP_SECRET_shop_TOKEN": "s3cr3t"}, ("s3cr3t",))


@pytest.mark.parametrize(
    ("sources", "dotenv", "env", "exports"),
    [
        (Sources(), "NPM=s3cr3t", "DEVLOOP_SECRET_shop_NPM", {"DEVLOOP_SECRET_shop_NPM": "s3cr3t"}),
        (
            Sources({"NPM": "given"}, {"NPM": "env"}),
            "",
            "DEVLOOP_SECRET_shop_NPM",
            {"DEVLOOP_SECRET_shop_NPM": "given"},
        ),
        (Sources(env={"NPM": "env"}), "NPM=s3cr3t", "NPM", {}),
        (Sources(), "", "NPM", {}),
    ],
)
def test_a_secret_of_a_build_may_be_any_variable(
    sources: Sources, dotenv: str, env: str, exports: dict[str, str], shop: Path
) -> None:
    text = "build:\n  artifacts:\n    - image: a\n      docker: {secrets: [{id: npm, env: NPM}]}\n"
    found = loaded(shop, text, sources, dotenv=dotenv)
    docker = found.project.build.artifacts[0].docker
    assert docker is not None
    assert [each.env for each in docker.secrets] == [env]
    assert found.exports == exports
    assert set(exports.values()) <= set(found.secrets)


def test_a_project_of_any_name_has_a_shell_variable_of_its_own(shop: Path) -> None:
    rest = (
        image("a") + "test: [{image: a, custom: [{command: ./test $T}]}]\nvars: [{name: T, default: x, secret: true}]\n"
    )
    names = set()
    for name in ("my-shop", "my--shop", "shop"):
        (shop / "devloop.yaml").write_text(SMALLEST.replace("name: shop", f"name: {name}") + rest)
        (own,) = load(shop / "devloop.yaml").exports
        assert re.fullmatch("[A-Za-z0-9_]+", own)
        names.add(own)
    assert len(names) == 3


def test_a_secret_reaches_commands_whose_output_is_a_value(shop: Path) -> None:
    asked: list[Command] = []
    text = (
        image("a${V}")
        + "logs: {exclude: [!cmd 'ask $TOKEN']}\n"
        + "vars: [{name: V, command: other $TOKEN}, {name: TOKEN, secret: true}]\n"
    )
    found = loaded(shop, text, Sources(run=noting(asked)), dotenv="TOKEN=s3cr3t")
    assert [each.env for each in asked] == [(("DEVLOOP_SECRET_shop_TOKEN", "s3cr3t"),)] * 2
    assert "s3cr3t" not in repr(asked)
    assert found.exports == {}


@pytest.mark.parametrize("sources", [Sources(env={"TOKEN": "s3cr3t"}), Sources({"TOKEN": "s3cr3t"})])
def test_a_secret_that_a_program_has_anyway_is_known_though_nothing_names_it(shop: Path, sources: Sources) -> None:
    assert loaded(shop, "vars: [{name: TOKEN, secret: true}]\n", sources).secrets == ("s3cr3t",)


HARD = """it's "50%\""""


@pytest.mark.parametrize(
    "said",
    [
        shlex.join(["docker", "build", "--build-arg", f"A={HARD}"]),
        json.dumps({"a": HARD}),
        f"https://user:{quote(HARD)}@host",
        base64.b64encode(HARD.encode()).decode(),
        repr([HARD]),
    ],
)
def test_a_secret_is_masked_as_it_is_quoted(said: str) -> None:
    masked = mask([HARD])(said)
    assert "***" in masked
    assert "50" not in masked


def test_secrets_are_known_and_kept_out_of_problems(shop: Path) -> None:
    text = "deploy: [{helm: {chart: c, set: {a: !secret 'x${T}'}}}]\n"
    (shop / "devloop.yaml").write_text("apiVersion: devloop/v1\n" + text.replace("chart: c", "chart: chart"))
    assert load(shop / "devloop.yaml", sources=Sources({"T": "s3cr3t"})).secrets == ("xs3cr3t",)
    said = wrong(shop, "build: {concurrency: !secret '${T}'}\n", Sources({"T": "s3cr3t"}))
    assert said == ["devloop.yaml:4:22: found the text `***` where a whole number is wanted, at build.concurrency"]


def test_a_command_gives_a_value_and_its_inputs_count(shop: Path) -> None:
    asked: list[Command] = []
    text = (
        image("a${V}")
        + "logs: {exclude: [!cmd 'echo $A']}\n"
        + "vars: [{name: V, command: git describe, inputs: ['ver*'], timeoutSeconds: 3}]\n"
    )
    found = loaded(shop, text, Sources(run=noting(asked)), dotenv="A=1")
    assert found.project.build.artifacts[0].image == "av7"
    assert found.project.logs.exclude == ("v7",)
    assert asked == [
        Command("git describe", shop, 3, ("ver*",)),
        Command("A=${A-1}; export A; echo $A", shop),
    ]
    assert found.reads(shop / "version")
    assert found.reads(shop / ".env")
    assert not found.reads(shop / "other")


def test_a_command_that_fails_is_told_where_its_output_is_wanted(shop: Path) -> None:
    def run(command: Command) -> str:
        raise StepFailed(f"{command.text} failed", evidence=("first", "no names found"))

    assert wrong(shop, image("!cmd git describe"), Sources(run=run)) == [
        "devloop.yaml:6:14: git describe failed: no names found, at build.artifacts[0].image"
    ]


def test_the_user_is_asked_once_and_only_for_what_is_used(shop: Path) -> None:
    asked: list[tuple[str, str, bool]] = []

    def ask(question: str, default: str, is_secret: bool) -> str:
        asked.append((question, default, is_secret))
        return "answer"

    text = image("${A}-${A}") + "vars: [{name: A, prompt: Which?, default: one}, {name: B, prompt: What?}]\n"
    assert loaded(shop, text, Sources(ask=ask)).project.build.artifacts[0].image == "answer-answer"
    assert asked == [("Which?", "one", False)]
    assert loaded(shop, text).project.build.artifacts[0].image == "one-one"


def test_a_variable_of_the_command_line_that_nothing_names_is_told(shop: Path) -> None:
    assert loaded(shop, "", Sources({"X": "1"})).warnings == (
        "nothing in the configuration names the variable X of `--var`",
    )


def test_what_gave_a_value_is_known(shop: Path) -> None:
    found = loaded(shop, NAMED, dotenv="\nNAME=x\n")
    node = found.positions.node(("build", "artifacts", 0, "image"))
    assert dataclasses.asdict(node)["origins"] == ("NAME of .env:2",)


@given(st.text(alphabet="$${}:-?aB."))
def test_escaped_text_is_read_as_it_was_and_any_text_is_read_or_refused(text: str) -> None:
    assert "".join(each for each in pieces(escape(text)) if isinstance(each, str)) == text
    try:
        assert len(list(pieces(text))) <= 2 * len(text) + 1
    except Malformed as exc:
        assert str(exc)  # noqa: PT017 - both ends are right
