"""What devloop does to fields and objects only when it is told to, as a user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.driver import Devloop
from tests.e2e.kube import Kubectl

CONFIG = """\
apiVersion: devloop/v1
metadata: {name: e2e}
deploy:
"""
MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {{name: {name}}}
data: {{key: "{value}"}}
"""
CLAIM = """\
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data}}
spec: {{accessModes: [{mode}], storageClassName: none, resources: {{requests: {{storage: 1Gi}}}}}}
"""


class Folder:
    """A project of plain manifests: each unit has files of k8s/."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "k8s").mkdir(parents=True)

    def units(self, **units: list[str]) -> None:
        lines = [f"  - name: {name}\n    manifests: {files}\n" for name, files in units.items()]
        (self.path / "devloop.yaml").write_text(CONFIG + "".join(lines).replace("'", ""))

    def config_map(self, name: str, value: str = "1") -> None:
        (self.path / f"k8s/{name}.yaml").write_text(MAP.format(name=name, value=value))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "project")
    made.config_map("a")
    made.units(u=["k8s/*.yaml"])
    return made


def edit(kubectl: Kubectl, name: str) -> None:
    kubectl.run("patch", "configmap", name, "--patch", '{"data": {"key": "edited"}}', "--field-manager=kubectl-edit")


def value(kubectl: Kubectl, name: str = "a") -> str:
    found = kubectl.get("configmap", name)
    assert found is not None
    return str(found["data"]["key"])


def test_run_names_the_other_manager_and_takes_over_when_told(
    devloop: Devloop, folder: Folder, kubectl: Kubectl
) -> None:
    there = devloop.at(folder.path)
    assert there.run("run").code == 0
    edit(kubectl, "a")
    folder.config_map("a", "2")
    refused = there.run("run", as_json=False)
    assert refused.code == 1
    told = refused.stdout + refused.stderr
    assert "the cluster refused configmap/a: kubectl-edit owns .data.key" in told
    assert "k8s/a.yaml:1" in told
    assert "--force-conflicts" in told
    assert value(kubectl) == "edited"
    done = there.run("run", "--force-conflicts")
    assert done.code == 0
    assert done.of(kind="notice", message="configmap/a: fields taken over: kubectl-edit owned .data.key")
    assert value(kubectl) == "2"


def test_dev_says_what_it_may_not_and_goes_on(devloop: Devloop, folder: Folder, kubectl: Kubectl) -> None:
    (folder.path / "k8s/data.yaml").write_text(CLAIM.format(mode="ReadWriteOnce"))
    folder.units(claim=["k8s/data.yaml"], u=["k8s/a.yaml"])
    dev = devloop.at(folder.path).start("dev")
    dev.wait_event(kind="update", update=1, state="ready")
    (folder.path / "k8s/data.yaml").write_text(CLAIM.format(mode="ReadWriteMany"))
    failed = dev.wait_event(kind="step", target="deploy/claim", step="apply", state="failed")
    assert failed["where"] == "k8s/data.yaml:1"
    assert "start again with --recreate persistentvolumeclaim/data" in failed["hint"]
    folder.config_map("a", "2")
    dev.wait_event(kind="step", target="deploy/u", step="apply", state="finished", update=3)
    assert value(kubectl) == "2"


def test_recreate_names_an_object_or_nothing_is_done(devloop: Devloop, folder: Folder) -> None:
    done = devloop.at(folder.path).run("run", "--recreate", "data", as_json=False)
    assert done.code == 2
    assert "--recreate data: this names no object" in done.stderr


def test_recreate_takes_kubectls_short_names(devloop: Devloop, folder: Folder, kubectl: Kubectl) -> None:
    there = devloop.at(folder.path)
    (folder.path / "k8s/data.yaml").write_text(CLAIM.format(mode="ReadWriteOnce"))
    there.run("run")
    before = kubectl.get("pvc", "data")
    (folder.path / "k8s/data.yaml").write_text(CLAIM.format(mode="ReadWriteMany"))
    done = there.run("run", "--recreate", "pvc/data")
    after = kubectl.get("pvc", "data")
    assert before is not None
    assert after is not None
    assert before["metadata"]["uid"] != after["metadata"]["uid"]
    (notice,) = [each for each in done.of(kind="notice") if "made again" in each["message"]]
    assert notice["message"].startswith("persistentvolumeclaim/data was deleted and made again: spec")


def test_a_renamed_unit_and_a_moved_object_are_not_deleted(devloop: Devloop, folder: Folder, kubectl: Kubectl) -> None:
    folder.config_map("b")
    folder.config_map("c")
    folder.units(one=["k8s/a.yaml", "k8s/c.yaml"], two=["k8s/b.yaml"])
    there = devloop.at(folder.path)
    assert there.run("run").code == 0

    def uids() -> dict[str, str]:
        maps = kubectl.list("configmaps", "applyset.kubernetes.io/part-of")
        return {each["metadata"]["name"]: each["metadata"]["uid"] for each in maps}

    before = uids()
    assert sorted(before) == ["a", "b", "c"]
    folder.units(two=["k8s/b.yaml", "k8s/c.yaml"], renamed=["k8s/a.yaml"])
    assert there.run("run").code == 0
    assert uids() == before
    folder.units(two=["k8s/b.yaml"], renamed=["k8s/a.yaml"])
    assert there.run("run").code == 0
    assert sorted(uids()) == ["a", "b"]


def test_an_object_that_moves_to_a_unit_that_renders_late_stays_what_it_is(
    devloop: Devloop, folder: Folder, kubectl: Kubectl
) -> None:
    folder.config_map("b")
    folder.config_map("moves")
    folder.config_map("goes")

    def units(early: str, late: str) -> None:
        custom = "  - name: {}\n    custom: {{command: 'sleep {}; cat {}', dependencies: {{paths: [k8s]}}}}\n"
        folder.units()
        with (folder.path / "devloop.yaml").open("a") as file:
            file.write(custom.format("early", 0, early) + custom.format("late", 1, late))

    def uids() -> dict[str, str]:
        maps = kubectl.list("configmaps", "applyset.kubernetes.io/part-of")
        return {each["metadata"]["name"]: each["metadata"]["uid"] for each in maps}

    (folder.path / "k8s" / "separator").write_text("---\n")
    units("k8s/a.yaml k8s/separator k8s/moves.yaml k8s/separator k8s/goes.yaml", "k8s/b.yaml")
    there = devloop.at(folder.path)
    assert there.run("run").code == 0
    before = uids()
    assert sorted(before) == ["a", "b", "goes", "moves"]
    units("k8s/a.yaml", "k8s/b.yaml k8s/separator k8s/moves.yaml")
    done = there.run("run")
    assert done.code == 0
    del before["goes"]
    assert uids() == before
    (again,) = [each for each in done.of(step="apply", target="deploy/early") if "nobody's" in each.get("reason", "")][
        -1:
    ]
    assert again["state"] == "finished"
