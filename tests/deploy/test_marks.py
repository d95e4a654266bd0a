"""Objects are prepared and marked without changing what was rendered."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from devloop.deploy import marks
from devloop.products import Object
from devloop.stages import Resource
from devloop.testing.applying import patched

NAMESPACED = Resource("v1", "ConfigMap", "configmaps", is_namespaced=True)
GLOBAL = Resource("v1", "Namespace", "namespaces", is_namespaced=False)


def config_map(**more: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}, **more}


def mark(obj: Object, *, unit: str = "u", source: str = "k8s/a.yaml:3", is_adopted: bool = False) -> Object:
    return marks.marked(obj, applyset="set", project="ns/p", unit=unit, source=source, is_adopted=is_adopted)


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ("k8s/a.yaml:3", "k8s/a.yaml"),
        ("../a.yaml:3:1", "../a.yaml"),
        ("chart/templates/a.yaml", "chart/templates/a.yaml"),
        ("standard input:3", "standard input"),
        ("/home/me/a.yaml:3", ""),
        ("", ""),
    ],
)
def test_the_file_is_marked_but_not_what_moves_or_is_of_one_machine(source: str, file: str) -> None:
    assert marks.annotation(mark(config_map(), source=source), marks.SOURCE) == file


def test_a_line_that_moves_changes_no_digest() -> None:
    first, second = (mark(config_map(), source=f"k8s/a.yaml:{line}") for line in (3, 4))
    assert first == second


def test_an_object_without_a_namespace_gets_the_units_and_others_keep_theirs() -> None:
    assert marks.prepared(config_map(), NAMESPACED, "dev")["metadata"] == {"name": "a", "namespace": "dev"}
    own = config_map(metadata={"name": "a", "namespace": "own"})
    assert marks.prepared(own, NAMESPACED, "dev")["metadata"]["namespace"] == "own"
    assert "namespace" not in marks.prepared(own, GLOBAL, "dev")["metadata"]


def test_what_only_the_server_sets_is_left_out() -> None:
    exported = config_map(
        metadata={"name": "a", "uid": "1", "resourceVersion": "2", "creationTimestamp": None}, status={}
    )
    assert marks.prepared(exported, GLOBAL, "")["metadata"] == {"name": "a"}
    assert "status" not in marks.prepared(exported, GLOBAL, "")
    custom = {**exported, "apiVersion": "example.com/v1"}
    assert "status" in marks.prepared(custom, GLOBAL, "")


def test_the_text_of_a_secret_is_encoded_and_wins() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"x": "b2xk", "y": "eQ=="}}
    given = {**secret, "stringData": {"x": "new"}}
    assert marks.prepared(given, NAMESPACED, "dev")["data"] == {"x": "bmV3", "y": "eQ=="}
    assert "stringData" not in marks.prepared(given, NAMESPACED, "dev")
    wrong = {**secret, "stringData": {"x": 1}}
    assert marks.prepared(wrong, NAMESPACED, "dev")["stringData"] == {"x": 1}  # the server says what is wrong with it


def test_marks_are_added_and_taken_off_again() -> None:
    given = config_map(metadata={"name": "a", "labels": {"mine": "1"}, "annotations": {"note": "x"}})
    before = copy.deepcopy(given)
    sent = mark(given, is_adopted=True)
    assert given == before
    assert marks.label(sent, marks.PART_OF) == "set"
    assert marks.label(sent, "mine") == "1"
    assert marks.annotation(sent, marks.UNIT) == "u"
    assert marks.is_adopted(sent)
    assert patched(sent, {"metadata": marks.removal(sent)}) == before
    bare = {"metadata": marks.removal(mark(config_map()))}
    assert marks.removal(patched(mark(config_map()), bare)) == {}


def test_the_digest_follows_everything_that_is_sent() -> None:
    digest = marks.annotation(mark(config_map()), marks.DIGEST)
    assert digest == marks.annotation(mark(config_map()), marks.DIGEST)
    others = [mark(config_map(data={"x": "2"})), mark(config_map(), unit="other"), mark(config_map(), is_adopted=True)]
    assert len({digest, *(marks.annotation(each, marks.DIGEST) for each in others)}) == 4


@pytest.mark.parametrize(
    ("api_version", "kind", "is_kept"),
    [
        ("v1", "Namespace", True),
        ("v1", "PersistentVolumeClaim", True),
        ("v1", "PersistentVolume", True),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition", True),
        ("v1", "ConfigMap", False),
        ("example.com/v1", "Namespace", False),
    ],
)
def test_precious_kinds_are_kept(api_version: str, kind: str, is_kept: bool) -> None:
    assert bool(marks.why_kept({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}})) is is_kept


def test_an_annotation_keeps_an_object() -> None:
    assert marks.why_kept(config_map(metadata={"name": "a", "annotations": {marks.KEEP: "true"}}))


def test_the_version_does_not_make_another_object() -> None:
    one, other = config_map(apiVersion="x/v1"), config_map(apiVersion="x/v2")
    assert marks.key(marks.ref_of(one)) == marks.key(marks.ref_of(other))
