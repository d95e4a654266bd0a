"""A list and its changes, for ever: outages, time-outs and expired versions are seen to here.

Comes in: where a list lives. Goes out: watch events, without gaps or doubles. Semantics: "Efficient detection of changes" in
https://kubernetes.io/docs/reference/using-api/api-concepts/. An outage never ends it; only its scope does.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping

from devloop.effects.kube_http import LIST_S, Http
from devloop.errors import Unavailable, UsageError
from devloop.products import Object
from devloop.scope import Scope
from devloop.stages import ApiRefusal, WatchEvent

SERVER_S = 300
SILENCE_S = 90.0  # bookmarks come about once a minute; longer silence means that nobody is there
BACKOFF_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
STEADY_S = 5.0  # a connection that lasted is no failure, however it ended
RELISTED_AFTER = 3  # refusals in a row: the version may be of another life of this server
GONE = 410


def list_all(scope: Scope, http: Http, path: str, query: Mapping[str, str]) -> tuple[list[Object], str]:
    """All objects, page by page, and the version that the list stands for. Raises: as Http.json."""
    items: list[Object] = []
    page = {**query, "limit": "500"}
    while True:
        try:
            answer = http.json(scope, "GET", path, page, read_s=LIST_S)
        except ApiRefusal as exc:
            if exc.code != GONE or "limit" not in page:
                raise
            # The pages were too slow: the version that they are of is forgotten. All at once cannot be too slow.
            items, page = [], dict(query)
            continue
        items += answer.get("items") or []
        metadata = answer.get("metadata") or {}
        if not metadata.get("continue"):
            return items, metadata.get("resourceVersion", "")
        page["continue"] = metadata["continue"]


def watch(
    scope: Scope, http: Http, locate: Callable[[], str], query: Mapping[str, str], identity: Mapping[str, str]
) -> Iterator[WatchEvent]:
    """See stages.Cluster.watch. `locate`: asks for the path of the list. `identity`: apiVersion and kind, which lists leave out of
    their items.
    """
    known: dict[str, Object] = {}
    path = version = ""
    failures = refusals = 0
    is_begun = False
    while True:
        scope.check()
        began = time.monotonic()
        try:
            path = path or locate()
            if not version:
                items, version = list_all(scope, http, path, query)
                yield from _synced(known, [{**identity, **each} for each in items])
                is_begun = True
            for event in _follow(scope, http, path, {**query, "resourceVersion": version}):
                obj = event["object"]
                if event["type"] == "ERROR":
                    raise ApiRefusal(obj.get("code") or 500, obj.get("reason") or "", obj.get("message") or "")
                failures = refusals = 0
                version = obj["metadata"]["resourceVersion"]
                if event["type"] == "BOOKMARK":
                    continue
                if event["type"] == "DELETED":
                    known.pop(_identity(obj), None)
                else:
                    known[_identity(obj)] = obj
                yield WatchEvent(event["type"], obj)
        except ApiRefusal as exc:
            # What is refused from the start is refused for ever. Later it is a server that is not itself yet.
            if not is_begun and exc.code not in (GONE, 429) and exc.code < 500:
                raise
            refusals += 1
            version = "" if exc.code == GONE or refusals >= RELISTED_AFTER else version
        except UsageError:
            if not is_begun:
                raise
        except Unavailable:
            pass  # it may be back at the next try
        # Also after an end without an error: a server or proxy that ends every watch at once must not be asked without a pause.
        failures = 0 if time.monotonic() - began > STEADY_S else failures
        failures = _pause(scope, failures)


def _synced(known: dict[str, Object], items: list[Object]) -> Iterator[WatchEvent]:
    """The difference between what was known and a fresh list."""
    fresh = {_identity(each): each for each in items}
    for uid in [uid for uid in known if uid not in fresh]:
        yield WatchEvent("DELETED", known.pop(uid))
    for uid, obj in fresh.items():
        before = known.get(uid)
        if before is None or before["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
            known[uid] = obj
            yield WatchEvent("ADDED" if before is None else "MODIFIED", obj)
    yield WatchEvent("SYNCED", {})


def _identity(obj: Object) -> str:
    """Objects that an aggregated API makes up on the spot have no uid."""
    metadata = obj["metadata"]
    return metadata.get("uid") or f"{metadata.get('namespace', '')}/{metadata['name']}"


def _follow(scope: Scope, http: Http, path: str, query: Mapping[str, str]) -> Iterator[Object]:
    """Events of one connection, until the server or the network ends it."""
    query = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(SERVER_S)}
    with http.stream(scope, path, query, read_s=SILENCE_S) as chunks:
        for line in _lines(chunks):
            try:
                event: Object = json.loads(line)
            except ValueError as exc:
                raise http.unavailable("a watch brings something that is not JSON; is a proxy in between?") from exc
            yield event


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Whole lines; what a broken connection leaves of the last one is dropped, and comes again when the watch resumes."""
    parts: list[bytes] = []
    for chunk in chunks:
        first, *more = chunk.split(b"\n")
        parts.append(first)
        for each in more:
            line, parts = b"".join(parts), [each]
            if line.strip():
                yield line


def _pause(scope: Scope, failures: int) -> int:
    scope.wait(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)] * random.uniform(0.8, 1.2))
    return failures + 1
