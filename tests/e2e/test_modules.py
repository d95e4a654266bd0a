"""Several projects in one session, on the real engine and cluster: two folders, and one in a repository of git."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl
from tests.e2e.project import Project
from tests.e2e.web import eventually, http_get


@dataclass
class Shop:
    """`app` requires `db`, a folder beside it, and `mail`, which is in git."""

    folder: Path
    app: Project
    db: Project
    mail: Project
    repository: Path

    def at(self, devloop: Devloop, name: str) -> Devloop:
        return devloop.at(self.folder / name)


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    folder = tmp_path / tmp_path.name
    app, db, mail = (Project(folder / name, (name,)) for name in ("app", "db", "mail"))
    for each, name in ((app, "app"), (db, "db"), (mail, "mail")):
        config = (
            each.config()
            .replace("name: e2e", f"name: e2e-{name}")
            .replace("- manifests", f"- name: {name}\n    manifests")
        )
        each.write("devloop.yaml", config.replace(each.image(name), f"e2e-{tmp_path.name.lower()}/{name}"))
        each.write(
            f"k8s/{name}.yaml", each.manifest(name).replace(each.image(name), f"e2e-{tmp_path.name.lower()}/{name}")
        )
    git(mail.folder, "init", "-q", "-b", "main")
    git(mail.folder, "add", ".")
    git(mail.folder, "commit", "-q", "-m", "first")
    repository = folder / "mail.git"
    os.rename(mail.folder, repository)
    required = f"requires:\n  - ../db\n  - git: {{url: 'file://{repository}', ref: main}}\n"
    app.write("devloop.yaml", (app.folder / "devloop.yaml").read_text() + required)
    return Shop(folder, app, db, mail, repository)


def page(port: int) -> str:
    return http_get(port).text.strip()


def names(kubectl: Kubectl, kind: str) -> set[str]:
    return {each["metadata"]["name"] for each in kubectl.list(kind)}


def config_map(name: str) -> str:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"


def owners(kubectl: Kubectl) -> dict[str, str]:
    found = {}
    for each in kubectl.list("deployments"):
        found[each["metadata"]["name"]] = each["metadata"]["annotations"]["devloop.dev/project"].partition("/")[2]
    return found


def test_an_edit_in_a_required_project_goes_live_and_leaves_the_others_alone(
    devloop: Devloop, shop: Shop, kubectl: Kubectl
) -> None:
    dev = shop.at(devloop, "app").start("dev")
    dev.wait_event(kind="update", update=1, state="ready", timeout_s=120)
    assert [page(each.port) for each in (shop.app, shop.db, shop.mail)] == ["first"] * 3
    pods = {name: kubectl.pod_uids(f"app={name}") for name in ("app", "db", "mail")}

    shop.db.edit("second", "db")
    dev.wait_event(kind="update", update=2, state="ready")
    eventually(lambda: page(shop.db.port) == "second")
    assert {name: kubectl.pod_uids(f"app={name}") for name in ("app", "mail")} == {
        name: pods[name] for name in ("app", "mail")
    }
    assert {event["target"] for event in dev.events if event["kind"] == "step" and event.get("update") == 2} <= {
        f"image/e2e-{shop.folder.name.lower()}/db",
        "deploy/db",
    }

    config = (shop.db.folder / "devloop.yaml").read_text()
    since = len(dev.events)
    shop.db.write("devloop.yaml", config.replace("context:", "contxt:"))
    broken = dev.wait_event(kind="error", since=since)
    assert broken["where"].startswith("../db/devloop.yaml:7:")
    assert "did you mean `context`?" in broken["hint"]
    shop.app.edit("third", "app")
    eventually(lambda: page(shop.app.port) == "third", timeout_s=60)
    shop.db.write("devloop.yaml", config.replace("manifests:", "readyDeadlineSeconds: 60\n    manifests:"))
    shop.db.edit("fourth", "db")
    eventually(lambda: page(shop.db.port) == "fourth", timeout_s=60)

    dev.interrupt()
    assert dev.wait().code == 130
    kubectl.wait_gone()


def test_a_module_is_the_same_project_from_wherever_it_is_deployed(
    devloop: Devloop, shop: Shop, kubectl: Kubectl
) -> None:
    config = (shop.db.folder / "devloop.yaml").read_text()
    hooks = "context: db\n      hooks: {before: [{command: 'test -e devloop.yaml', dir: .}]}\n"
    shop.db.write("devloop.yaml", config.replace("context: db\n", hooks))
    assert shop.at(devloop, "app").run("run", "--no-cache").code == 0
    assert owners(kubectl) == {"app": "e2e-app", "db": "e2e-db", "mail": "e2e-mail"}
    sources = {
        each["metadata"]["name"]: each["metadata"]["annotations"]["devloop.dev/source"]
        for each in kubectl.list("deployments")
    }
    assert sources == {name: f"k8s/{name}.yaml" for name in ("app", "db", "mail")}
    before = kubectl.snapshot()

    alone = shop.at(devloop, "db").run("run")
    assert alone.code == 0, alone.stdout + alone.stderr
    assert kubectl.snapshot() == before
    assert {each["state"] for each in alone.of(kind="step", step="build")} <= {"started", "skipped"}

    listed = shop.at(devloop, "app").run("ls").of(kind="object")
    assert {(each["project"].partition("/")[2], each["unit"]) for each in listed} == {
        ("e2e-app", "app"),
        ("e2e-db", "db"),
        ("e2e-mail", "mail"),
    }
    assert shop.at(devloop, "app").run("diff").code == 0

    assert shop.at(devloop, "db").run("delete").code == 0
    kubectl.wait_gone("deployments", "db")
    assert set(owners(kubectl)) == {"app", "mail"}
    assert shop.at(devloop, "app").run("delete", "mail").code == 0
    kubectl.wait_gone("deployments", "mail")
    assert shop.at(devloop, "app").run("delete").code == 0
    kubectl.wait_gone()


def test_one_module_can_be_chosen(devloop: Devloop, shop: Shop, kubectl: Kubectl) -> None:
    at = shop.at(devloop, "app")
    shop.db.write("devloop.yaml", (shop.db.folder / "devloop.yaml").read_text() + "cluster: {namespace: elsewhere}\n")
    done = at.run("run", "-m", "e2e-db", "--module", "e2e-mail")
    assert done.code == 0, done.stdout
    assert owners(kubectl) == {"db": "e2e-db", "mail": "e2e-mail"}
    assert done.of(kind="notice", message="e2e-db: its `cluster` counts only when it is run by itself")
    assert at.run("run").code == 0
    assert set(owners(kubectl)) == {"app", "db", "mail"}
    assert at.run("delete", "-m", "e2e-mail").code == 0
    kubectl.wait_gone("deployments", "mail")
    assert set(owners(kubectl)) == {"app", "db"}
    wrong = at.run("run", "-m", "e2e-dd")
    assert wrong.code == 2
    assert wrong.of(kind="error")[0]["hint"] == "did you mean `e2e-db`?"
    assert at.run("delete").code == 0


def test_an_object_moves_from_one_module_to_another(devloop: Devloop, shop: Shop, kubectl: Kubectl) -> None:
    at = shop.at(devloop, "app")
    shop.app.write("k8s/moves.yaml", config_map("moves"))
    assert at.run("run").code == 0

    def uid() -> str:
        (found,) = (each for each in kubectl.list("configmaps") if each["metadata"]["name"] == "moves")
        return str(found["metadata"]["uid"])

    before = uid()
    os.rename(shop.app.folder / "k8s/moves.yaml", shop.db.folder / "k8s/moves.yaml")
    alone = at.run("run", "-m", "e2e-db")
    assert alone.code == 1
    assert any("belongs to project" in each["error"] for each in alone.of(kind="step", state="failed"))
    moved = at.run("run")
    assert moved.code == 0, moved.stdout
    assert at.run("diff").code == 0
    assert uid() == before
    assert at.run("delete", "-m", "e2e-app").code == 0
    assert "moves" in names(kubectl, "configmaps")
    assert at.run("delete").code == 0
    assert "moves" not in names(kubectl, "configmaps")


def test_a_repository_is_fetched_once_and_again_only_when_asked(bare_devloop: Devloop, shop: Shop) -> None:
    at = shop.at(bare_devloop, "app")
    first = at.run("modules", "--output", "json")
    assert first.code == 0, first.stdout
    assert any(each["message"].startswith("fetching file://") for each in first.of(kind="notice"))
    (shop.repository / "k8s/mail.yaml").write_text(
        (shop.repository / "k8s/mail.yaml").read_text().replace("replicas: 1", "replicas: 2")
    )
    git(shop.repository, "commit", "-qam", "second")

    again = at.run("render", "mail", "--offline", as_json=False)
    assert "replicas: 1" in again.stdout, again.stderr
    assert at.run("modules", "--update").code == 0
    os.rename(shop.repository, shop.folder / "away")
    assert "replicas: 2" in at.run("render", "mail", "--offline", as_json=False).stdout

    fresh = at.run("render", "--offline", as_json=False, env={"XDG_CACHE_HOME": str(shop.folder / "other-cache")})
    assert fresh.code == 2
    assert "devloop.yaml:" in fresh.stderr
    assert "cannot fetch file://" in fresh.stderr
    assert json.dumps(fresh.stderr).count("Traceback") == 0


def test_a_project_that_is_required_later_may_be_mended_where_it_is_broken(
    devloop: Devloop, shop: Shop, kubectl: Kubectl
) -> None:
    config = (shop.app.folder / "devloop.yaml").read_text()
    shop.app.write("devloop.yaml", config.partition("requires:")[0])
    dev = shop.at(devloop, "app").start("dev")
    dev.wait_event(kind="update", update=1, state="ready", timeout_s=120)
    whole = (shop.db.folder / "devloop.yaml").read_text()
    shop.db.write("devloop.yaml", whole.replace("deploy:", "deplo:"))
    shop.app.write("devloop.yaml", config.partition("requires:")[0] + "requires: [../db]\n")
    broken = dev.wait_event(kind="error")
    assert "did you mean `deploy`?" in broken["hint"]

    shop.db.write("devloop.yaml", whole)
    eventually(lambda: page(shop.db.port) == "first", timeout_s=60)
    assert owners(kubectl) == {"app": "e2e-app", "db": "e2e-db"}

    shop.app.write("devloop.yaml", config.partition("requires:")[0])
    kubectl.wait_gone("deployments", "db")
    dev.interrupt()
    assert dev.wait().code == 130
    kubectl.wait_gone()


def test_what_a_module_misses_is_heard_of_when_it_comes(devloop: Devloop, shop: Shop, kubectl: Kubectl) -> None:
    config = (shop.app.folder / "devloop.yaml").read_text().partition("requires:")[0]
    shop.app.write("devloop.yaml", config + "requires: [../db]\n")
    whole = (shop.db.folder / "devloop.yaml").read_text()
    dev = shop.at(devloop, "app").start("dev")
    dev.wait_event(kind="update", update=1, state="ready", timeout_s=120)

    shop.db.write("devloop.yaml", whole.replace("[k8s/*.yaml]", "[k8s/*.yaml, more/*.yaml]"))
    assert "more/*.yaml" in dev.wait_event(kind="error")["message"]
    (shop.db.folder / "more").mkdir()
    shop.db.write("more/settings.yaml", config_map("settings"))
    eventually(lambda: "settings" in names(kubectl, "configmaps"), timeout_s=60)

    since = len(dev.events)
    shop.app.write("devloop.yaml", config + "requires: [../db, ../later]\n")
    assert "no file or folder `../later`" in dev.wait_event(kind="error", since=since)["message"]
    later = shop.folder / "later"
    later.mkdir()
    (later / "later.yaml").write_text(config_map("later"))
    (later / "devloop.yaml").write_text(
        "apiVersion: devloop/v1\n"
    )  # which changes nothing, but is one more file to watch
    shop.app.edit("second", "app")
    eventually(lambda: page(shop.app.port) == "second", timeout_s=60)
    (later / "devloop.yaml").write_text("apiVersion: devloop/v1\ndeploy: [{manifests: [later.yaml]}]\n")
    eventually(lambda: "later" in names(kubectl, "configmaps"), timeout_s=60)
    dev.interrupt()
    assert dev.wait().code == 130
    kubectl.wait_gone()


def test_ctrl_c_ends_a_fetch(bare_devloop: Devloop, shop: Shop) -> None:
    slow = shop.folder / "slow"
    slow.write_text("#!/bin/sh\nsleep 600\n")
    slow.chmod(0o755)
    config = (shop.app.folder / "devloop.yaml").read_text()
    shop.app.write("devloop.yaml", config.replace(f"file://{shop.repository}", "ssh://host/mail.git"))
    session = shop.at(bare_devloop, "app").start("render", env={"GIT_SSH_COMMAND": str(slow)}, as_json=False)
    session.wait_text("fetching ssh://host/mail.git at main")
    session.interrupt()
    assert session.wait().code == 130
