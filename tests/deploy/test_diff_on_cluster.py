"""That a diff tells what the apply after it does, on a real server with other managers about."""

from __future__ import annotations

import pytest

from devloop.deploy import diff
from devloop.deploy.apply import Consent, Owner
from devloop.errors import StepFailed
from devloop.products import Manifest
from tests.deploy.conftest import UNITS, World, config_map
from tests.deploy.test_conflicts_on_cluster import by_kubectl, deployment
from tests.e2e.kube import Kubectl

FORCING = Consent(is_forcing=True)


def differences(world: World, *manifests: Manifest, consent: Consent = Consent()) -> diff.Differences:  # noqa: B008 - frozen
    owner = Owner("shop", "u", UNITS)
    return diff.differences(
        world.scope, world.door, owner=owner, namespace=world.namespace, manifests=manifests, consent=consent
    )


def test_what_apply_would_refuse_is_told_with_manager_and_field(real: World, kubectl: Kubectl) -> None:
    real.apply(config_map("a"), config_map("b"))
    kubectl.run("patch", "configmap", "a", "--patch", '{"data": {"key": "edited"}}', "--field-manager=kubectl-edit")
    wanted = (config_map("a", "2"), config_map("b", "2"))
    told = differences(real, *wanted)
    (refused,) = told.refused
    assert (str(refused.ref), refused.told, refused.source) == (
        "configmap/a",
        "kubectl-edit owns .data.key",
        "k8s/a.yaml:1",
    )
    assert "--force-conflicts" in refused.hint
    assert [str(each.ref) for each in told.found] == ["configmap/b"]
    with pytest.raises(StepFailed, match=r"kubectl-edit owns \.data\.key"):
        real.apply(*wanted)


def test_what_force_would_take_is_a_difference_that_says_from_whom(real: World, kubectl: Kubectl) -> None:
    real.apply(config_map("a"))
    kubectl.run("patch", "configmap", "a", "--patch", '{"data": {"key": "edited"}}', "--field-manager=kubectl-edit")
    told = differences(real, config_map("a"), consent=FORCING)
    (found,) = told.found
    assert found.why == "was changed outside of devloop; takes over fields: kubectl-edit owns .data.key"
    assert (found.before or {})["data"] == {"key": "edited"}
    assert (found.after or {})["data"] == {"key": "1"}
    live = real.live("ConfigMap", "a")
    assert live is not None
    assert live["data"] == {"key": "edited"}


def test_replicas_that_apply_leaves_alone_are_no_difference(real: World, kubectl: Kubectl) -> None:
    real.apply(deployment(replicas=0))
    kubectl.run("scale", "deployment/api", "--replicas=2")
    assert differences(real, deployment(replicas=0)) == diff.Differences(same=1)
    told = differences(real, deployment(replicas=1))
    assert (told.found, told.same, told.refused) == ((), 1, ())
    assert told.left == ("deployment/api keeps its replicas: kubectl owns .spec.replicas, through scale",)
    (found,) = differences(real, deployment("none:2", replicas=0)).found
    assert found.before is not None
    assert found.after is not None
    found.before["spec"]["template"]["spec"]["containers"][0]["image"] = "none:2"
    assert found.before == found.after


def test_what_kubectl_apply_made_would_be_taken_over(real: World, kubectl: Kubectl) -> None:
    by_kubectl(kubectl, config_map("a", "theirs"))
    told = differences(real, config_map("a", "ours"))
    (found,) = told.found
    assert found.action == "adopt"
    assert found.why == "was there before devloop; takes over fields: kubectl-client-side-apply owns .data.key"
    assert ((found.before or {})["data"], (found.after or {})["data"]) == ({"key": "theirs"}, {"key": "ours"})
    real.apply(config_map("a", "ours"))
    assert differences(real, config_map("a", "ours")) == diff.Differences(same=1)
