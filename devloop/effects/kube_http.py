"""Requests to an API server, and its refusals and silences as errors.

Comes in: a method, a path, a body. Goes out: JSON or a stream of bytes. The transport is the connection pool of the `kubernetes`
package, with plain JSON instead of its model classes. It never retries what may have been done.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from devloop.effects.kubeconfig import Settings
from devloop.errors import Unavailable, UsageError
from devloop.scope import Scope
from devloop.stages import ApiRefusal

CONNECT_S = 5.0
READ_S = 10.0


class Http:
    """The API server of one context. Safe to use from many threads."""

    def __init__(self, settings: Settings, on_warning: Callable[[str], None]) -> None:
        from kubernetes.client import rest

        self._settings = settings
        self._on_warning = on_warning
        self._pool = rest.RESTClientObject(settings.configuration).pool_manager
        self.server: str = settings.configuration.host.rstrip("/")

    def headers(self) -> dict[str, str]:
        """Credentials, refreshed when the plug-in that they came from says so."""
        found = {"Accept": "application/json", "User-Agent": "devloop"}
        for each in self._settings.configuration.auth_settings().values():
            if each["in"] == "header" and each["value"]:
                found[each["key"]] = each["value"]
        return found

    def json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object | None = None,
        content_type: str = "application/json",
        *,
        read_s: float = READ_S,
    ) -> Any:
        """The answer as JSON. Blocks for `read_s` at most. Raises: Unavailable, ApiRefusal, UsageError for refused credentials."""
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        response = self._request(method, path, query, data, content_type, read_s=read_s, is_stream=False)
        for text in _warnings(response.headers.getlist("Warning")):
            self._on_warning(text)
        try:
            return json.loads(response.data)
        except ValueError as exc:
            raise self.unavailable("it answers something that is not JSON; is a proxy in between?") from exc

    @contextmanager
    def stream(
        self, scope: Scope, path: str, query: Mapping[str, str], *, read_s: float | None
    ) -> Iterator[Iterator[bytes]]:
        """Chunks of the answer as they come. Cancelling the scope shuts the connection down and raises Cancelled.

        Raises: as `json`, and while reading: Unavailable when the connection breaks or is silent for `read_s`.
        """
        import urllib3

        scope.check()
        response = self._request("GET", path, query, None, "", read_s=read_s, is_stream=True)
        try:
            with scope.on_cancel(lambda: _shut(response)):
                try:
                    yield self._chunks(scope, response)
                except urllib3.exceptions.HTTPError as exc:
                    scope.check()
                    raise self._unavailable(exc) from exc
        finally:
            response.close()

    def _chunks(self, scope: Scope, response: Any) -> Iterator[bytes]:
        import urllib3

        try:
            for chunk in response.stream(1 << 16):
                scope.check()
                yield chunk
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as exc:
            scope.check()
            raise self._unavailable(exc) from exc
        scope.check()

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        data: bytes | None,
        content_type: str,
        *,
        read_s: float | None,
        is_stream: bool,
    ) -> Any:
        import urllib3
        from urllib3.util import Timeout

        headers = self.headers() | ({"Content-Type": content_type} if data is not None else {})
        url = self.server + path
        if query:
            from urllib.parse import urlencode

            url += "?" + urlencode(query)
        timeout = Timeout(connect=CONNECT_S, read=read_s)
        for is_last in (False, True):
            try:
                response = self._pool.request(
                    method,
                    url,
                    body=data,
                    headers=headers,
                    timeout=timeout,
                    preload_content=not is_stream,
                    retries=False,
                    redirect=False,
                )
                break
            except urllib3.exceptions.ProtocolError as exc:
                # A kept-alive connection that the server had closed. All our requests can be sent twice without harm.
                if is_last:
                    raise self._unavailable(exc) from exc
            except urllib3.exceptions.HTTPError as exc:
                raise self._unavailable(exc) from exc
        if response.status >= 400:
            data = response.data
            response.close()
            raise self.refusal(response.status, data)
        return response

    def refusal(self, code: int, data: bytes) -> Exception:
        """What an answer with this HTTP code, 400 or more, and body means."""
        try:
            status = json.loads(data)
        except ValueError:
            status = {}
        if not isinstance(status, dict):
            status = {}
        message = status.get("message") or data.decode(errors="replace").strip()[:500] or f"HTTP {code}"
        if code == 401:
            return UsageError(
                f"the cluster of context {self._settings.context} refuses the credentials: {message}",
                where=self.server,
                hint="log in again, or check the user of this context in kubeconfig",
            )
        if code in (502, 503, 504) and status.get("reason") != "ServiceUnavailable":
            return Unavailable(
                f"the API server of context {self._settings.context} answers {code}: {message}",
                where=self.server,
            )
        return ApiRefusal(code, status.get("reason") or "", message, status.get("details"))

    def _unavailable(self, exc: Exception) -> Unavailable:
        return self.unavailable(_cause(exc))

    def unavailable(self, why: str) -> Unavailable:
        """The error for a server that cannot be spoken to now."""
        return Unavailable(
            f"the API server of context {self._settings.context} does not answer: {why}",
            where=self.server,
            hint="is the cluster running? kubectl cluster-info tells; kind get clusters lists kind's",
        )


def _shut(response: Any) -> None:
    """Wakes whoever reads the response. Not by the TLS socket's own shutdown: that strips TLS first, and the reader would be handed
    what the server encrypted.
    """
    sock = getattr(response.connection, "sock", None)
    if sock is not None:
        with contextlib.suppress(OSError, ValueError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _cause(exc: BaseException) -> str:
    """The innermost reason, which is the one that says something ("Connection refused")."""
    while isinstance(getattr(exc, "reason", None), BaseException) or exc.__cause__ is not None:
        exc = exc.reason if isinstance(getattr(exc, "reason", None), BaseException) else exc.__cause__  # type: ignore[attr-defined, assignment]
    text = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
    return " ".join(text.split())


def _warnings(headers: list[str]) -> list[str]:
    """Texts of Warning headers: `299 - "text"` (RFC 7234 §5.5)."""
    found = []
    for header in headers:
        _, quote, rest = header.partition('"')
        found.append(rest.rpartition('"')[0].replace('\\"', '"') if quote else header)
    return found
