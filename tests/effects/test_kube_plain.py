"""A plain kubeconfig is read as the `kubernetes` package reads it, and whatever is not plain is left to the package."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from devloop.effects import kube_plain, kubeconfig
from devloop.errors import UsageError

SERVER = "https://cluster.example.com:6443"
NOTHING = {"apiVersion": "v1", "kind": "Config", "clusters": [], "contexts": [], "users": []}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run(
        [*words, "-subj", "/CN=a", "-keyout", "key", "-out", "cert"], cwd=folder, check=True, capture_output=True
    )
    return folder / "cert", folder / "key"


def text(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def content(cluster: object, user: object, **context: object) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", **context}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }


def read(
    folder: Path, said: object, monkeypatch: pytest.MonkeyPatch
) -> tuple[kubeconfig.Settings, kubeconfig.Settings]:
    """As it is; and with a second file beside it, which holds nothing, so that the package reads both."""
    path, other = folder / "config", folder / "nothing"
    path.write_text(json.dumps(said))
    other.write_text(json.dumps(NOTHING))
    monkeypatch.setenv("KUBECONFIG", str(path))
    plain = kubeconfig.load(None, None)
    monkeypatch.setenv("KUBECONFIG", f"{path}{os.pathsep}{other}")
    assert kube_plain.read([str(path), str(other)]) is None
    return plain, kubeconfig.load(None, None)


def seen(settings: kubeconfig.Settings) -> tuple[object, ...]:
    tls = settings.tls
    return (
        settings.context,
        settings.namespace,
        settings.server,
        settings.tls_name,
        settings.proxy,
        settings.login.headers(),
        tls and (tls.verify_mode, tls.check_hostname, tls.get_ca_certs()),
    )


@pytest.mark.parametrize(
    ("cluster", "user", "context"),
    [
        ({"server": "http://127.0.0.1:8080/"}, {}, {}),
        ({"server": SERVER}, {"token": "t"}, {"namespace": "shop"}),
        ({"server": SERVER, "certificate-authority": "CERT"}, {"token": "t"}, {}),
        ({"server": SERVER, "certificate-authority-data": "DATA"}, {}, {}),
        ({"server": SERVER, "insecure-skip-tls-verify": True}, {"client-certificate": "CERT", "client-key": "KEY"}, {}),
        ({"server": SERVER}, {"client-certificate-data": "DATA", "client-key-data": "KEYDATA"}, {}),
        ({"server": SERVER}, {"client-certificate-data": "DATA", "client-key": "KEY", "token": "t"}, {}),
        ({"server": SERVER, "tls-server-name": "other", "proxy-url": "http://proxy.example.com:3128"}, {}, {}),
        ({"server": SERVER, "extensions": [{"name": "x", "extension": {}}], "disable-compression": True}, {}, {}),
    ],
)
def test_it_is_what_the_package_makes_of_it(
    cluster: dict[str, Any],
    user: dict[str, Any],
    context: dict[str, Any],
    *,
    certificate: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cert, key = certificate
    given = {"CERT": str(cert), "KEY": os.path.relpath(key, tmp_path), "DATA": text(cert), "KEYDATA": text(key)}
    cluster, user = ({name: given.get(str(value), value) for name, value in each.items()} for each in (cluster, user))
    said = content(cluster, user, **context)
    plain, by_package = read(tmp_path, said, monkeypatch)
    assert seen(plain) == seen(by_package)
    file = kube_plain.read([str(tmp_path / "config")])
    assert file is not None
    assert file.find("here") is not None


@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        ({"server": SERVER}, {"exec": {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1"}}),
        ({"server": SERVER}, {"auth-provider": {"name": "gcp"}}),
        ({"server": SERVER}, {"tokenFile": "/token"}),
        ({"server": SERVER}, {"username": "a", "password": "b"}),
        ({"server": SERVER}, {"token": ""}),
        ({"server": SERVER}, {"token": 1}),
        ({"server": SERVER}, {"client-certificate-data": "!", "client-key-data": "!"}),
        ({"server": SERVER}, {"client-certificate": "not there", "client-key": "not there"}),
        ({"server": SERVER, "certificate-authority": ""}, {}),
        ({"server": "cluster"}, {}),
        ({}, {}),
        ({"server": SERVER, "something-new": "x"}, {}),
    ],
)
def test_whatever_is_more_than_plain_is_left_to_the_package(cluster: object, user: object, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(json.dumps(content(cluster, user)))
    file = kube_plain.read([str(path)])
    assert file is not None
    assert file.current == "here"
    assert file.find("here") is None
    assert file.find("there") is None


@pytest.mark.parametrize(
    "said",
    ["", "{", "a", "[]", "contexts: {a: b}", "clusters: [1]", "users: [{name: u, user: [1]}]", "current-context: 1"],
)
def test_what_is_no_kubeconfig_is_left_to_the_package(said: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(said)
    assert kube_plain.read([str(tmp_path / "config")]) is None
    assert kube_plain.read([str(tmp_path / "none")]) is None


def test_of_two_with_one_name_the_first_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = content({"server": SERVER}, {"token": "one"})
    said["users"].append({"name": "u", "user": {"token": "two"}})
    plain, by_package = read(tmp_path, said, monkeypatch)
    assert seen(plain) == seen(by_package)
    assert plain.login.headers() == {"authorization": "Bearer one"}


def test_a_context_that_is_not_there_is_told_as_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text(json.dumps(content({"server": SERVER}, {})))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    with pytest.raises(UsageError, match="there is no context her in kubeconfig; there are: here"):
        kubeconfig.load("her", None)


def test_nothing_of_a_key_stays_on_the_disk(
    certificate: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, key = certificate
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    said = content({"server": SERVER}, {"client-certificate-data": text(cert), "client-key-data": text(key)})
    (tmp_path / "config").write_text(json.dumps(said))
    file = kube_plain.read([str(tmp_path / "config")])
    assert file is not None
    assert file.find("here") is not None
    assert list((tmp_path / "temporary").iterdir()) == []


def test_the_package_is_not_loaded_for_it(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(json.dumps(content({"server": SERVER}, {"token": "t"})))
    script = "import sys; from devloop.effects import kubeconfig; kubeconfig.load(None, None); print('kubernetes' in sys.modules)"
    environment = {**os.environ, "KUBECONFIG": str(tmp_path / "config")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
