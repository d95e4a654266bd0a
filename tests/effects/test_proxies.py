"""Which proxy leads to an API server."""

from __future__ import annotations

import pytest

from devloop.effects.proxies import proxy_of
from devloop.errors import UsageError

PROXY = "http://proxy.corp:3128"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_there_is_none_where_none_is_named() -> None:
    assert proxy_of("https://k8s.corp:6443", None) is None


def test_that_of_kubeconfig_is_taken_for_any_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    assert proxy_of("https://127.0.0.1:6443", "http://u:p@own:1") == "http://u:p@own:1"


@pytest.mark.parametrize(
    ("variable", "server", "expected"),
    [
        ("HTTPS_PROXY", "https://k8s.corp:6443", PROXY),
        ("https_proxy", "https://k8s.corp:6443", PROXY),
        ("HTTP_PROXY", "https://k8s.corp:6443", None),
        ("HTTP_PROXY", "http://k8s.corp:8080", PROXY),
        ("ALL_PROXY", "https://k8s.corp", PROXY),
        ("HTTPS_PROXY", "https://127.0.0.1:6443", None),
        ("HTTPS_PROXY", "https://127.9.9.9:6443", None),
        ("HTTPS_PROXY", "https://[::1]:6443", None),
        ("HTTPS_PROXY", "https://localhost:6443", None),
        ("HTTPS_PROXY", "https://10.0.0.1:6443", PROXY),
    ],
)
def test_that_of_the_environment_is_for_other_machines(
    monkeypatch: pytest.MonkeyPatch, variable: str, server: str, expected: str | None
) -> None:
    monkeypatch.setenv(variable, PROXY)
    assert proxy_of(server, None) == expected


@pytest.mark.parametrize(
    ("exceptions", "server", "is_direct"),
    [
        ("*", "https://k8s.corp", True),
        ("k8s.corp", "https://k8s.corp", True),
        ("corp", "https://k8s.corp", True),
        (".corp", "https://k8s.corp:6443", True),
        ("k8s.corp:6443", "https://k8s.corp:6443", True),
        ("k8s.corp:443", "https://k8s.corp:6443", False),
        ("8s.corp", "https://k8s.corp", False),
        ("other, k8s.corp ", "https://k8s.corp", True),
        ("10.0.0.0/8", "https://10.1.2.3:6443", True),
        ("10.0.0.0/8", "https://11.1.2.3:6443", False),
        ("10.1.2.3", "https://10.1.2.3:6443", True),
        ("fd00::/8", "https://[fd00::1]:6443", True),
        ("", "https://10.1.2.3:6443", False),
        (",", "https://k8s.corp", False),
    ],
)
def test_exceptions_are_names_domains_and_networks(
    monkeypatch: pytest.MonkeyPatch, exceptions: str, server: str, is_direct: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert (proxy_of(server, None) is None) is is_direct


@pytest.mark.parametrize("proxy", ["nonsense", "socks5://me:secret@proxy:1080", "http://"])
def test_one_that_cannot_be_used_is_told_without_its_password(proxy: str) -> None:
    with pytest.raises(UsageError, match="the proxy cannot be used") as told:
        proxy_of("https://k8s.corp", proxy)
    assert "secret" not in str(told.value)
    assert told.value.where == "https://k8s.corp"
