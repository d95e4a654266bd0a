"""The schema of the event stream: up to date, and true."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from devloop import events
from devloop.event_schema import events_schema_text

SCHEMA = Path(__file__).parent.parent / "schemas" / "events-v1.json"

FULL: list[events.AnyEvent] = [
    events.Step(
        at_s=1.5,
        update=3,
        step="build",
        target="image/shop/api",
        state="failed",
        reason="app.py changed",
        duration_s=0.5,
        result="shop/api:1",
        note="a note",
        error="exit code 1",
        hint="mend it",
        where="Dockerfile:1:1",
        evidence=("a", "b"),
    ),
    events.Update(
        update=3,
        state="ready",
        changed=("app.py",),
        targets=("image/shop/api",),
        duration_s=1.0,
        phases={"build": 1.0},
        fresh=True,
    ),
    events.Log(source="build", target="image/a", namespace="n", pod="p", container="c", line="x"),
    events.Forward(
        resource="deployment/api", port="80", local_port=8080, state="connected", address="::1", pod="p", error="e"
    ),
    events.Error(message="m", hint="h", where="w", evidence=("e",)),
    events.Notice(message="m", hint="h", where="w"),
    events.Unchanged(files=("a", "b"), count=3, why="same content"),
    events.File(
        path="a.py",
        feeds={"image/a": "a/Dockerfile:2 reads it"},
        ignored_by={"deploy/b": "no"},
        follows=("build image/a",),
    ),
    events.Target(
        target="image/a",
        digest="d",
        ref="a:d",
        files=("a.py",),
        builds_on=("image/b",),
        images=("busybox:1.37",),
        feeds=("deploy/c",),
        uses=("a at .spec.image of myapp/a (k8s/a.yaml:1): imagePaths[0]",),
        owed=True,
        why=("the engine has no such image",),
    ),
    events.LocalCluster(
        name="shop",
        tool="kind",
        context="kind-shop",
        state="running",
        version="v1.36.3",
        registry="localhost:5001",
        is_made_by_devloop=False,
        why="w",
    ),
    events.LocalNode(
        cluster="shop",
        name="shop-control-plane",
        role="control-plane",
        is_ready=True,
        version="v1.36.3",
        runtime="containerd://2.4.2",
        images=("docker.io/shop/api:0123456789abcdef",),
        disk_used_bytes=1,
        disk_free_bytes=2,
        why="w",
    ),
    events.Image(
        artifact="shop/api",
        ref="shop/api:0123456789abcdef",
        image_id="sha256:1",
        size_bytes=1,
        age_s=1.0,
        is_current=True,
    ),
    events.Difference(
        action="change",
        resource="deployment/api",
        api_version="apps/v1",
        namespace="shop",
        unit="api",
        source="k8s/api.yaml:1",
        why="is rendered differently",
        diff=("--- a", "+++ b"),
    ),
    events.Owned(
        project="shop/p",
        unit="api",
        resource="deployment/api",
        api_version="apps/v1",
        namespace="shop",
        source="k8s/api.yaml",
        state="waiting",
        why="0 of 1 pods ready",
        age_s=1.0,
        images=("a:1",),
        kept="it was there before devloop",
    ),
    events.Revision(
        unit="api",
        resource="deployment/api",
        namespace="shop",
        revision=2,
        is_current=True,
        age_s=1.0,
        images=("a:1",),
        digest="d",
        cause="c",
        status="deployed",
    ),
    events.Removed(
        state="kept",
        resource="namespace/shop",
        api_version="v1",
        namespace="n",
        why="a Namespace is deleted only by name",
    ),
    events.Setup(state="written", found=("web/Dockerfile",), files={"devloop.yaml": "…"}, notes=("tools: left out",)),
    events.Check(
        subject="namespace",
        verdict="problem",
        found="there is no namespace shop",
        fix="kubectl create namespace shop",
        where="devloop.yaml:3:1",
    ),
    events.Session(
        state="ended",
        command="run",
        project="p",
        context="c",
        namespace="n",
        exit_code=0,
        images={"a": "a:1"},
        log_prefix="pod",
        profiles={"ci": "CI true"},
    ),
]
BARE: list[events.AnyEvent] = [
    events.Step(step="ready", target="deploy/api", state="skipped"),
    events.Update(state="started"),
    events.Log(line=""),
    events.Forward(resource="service/a", port="http", local_port=80, state="closed"),
    events.Error(message=""),
    events.Notice(message=""),
    events.Unchanged(files=(), count=0, why="not an input"),
    events.File(path="", feeds={}, ignored_by={}, follows=()),
    events.Target(target="deploy/api", digest="", files=(), builds_on=(), feeds=(), why=()),
    events.LocalCluster(name="", tool="k3d", context="", state="unreachable"),
    events.LocalNode(cluster="", name="", is_ready=False),
    events.Image(artifact="a", ref="a:1", image_id="", size_bytes=0, age_s=0.0, is_current=False),
    events.Difference(action="delete", resource="", api_version="", why=""),
    events.Owned(project="", resource="", api_version="", state="ready", age_s=0.0),
    events.Revision(unit="", resource="", namespace="", revision=1, is_current=False, age_s=0.0, images=()),
    events.Removed(state="deleted", resource="", api_version=""),
    events.Setup(state="would write"),
    events.Check(subject="", verdict="ok", found=""),
    events.Session(state="watching"),
]


def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(events_schema_text())
    return loaded


def test_the_committed_schema_is_what_the_records_say() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == events_schema_text()


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("event", [*FULL, *BARE], ids=lambda event: event.kind)
def test_events_are_valid_lines(event: events.AnyEvent) -> None:
    jsonschema.Draft202012Validator(schema()).validate(json.loads(json.dumps(events.to_dict(event))))


def test_every_kind_is_tried_with_every_field() -> None:
    assert [type(event) for event in FULL] == [type(event) for event in BARE] == list(events.EVENT_TYPES)
    for event in FULL:
        assert set(events.to_dict(event)) == set(schema()["$defs"][event.kind]["properties"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"v": 2},
        {"kind": "setp"},
        {"state": "done"},
        {"duration_s": "1"},
        {"evidence": "a"},
        {"target": None},
    ],
)
def test_what_is_no_event_is_refused(wrong: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(schema())
    line = events.to_dict(FULL[0]) | wrong
    assert not validator.is_valid({key: value for key, value in line.items() if value is not None})


def test_fields_of_later_versions_pass() -> None:
    jsonschema.Draft202012Validator(schema()).validate(events.to_dict(FULL[0]) | {"new": 1})
