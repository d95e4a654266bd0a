"""What makes a connection to an API server a safe one.

Comes in: files of certificates, and what kubeconfig says of a cluster. Goes out: an SSL context; the server's URL. It connects to nobody.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


def context(*, verify: bool, authorities: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
    """Raises: ValueError for what cannot be read; OSError."""
    try:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if verify:
            # Reading all the system's authorities takes 30 ms, and no cluster of one's own is known to them.
            if authorities:
                made.load_verify_locations(authorities)
            else:
                made.load_default_certs()
        else:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        if certificate:
            made.load_cert_chain(certificate, key)
    except ssl.SSLError as exc:
        raise ValueError(f"its certificates cannot be read: {exc.reason or exc}") from exc
    return made


def server_of(cluster: Mapping[str, Any]) -> str:
    """The URL without a slash at its end. Raises: ValueError."""
    server = str(cluster.get("server") or "").rstrip("/")
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https") or not parts.hostname or " " in server:
        raise ValueError(f"its server is no URL: {server!r}")
    return server
