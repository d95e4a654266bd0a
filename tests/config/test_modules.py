"""Several projects in one session: which they are, how they are joined, and what is wrong with that."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from devloop.config.effective import explain
from devloop.config.load import Loaded, load
from devloop.config.profiles import NOWHERE, Facts
from devloop.config.variables import NOTHING, Sources
from devloop.errors import ConfigError, StepFailed, UsageError

APP = """\
apiVersion: devloop/v1
requires: [../db]
build: {concurrency: 3, artifacts: [{image: shop/app, requires: [{image: shop/base}]}]}
deploy: [{name: app, manifests: [k8s/*.yaml], needs: [db]}]
portForward: [{resource: service/app, port: 8080}]
profiles:
  - name: laptop
    build: {concurrency: 1}
"""
DB = """\
apiVersion: devloop/v1
build: {concurrency: 2, artifacts: [{image: shop/base, context: image, docker: {dockerfile: ../Dockerfile}}]}
deploy: [{name: db, manifests: [k8s]}]
portForward: [{resource: service/db, port: 5432}]
profiles:
  - name: small
    deploy: [{name: db, readyDeadlineSeconds: 7}]
  - name: other
"""


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two projects side by side; the current folder is that of `app`."""
    for name in ("app/k8s/app.yaml", "app/Dockerfile", "db/k8s/db.yaml", "db/Dockerfile", "db/image/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "app/devloop.yaml").write_text(APP)
    (tmp_path / "db/devloop.yaml").write_text(DB)
    monkeypatch.chdir(tmp_path / "app")
    return tmp_path


def app(
    tree: Path, text: str | None = None, asked: tuple[str, ...] = (), facts: Facts = NOWHERE, **options: object
) -> Loaded:
    file = tree / "app/devloop.yaml"
    if text is not None:
        file.write_text(text)
    return load(file, asked, facts, **options)  # type: ignore[arg-type]


def wrong(tree: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        app(tree, text)
    return list(map(str, raised.value.problems))


def requiring(entry: str, more: str = "") -> str:
    return f"apiVersion: devloop/v1\nrequires: [{entry}]\nbuild: {{artifacts: [{{image: shop/app}}]}}\n{more}"


def test_what_a_required_project_has_is_part_of_the_session(tree: Path) -> None:
    loaded = app(tree)
    project = loaded.project
    assert project.metadata.name == "app"
    assert [(each.image, each.context) for each in project.build.artifacts] == [
        ("shop/app", "."),
        ("shop/base", "../db/image"),
    ]
    assert [(each.name, each.manifests) for each in project.deploy] == [
        ("app", ("k8s/*.yaml",)),
        ("db", ("../db/k8s",)),
    ]
    assert [each.local_port for each in project.port_forward] == [8080, 5432]
    assert project.build.concurrency == 2
    assert {tree / "app/devloop.yaml", tree / "db/devloop.yaml"} <= set(loaded.files)
    assert [(each.name, each.folder, each.requires) for each in loaded.modules] == [
        ("app", ".", ("db",)),
        ("db", "../db", ()),
    ]


def test_names_that_are_defaults_stay_those_of_the_project_by_itself(tree: Path) -> None:
    (tree / "db/devloop.yaml").write_text(
        "apiVersion: devloop/v1\nmetadata: {name: store}\ndeploy: [{custom: ./render.sh}]\n"
    )
    project = app(tree, requiring("../db")).project
    assert [(each.name, each.custom and each.custom.dir) for each in project.deploy] == [("store", "../db")]
    assert [each.name for each in load(tree / "db/devloop.yaml").project.deploy] == ["store"]


def test_modules_can_be_chosen_with_what_they_require(tree: Path) -> None:
    text = (
        requiring("../db")
        + "---\napiVersion: devloop/v1\nmetadata: {name: more}\nbuild: {artifacts: [{image: x, docker: {}}]}\n"
    )
    assert [each.name for each in app(tree, text).modules] == ["app", "db", "more"]
    assert [each.name for each in app(tree, only=("app",)).modules] == ["app", "db"]
    assert [each.name for each in app(tree, only=("db",)).modules] == ["db"]
    assert [each.image for each in app(tree, only=("db", "more")).project.build.artifacts] == ["shop/base", "x"]
    assert len(app(tree, only=("db",)).every) == 3
    with pytest.raises(UsageError, match="no module is named `moer`") as raised:
        app(tree, only=("moer",))
    assert raised.value.hint == "did you mean `more`?"


def test_documents_of_a_file_are_modules_of_their_own(tree: Path) -> None:
    (tree / "db/devloop.yaml").write_text(
        DB + "---\n---\napiVersion: devloop/v1\nmetadata: {name: cache}\ndeploy: [{name: cache, manifests: [k8s]}]\n"
    )
    assert [each.name for each in app(tree).project.deploy] == ["app", "db", "cache"]
    only = app(tree, APP.replace("../db]", "{path: ../db/devloop.yaml, modules: [db]}]"))
    assert [each.name for each in only.project.deploy] == ["app", "db"]


def test_a_document_may_require_another_one_of_its_file(tree: Path) -> None:
    text = requiring("{modules: [more]}", "deploy: [{manifests: [k8s], needs: [more]}]\n")
    text += "---\napiVersion: devloop/v1\nmetadata: {name: more}\ndeploy: [{name: more, manifests: [k8s]}]\n"
    assert [each.requires for each in app(tree, text).modules] == [("more",), ()]


def test_profiles_are_passed_on(tree: Path) -> None:
    def deadline(loaded: Loaded) -> int:
        return next(each.ready_deadline_seconds for each in loaded.project.deploy if each.name == "db")

    assert deadline(app(tree)) == 300
    passing = APP.replace("../db]", "{path: ../db, profiles: [small]}]")
    loaded = app(tree, passing)
    assert (deadline(loaded), loaded.active) == (7, (("db: small", "required so at devloop.yaml:2:12"),))
    conditional = APP.replace("../db]", "{path: ../db, profiles: [{name: small, activatedBy: [laptop]}]}]")
    assert deadline(app(tree, conditional)) == 300
    assert deadline(app(tree, conditional, ("laptop",))) == 7
    assert deadline(app(tree, APP, ("small",))) == 7
    assert app(tree, APP, ("laptop", "small")).project.build.concurrency == 1
    with pytest.raises(UsageError, match="no profile is named `smal`"):
        app(tree, APP, ("smal",))


def test_a_module_that_two_others_require_is_there_once(tree: Path) -> None:
    (tree / "mid").mkdir()
    (tree / "mid/devloop.yaml").write_text("apiVersion: devloop/v1\nrequires: [../db]\n")
    loaded = app(tree, APP.replace("../db]", "../db, ../mid]"))
    assert [(each.name, each.requires) for each in loaded.modules] == [
        ("app", ("db", "mid")),
        ("db", ()),
        ("mid", ("db",)),
    ]


def test_the_way_to_a_module_in_git_is_asked_for(tree: Path) -> None:
    asked = []

    def fetch(url: str, ref: str) -> Path:
        asked.append((url, ref))
        return tree / "db"

    entry = "{git: {url: 'https://example.com/db.git', ref: v1}}"
    loaded = app(tree, APP.replace("../db]", f"{entry}]"), fetch=fetch)
    assert asked == [("https://example.com/db.git", "v1")]
    assert loaded.project.deploy[1].manifests == (str(tree / "db/k8s"),)
    app(tree, APP.replace("../db]", "{git: {url: ../db, ref: v1}}]"), fetch=fetch)
    assert asked[-1] == (str(tree / "app/../db"), "v1")


def test_a_setting_of_the_session_that_does_not_count_is_told(tree: Path) -> None:
    (tree / "db/devloop.yaml").write_text(DB + "cluster: {namespace: other}\n")
    loaded = app(tree)
    assert loaded.project.cluster.namespace is None
    assert loaded.warnings == ("db: its `cluster` counts only when it is run by itself",)


def test_a_file_may_only_require_others(tree: Path) -> None:
    assert [each.name for each in app(tree, "apiVersion: devloop/v1\nrequires: [../db]\n").project.deploy] == ["db"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("../bd", ["no file or folder `../bd`, at requires[0]"]),
        ("k8s", ["no devloop.yaml in `k8s`, at requires[0]; name the folder of a project, or its file"]),
        (
            "{}",
            ["this is the file itself, at requires[0]; name one of its documents with `modules`, or another `path`"],
        ),
        ("{modules: [app]}", ["a cycle of modules: app → app, at requires[0]; one of them has to do without"]),
        (
            "{path: ../db, modules: [bd]}",
            ["../db/devloop.yaml has no module `bd`, at requires[0].modules[0]; it has db"],
        ),
        (
            "{path: ../db, profiles: [smal]}",
            ["../db/devloop.yaml has no profile `smal`, at requires[0].profiles[0]; did you mean `small`?"],
        ),
        (
            "{path: ../db, profiles: [{name: small, activatedBy: [x]}]}",
            ["no profile of this file is named `x`, at requires[0].profiles[0].activatedBy[0]; it has no `profiles`"],
        ),
        ("{path: ../db, configs: [db]}", ["unknown field `configs`, at requires[0]; here it is called `modules`"]),
        (
            "{git: {url: --upload-pack=x, ref: v1}}",
            ["`--upload-pack=x` is an option of git, at requires[0]; name a repository and a commit, tag or branch"],
        ),
        ("{git: {url: x}}", ["`ref` is missing, at requires[0].git; write `ref: v1.2.0`"]),
        ("{git: {url: x, ref: y}, path: z}", ["`git` and `path` exclude each other, at requires[0]; keep one of them"]),
    ],
)
def test_what_is_wrong_with_the_way_to_a_module_is_said(tree: Path, entry: str, said: list[str]) -> None:
    assert [each.split(": ", 1)[1] for each in wrong(tree, requiring(entry))] == said


def test_a_repository_that_cannot_be_had_is_told_where_it_is_required(tree: Path) -> None:
    def fetch(url: str, ref: str) -> Path:
        raise StepFailed(f"cannot fetch {url} at {ref}", hint="check it", evidence=("fatal: no access",))

    with pytest.raises(ConfigError) as raised:
        app(tree, requiring("{git: {url: x, ref: y}}"), fetch=fetch)
    assert str(raised.value.problems[0]) == (
        "devloop.yaml:2:12: cannot fetch x at y; fatal: no access, at requires[0]; check it"
    )


def test_what_is_wrong_in_a_module_is_said_at_its_own_place(tree: Path) -> None:
    (tree / "db/devloop.yaml").write_text(
        "apiVersion: devloop/v1\n"
        "metadata: {name: My_DB}\n"
        "deploy: [{name: one, manifests: [k8s]}, {name: db, manifests: [gone], needs: [on]}]\n"
    )
    assert wrong(tree, requiring("../db")) == [
        "../db/devloop.yaml:2:18: `My_DB` is not a valid name, at metadata.name; write `my-db`",
        "../db/devloop.yaml:3:64: no file or folder `gone`, at deploy[1].manifests[0]; paths are relative to the folder of this file",
        "../db/devloop.yaml:3:79: no unit is named `on`, at deploy[1].needs[0]; did you mean `one`?",
    ]
    (tree / "db/devloop.yaml").write_text("a: [\n")
    assert wrong(tree, requiring("../db"))[0].startswith("../db/devloop.yaml:")


def test_names_and_ports_that_two_modules_have_are_told_with_both_places(tree: Path) -> None:
    more = "deploy: [{name: db, manifests: [k8s]}]\nportForward: [{resource: service/x, port: 5432}]\n"
    assert wrong(tree, requiring("../db", more).replace("shop/app", "shop/base")) == [
        "../db/devloop.yaml:2:45: two artifacts are named `shop/base`, the first at devloop.yaml:3:29, "
        "at build.artifacts[0].image; an image is built once; `requires` it where it is needed",
        "../db/devloop.yaml:3:17: two units are named `db`, the first at devloop.yaml:4:17, at deploy[0].name; "
        "give one of them another `name`",
        "../db/devloop.yaml:4:44: two forwards listen on port 5432 of this machine, the first at devloop.yaml:5:43, "
        "at portForward[0].port; give one of them another `localPort`",
    ]


def test_two_modules_of_one_name_are_told(tree: Path) -> None:
    (tree / "db/devloop.yaml").write_text("metadata: {name: app}\n" + DB)
    assert wrong(tree, requiring("../db")) == [
        "../db/devloop.yaml:1:18: two modules are named `app`, the first at devloop.yaml:1:1, at metadata.name; "
        "give one of them another `metadata.name`"
    ]


def test_a_module_names_only_what_it_requires(tree: Path) -> None:
    (tree / "db/devloop.yaml").write_text(DB.replace("manifests: [k8s]", "manifests: [k8s], needs: [web]"))
    said = wrong(tree, requiring("../db", "deploy: [{name: web, manifests: [k8s]}]\n"))
    assert said == [
        "../db/devloop.yaml:3:47: unit `web` is of module `app`, which this one does not require, at deploy[0].needs[0]; "
        "add `app` to `requires`"
    ]


def test_a_cycle_of_modules_is_told(tree: Path) -> None:
    (tree / "db/devloop.yaml").write_text("apiVersion: devloop/v1\nrequires: [../app]\n")
    assert wrong(tree, requiring("../db")) == [
        "../db/devloop.yaml:2:12: a cycle of modules: app → db → app, at requires[0]; one of them has to do without"
    ]


def test_a_module_with_two_sets_of_profiles_is_told(tree: Path) -> None:
    (tree / "mid").mkdir()
    (tree / "mid/devloop.yaml").write_text("apiVersion: devloop/v1\nrequires: [{path: ../db, profiles: [small]}]\n")
    assert wrong(tree, requiring("../db, ../mid")) == [
        "../mid/devloop.yaml:2:12: module `db` is required here with the profiles small, and with nothing passed at "
        "devloop.yaml:2:12, at requires[0]; a module is there once: say the same in both places"
    ]


def test_variables_are_passed_on_and_the_command_line_wins(tree: Path) -> None:
    text = DB.replace("manifests: [k8s]", "manifests: [k8s], readyDeadlineSeconds: '${DEADLINE}'")
    (tree / "db/devloop.yaml").write_text(text + "vars: [{name: DEADLINE, default: '5'}]\n")

    def deadline(main: str, sources: Sources = NOTHING) -> int:
        (tree / "app/devloop.yaml").write_text(main)
        loaded = load(tree / "app/devloop.yaml", sources=sources)
        return next(each.ready_deadline_seconds for each in loaded.project.deploy if each.name == "db")

    passing = (
        APP.replace("../db]", "{path: ../db, vars: {DEADLINE: '${OURS}'}}]") + "vars: [{name: OURS, default: '6'}]\n"
    )
    assert deadline(APP) == 5
    assert deadline(passing) == 6
    assert deadline(passing, Sources(given={"DEADLINE": "7"})) == 7
    assert app(tree).warnings == ()


def test_a_dotenv_is_that_of_its_own_folder_and_is_watched(tree: Path) -> None:
    (tree / "db/.env").write_text("DEADLINE=9\n")
    (tree / "db/devloop.yaml").write_text(DB.replace("[k8s]", "[k8s], readyDeadlineSeconds: '${DEADLINE}'"))
    loaded = app(tree)
    assert loaded.project.deploy[1].ready_deadline_seconds == 9
    assert loaded.reads(tree / "db/.env")
    assert loaded.reads(tree / "app/.env")
    assert not loaded.reads(tree / "db/k8s/db.yaml")


def test_where_a_value_is_written_is_known_of_every_module(tree: Path) -> None:
    positions = app(tree).positions
    assert positions.where(("deploy", 1, "name")) == "../db/devloop.yaml:3:17"
    chosen = app(tree, only=("db",))
    assert chosen.positions.where(("deploy", 0, "name")) == "../db/devloop.yaml:3:17"
    assert chosen.positions.where(("apiVersion",)) == "devloop.yaml:1:13"


def test_a_secret_of_one_module_is_not_that_of_another_by_its_name(tree: Path) -> None:
    (tree / "app/.env").write_text("TOKEN=one\n")
    (tree / "db/.env").write_text("TOKEN=two\n")
    text = "build: {artifacts: [{image: shop/%s, custom: {command: ./push $TOKEN}}]}\nvars: [{name: TOKEN, secret: true}]\n"
    (tree / "db/devloop.yaml").write_text("apiVersion: devloop/v1\n" + text % "db")
    loaded = app(tree, "apiVersion: devloop/v1\nrequires: [../db]\n" + text % "app")
    commands = [each.custom.command for each in loaded.project.build.artifacts if each.custom]
    said = [
        subprocess.run(
            ["sh", "-c", each.replace("./push", "echo")], env=loaded.exports, check=True, capture_output=True, text=True
        )
        for each in commands
    ]
    assert [each.stdout for each in said] == ["one\n", "two\n"]
    alone = load(tree / "db/devloop.yaml").project.build.artifacts[0].custom
    assert alone is not None
    assert alone.command == commands[1]


@pytest.mark.parametrize("value", ["${TOKEN}", "x-${TOKEN}"])
def test_a_secret_that_is_passed_on_stays_one(tree: Path, value: str) -> None:
    db = "build: {artifacts: [{image: shop/base, custom: {command: ./push $KEY}}]}\n"
    (tree / "db/devloop.yaml").write_text("apiVersion: devloop/v1\n" + db)
    text = requiring(
        f"{{path: ../db, vars: {{KEY: '{value}'}}}}", "vars: [{name: TOKEN, default: s3cr3t, secret: true}]\n"
    )
    loaded = app(tree, text)
    assert all("s3cr3t" not in repr(each) for each in loaded.project.build.artifacts)
    assert loaded.exports == {"DEVLOOP_SECRET_db_KEY": value.replace("${TOKEN}", "s3cr3t")}


def test_a_passed_value_says_where_it_comes_from(tree: Path) -> None:
    (tree / "db/devloop.yaml").write_text(
        "apiVersion: devloop/v1\nbuild: {artifacts: [{image: '${NAME}', docker: {}}]}\n"
    )
    loaded = app(tree, requiring("{path: ../db, vars: {NAME: b}}"))
    assert explain(loaded, "build.artifacts[b].image").origins == ("NAME of requires, devloop.yaml:2:12",)
    given = app(tree, sources=Sources({"NAME": "c"}))
    assert explain(given, "build.artifacts[c].image").origins == ("--var NAME",)


@pytest.mark.parametrize("db", ["apiVersion: devloop/v1\nprofiles: [\n", None])
def test_a_module_that_cannot_be_read_is_told_before_a_profile_that_it_may_have(tree: Path, db: str | None) -> None:
    file = tree / "db/devloop.yaml"
    file.unlink() if db is None else file.write_text(db)
    with pytest.raises(ConfigError) as raised:
        app(tree, asked=("small",))
    assert raised.value.missing == ((tree / "db",) if db is None else ())


def test_a_value_says_which_module_s_profile_set_it(tree: Path) -> None:
    loaded = app(tree, asked=("small", "laptop"))
    found = explain(loaded, "deploy[db].readyDeadlineSeconds")
    assert (found.profile, dict(loaded.active)[found.profile]) == ("db: small", "asked for")
    alone = app(tree, APP.replace("build: {concurrency: 1}", "cluster: {namespace: x}"), ("laptop",), only=("db",))
    found = explain(alone, "cluster.namespace")
    assert (found.profile, dict(alone.active)[found.profile]) == ("laptop", "asked for")


def test_a_variable_that_is_passed_on_in_vain_is_told(tree: Path) -> None:
    db = "build: {artifacts: [{image: '${NAME}', docker: {}}]}\nvars: [{name: KNOWN, default: x}]\n"
    (tree / "db/devloop.yaml").write_text("apiVersion: devloop/v1\n" + db)
    passing = requiring("{path: ../db, vars: {NAME: b, KNOWN: c, NAEM: d}}")
    assert app(tree, passing).warnings == (
        "devloop.yaml:2:12: nothing in db names the variable NAEM that is passed on",
    )
