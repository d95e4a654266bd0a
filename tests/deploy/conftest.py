"""A cluster to deploy to: the shipped fake always, the real one where there is one. All writes to it are on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from devloop.deploy import marks
from devloop.deploy.apply import Consent, Owner, apply
from devloop.deploy.delete import Deleted, delete
from devloop.products import Applied, Manifest, Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal, Cluster
from devloop.testing.cluster import FakeCluster

UNITS = frozenset({"u", "v"})


class Recorder:
    """A cluster that notes what is asked of it and written to it, and may refuse it; everything else is the one behind it."""

    def __init__(self, behind: Cluster) -> None:
        self._behind = behind
        self.writes: list[str] = []
        self.reads: list[str] = []
        self.refusals: dict[str, ApiRefusal] = {}
        self.before_apply: Callable[[Object], None] = lambda _obj: None
        self.before_delete: Callable[[ObjectRef], None] = lambda _ref: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    def get(self, scope: Scope, ref: ObjectRef) -> Object | None:
        self.reads.append(f"get {ref}")
        return self._behind.get(scope, ref)

    def list(self, scope: Scope, api_version: str, kind: str, **options: Any) -> Any:
        self.reads.append(f"list {kind}")
        return self._behind.list(scope, api_version, kind, **options)

    def apply(self, scope: Scope, obj: Object, *, is_forced: bool = True, is_dry_run: bool = False) -> Object:
        name = str(marks.ref_of(obj))
        self.before_apply(obj)
        self.writes.append(f"apply {name}")
        if name in self.refusals:
            raise self.refusals[name]
        return self._behind.apply(scope, obj, is_forced=is_forced, is_dry_run=is_dry_run)

    def delete(
        self, scope: Scope, ref: ObjectRef, *, uid: str | None = None, resource_version: str | None = None
    ) -> bool:
        self.before_delete(ref)
        deleted = self._behind.delete(scope, ref, uid=uid, resource_version=resource_version)
        if deleted:
            self.writes.append(f"delete {ref}")
        return deleted


@dataclass
class World:
    """A namespace of a cluster, with short words for what tests do to it."""

    scope: Scope
    cluster: Recorder
    namespace: str
    lines: list[str] = field(default_factory=list)

    def apply(
        self,
        *manifests: Manifest,
        unit: str = "u",
        project: str = "shop",
        known: frozenset[str] = UNITS,
        held: tuple[tuple[Manifest, str], ...] = (),
        elsewhere: frozenset[marks.Key] | None = frozenset(),
        siblings: frozenset[str] = frozenset(),
        consent: Consent = Consent(),  # noqa: B008 - frozen
    ) -> Applied:
        self._forget()
        applied, changed = apply(
            self.scope,
            self.door,
            owner=Owner(project, unit, known, elsewhere, siblings=siblings),
            namespace=self.namespace,
            manifests=manifests,
            images={},
            held=held,
            consent=consent,
            on_line=self.lines.append,
        )
        assert changed == len([each for each in applied.objects if each.is_changed])
        return applied

    def delete(self, **options: Any) -> Deleted:
        self._forget()
        options = {"project": "shop", "namespace": self.namespace, "on_line": self.lines.append, **options}
        return delete(self.scope, self.door, **options)

    def _forget(self) -> None:
        for told in (self.cluster.writes, self.cluster.reads, self.lines):
            told.clear()

    @property
    def door(self) -> Cluster:
        door: Any = self.cluster
        return door  # type: ignore[no-any-return]

    @property
    def writes(self) -> list[str]:
        """What was written since the last `apply` or `delete` began, without the inventory."""
        return sorted(each for each in self.cluster.writes if "configmap/devloop-" not in each)

    def live(self, kind: str, name: str, api_version: str = "v1") -> Object | None:
        return self.cluster.get(self.scope, ObjectRef(api_version, kind, self.namespace, name))

    def names(self, kind: str = "ConfigMap") -> set[str]:
        """Objects of a kind that tests put there."""
        found = self.cluster.list(self.scope, "v1", kind, namespace=self.namespace)
        return {each["metadata"]["name"] for each in found} - {"kube-root-ca.crt"}


def config_map(name: str, value: str = "1", **metadata: Any) -> Manifest:
    return Manifest(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": {"key": value}},
        f"k8s/{name}.yaml:1",
    )


def manifest(api_version: str, kind: str, name: str, **rest: Any) -> Manifest:
    return Manifest(
        {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **rest}, f"k8s/{kind.lower()}.yaml:1"
    )


@pytest.fixture
def scope() -> Iterator[Scope]:
    with Scope("test") as scope:
        yield scope


@pytest.fixture
def real(scope: Scope, cluster: Any, namespace: str) -> World:
    """The real cluster."""
    from devloop.effects import cluster as cluster_door

    door = cluster_door.connect(cluster.context, namespace, on_warning=lambda _text: None)
    return World(scope, Recorder(door), namespace)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.cluster)])
def world(request: pytest.FixtureRequest, scope: Scope) -> World:
    """The fake, then the real cluster."""
    if request.param == "real":
        found: World = request.getfixturevalue("real")
        return found
    return World(scope, Recorder(FakeCluster()), "default")
