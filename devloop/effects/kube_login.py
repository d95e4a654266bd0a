"""Who we are to an API server: tokens, and credential plug-ins that renew them.

Comes in: a configuration of the `kubernetes` package. Goes out: request headers. They never appear in an error or a log.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol

from devloop.errors import UsageError


class Credentials(Protocol):
    """See Login."""

    complaints: tuple[str, ...]

    def headers(self) -> dict[str, str]: ...


class Token:
    """A token that is written out, or "" where there is none: a certificate, or nobody."""

    def __init__(self, token: str) -> None:
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self.complaints: tuple[str, ...] = ()

    def headers(self) -> dict[str, str]:
        """See Login."""
        return dict(self._headers)


class Login:
    """Credentials of one context; safe to use from many threads. `complaints`: why they could not be renewed the last time."""

    def __init__(self, context: str, configuration: Any) -> None:
        self._context = context
        self._configuration = configuration
        self._lock = threading.Lock()
        self.complaints: tuple[str, ...] = ()

    def headers(self) -> dict[str, str]:
        """The headers that prove it; renewed first when they are about to expire, which blocks for the plug-in.

        Raises: UsageError when renewing breaks; what a plug-in complained of is kept in `complaints`.
        """
        if not self._configuration.api_key and self._configuration.refresh_api_key_hook is None:
            return {}  # a certificate, or nobody
        found: dict[str, str] = {}

        def ask() -> None:
            for each in self._configuration.auth_settings().values():
                if each["in"] == "header" and each["value"]:
                    found[each["key"]] = each["value"]

        with self._lock:
            try:
                self.complaints = complaints_of(ask)
            except malformed() as exc:
                raise UsageError(
                    f"the credentials of context {self._context} cannot be renewed: {exc}", hint="log in again"
                ) from exc
        return found


def complaints_of(run: Callable[[], None]) -> tuple[str, ...]:
    """Runs it; what the package logged meanwhile. It tells of a plug-in that failed in no other way, and would print it."""
    kept = _Keeper()
    root = logging.getLogger()
    root.addHandler(kept)
    try:
        run()
    finally:
        root.removeHandler(kept)
    return tuple(kept.messages)


def package() -> Any:
    """kubernetes.config, which ships without types."""
    from kubernetes import config

    return config


def malformed() -> tuple[type[Exception], ...]:
    """What the package raises for files that are not there, not YAML, or YAML of another shape, and for logins that fail."""
    import urllib3

    # It trusts the shape of what it reads: a map where a list belongs shows as whatever its code trips over.
    shapes = (AttributeError, KeyError, TypeError, ValueError)
    config = package()
    return (config.ConfigException, config.kube_config.yaml.YAMLError, OSError, urllib3.exceptions.HTTPError, *shapes)


class _Keeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "root":
            self.messages.append(" ".join(record.getMessage().split()))
