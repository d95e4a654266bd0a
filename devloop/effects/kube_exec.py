"""A command in a container, through the API server's WebSocket.

Comes in: the command. Goes out: what it writes, as it comes, and its exit code. Protocol `v4.channel.k8s.io`: each message begins with
its channel, 1 for standard output, 2 for standard error, 3 for the Status at the end
(https://pkg.go.dev/k8s.io/client-go/tools/remotecommand). Kubernetes has no way to end a command: one that is given up goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from devloop.effects import kube_socket
from devloop.effects.duplex import Duplex
from devloop.scope import Scope
from devloop.stages import ApiRefusal

PROTOCOL = "v4.channel.k8s.io"
_OUTPUT, _STATUS = frozenset({1, 2}), 3


def execute(
    scope: Scope,
    connect: Callable[[str], Any],
    container: str,
    argv: Sequence[str],
    on_output: Callable[[bytes], None],
) -> int:
    """See stages.Cluster.execute. `connect`: opens the WebSocket of the pod's `exec` with a query, see kube_socket.connect."""
    fields = [("container", container)] if container else []
    fields += [("command", word) for word in argv]
    query = urlencode([*fields, ("stdout", "true"), ("stderr", "true")])
    try:
        connection = connect(query)
    except kube_socket.Refused as exc:
        raise ConnectionError(str(exc)) from exc
    stream = connection.sock = Duplex(connection.sock)
    try:
        with scope.on_cancel(stream.close):
            while (message := kube_socket.message(connection)) is not None:
                if message[0] == _STATUS:
                    return _code(json.loads(message[1:]))
                if message[0] in _OUTPUT and message[1:]:
                    on_output(message[1:])
    except ConnectionError:
        scope.check()
        raise
    finally:
        stream.close()
    scope.check()
    raise ConnectionError("the connection to the pod ended before the command did")


def _code(status: dict[str, object]) -> int:
    """The exit code that a Status tells. Raises: ApiRefusal when the command did not run at all."""
    if status.get("status") == "Success":
        return 0
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    for cause in causes or ():
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    number = status.get("code")
    raise ApiRefusal(
        number if isinstance(number, int) else 500, str(status.get("reason", "")), str(status.get("message", ""))
    )
