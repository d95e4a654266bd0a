"""Which HTTP proxy leads to a server, by the rules that kubectl and curl follow.

Comes in: the server's URL, the proxy that its configuration names, the environment (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY). Goes
out: the proxy's URL or None. It asks nobody anything.
"""

from __future__ import annotations

import ipaddress
import urllib.request
from urllib.parse import urlsplit

from devloop.errors import UsageError


def proxy_of(server: str, configured: str | None) -> str | None:
    """The proxy's URL; None for a direct connection. One from the environment is never used for this machine itself.

    Raises: UsageError for a proxy that devloop cannot speak to.
    """
    found = configured or _from_environment(server)
    if not found:
        return None
    parts = urlsplit(found)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        shown = f"{parts.scheme}://{parts.hostname}" if parts.hostname else "it is no URL"  # never the password
        raise UsageError(
            f"the proxy cannot be used: {shown}",
            where=server,
            hint="devloop speaks to HTTP proxies: http://HOST:PORT",
        )
    return found


def _from_environment(server: str) -> str | None:
    parts = urlsplit(server)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    found = urllib.request.getproxies_environment()
    proxy = found.get(parts.scheme) or found.get("all")
    return None if not proxy or _is_direct(host, port, found.get("no", "")) else proxy


def _is_direct(host: str, port: int, exceptions: str) -> bool:
    """Whether a host is reached without a proxy: this machine, or one that NO_PROXY names, as a name, a domain or a network."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    named = [each.strip().lower().removesuffix(f":{port}") for each in exceptions.split(",")]
    if "*" in named:
        return True
    if address is not None:
        return any(_covers(each, address) for each in named)
    return any(each and f".{host}".endswith(f".{each.lstrip('.')}") for each in named)


def _covers(network: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    try:
        return address in ipaddress.ip_network(network.strip("[]"), strict=False)
    except ValueError:
        return False
