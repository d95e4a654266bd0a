"""What goes on inside the pods of FakeCluster: logs, ports, commands.

Comes in: what a test scripts. Goes out: the same through the methods of `stages.Cluster` that reach into pods. It makes no pod.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from devloop.scope import Scope
from devloop.stages import ApiRefusal, Inside, PortStream
from devloop.testing import ports

Command = Callable[[Sequence[str], Callable[[bytes], None]], int]


class Insides(ABC):
    """The part of FakeCluster that reaches into pods. `_changed` guards everything."""

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._logs: dict[tuple[str, str, str], bytes] = {}
        self._ports: dict[tuple[str, str, int], ports.Handler] = {}
        self._commands: dict[Inside, Command] = {}

    # stages.Cluster

    def logs(
        self,
        scope: Scope,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool = False,
        previous: bool = False,
        since: str = "",
        tail_lines: int | None = None,
        timestamps: bool = False,
    ) -> Iterator[bytes]:
        """What `set_log` scripted. `since` and `timestamps` are not interpreted: script the stamps where they matter.

        Followed, it goes on with what `set_log` adds, until the pod is deleted.
        """
        self._check(scope)
        key = (namespace, pod, container)
        if previous:
            raise ApiRefusal(400, "BadRequest", f'previous terminated container "{container}" in pod "{pod}" not found')
        with self._changed:
            if not self._is_pod(namespace, pod):
                raise ApiRefusal(404, "NotFound", f'pods "{pod}" not found')
            log = self._logs.get(key, b"")
        first = (
            log if tail_lines is None else b"".join(log.splitlines(keepends=True)[-tail_lines:] if tail_lines else ())
        )
        if first:
            yield first
        with scope.on_cancel(self._wake):
            while follow:
                seen = len(log)
                with self._changed:
                    self._wait_until(scope, partial(self._is_longer, key, seen))
                    log = self._logs.get(key, b"")
                    follow = self._is_pod(namespace, pod)
                if log[seen:]:
                    yield log[seen:]

    def connect(self, scope: Scope, namespace: str, pod: str, port: int) -> PortStream:
        self._check(scope)
        with self._changed:
            handler = self._ports.get((namespace, pod, port))
        if handler is None:
            raise ConnectionError(f"nothing listens on port {port} of pod {pod}")
        return ports.connected(scope, f"port {port} of {pod}", handler)

    def execute(self, scope: Scope, inside: Inside, argv: Sequence[str], on_output: Callable[[bytes], None]) -> int:
        """What `run_with` scripted, in the calling thread."""
        self._check(scope)
        with self._changed:
            if not self._is_pod(inside.namespace, inside.pod):
                raise ConnectionError(f'pods "{inside.pod}" not found')
            command = self._commands.get(inside)
        if command is None:
            raise ConnectionError(f"container {inside.container} is not valid for pod {inside.pod}")
        code = command(argv, on_output)
        scope.check()
        return code

    # What the world does

    def set_log(self, namespace: str, pod: str, container: str, log: bytes) -> None:
        """The whole log of a container from now on; those who follow it get what is longer than before."""
        with self._changed:
            self._logs[namespace, pod, container] = log
            self._changed.notify_all()

    def listen(self, namespace: str, pod: str, port: int, handler: ports.Handler) -> None:
        """Answers `connect`: each connection runs `handler` in a thread of the connecting scope; it ends with the handler."""
        with self._changed:
            self._ports[namespace, pod, port] = handler

    def run_with(self, inside: Inside, command: Command) -> None:
        """Answers `execute` in a container: `command` gets the words and a way to write, and returns the exit code."""
        with self._changed:
            self._commands[inside] = command

    # What the cluster knows

    @abstractmethod
    def _check(self, scope: Scope) -> None: ...

    @abstractmethod
    def _is_pod(self, namespace: str, pod: str) -> bool: ...

    @abstractmethod
    def _wake(self) -> None: ...

    @abstractmethod
    def _wait_until(self, scope: Scope, is_so: Callable[[], bool]) -> None: ...

    def _is_longer(self, key: tuple[str, str, str], seen: int) -> bool:
        """Whether a log has grown, or ended with its pod."""
        return len(self._logs.get(key, b"")) > seen or not self._is_pod(*key[:2])
