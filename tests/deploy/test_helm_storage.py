"""What helm's Secrets say, as helm writes them."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from devloop.deploy import helm_storage
from devloop.deploy.helm_storage import Release, owned, revisions
from devloop.deploy.inventory import Contents, Inventory
from devloop.errors import StepFailed, UsageError
from devloop.scope import Scope
from devloop.testing.cluster import FakeCluster

SHOP = Release("shop", "shop", "default")
INVENTORY = Inventory("p", "default")
CONTENTS = Contents(frozenset({helm_storage.SECRETS}), frozenset({"default"}), "2")


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def keep(cluster: FakeCluster, number: int, status: str, description: str = "", **more: str) -> None:
    release = {
        "name": "shop",
        "version": number,
        "info": {"status": status, "description": description, "last_deployed": "2026-01-01T10:00:00Z"},
        "manifest": "---\n",
    }
    data = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode()))).decode()
    labels = {"owner": "helm", "name": "shop", "version": str(number), "status": status, **more}
    put(cluster, number, labels, {"release": data})


def put(cluster: FakeCluster, number: int, labels: dict[str, str], data: dict[str, str]) -> None:
    metadata: dict[str, Any] = {"name": f"sh.helm.release.v1.shop.v{number}", "namespace": "default", "labels": labels}
    with Scope("put") as scope:
        cluster.apply(scope, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


def test_revisions_come_in_their_order_whatever_their_names_sort_like(cluster: FakeCluster) -> None:
    for number in (10, 9, 2):
        keep(cluster, number, "superseded", f"devloop {number}")
    with Scope("test") as scope:
        found = revisions(scope, cluster, SHOP)
    assert [(each.number, each.made_from) for each in found] == [(2, "2"), (9, "9"), (10, "10")]


def test_a_release_whose_history_is_all_that_is_kept_is_not_installed(cluster: FakeCluster) -> None:
    keep(cluster, 1, "uninstalled", "Uninstallation complete")
    with Scope("test") as scope:
        assert revisions(scope, cluster, SHOP) == []


def test_what_somebody_else_made_is_not_taken_for_ours(cluster: FakeCluster) -> None:
    keep(cluster, 1, "deployed", "Rollback to 1")
    with Scope("test") as scope:
        (found,) = revisions(scope, cluster, SHOP)
    assert (found.made_from, found.is_pending) == ("", False)


def test_the_releases_of_a_project_are_found_by_any_of_their_revisions(cluster: FakeCluster) -> None:
    ours = {helm_storage.RELEASE_OF: INVENTORY.applyset, helm_storage.UNIT: "u"}
    keep(cluster, 1, "superseded", **ours)
    keep(cluster, 2, "deployed")
    with Scope("test") as scope:
        assert owned(scope, cluster, INVENTORY, CONTENTS) == (Release("u", "shop", "default"),)
        assert owned(scope, cluster, Inventory("other", "default"), CONTENTS) == ()


def test_a_secret_that_is_none_of_helms_is_told(cluster: FakeCluster) -> None:
    put(cluster, 1, {"owner": "helm", "name": "shop"}, {"release": "bm9uc2Vuc2U="})
    with (
        Scope("test") as scope,
        pytest.raises(StepFailed, match=r"secret/sh\.helm\.release\.v1\.shop\.v1 holds no release"),
    ):
        revisions(scope, cluster, SHOP)


def test_releases_that_are_kept_elsewhere_are_refused(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELM_DRIVER", "sql")
    with Scope("test") as scope, pytest.raises(UsageError, match="HELM_DRIVER=sql"):
        revisions(scope, cluster, SHOP)
