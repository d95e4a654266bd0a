"""What becomes of the names of images in a Docker engine: its event stream, and looks where that does not tell enough.

Comes in: how to reach the engine. Goes out: names that may stand for another image now, "" for any. An outage never ends it; only its
scope does. It asks nothing about the images themselves.
"""

from __future__ import annotations

import http.client
import json
import queue
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from devloop.effects.docker_address import familiar
from devloop.scope import Scope

LOOK_S = 2.0
BUSY = 1 / 400  # the share of a core that looks may take, however many names are asked about after each
SELDOM_S = 60.0  # a connection may die without a word
# What BuildKit names is told of from 28.1 on only, whatever stores the images: moby issues 45404, 46905, 47978 and 49678.
_TELLS_OF_BUILDS = (1, 49)
_ACTIONS = ("tag", "untag", "delete", "pull", "load", "import")
_BACKOFF_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_STEADY_S = 5.0  # a connection that lasted is no failure, however it ended


def follow(scope: Scope, dial: Callable[[], socket.socket] | None) -> Iterator[str]:
    """See stages.Engine.image_events. `dial`: a new connection to the engine; None: there are only looks."""
    scope.check()
    return _follow(scope, dial)


def _follow(scope: Scope, dial: Callable[[], socket.socket] | None) -> Iterator[str]:
    stream = Stream()
    with scope.child("image events") as inner, inner.on_cancel(lambda: stream.tell("")):
        if dial is None:
            stream.tell("")
        else:
            inner.spawn("image events", lambda: stream.read(inner, dial))
        spent_s = 0.0
        while True:
            name = stream.next(pause_s(spent_s))
            inner.check()
            began_s = time.thread_time()
            yield name
            spent_s = time.thread_time() - began_s


def pause_s(spent_s: float) -> float:
    """Seconds until the next look, where a look makes whoever hears of it spend so much of this thread's time."""
    return min(max(LOOK_S, spent_s / BUSY), SELDOM_S)


class Stream:
    """What one thread reads and another one takes."""

    def __init__(self) -> None:
        self._news: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._is_any_waiting = False
        self._is_complete = False  # the engine that was last reached tells of everything

    def tell(self, name: str) -> None:
        # One question answers all that was told before it is asked: a prune tells of a thousand images.
        if name or not self._is_any_waiting:
            self._is_any_waiting = self._is_any_waiting or not name
            self._news.put(name)

    def next(self, look_s: float) -> str:
        """The next name; after a while without any, "": `look_s` where the engine does not tell of everything."""
        try:
            name = self._news.get(timeout=SELDOM_S if self._is_complete else look_s)
        except queue.Empty:
            name = ""
        if not name:
            self._is_any_waiting = False
        return name

    def read(self, scope: Scope, dial: Callable[[], socket.socket]) -> None:
        """Reads for ever, over as many connections as it takes."""
        failures = 0
        while True:
            began_s = time.monotonic()
            with suppress(
                OSError, http.client.HTTPException, ValueError, KeyError
            ):  # it may be itself again at the next try
                self._read(scope, dial())
            failures = 0 if time.monotonic() - began_s > _STEADY_S else failures
            scope.wait(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            failures += 1

    def _read(self, scope: Scope, sock: socket.socket) -> None:
        with closing(sock), scope.on_cancel(lambda: _shut(sock)):
            connection = http.client.HTTPConnection("docker")
            connection.sock = sock
            connection.auto_open = 0
            connection.request("GET", "/version")
            with closing(connection.getresponse()) as response:
                version = json.load(response)["ApiVersion"]
                # The answer begins a moment before the engine listens to itself; what happened in between is told because of this.
                since_s = int(parsedate_to_datetime(response.headers.get("Date", "")).timestamp())
            filters = {"type": ["image"], "event": list(_ACTIONS)}
            query = urlencode({"since": since_s, "filters": json.dumps(filters)})
            connection.request("GET", f"/v{version}/events?{query}")
            with closing(connection.getresponse()) as response:
                if response.status != 200:
                    raise http.client.HTTPException(response.reason)
                self._is_complete = tuple(map(int, version.split("."))) >= _TELLS_OF_BUILDS
                self.tell("")
                for line in response:
                    self.tell(told(json.loads(line)))


def told(event: Any) -> str:
    """The name that an event tells of; "" where it has only the image's id."""
    try:
        match event["Action"]:
            case "tag":
                return familiar(str(event["Actor"]["Attributes"]["name"]))
            case "pull":
                return str(event["Actor"]["ID"])
    except (KeyError, TypeError):
        return ""  # an engine that says it in another way
    return ""


def _shut(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
