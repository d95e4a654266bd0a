"""Requests to an API server, and its refusals and silences as errors.

Comes in: a method, a path, a body. Goes out: plain JSON or a stream of bytes. A request is repeated only when the server asks for that,
or when a kept connection turns out to be closed; all of ours can be sent twice without harm.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from devloop.effects.kube_pool import Answer, Pool, innermost, words
from devloop.effects.kubeconfig import Settings
from devloop.errors import Unavailable, UsageError
from devloop.scope import Scope
from devloop.stages import ApiRefusal

READ_S = 7.5
LIST_S = 60.0
_ASKED_AGAIN = 5
_LONGEST_PAUSE_S = 5.0


class Http:
    """The API server of one context. Safe to use from many threads. `on_warning` gets what the server warns of."""

    def __init__(self, settings: Settings, on_warning: Callable[[str], None]) -> None:
        self._settings = settings
        self._on_warning = on_warning
        self._pool = Pool(settings.proxy, settings.tls, settings.tls_name)
        self.server = settings.server

    def json(
        self,
        scope: Scope,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: object | None = None,
        content_type: str = "application/json",
        read_s: float = READ_S,
    ) -> Any:
        """The answer as JSON. Blocks, for a server that is silent `read_s`. Cancelling ends it, but not a write that was sent.

        Raises: Unavailable, ApiRefusal, UsageError for refused credentials, Cancelled.
        """
        data = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        response = self._answer(
            scope, method, path, query, data=data, content_type=content_type, read_s=read_s
        ).response
        for text in _warnings(response.headers.getlist("Warning")):
            self._on_warning(text)
        try:
            return json.loads(response.data)
        except ValueError as exc:
            raise self.unavailable("it answers something that is not JSON; is a proxy in between?") from exc

    def date(self, scope: Scope) -> float:
        """The server's clock, in seconds since the epoch. Raises: as `json`."""
        stamp = self._answer(scope, "GET", "/version", None, read_s=READ_S).response.headers.get("Date", "")
        try:
            return parsedate_to_datetime(stamp).timestamp()
        except ValueError as exc:
            raise self.unavailable("it does not say what time it is; is a proxy in between?") from exc

    @contextmanager
    def stream(
        self, scope: Scope, path: str, query: Mapping[str, str], *, read_s: float | None
    ) -> Iterator[Iterator[bytes]]:
        """Chunks of the answer as they come. Cancelling the scope shuts the connection down and raises Cancelled.

        Raises: as `json`, and while reading: Unavailable when the connection breaks or is silent for `read_s`.
        """
        answer = self._answer(scope, "GET", path, query, read_s=read_s, is_stream=True)
        try:
            with scope.on_cancel(answer.shut):
                yield self._chunks(scope, answer.response)
        finally:
            answer.response.close()

    def _chunks(self, scope: Scope, response: Any) -> Iterator[bytes]:
        import urllib3

        # Where a proxy removed the chunks, `stream` would wait for 64 KB to be full.
        chunks = response.stream(1 << 16) if response.chunked else iter(lambda: response.read1(1 << 16), b"")
        try:
            for chunk in chunks:
                scope.check()
                yield chunk
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as exc:
            scope.check()
            raise self.unreachable(exc) from exc
        scope.check()

    def _answer(
        self,
        scope: Scope,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        *,
        data: bytes | None = None,
        content_type: str = "",
        read_s: float | None,
        is_stream: bool = False,
    ) -> Answer:
        import urllib3

        url = self.server + path + (f"?{urlencode(query)}" if query else "")
        reading = scope if method == "GET" else None
        asked_again, is_repeated = 0, False
        while True:
            scope.check()
            headers = self._headers() | ({"Content-Type": content_type} if data is not None else {})
            try:
                answer = self._pool.request(reading, method, url, headers, data, read_s=read_s, is_stream=is_stream)
                response = answer.response
                if response.status < 400:
                    return answer
                told = response.data
            except urllib3.exceptions.HTTPError as exc:
                if reading:
                    scope.check()
                # A kept connection that the server had closed meanwhile shows only now.
                if isinstance(exc, urllib3.exceptions.ProtocolError) and not is_repeated:
                    is_repeated = True
                    continue
                raise self.unreachable(exc) from exc
            response.close()
            pause_s = _pause_s(response)
            if pause_s is None or asked_again == _ASKED_AGAIN:
                raise self.refusal(response.status, told)
            asked_again += 1
            scope.wait(pause_s)

    def _headers(self) -> dict[str, str]:
        return {"Accept": "application/json", "User-Agent": "devloop", **self._settings.login.headers()}

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
                evidence=self._settings.login.complaints,
            )
        if code in (502, 503, 504) and status.get("reason") != "ServiceUnavailable":
            return Unavailable(
                f"the API server of context {self._settings.context} answers {code}: {message}", where=self.server
            )
        return ApiRefusal(code, status.get("reason") or "", message, status.get("details"))

    def unreachable(self, exc: Exception) -> Unavailable:
        """The error for a server that could not be spoken to, by what the attempt came to."""
        cause = innermost(exc)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return self.unavailable(
                f"its certificate is not accepted: {cause.verify_message}",
                "was the cluster made anew? fetch its kubeconfig again (kind export kubeconfig)",
            )
        return self.unavailable(words(cause))

    def unavailable(self, why: str, hint: str = "") -> Unavailable:
        """The error for a server that cannot be spoken to now."""
        return Unavailable(
            f"the API server of context {self._settings.context} does not answer: {why}",
            where=self.server,
            hint=hint or "is the cluster running? kubectl cluster-info tells; kind get clusters lists kind's",
        )


def _pause_s(response: Any) -> float | None:
    """How long the server wants us to wait before asking again: it is busy, or not ready for this kind yet."""
    after = response.headers.get("Retry-After", "")
    if not after.isdecimal() or not (response.status == 429 or response.status >= 500):
        return None
    return min(float(after), _LONGEST_PAUSE_S)


def _warnings(headers: list[str]) -> list[str]:
    """Texts of Warning headers: `299 - "text"` (RFC 7234 §5.5)."""
    found = []
    for header in headers:
        _, quote, rest = header.partition('"')
        found.append(rest.rpartition('"')[0].replace('\\"', '"') if quote else header)
    return found
