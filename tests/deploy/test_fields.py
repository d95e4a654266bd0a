"""Drift is seen where we own a value, and what we own can be cut out of a live object."""

from __future__ import annotations

from typing import Any

import pytest

from devloop.deploy.fields import is_drifted, is_other, owned


def thing(**more: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "a"}, **more}


@pytest.mark.parametrize(
    ("sent", "live"),
    [
        ({"spec": {"a": 1}}, {"spec": {"a": 1, "b": 2}, "status": {"x": 1}}),
        ({"spec": {"replicas": 1}}, {"spec": {"replicas": 5}}),
        ({"webhook": {"caBundle": "Cg=="}}, {"webhook": {"caBundle": "real"}}),
        ({"spec": {"a": None, "b": [], "c": {}, "d": "", "e": False, "f": 0}}, {"spec": {}}),
        ({"spec": {"a": {"b": {}}}}, {}),
        ({"spec": {"cpu": 1}}, {"spec": {"cpu": "1"}}),
        (
            {"spec": {"containers": [{"name": "x", "image": "i"}]}},
            {"spec": {"containers": [{"name": "sidecar"}, {"name": "x", "image": "i", "imagePullPolicy": "Always"}]}},
        ),
        ({"args": ["a", "b"]}, {"args": ["a", "b"]}),
        (
            {"limits": {"cpu": "1000m", "memory": "0.5Gi", "x": 2}},
            {"limits": {"cpu": "1", "memory": "512Mi", "x": "2"}},
        ),
    ],
)
def test_defaults_and_additions_of_others_are_no_drift(sent: dict[str, Any], live: dict[str, Any]) -> None:
    assert not is_drifted(thing(**sent), thing(**live))


@pytest.mark.parametrize(
    ("sent", "live"),
    [
        ({"data": {"a": "1"}}, {"data": {"a": "2"}}),
        ({"data": {"a": "1"}}, {}),
        (
            {"spec": {"containers": [{"name": "x", "image": "i"}]}},
            {"spec": {"containers": [{"name": "x", "image": "j"}]}},
        ),
        ({"args": ["a"]}, {"args": ["a", "b"]}),
        ({"data": {"a": "1000m"}}, {"data": {"a": "1"}}),
        ({"limits": {"cpu": "1000m"}}, {"limits": {"cpu": "2"}}),
        ({"limits": {"cpu": "much"}}, {"limits": {"cpu": "2"}}),
        ({"spec": {"a": {"b": 1}}}, {"spec": {"a": "text"}}),
    ],
)
def test_a_value_of_ours_that_is_gone_or_other_is_drift(sent: dict[str, Any], live: dict[str, Any]) -> None:
    assert is_drifted(thing(**sent), thing(**live))


def test_a_label_that_was_taken_off_is_drift() -> None:
    sent = thing(metadata={"name": "a", "labels": {"x": "1"}})
    assert is_drifted(sent, thing())
    assert not is_drifted(sent, thing(metadata={"name": "a", "labels": {"x": "1", "y": "2"}, "uid": "u"}))


@pytest.mark.parametrize(
    ("before", "after", "differs"),
    [
        ({"generation": 1, "resourceVersion": "1"}, {"generation": 1, "resourceVersion": "2"}, False),
        ({"generation": 1, "resourceVersion": "1"}, {"generation": 2, "resourceVersion": "2"}, True),
        ({"generation": 1, "labels": {"a": "1"}}, {"generation": 1, "labels": {"a": "2"}}, True),
        ({"resourceVersion": "1"}, {"resourceVersion": "2"}, True),
        ({"resourceVersion": "1"}, {"resourceVersion": "1"}, False),
        ({"generation": 1, "uid": "a"}, {"generation": 1, "uid": "b"}, True),
    ],
)
def test_a_new_status_is_no_change_of_ours(before: dict[str, Any], after: dict[str, Any], differs: bool) -> None:
    assert is_other(thing(metadata=before), thing(metadata=after)) is differs


def test_what_we_own_is_cut_out() -> None:
    live = thing(
        metadata={
            "name": "a",
            "namespace": "ns",
            "uid": "1",
            "labels": {"ours": "1", "theirs": "2"},
            "finalizers": ["one", "two"],
            "managedFields": [
                {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:spec": {}}},
                {
                    "manager": "devloop",
                    "operation": "Apply",
                    "fieldsV1": {
                        "f:metadata": {"f:labels": {"f:ours": {}}, "f:finalizers": {'v:"two"': {}}},
                        "f:spec": {
                            "f:empty": {".": {}},
                            "f:gone": {},
                            "f:list": {},
                            "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:name": {}}},
                        },
                    },
                },
            ],
        },
        spec={
            "empty": {},
            "list": [1, 2],
            "theirs": True,
            "ports": [
                {"port": 81, "protocol": "TCP", "name": "b"},
                {"port": 80, "protocol": "TCP", "name": "a", "target": 1},
            ],
        },
    )
    assert owned(live) == thing(
        metadata={"name": "a", "namespace": "ns", "labels": {"ours": "1"}, "finalizers": ["two"]},
        spec={"empty": {}, "list": [1, 2], "ports": [{"port": 80, "protocol": "TCP", "name": "a"}]},
    )


def test_of_what_others_applied_we_own_nothing() -> None:
    assert owned(thing()) is None
