"""A list and its changes, for ever: outages, time-outs and expired versions are seen to here.

Comes in: a path of the API. Goes out: watch events, without gaps or doubles. Semantics: "Efficient detection of changes" in
https://kubernetes.io/docs/reference/using-api/api-concepts/. An outage never ends it; only its scope does.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping

from devloop.effects.kube_http import Http
from devloop.errors import Unavailable
from devloop.products import Object
from devloop.scope import Scope
from devloop.stages import ApiRefusal, WatchEvent

SERVER_S = 300
SILENCE_S = 90.0  # bookmarks come about once a minute; longer silence means that nobody is there
BACKOFF_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
GONE = 410


def list_all(http: Http, path: str, query: Mapping[str, str]) -> tuple[list[Object], str]:
    """All objects, page by page, and the version that the list stands for. Raises: as Http.json."""
    items: list[Object] = []
    page = {**query, "limit": "500"}
    while True:
        answer = http.json("GET", path, page)
        items += answer.get("items") or []
        metadata = answer.get("metadata") or {}
        if not metadata.get("continue"):
            return items, metadata.get("resourceVersion", "")
        page["continue"] = metadata["continue"]


def watch(
    scope: Scope, http: Http, path: str, query: Mapping[str, str], identity: Mapping[str, str]
) -> Iterator[WatchEvent]:
    """See stages.Cluster.watch. `identity`: apiVersion and kind, which lists leave out of their items."""
    known: dict[str, Object] = {}
    version = ""
    failures = 0
    while True:
        scope.check()
        try:
            if not version:
                items, version = list_all(http, path, query)
                yield from _synced(known, [{**identity, **each} for each in items])
            for event in _follow(scope, http, path, {**query, "resourceVersion": version}):
                failures = 0
                obj = event["object"]
                if event["type"] == "ERROR":
                    version = "" if obj.get("code") == GONE else version
                    break
                version = obj["metadata"]["resourceVersion"]
                if event["type"] == "BOOKMARK":
                    continue
                if event["type"] == "DELETED":
                    known.pop(obj["metadata"]["uid"], None)
                else:
                    known[obj["metadata"]["uid"]] = obj
                yield WatchEvent(event["type"], obj)
        except ApiRefusal as exc:
            if exc.code == GONE:
                version = ""
                continue
            if exc.code != 429 and exc.code < 500:
                raise
            failures = _pause(scope, failures)
        except Unavailable:
            failures = _pause(scope, failures)


def _synced(known: dict[str, Object], items: list[Object]) -> Iterator[WatchEvent]:
    """The difference between what was known and a fresh list."""
    fresh = {each["metadata"]["uid"]: each for each in items}
    for uid in [uid for uid in known if uid not in fresh]:
        yield WatchEvent("DELETED", known.pop(uid))
    for uid, obj in fresh.items():
        before = known.get(uid)
        if before is None or before["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
            known[uid] = obj
            yield WatchEvent("ADDED" if before is None else "MODIFIED", obj)
    yield WatchEvent("SYNCED", {})


def _follow(scope: Scope, http: Http, path: str, query: Mapping[str, str]) -> Iterator[Object]:
    """Events of one connection, until the server or the network ends it."""
    query = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(SERVER_S)}
    with http.stream(scope, path, query, read_s=SILENCE_S) as chunks:
        rest = b""
        for chunk in chunks:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.strip():
                    yield json.loads(line)


def _pause(scope: Scope, failures: int) -> int:
    scope.wait(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)] * random.uniform(0.8, 1.2))
    return failures + 1
