"""What an engine that keeps its images in containerd's store does otherwise than one with the classic store.

Comes in: docker-py's client, and what the engine says of an image. Goes out: what the other store does by itself.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any

from devloop.errors import StepFailed
from devloop.refs import full_name


def keeps_times(found: Mapping[str, Any]) -> bool:
    """Whether the engine leaves the time of a name as it is when the name is given again to the image that has it."""
    return bool(found.get("Descriptor"))  # which only images in that store have


def renew(client: Any, found: Mapping[str, Any], ref: str) -> None:
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
