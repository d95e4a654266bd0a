"""Forwards ports of this machine to pods, for as long as the session lives.

Comes in: what to forward, the mirrors. Goes out: listening sockets that are bound once and never refuse, and one event a change of state.
A thread accepts for all ports; each connection has two of its own (`splice`). Nothing here knows of rollouts: where a connection leads is
looked up when it is made.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from devloop import events
from devloop.config import model
from devloop.products import Object
from devloop.scope import Scope
from devloop.stages import Cluster

from . import targets
from .pods import PodStore, Source
from .ports import PortTaken, listen_near, listen_on
from .splice import Connection, Dialled
from .targets import Target

_RETRY_LISTEN_S = 2.0

_State = Literal["listening", "waiting", "connected", "failed", "closed"]
_Key = tuple[model.PortForward, str]  # with the namespace


@dataclass(frozen=True)
class _Session:
    """What all ports share."""

    scope: Scope
    cluster: Cluster
    store: PodStore
    emit: events.Emit
    bell: _Bell


class Forwarder:
    """The forwarded ports of a session. `scope`: the session's; cancelling it closes ports and connections."""

    def __init__(self, scope: Scope, cluster: Cluster, store: PodStore, emit: events.Emit) -> None:
        self._scope, self._cluster, self._store, self._emit = scope, cluster, store, emit
        self._lock = threading.Lock()
        self._wanted: tuple[_Key, ...] = ()
        self._bell: _Bell | None = None

    def listen(self, specs: Sequence[model.PortForward], default_namespace: str) -> None:
        """Forwards exactly these ports from now on: opens new ones, closes those left out, leaves the others alone. Does not block."""
        wanted = dict.fromkeys((spec, spec.namespace or default_namespace) for spec in specs)
        with self._lock:
            self._wanted = tuple(wanted)
            is_first = self._bell is None and bool(wanted)
            if is_first:
                self._bell = _Bell(self._store)
            bell = self._bell
        if bell is None:
            return
        bell.ring()
        if is_first:
            session = _Session(self._scope, self._cluster, self._store, self._emit, bell)
            self._scope.spawn("forwards", lambda: self._run(session))

    def _run(self, session: _Session) -> None:
        bell = session.bell
        routes: dict[_Key, _Route] = {}
        with self._scope.on_cancel(bell.ring), bell:
            try:
                while True:
                    self._scope.check()
                    self._open_and_close(routes, session)
                    for each in routes.values():
                        each.look()
                    is_complete = all(each.listener is not None for each in routes.values())
                    for client, route in bell.wait(None if is_complete else _RETRY_LISTEN_S):
                        route.serve(client)
            finally:
                for each in routes.values():
                    each.close()

    def _open_and_close(self, routes: dict[_Key, _Route], session: _Session) -> None:
        with self._lock:
            wanted = self._wanted
        for key in [key for key in routes if key not in wanted]:
            routes.pop(key).close()
        for key in wanted:
            if key not in routes:
                routes[key] = _Route(session, *key)
                session.bell.watch(targets.sources(*key))
            if routes[key].listener is None:
                routes[key].open()


