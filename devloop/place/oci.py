"""Images as containerd reads them: names in full, chain IDs, and an OCI layout tar that may leave out known layers.

Comes in: an image's raw config, its layers' diff IDs and the blobs at hand. Goes out: values and bytes. Pure except that blobs
are read from the spool file. It never describes an image that containerd could mistake for another: digests are computed here.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from devloop import tarballs
from devloop.stages import EngineImage

MAX_CONFIG_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 18
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Blob:
    """A layer's bytes in the spool file, as they are sent: plain, or compressed with gzip."""

    digest: str
    offset: int
    size_bytes: int
    is_gzip: bool = False


@dataclass(frozen=True)
class Content:
    """An image's raw config, and blobs by diff ID: at least those that were asked for. `fd`: the open spool file they are in."""

    config: bytes
    blobs: Mapping[str, Blob]
    fd: int


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def is_config_of(image: EngineImage, data: bytes) -> bool:
    """Whether these bytes are the image's config, whatever they are called: an archive can hold those of other platforms too."""
    try:
        config = json.loads(data)
        is_platform = all(config.get(key) in (None, value, "") for key, value in _platform(image).items())
        return is_platform and (config["rootfs"]["diff_ids"] or []) == list(image.layers)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def digests_in(manifest: bytes) -> tuple[str, tuple[str, ...]] | None:
    """The digests of the config and of the layers that an image's manifest names; None for an index, or what is no manifest."""
    try:
        content = json.loads(manifest)
        return str(content["config"]["digest"]), tuple(str(layer["digest"]) for layer in content["layers"])
    except (ValueError, KeyError, TypeError):
        return None


def chain_ids(diff_ids: Sequence[str]) -> tuple[str, ...]:
    """The names of the snapshots that stand for the layers up to each one.

    https://github.com/opencontainers/image-spec/blob/main/config.md#layer-chainid
    """
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(digest_of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return tuple(chain)


def archive(
    content: Content, name: str, diff_ids: Sequence[str], included: frozenset[str]
) -> tuple[int, Iterator[bytes]]:
    """The size and the chunks of an OCI layout tar of one image, holding only the `included` layers.

    containerd unpacks by chain ID and never looks at the blob of a layer whose snapshot it has, so the descriptors of those
    need only be well-formed. An OCI layout is taken at its word; a docker archive without all layers would be refused.
    """
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(
                "application/vnd.oci.image.config.v1+json", digest_of(content.config), len(content.config)
            ),
            "layers": [_layer(diff_id, content.blobs.get(diff_id)) for diff_id in diff_ids],
        }
    )
    entry = _descriptor(_MANIFEST, digest_of(manifest), len(manifest)) | {
        "annotations": {
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": name.rpartition(":")[2],
        }
    }
    index = _json({"schemaVersion": 2, "manifests": [entry]})
    small = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": index,
        _blob_path(digest_of(content.config)): content.config,
        _blob_path(digest_of(manifest)): manifest,
    }
    blobs = {blob.digest: blob for diff_id, blob in content.blobs.items() if diff_id in included}
    sizes = [*map(len, small.values()), *(blob.size_bytes for blob in blobs.values())]
    total = sum(map(tarballs.member_bytes, sizes)) + len(tarballs.END)
    return total, _chunks(small, list(blobs.values()), content.fd)


def _platform(image: EngineImage) -> dict[str, str]:
    platform = {"os": image.os, "architecture": image.architecture}
    return {key: value for key, value in platform.items() if value}


def _chunks(small: Mapping[str, bytes], blobs: Sequence[Blob], fd: int) -> Iterator[bytes]:
    yield b"".join(tarballs.member(path, data) for path, data in small.items())
    for blob in blobs:
        yield tarballs.header(_blob_path(blob.digest), blob.size_bytes)
        end = blob.offset + blob.size_bytes
        # Not read and seek: archives for several nodes are made from one file at the same time.
        for at in range(blob.offset, end, _CHUNK_BYTES):
            yield os.pread(fd, min(_CHUNK_BYTES, end - at), at)
        yield tarballs.padding(blob.size_bytes)
    yield tarballs.END


def _layer(diff_id: str, blob: Blob | None) -> dict[str, object]:
    if blob is None:
        return _descriptor(_LAYER, diff_id, 0)
    return _descriptor(_LAYER + ("+gzip" if blob.is_gzip else ""), blob.digest, blob.size_bytes)


def _descriptor(media_type: str, digest: str, size_bytes: int) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest, "size": size_bytes}


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _blob_path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"
