"""A folder of rendered manifests: the same names for the same objects, ours replaced, others' left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from devloop.cli.folder import Written, check, write
from devloop.errors import UsageError
from devloop.products import Manifest


def manifest(kind: str, name: str, api_version: str = "v1", **rest: object) -> Manifest:
    obj = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **rest}}
    return Manifest(obj, f"k8s/{name}.yaml:1")


def names(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (manifest("ConfigMap", "a"), "v1_configmap_a.yaml"),
        (manifest("Deployment", "web", "apps/v1"), "apps_v1_deployment_web.yaml"),
        (manifest("ConfigMap", "a", namespace="shop"), "shop_v1_configmap_a.yaml"),
        (
            manifest("Role", "system:a/b", "rbac.authorization.k8s.io/v1"),
            "rbac.authorization.k8s.io_v1_role_system%3Aa%2Fb.yaml",
        ),
    ],
)
def test_a_file_is_called_as_its_object(found: Manifest, name: str, tmp_path: Path) -> None:
    write(tmp_path / "out", [found])
    assert names(tmp_path / "out") == {name}
    assert yaml.safe_load((tmp_path / "out" / name).read_text()) == found.object


def test_what_is_rendered_no_longer_goes_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("kind: Theirs\n")
    (tmp_path / "notes.md").write_text("")
    assert write(tmp_path, [manifest("ConfigMap", "a"), manifest("ConfigMap", "b")]) == Written(2, 0)
    assert write(tmp_path, [manifest("ConfigMap", "a"), manifest("ConfigMap", "c")]) == Written(1, 1)
    assert names(tmp_path) == {"mine.yaml", "notes.md", "v1_configmap_a.yaml", "v1_configmap_c.yaml"}
    assert write(tmp_path, [manifest("ConfigMap", "c"), manifest("ConfigMap", "a")]) == Written(0, 0)


def test_a_file_of_somebody_elses_in_the_way_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "v1_configmap_b.yaml").write_text("theirs\n")
    with pytest.raises(UsageError, match="is not devloop's, and in the way"):
        write(tmp_path, [manifest("ConfigMap", "a"), manifest("ConfigMap", "b")])
    assert names(tmp_path) == {"v1_configmap_b.yaml"}


def test_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    write(tmp_path, [manifest("Secret", "a"), manifest("ConfigMap", "a")])
    modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
    assert modes == {"v1_secret_a.yaml": 0o600, "v1_configmap_a.yaml": 0o644}


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="is no folder"):
        check(tmp_path / "out")
