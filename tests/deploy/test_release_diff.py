"""What helm would do to a release's objects, told from what is written, without helm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from devloop.deploy import release_diff
from devloop.deploy.diff import Differences
from devloop.deploy.helm_storage import Release, Revision
from devloop.deploy.inventory import Inventory
from devloop.deploy.release_state import Standing
from devloop.products import Manifest
from tests.deploy.conftest import World, config_map, manifest

LAST = Revision(3, "deployed", "devloop x", "2026-01-01T10:00:00Z", "")
UPGRADE = Standing(True, "something changed", LAST)
INSTALL = Standing(True, "is not installed")


def differences(
    world: World, standing: Standing, *, was: Sequence[Manifest] = (), now: Sequence[Manifest], **options: Any
) -> Differences:
    release = Release("u", "web", world.namespace)
    inventory = Inventory("shop", world.namespace)
    return release_diff.differences(world.scope, inventory, world.door, release, standing, was=was, now=now, **options)


def actions(told: Differences) -> dict[str, str]:
    return {str(each.ref): each.action for each in told.found}


def definition(folder: str) -> Manifest:
    group = "release.devloop.test"
    names = {"kind": "Thing", "plural": "things", "singular": "thing"}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version]}
    made = manifest("apiextensions.k8s.io/v1", "CustomResourceDefinition", f"things.{group}", spec=spec)
    return Manifest(made.object, f"chart/{folder}/thing.yaml:1")


def test_an_upgrade_is_what_the_revisions_have_otherwise(world: World) -> None:
    told = differences(
        world,
        UPGRADE,
        was=[config_map("a"), config_map("b"), config_map("old")],
        now=[config_map("a"), config_map("b", "2"), config_map("new")],
    )
    assert actions(told) == {
        "release/web": "upgrade",
        "configmap/new": "create",
        "configmap/b": "change",
        "configmap/old": "delete",
    }
    assert told.same == 1
    assert {each.base for each in told.found if each.before} == {"revision 3"}


def test_a_release_that_is_not_due_has_no_differences(world: World) -> None:
    standing = Standing(False, "revision 3 was made from the same", LAST)
    assert differences(world, standing, was=[config_map("a")], now=[config_map("a", "2")]) == Differences(same=1)


def test_hooks_are_no_part_of_a_release_and_what_helm_keeps_is_kept(world: World) -> None:
    hook = config_map("hook", annotations={"helm.sh/hook": "pre-upgrade"})
    kept = config_map("kept", annotations={"helm.sh/resource-policy": "keep"})
    told = differences(world, UPGRADE, was=[kept], now=[hook])
    assert actions(told) == {"release/web": "upgrade"}
    assert [(str(ref), why) for ref, why in told.kept] == [("configmap/kept", "helm.sh/resource-policy: keep")]


def test_what_is_in_crds_is_installed_once(world: World) -> None:
    thing = manifest("release.devloop.test/v1", "Thing", "one")
    told = differences(world, INSTALL, now=[definition("crds"), thing])
    assert list(actions(told).values()) == ["install", "create", "create"]
    assert actions(differences(world, UPGRADE, now=[definition("crds"), thing])) == {
        "release/web": "upgrade",
        "thing/one": "create",
    }
    assert list(actions(differences(world, UPGRADE, now=[definition("templates")])).values()) == ["upgrade", "create"]


def test_what_is_there_and_no_releases_is_refused_unless_helm_may_adopt_it(world: World) -> None:
    world.cluster.apply(
        world.scope, {**config_map("a").object, "metadata": {"name": "a", "namespace": world.namespace}}
    )
    told = differences(world, INSTALL, now=[config_map("a"), config_map("b")])
    assert actions(told) == {"release/web": "install", "configmap/b": "create"}
    (refused,) = told.refused
    assert refused.told == "configmap/a is there already, and no part of release web"
    adopted = differences(world, INSTALL, now=[config_map("a")], is_adopting=True)
    assert actions(adopted) == {"release/web": "install", "configmap/a": "adopt"}


def test_what_devloop_applied_before_is_taken_over(world: World) -> None:
    world.apply(config_map("a"))
    told = differences(world, INSTALL, now=[config_map("a", "2")])
    assert actions(told) == {"release/web": "install", "configmap/a": "adopt"}
    assert told.found[1].why == "was applied without helm"


def test_no_value_of_a_secret_is_told(world: World) -> None:
    was, now = (manifest("v1", "Secret", "s", stringData={"password": value}) for value in ("hunter22", "hunter33"))
    told = repr(differences(world, UPGRADE, was=[was], now=[now]).found)
    assert "*** (before)" in told
    assert "*** (after)" in told
    assert "hunter" not in told
    assert "aHVudGVy" not in told
