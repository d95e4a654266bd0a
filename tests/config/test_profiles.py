"""Which profiles are active, and what the configuration is with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from devloop.config.load import Loaded, load
from devloop.config.profiles import NOWHERE, Facts
from devloop.errors import ConfigError, UsageError

CONFIG = """\
apiVersion: devloop/v1
build:
  concurrency: 2
  artifacts:
    - image: shop/api
deploy:
  - manifests: [k8s/*.yaml]
logs: {enabled: true, exclude: [a]}
profiles:
  - name: quiet
    logs: {enabled: false, exclude: []}
  - name: ci
    activation: [{env: CI=true}, {command: run, os: linux}]
    build: {concurrency: 0}
  - name: kind
    activation: [{kubeContext: kind-.*}]
    deploy:
      - {name: k8s, readyDeadlineSeconds: 9}
    build: {concurrency: 4}
  - name: elsewhere
    activation: [{kubeContext: "!kind-.*", env: "CI=!true"}]
    cluster: {namespace: elsewhere}
  - name: patched
    patches:
      - {path: /build/concurrency, value: 7}
      - {op: add, path: /logs/exclude/-, value: b}
      - {op: remove, path: /deploy/0/name}
"""


@pytest.fixture
def folder(shop: Path) -> Path:
    (shop / "devloop.yaml").write_text(CONFIG.replace("- manifests", "- name: k8s\n    manifests"))
    return shop


def loaded(folder: Path, *asked: str, facts: Facts = NOWHERE) -> Loaded:
    return load(folder / "devloop.yaml", asked, facts)


def told(context: str = "") -> Facts:
    return Facts("dev", "linux", {}, lambda: context)


@pytest.mark.parametrize(
    ("facts", "asked", "active"),
    [
        (NOWHERE, (), ["elsewhere"]),
        (NOWHERE, ("quiet",), ["elsewhere", "quiet"]),
        (NOWHERE, ("-elsewhere",), []),
        (told("kind-x"), (), ["kind"]),
        (told("kind-x"), ("-kind",), []),
        (told("kind-x"), ("kind", "quiet"), ["kind", "quiet"]),
        (told("kind-x"), ("quiet", "kind"), ["quiet", "kind"]),
        (told("akind-x"), (), ["elsewhere"]),
        (Facts("dev", "linux", {"CI": "true"}, lambda: "kind-x"), (), ["ci", "kind"]),
        (Facts("dev", "linux", {"CI": "truer"}, lambda: "kind-x"), (), ["kind"]),
        (Facts("run", "linux", {}, lambda: "kind-x"), (), ["ci", "kind"]),
        (Facts("run", "darwin", {}, lambda: "kind-x"), (), ["kind"]),
    ],
)
def test_profiles_are_active_when_asked_for_or_when_something_is_so(
    folder: Path, facts: Facts, asked: tuple[str, ...], active: list[str]
) -> None:
    assert [name for name, _ in loaded(folder, *asked, facts=facts).active] == active


def test_why_one_is_active_is_said(folder: Path) -> None:
    facts = Facts("run", "linux", {}, lambda: "kind-x")
    assert dict(loaded(folder, "quiet", facts=facts).active) == {
        "ci": "command run, os linux",
        "kind": "context kind-x",
        "quiet": "asked for",
    }


def test_a_profile_can_set_anything_to_false_zero_or_empty(folder: Path) -> None:
    project = loaded(folder, "quiet", "ci", "-elsewhere").project
    assert (project.logs.enabled, project.logs.exclude, project.build.concurrency) == (False, (), 0)


def test_a_unit_is_known_by_its_name(folder: Path) -> None:
    (unit,) = loaded(folder, "kind").project.deploy
    assert (unit.manifests, unit.ready_deadline_seconds) == (("k8s/*.yaml",), 9)


def test_a_unit_is_known_by_the_name_that_it_gets(folder: Path) -> None:
    (folder / "devloop.yaml").write_text(CONFIG)
    (unit,) = loaded(folder, "kind").project.deploy
    assert (unit.name, unit.ready_deadline_seconds) == ("k8s", 9)


def test_patches_come_after_the_rest(folder: Path) -> None:
    project = loaded(folder, "kind", "patched").project
    assert (project.build.concurrency, project.logs.exclude) == (7, ("a", "b"))


def test_what_two_profiles_say_differently_is_told(folder: Path) -> None:
    found = loaded(folder, "ci", "kind")
    assert found.project.build.concurrency == 4
    assert found.warnings == (
        "the profiles ci and kind both set build.concurrency; what kind says stands, for it comes later",
    )


def test_an_unknown_profile_is_refused_with_those_that_are_there(folder: Path) -> None:
    with pytest.raises(UsageError, match="no profile is named `quite`") as raised:
        loaded(folder, "quite")
    assert raised.value.hint == "did you mean `quiet`?"


def problems(folder: Path, profile: str, *asked: str) -> list[str]:
    text = CONFIG.partition("profiles:")[0] + f"profiles:\n  - {profile}\n"
    (folder / "devloop.yaml").write_text(text)
    with pytest.raises(ConfigError) as raised:
        loaded(folder, *asked)
    return [str(each).replace(str(folder), "") for each in raised.value.problems]


@pytest.mark.parametrize(
    ("profile", "said"),
    [
        ("{name: Big}", "`Big` is not a valid name"),
        ("{logs: {}}", "`name` is missing"),
        ("{name: a, build: {concurency: 1}}", "did you mean `concurrency`"),
        ("{name: a, build: {concurrency: many}}", "where a whole number is wanted"),
        ("{name: a, build: {artifacts: [{context: x}]}}", "`image` is missing"),
        ("{name: a, activation: [{}]}", "so it would always hold"),
        ("{name: a, activation: [{env: CI}]}", "does not say a variable and a pattern"),
        ("{name: a, activation: [{kubeContext: '('}]}", "is no regular expression"),
        ("{name: a, activation: [{os: linus}]}", "did you mean `linux`"),
        ("{name: a, patches: [{op: remove}]}", "`path` is missing"),
    ],
)
def test_what_is_wrong_with_a_profile_is_said_though_it_is_not_active(folder: Path, profile: str, said: str) -> None:
    found = problems(folder, profile)
    assert any(said in each and ":10:" in each for each in found), found


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ("{path: /build/nothing, value: 1}", "there is no `/build/nothing`"),
        ("{path: build, value: 1}", "is no JSON pointer"),
        ("{path: /build/concurrency}", "`replace` needs a `value`"),
        ("{op: move, path: /logs}", "`move` needs `from`"),
        ("{op: test, path: /build/concurrency, value: 3}", "another value is there"),
        ("{op: remove, path: /build/artifacts/4}", "there is a list of 1"),
        ("{op: remove, path: /build/artifacts/²}", "there is a list of 1"),
        ("{op: add, path: /build/artifacts/²/x, value: 1}", "there is a list of 1"),
        ("{op: add, path: /build/artifacts/²}", "needs a `value`"),
        ("{op: add, path: /build/artifacts/²², value: 1}", "a list takes it at 0 to 1"),
        (f"{{op: remove, path: /build/artifacts/{'9' * 5000}}}", "there is no `/build/artifacts/999"),
    ],
)
def test_a_patch_that_leads_nowhere_is_refused_at_its_place(folder: Path, patch: str, said: str) -> None:
    (found,) = problems(folder, f"{{name: a, patches: [{patch}]}}", "a")
    assert said in found
    assert ":10:" in found


def test_what_a_profile_breaks_is_said_at_its_place(folder: Path) -> None:
    found = problems(folder, "{name: a, build: {artifacts: [{image: shop/api, context: gone}]}}", "a")
    assert any("gone" in each and ":10:" in each for each in found), found


def test_tags_mean_nothing_outside_of_profiles(folder: Path) -> None:
    text = CONFIG.replace("exclude: [a]", "exclude: !append [a]")
    (folder / "devloop.yaml").write_text(text)
    with pytest.raises(ConfigError, match="`!append` means something in a profile only"):
        loaded(folder)


def test_tests_are_known_by_their_image(shop: Path) -> None:
    tests = "test:\n  - image: shop/api\n    context: empty\n    custom: [{command: quick}]\n"
    profile = "profiles:\n  - name: ci\n    test:\n      - {image: shop/api, custom: [{command: slow}]}\n"
    artifact = "build: {artifacts: [{image: shop/api}]}\n"
    (shop / "devloop.yaml").write_text(f"apiVersion: devloop/v1\n{artifact}{tests}{profile}")
    (test,) = loaded(shop, "ci").project.test
    assert (test.context, [each.command for each in test.custom]) == ("empty", ["slow"])


def test_a_profile_turns_overrides_and_paths_of_images_on(shop: Path) -> None:
    profile = (
        "profiles:\n  - name: fast\n    devOverrides: fast\n    imagePaths: [{kind: MyApp, paths: [.spec.image]}]\n"
    )
    (shop / "devloop.yaml").write_text(CONFIG.partition("profiles:")[0] + profile)
    plain, fast = loaded(shop).project, loaded(shop, "fast").project
    assert (plain.dev_overrides, plain.image_paths) == (None, ())
    assert fast.dev_overrides is not None
    assert fast.dev_overrides.preset == "fast"
    assert fast.image_paths[0].paths == (".spec.image",)
