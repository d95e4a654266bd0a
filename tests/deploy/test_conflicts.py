"""Fields of other managers: what is left, what is taken, what is disputed, and how it is said."""

from __future__ import annotations

import pytest

from devloop.deploy import conflicts
from devloop.deploy.conflicts import Conflict
from devloop.stages import ApiRefusal

EDITED = Conflict("kubectl-edit", ".data.a")
SCALED = Conflict("kube-controller-manager", ".spec.replicas", "scale")
APPLIED = Conflict("kubectl-client-side-apply", ".data.a")


def test_the_servers_answer_is_read() -> None:
    causes = [
        {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl-edit" using v1', "field": ".data.a"},
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kube-controller-manager" with subresource "scale" using apps/v1',
            "field": ".spec.replicas",
        },
    ]
    assert conflicts.found(ApiRefusal(409, "Conflict", "…", {"causes": causes})) == (SCALED, EDITED)


def test_other_refusals_are_no_conflicts() -> None:
    assert conflicts.found(ApiRefusal(409, "Conflict", "the object has been modified", {"name": "a"})) == ()
    assert conflicts.found(ApiRefusal(422, "Invalid", "no", {"causes": [{"reason": "FieldManagerConflict"}]})) == ()


@pytest.mark.parametrize(
    ("conflict", "is_forcing", "is_first", "outcome"),
    [
        (EDITED, False, False, "disputed"),
        (EDITED, False, True, "disputed"),
        (EDITED, True, False, "taken"),
        (SCALED, False, False, "left"),
        (SCALED, False, True, "left"),
        (SCALED, True, False, "taken"),
        (Conflict("kubectl-edit", ".spec.replicas"), False, False, "disputed"),
        (Conflict("kubectl", ".spec.paused", "scale"), False, False, "disputed"),
        (APPLIED, False, True, "taken"),
        (APPLIED, False, False, "disputed"),
        (Conflict("helm", ".data.a"), False, True, "disputed"),
    ],
)
def test_who_gets_a_field(conflict: Conflict, is_forcing: bool, is_first: bool, outcome: str) -> None:
    settled = conflicts.settle([conflict], is_forcing=is_forcing, is_first=is_first)
    assert getattr(settled, outcome) == (conflict,)
    assert len(settled.left + settled.taken + settled.disputed) == 1


def test_only_the_replicas_are_left_out() -> None:
    body = {"kind": "Deployment", "spec": {"replicas": 1, "paused": True}}
    assert conflicts.without(body, [SCALED])["spec"] == {"paused": True}
    assert conflicts.without(body, []) is body
    assert body["spec"] == {"replicas": 1, "paused": True}


def test_managers_are_named_with_their_fields() -> None:
    assert conflicts.words([EDITED, Conflict("helm", ".a"), Conflict("helm", ".b")]) == (
        "kubectl-edit owns .data.a; helm owns .a and .b"
    )
    many = [Conflict("helm", f".{number}") for number in range(7)]
    assert conflicts.words(many) == "helm owns .0, .1, .2 and 4 more fields"
