"""The registry that a cluster says it has: what its ConfigMap may say, and what nobody should follow."""

from __future__ import annotations

import pytest

from devloop import events
from devloop.errors import StepFailed
from devloop.place import hosting
from devloop.place.hosting import Hosting, Unusable, discover, parse
from devloop.products import Object, ObjectRef
from devloop.scope import Scope
from devloop.stages import ApiRefusal
from devloop.testing.cluster import FakeCluster


def config_map(text: str | None) -> Object:
    data = {} if text is None else {"data": {hosting.KEY: text}}
    metadata = {"namespace": "kube-public", "name": "local-registry-hosting"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **data}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('host: "localhost:5001"', Hosting("localhost:5001", "localhost:5001")),
        ("host: localhost:5001/", Hosting("localhost:5001", "localhost:5001")),
        (
            "host: localhost:32000\nhostFromContainerRuntime: registry:5000\nhostFromClusterNetwork: registry.svc:5000\nhelp: https://kind.sigs.k8s.io\n",
            Hosting("localhost:32000", "registry:5000"),
        ),
        ("host: k3d-registry.localhost:5000/team", Hosting(*["k3d-registry.localhost:5000/team"] * 2)),
        ("host: 127.0.0.1:5000\nhostFromContainerRuntime:", Hosting("127.0.0.1:5000", "127.0.0.1:5000")),
        ("host: '[::1]:5000'", Hosting("[::1]:5000", "[::1]:5000")),
    ],
)
def test_what_the_proposal_says_is_understood(text: str, said: Hosting) -> None:
    assert parse({hosting.KEY: text}) == said


@pytest.mark.parametrize(
    ("text", "cause", "fix"),
    [
        ("host: [localhost", "is no YAML: line 1", "has to be a mapping"),
        ("a: 1\n\tb: 2", "is no YAML: line 2", "has to be a mapping"),
        ("localhost:5001", "is no mapping", "host: localhost:PORT"),
        ("", "is no mapping", "host: localhost:PORT"),
        ("help: https://x", "names no host", "add `host: localhost:PORT`"),
        ("host: ''", "names no host", "add"),
        ("host: 5001", "host is 5001", "a name and a port"),
        ("host: http://localhost:5001", "host is 'http://localhost:5001'", "without https://"),
        ("host: localhost:5001\nhostFromContainerRuntime: [a]", "hostFromContainerRuntime is ['a']", "a name and"),
        ("host: 'localhost:5001 --evil'", "host is", "a name and a port"),
        ("host: registry.example.com", "registry.example.com is not on this machine", "cluster.registry: registry.ex"),
        ("host: localhost.example.com:5001", "is not on this machine", "cluster.registry"),
        ("host: 10.0.0.7:5000", "is not on this machine", "cluster.registry"),
    ],
)
def test_what_cannot_be_followed_has_a_cause_and_a_fix(text: str, cause: str, fix: str) -> None:
    with pytest.raises(Unusable) as caught:
        parse({hosting.KEY: text})
    assert cause in str(caught.value)
    assert fix in caught.value.hint


def test_a_key_of_another_version_is_named() -> None:
    with pytest.raises(Unusable, match=r"no localRegistryHosting\.v1"):
        parse({"localRegistryHosting.v2": "host: localhost:5001"})


class Told:
    """A cluster with the ConfigMap, or without, and what was told of it."""

    def __init__(self, obj: Object | None) -> None:
        self.events: list[events.AnyEvent] = []
        self._cluster = FakeCluster("kube-public")
        if obj:
            self._cluster.put(obj)

    def discover(self) -> Hosting | None:
        with Scope("test") as scope:
            return discover(scope, self._cluster, self.events.append)


def test_a_cluster_that_names_none_is_no_news() -> None:
    told = Told(None)
    assert (told.discover(), told.events) == (None, [])


def test_a_registry_is_found() -> None:
    told = Told(config_map("host: localhost:5001"))
    assert told.discover() == Hosting("localhost:5001", "localhost:5001")
    assert told.events == []


@pytest.mark.parametrize("text", [None, "host: [", "help: x"])
def test_a_broken_one_is_told_and_not_used(text: str | None) -> None:
    told = Told(config_map(text))
    assert told.discover() is None
    (notice,) = told.events
    assert isinstance(notice, events.Notice)
    assert "the cluster's registry is not used" in notice.message
    assert notice.hint
    assert notice.where == "configmap kube-public/local-registry-hosting"


class Refusing(FakeCluster):
    """A cluster that shows its ConfigMaps to nobody."""

    def __init__(self, refusal: ApiRefusal) -> None:
        super().__init__()
        self._refusal = refusal

    def get(self, scope: Scope, ref: ObjectRef) -> Object | None:
        raise self._refusal


def test_one_who_may_not_look_finds_none() -> None:
    with Scope("test") as scope:
        assert discover(scope, Refusing(ApiRefusal(403, "Forbidden", "no")), lambda _event: None) is None


def test_another_refusal_is_a_failure() -> None:
    with Scope("test") as scope, pytest.raises(StepFailed, match="who are you"):
        discover(scope, Refusing(ApiRefusal(401, "Unauthorized", "who are you")), lambda _event: None)
