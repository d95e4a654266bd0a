"""Names, chain IDs and archives as containerd reads them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile

import pytest

from devloop.place.oci import Blob, Content, archive, chain_ids, digest_of
from devloop.refs import full_name


@pytest.mark.parametrize(
    ("ref", "full"),
    [
        ("api:v1", "docker.io/library/api:v1"),
        ("api", "docker.io/library/api:latest"),
        ("shop/api:v1", "docker.io/shop/api:v1"),
        ("docker.io/api:v1", "docker.io/library/api:v1"),
        ("index.docker.io/shop/api:v1", "docker.io/shop/api:v1"),
        ("ghcr.io/shop/api:v1", "ghcr.io/shop/api:v1"),
        ("localhost/api:v1", "localhost/api:v1"),
        ("localhost:5001/api:v1", "localhost:5001/api:v1"),
        ("localhost:5001/api", "localhost:5001/api:latest"),
    ],
)
def test_a_ref_is_known_by_its_full_name(ref: str, full: str) -> None:
    assert full_name(ref) == full


def test_a_chain_id_stands_for_a_layer_on_all_below_it() -> None:
    a, b, c = (digest_of(name) for name in (b"a", b"b", b"c"))
    ab = digest_of(f"{a} {b}".encode())
    assert chain_ids([a, b, c]) == (a, ab, digest_of(f"{ab} {c}".encode()))
    assert chain_ids([]) == ()


def test_an_archive_holds_config_manifest_and_the_layers_that_were_included() -> None:
    base, middle, top = b"base" * 300, b"middle" * 1000, b"\x1f\x8btop"
    diff_ids = [digest_of(base), digest_of(middle), digest_of(b"what top unzips to")]
    with tempfile.TemporaryFile() as spool:
        spool.write(b"junk" + middle + top)
        spool.flush()
        blobs = {
            diff_ids[1]: Blob(digest_of(middle), 4, len(middle)),
            diff_ids[2]: Blob(digest_of(top), 4 + len(middle), len(top), is_gzip=True),
        }
        content = Content(b'{"rootfs":{}}', blobs, spool.fileno())
        size_bytes, chunks = archive(content, "docker.io/shop/api:v1", diff_ids, frozenset(diff_ids[2:]))
        data = b"".join(chunks)
    assert len(data) == size_bytes
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry["annotations"] == {
        "io.containerd.image.name": "docker.io/shop/api:v1",
        "org.opencontainers.image.ref.name": "v1",
    }
    raw = files[f"blobs/sha256/{entry['digest'][7:]}"]
    assert hashlib.sha256(raw).hexdigest() == entry["digest"][7:]
    manifest = json.loads(raw)
    assert files[f"blobs/sha256/{manifest['config']['digest'][7:]}"] == b'{"rootfs":{}}'
    assert [layer["digest"] for layer in manifest["layers"]] == [diff_ids[0], digest_of(middle), digest_of(top)]
    assert [layer["mediaType"].rpartition(".")[2] for layer in manifest["layers"]] == ["tar", "tar", "tar+gzip"]
    assert files[f"blobs/sha256/{digest_of(top)[7:]}"] == top
    assert len(files) == 5


def test_layers_that_are_the_same_are_sent_once() -> None:
    layer = b"empty"
    diff_id = digest_of(layer)
    with tempfile.TemporaryFile() as spool:
        spool.write(layer)
        spool.flush()
        content = Content(b"{}", {diff_id: Blob(diff_id, 0, len(layer))}, spool.fileno())
        size_bytes, chunks = archive(content, "x:1", [diff_id, diff_id], frozenset([diff_id]))
        data = b"".join(chunks)
    assert len(data) == size_bytes
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        names = tar.getnames()
    assert len(names) == len(set(names))
