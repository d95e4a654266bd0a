"""Manifests that a URL names, pinned by their digest: `https://example.com/install.yaml#sha256=HEX`.

Comes in: such an entry. Goes out: the text that has this digest, fetched once and kept in the user's cache folder; what is there is used
without any network. It never takes a text for one that has another digest.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from devloop.effects.download import download
from devloop.errors import StepFailed
from devloop.scope import Scope
from devloop.store.folders import cache_folder

MOST_BYTES = 32 << 20


def text(scope: Scope, entry: str) -> str:
    """The pinned text. Blocks; cancelled by the scope.

    Raises: StepFailed, for a URL without a digest with the one to write; Unavailable.
    """
    url, _, fragment = entry.partition("#")
    wanted = fragment.removeprefix("sha256=").lower()
    content = _kept(wanted) if wanted else None
    if content is None:
        content = download(scope, url, most_bytes=MOST_BYTES)
        _check(url, wanted, hashlib.sha256(content).hexdigest())
        _keep(wanted, content)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise StepFailed("not a text in UTF-8", where=url) from exc


def _check(url: str, wanted: str, found: str) -> None:
    pinned = f"{url}#sha256={found}"
    if not wanted:
        raise StepFailed(
            "a URL has to be pinned, for what it stands for may change at any time",
            where=url,
            hint=f"if what is there now is what you want, write: {pinned}",
        )
    if found != wanted:
        raise StepFailed(
            f"what is there now is not what was pinned: sha256 {found[:12]}…, not {wanted[:12]}…",
            where=url,
            hint=f"look at what changed; if you want it, write: {pinned}",
        )


def _file(digest: str) -> Path:
    return cache_folder() / "manifests" / digest


def _kept(digest: str) -> bytes | None:
    try:
        content = _file(digest).read_bytes()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == digest else None


def _keep(digest: str, content: bytes) -> None:
    """Whole or not at all. A cache folder that cannot be written costs fetching it again."""
    with suppress(OSError):
        file = _file(digest)
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=file.parent)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
        os.replace(name, file)
