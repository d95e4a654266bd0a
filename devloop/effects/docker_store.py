"""What an engine that keeps its images in containerd's store does otherwise than one with the classic store.

Comes in: docker-py's client, and what the engine says of an image. Goes out: what the other store does by itself.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

from devloop.errors import StepFailed
from devloop.refs import full_name


def inspect(client: Any, ref: str) -> dict[str, Any] | None:
    """The engine's answer about an image, None when there is none. Of the manifests, which docker-py does not ask for, too."""
    from docker.errors import create_api_error_from_http_exception
    from requests.exceptions import HTTPError

    url = f"{client.base_url}/v{client.api_version}/images/{quote(ref, safe='/:')}/json"
    with client.get(url, params={"manifests": "1"}, timeout=client.timeout) as response:
        if response.status_code == 404:
            return None
        try:
            response.raise_for_status()
        except HTTPError as exc:
            create_api_error_from_http_exception(exc)
        found: dict[str, Any] = response.json()
        return found


def unpacked_bytes(found: Mapping[str, Any]) -> int:
    """The size of what the image unpacks to. What containerd's store says at first counts the blobs besides."""
    manifest = _manifest(found)
    return int((manifest and manifest["ImageData"]["Size"]["Unpacked"]) or found["Size"])


def is_whole(found: Mapping[str, Any]) -> bool:
    """Whether nothing that the image's manifest names is missing. The classic store has no such images."""
    manifest = _manifest(found)
    return manifest is None or bool(manifest["Available"])


def _manifest(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for manifest in found.get("Manifests") or ():
        platform = (manifest.get("ImageData") or {}).get("Platform") or {}
        if (platform.get("os"), platform.get("architecture")) == (found.get("Os"), found.get("Architecture")):
            return cast(Mapping[str, Any], manifest)
    return None


def is_as_before(client: Any, ref: str, before: Mapping[str, Any]) -> bool:
    """Whether giving the name changed nothing: containerd's store leaves it, time and all, to the image that has it already."""
    after = inspect(client, ref) if before.get("Descriptor") else None  # which only images in that store have
    return after is not None and (after["Id"], after["Metadata"]) == (before["Id"], before["Metadata"])


def renew(client: Any, ref: str, found: Mapping[str, Any]) -> None:
    """Gives the name to the image that has it, as of now. Raises: StepFailed when the engine refuses.

    It loads an archive that holds the name and no image. Removing the name and giving it again would leave a moment without.
    """
    refused = [line["error"] for line in client.load_image(_archive(found, ref), quiet=True) if "error" in line]
    if refused:
        raise StepFailed(f"the Docker engine did not renew {ref}: {refused[0]}", where=ref)


def _archive(found: Mapping[str, Any], ref: str) -> bytes:
    image = {key: found["Descriptor"][key] for key in ("mediaType", "digest", "size")}
    index = {"schemaVersion": 2, "manifests": [{**image, "annotations": {"io.containerd.image.name": full_name(ref)}}]}
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, data in (
            ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
            ("index.json", json.dumps(index).encode()),
        ):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return archive.getvalue()