class _Route:
    """One forwarded port: its socket, where it leads now, what was last said about it."""

    def __init__(self, session: _Session, spec: model.PortForward, namespace: str) -> None:
        self._session, self._spec, self._namespace = session, spec, namespace
        self._connections = Scope(f"forward {spec.resource}:{spec.port}")
        self._told: tuple[_State, str, str] | None = None
        self._trouble = ""  # why the pod did not answer the last connection
        self.listener: socket.socket | None = None
        self.local_port = spec.local_port or 0

    def open(self) -> None:
        """Listens, if the port is free; a port that the config names is taken as it is, else one near the usual one is good enough."""
        usual = self._spec.local_port or targets.usual_local_port(self._spec, self._live())
        if usual is None:
            self._tell("waiting", error=f"port {self._spec.port} of {self._spec.resource} is not known yet")
            return
        why = ""
        try:
            if self._spec.local_port is not None:
                self.listener = listen_on(self._spec.address, usual)
            else:
                self.listener, self.local_port, why = listen_near(self._spec.address, usual)
        except PortTaken as taken:
            # Who has it is asked once only: that reads all of /proc, and the port is tried again every other second.
            if self._told is None or self._told[0] != "failed":
                self._tell("failed", error=taken.why())
            return
        self._session.bell.add(self.listener, self)
        self._tell("listening")
        if why:
            message = f"{why}; {self._spec.resource} is on port {self.local_port} instead"
            self._session.emit(
                events.Notice(message=message, hint="name another one with localPort", where=self._spec.resource)
            )

    def look(self) -> None:
        """Says where the port leads, when that has changed."""
        if self.listener is None:
            return
        target = self._target()
        if isinstance(target, str):
            self._tell("waiting", error=target)
        elif self._trouble:
            self._tell("waiting", pod=target.pod, error=self._trouble)
        else:
            self._tell("connected", pod=target.pod)

    def serve(self, client: socket.socket) -> None:
        """Serves a connection in threads of its own."""

        def body() -> None:
            with client, self._connections.child(f"port {self.local_port}") as scope:
                Connection(scope, client, lambda each, until: self._dial(scope, each, until), self._note).run()

        self._session.scope.spawn(f"port {self.local_port}", body)

    def close(self) -> None:
        """Closes the port and its connections."""
        self._connections.cancel()
        if self.listener is not None:
            self._session.bell.remove(self.listener)
            self.listener.close()
            self.listener = None
        self._tell("closed")

    def _dial(self, scope: Scope, connection: Connection, until: float) -> Dialled | None:
        target = self._target()
        if isinstance(target, str):
            with self._session.store.changes(scope, *targets.sources(self._spec, self._namespace)) as wake:
                connection.bell = wake.set
                while isinstance(target := self._target(), str):
                    left_s = until - time.monotonic()
                    if left_s <= 0 or connection.is_abandoned:
                        return None
                    wake.wait(left_s)
        found = target
        stream = self._session.cluster.connect(scope, self._namespace, found.pod, found.port)
        return Dialled(stream, lambda: self._target() == found)

    def _live(self) -> Object | None:
        source = targets.resource_source(self._spec, self._namespace)
        name = self._spec.resource.partition("/")[2]
        return self._session.store.mirror(source).get(self._namespace, name) if source else None

    def _target(self) -> Target | str:
        for source in targets.sources(self._spec, self._namespace):
            refusal = self._session.store.mirror(source).refusal
            if refusal:
                return refusal
        return targets.find_target(self._spec, self._live(), self._session.store.pods(self._namespace))

    def _note(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._session.bell.ring()

    def _tell(self, state: _State, *, pod: str = "", error: str = "") -> None:
        if self._told == (state, pod, error):
            return
        self._told = (state, pod, error)
        self._session.emit(
            events.Forward(
                resource=self._spec.resource,
                port=str(self._spec.port),
                local_port=self.local_port,
                address=self._spec.address,
                state=state,
                pod=pod,
                error=error,
            )
        )


class _Bell:
    """Sleeps until a client connects, a mirror changes, or someone rings."""

    def __init__(self, store: PodStore) -> None:
        self._store = store
        self._sources: set[Source] = set()
        self._selector = selectors.DefaultSelector()
        self._inner, self._outer = socket.socketpair()
        self._inner.setblocking(False)
        self._outer.setblocking(False)
        self._selector.register(self._inner, selectors.EVENT_READ)

    def __enter__(self) -> _Bell:
        return self

    def __exit__(self, *_: object) -> None:
        for source in self._sources:
            self._store.mirror(source).unsubscribe(self)
        self._selector.close()
        self._inner.close()
        self._outer.close()

    def ring(self) -> None:
        """Wakes the sleeper; from any thread, never blocks."""
        try:
            self._outer.send(b"!")
        except OSError:
            return  # full: it is awake anyway; closed: nobody sleeps

    def watch(self, sources: Sequence[Source]) -> None:
        for source in sources:
            if source not in self._sources:
                self._sources.add(source)
                self._store.mirror(source).subscribe(self, self.ring)

    def add(self, listener: socket.socket, route: _Route) -> None:
        self._selector.register(listener, selectors.EVENT_READ, route)

    def remove(self, listener: socket.socket) -> None:
        self._selector.unregister(listener)

    def wait(self, timeout_s: float | None) -> list[tuple[socket.socket, _Route]]:
        """Blocks; returns the clients that have connected meanwhile."""
        accepted: list[tuple[socket.socket, _Route]] = []
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:
                self._drain()
            else:
                accepted += [(client, key.data) for client in _accept(key.fileobj)]
        return accepted

    def _drain(self) -> None:
        try:
            while self._inner.recv(4096):
                pass
        except BlockingIOError:
            return


def _accept(listener: object) -> list[socket.socket]:
    """All clients that are waiting; fewer when the process has no file left for one."""
    clients: list[socket.socket] = []
    if not isinstance(listener, socket.socket):
        return clients
    try:
        while True:
            client, _ = listener.accept()
            client.setblocking(True)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            clients.append(client)
    except OSError:
        return clients
