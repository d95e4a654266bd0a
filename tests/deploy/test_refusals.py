"""Refusals keep the server's words, lose secrets, and name the next step."""

from __future__ import annotations

from typing import Any

import pytest

from devloop.deploy import refusals
from devloop.errors import StepFailed, Unavailable
from devloop.products import ObjectRef
from devloop.stages import ApiRefusal


def refused(message: str, *, kind: str = "Deployment", code: int = 422, name: str = "api") -> refusals.Refusal:
    return refusals.Refusal(ObjectRef("apps/v1", kind, "dev", name), f"k8s/{name}.yaml:1", code, message)


@pytest.mark.parametrize(
    ("refusal", "hint"),
    [
        (refused('namespaces "dev" not found', code=404), "kubectl create namespace dev"),
        (
            refused('User "me" cannot patch resource "deployments"', code=403),
            "ask for the right to patch Deployment in namespace dev",
        ),
        (refused("exceeded quota: few", code=403), "kubectl describe resourcequota --namespace dev"),
        (refused('failed calling webhook "x": connection refused', code=500), "name its unit in `needs`"),
    ],
)
def test_the_next_step_is_named(refusal: refusals.Refusal, hint: str) -> None:
    error = refusals.error([refusal], "dev")
    assert isinstance(error, StepFailed)
    assert hint in (error.hint or "")
    assert refusal.told in error.message
    assert error.where == "k8s/api.yaml:1"


def test_all_refusals_are_reported() -> None:
    error = refusals.error([refused("one"), refused("two", name="web")], "dev")
    assert error.message == "the cluster refused deployment/api: one (and 1 more)"
    assert error.evidence == ("k8s/web.yaml:1: deployment/web: two",)


def test_what_passes_by_itself_is_worth_another_try() -> None:
    assert isinstance(refusals.error([refused("slow down", code=429)], "dev"), Unavailable)


def test_values_of_a_secret_are_masked() -> None:
    sent: dict[str, Any] = {"kind": "Secret", "data": {"a": "aHVudGVyMg=="}, "stringData": {"n": 12, "p": "hunter2"}}
    told = ".stringData.n: expected string, got &value.valueUnstructured{Value:12}; hunter2; aHVudGVyMg=="
    assert refusals.masked(told, sent) == (
        ".stringData.n: expected string, got &value.valueUnstructured{Value:***}; ***; ***"
    )
    assert refusals.masked("no hunter3", {"kind": "Secret", "data": {"a": "aHVudGVyMw=="}}) == "no ***"
    assert refusals.masked("hunter2", {**sent, "kind": "ConfigMap"}) == "hunter2"


def test_only_what_exists_and_is_fixed_counts_as_unchangeable() -> None:
    assert refusals.is_unchangeable(ApiRefusal(422, "Invalid", "field is immutable"))
    assert refusals.is_unchangeable(ApiRefusal(422, "Invalid", "pod updates may not change fields other than image"))
    assert not refusals.is_unchangeable(ApiRefusal(422, "Invalid", "Required value"))
    assert not refusals.is_unchangeable(ApiRefusal(422, "Invalid", "policy 'p' denied request: it is immutable"))
    assert not refusals.is_unchangeable(ApiRefusal(400, "BadRequest", "immutable"))
