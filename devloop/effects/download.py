"""The door to a file that a URL names.

Comes in: a URL of http or https. Goes out: its bytes. It follows redirects and the proxies of the environment, keeps nothing, sends no
credentials, and gives up on what is silent or too large.
"""

from __future__ import annotations

import ssl
from urllib.parse import urljoin, urlsplit

from devloop.effects.kube_pool import Pool, innermost, words
from devloop.effects.proxies import proxy_of
from devloop.errors import StepFailed, Unavailable
from devloop.scope import Scope

SILENCE_S = 15.0
_MOST_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


def download(scope: Scope, url: str, *, most_bytes: int) -> bytes:
    """What the URL stands for now. Blocks; cancelled by the scope.

    Raises: Unavailable when the server cannot be reached or is in trouble; StepFailed for an answer that will not get better.
    """
    here = url
    for _ in range(_MOST_REDIRECTS + 1):
        if urlsplit(here).scheme not in ("http", "https") or not urlsplit(here).hostname:
            raise StepFailed(f"it leads to {here}, which is neither http nor https", where=url)
        answer = _get(scope, url, here, most_bytes)
        if isinstance(answer, bytes):
            return answer
        here = urljoin(here, answer)
    raise StepFailed(f"more than {_MOST_REDIRECTS} redirects, the last to {here}", where=url)


def _get(scope: Scope, url: str, here: str, most_bytes: int) -> bytes | str:
    """The bytes, or where else they are."""
    import urllib3

    pool = Pool(proxy_of(here, None), ssl.create_default_context() if here.startswith("https:") else None)
    try:
        answer = pool.request(scope, "GET", here, {"User-Agent": "devloop"}, read_s=SILENCE_S, is_stream=True)
        with scope.on_cancel(answer.shut):
            try:
                if answer.response.status in _REDIRECTS and "Location" in answer.response.headers:
                    return str(answer.response.headers["Location"])
                _check(answer.response.status, url)
                return _body(scope, answer.response, url, most_bytes)
            finally:
                answer.response.close()
    except (urllib3.exceptions.HTTPError, OSError) as exc:
        scope.check()
        raise Unavailable(
            f"{urlsplit(here).netloc} does not answer: {words(innermost(exc))}",
            where=url,
            hint="is there a network? Behind a proxy, HTTPS_PROXY names it",
        ) from exc


def _check(status: int, url: str) -> None:
    if status >= 500 or status == 429:
        raise Unavailable(f"the server answers {status}", where=url, hint="try again later")
    if status != 200:
        hint = "it wants credentials, which devloop does not send: keep a copy in the project"
        raise StepFailed(f"the server answers {status}", where=url, hint=hint if status in (401, 403) else None)


def _body(scope: Scope, response: object, url: str, most_bytes: int) -> bytes:
    found = bytearray()
    for chunk in response.stream(1 << 16):  # type: ignore[attr-defined]  # urllib3 is imported where it is used
        scope.check()
        found += chunk
        if len(found) > most_bytes:
            raise StepFailed(f"it is larger than {most_bytes >> 20} MB", where=url, hint="keep a copy in the project")
    scope.check()
    return bytes(found)
