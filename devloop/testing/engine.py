"""A Docker engine in memory, for tests of stages.

Comes in: images as lists of layers, containers as names with labels. Goes out: the same through the engine's methods, `save`
in either layout that real engines write. It holds state and starts nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
import queue
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from devloop.errors import StepFailed, Unavailable
from devloop.scope import Scope
from devloop.stages import Container, EngineImage, EngineInfo

Layout = Literal["docker", "oci"]


@dataclass(frozen=True)
class StoredImage:
    """An image's raw config and its layers' tars, base first."""

    config: bytes
    layers: tuple[bytes, ...]

    @property
    def image_id(self) -> str:
        return digest_of(self.config)

    @property
    def diff_ids(self) -> tuple[str, ...]:
        return tuple(map(digest_of, self.layers))


class FakeEngine:
    """Keeps images, names and containers. `is_down`: nothing answers. `blocked`: methods (`save`, `push`) that wait to be cancelled.

    `layout`: how `save` writes: as engines up to 24 (`docker`) or from 25 on (`oci`). `saved`, `pushes`, `pulled`: what was asked, in
    order. `registry`: name → id of the image that a pull brings.
    """

    def __init__(self, *, layout: Layout = "docker", info: EngineInfo | None = None) -> None:
        self.layout = layout
        self.is_down = False
        self.blocked: set[str] = set()
        self.saved: list[tuple[str, ...]] = []
        self.pushes: list[str] = []
        self.pulled: list[str] = []
        self.registry: dict[str, str] = {}
        self._info = info or EngineInfo("20.10.24", "fake", "Fake OS", "1.41")
        self._images: dict[str, StoredImage] = {}
        self._digests: dict[str, str] = {}  # what was pushed
        self._names: dict[str, str] = {}
        self._tagged_at: dict[str, float] = {}
        self._containers: list[Container] = []
        self._listeners: list[queue.SimpleQueue[str]] = []

    def add(self, ref: str, layers: Sequence[Mapping[str, bytes]], *, config: Mapping[str, str] | None = None) -> str:
        """Stores an image of these layers (path → content) under `ref`; returns its id."""
        tars = tuple(map(layer_tar, layers))
        content = {
            "architecture": "amd64",
            "os": "linux",
            "config": dict(config or {}),
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
        }
        image = StoredImage(json.dumps(content, sort_keys=True).encode(), tars)
        self._images[image.image_id] = image
        self._name(ref, image.image_id)
        return image.image_id

    def add_container(self, name: str, labels: Mapping[str, str] | None = None) -> Container:
        container = Container(hashlib.sha256(name.encode()).hexdigest(), name, dict(labels or {}))
        self._containers.append(container)
        return container

    def stored(self, ref: str) -> StoredImage:
        """The image with its bytes. Raises: StepFailed when there is none."""
        self._check()
        image_id = self._names.get(full_ref(ref), ref)
        if image_id not in self._images:
            raise StepFailed(f"no image {ref} in the engine")
        return self._images[image_id]

    def info(self) -> EngineInfo:
        self._check()
        return self._info

    def inspect(self, ref: str) -> EngineImage | None:
        self._check()
        image_id = self._names.get(full_ref(ref), ref)
        image = self._images.get(image_id)
        if image is None:
            return None
        tags = tuple(sorted(name for name, named in self._names.items() if named == image_id))
        size_bytes = sum(map(len, image.layers))
        return EngineImage(image_id, tags, image.diff_ids, size_bytes, "linux", "amd64", image.config)

    def tag(self, image_id: str, ref: str) -> None:
        self._name(ref, self.stored(image_id).image_id)

    def untag(self, ref: str) -> None:
        self._check()
        image_id = self._names.pop(full_ref(ref), None)
        if image_id is not None and image_id not in self._names.values():
            del self._images[image_id]
        if image_id is not None:
            self._tell("")

    def tagged(self, name: str) -> dict[str, float]:
        self._check()
        prefix = f"{full_ref(f'{name}:x').rpartition(':')[0]}:"
        times = self._tagged_at.items()
        return {
            f"{name}:{ref.removeprefix(prefix)}": at
            for ref, at in times
            if ref.startswith(prefix) and ref in self._names
        }

    def save(self, scope: Scope, refs: Sequence[str]) -> Iterator[bytes]:
        scope.check()
        self._check()
        return self._save(scope, tuple(refs))

    def push(self, scope: Scope, ref: str, on_line: Callable[[str], None] | None = None) -> str:
        scope.check()
        image = self.stored(ref)
        self._block("push", scope)
        self.pushes.append(ref)
        is_known = full_ref(ref) in self._digests
        digest = self._digests[full_ref(ref)] = digest_of(image.image_id.encode())
        for line in (
            *(f"{diff_id[7:19]}: {'Layer already exists' if is_known else 'Pushed'}" for diff_id in image.diff_ids),
            f"{ref.rpartition(':')[2]}: digest: {digest} size: {len(image.config)}",
        ):
            if on_line is not None:
                on_line(line)
        return digest

    def pushed(self, ref: str) -> str | None:
        self._check()
        return self._digests.get(full_ref(ref))

    def pull(self, scope: Scope, ref: str, on_line: Callable[[str], None] | None = None) -> None:
        scope.check()
        self._check()
        self.pulled.append(ref)
        if ref not in self.registry:
            raise StepFailed(f"no image {ref} in its registry")
        if on_line is not None:
            on_line(f"Pulling {full_ref(ref)}")
        self._name(ref, self.registry[ref])

    def image_events(self, scope: Scope) -> Iterator[str]:
        scope.check()
        return self._told(scope)

    def containers(self, labels: Mapping[str, str]) -> tuple[Container, ...]:
        self._check()
        return tuple(
            container
            for container in self._containers
            if all(key in container.labels and value in ("", container.labels[key]) for key, value in labels.items())
        )

    def environment(self) -> Mapping[str, str]:
        return {"DOCKER_HOST": "unix:///fake/docker.sock"}

    def cli(self) -> tuple[str, ...]:
        return ("docker",)

    def _name(self, ref: str, image_id: str) -> None:
        self._names[full_ref(ref)] = image_id
        self._tagged_at[full_ref(ref)] = time.time()
        self._tell(full_ref(ref))

    def _tell(self, name: str) -> None:
        for listener in self._listeners:
            listener.put(name)

    def _told(self, scope: Scope) -> Iterator[str]:
        listener: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._listeners.append(listener)
        listener.put("")
        with scope.on_cancel(lambda: listener.put("")):
            while True:
                name = listener.get()
                scope.check()
                yield name

    def _check(self) -> None:
        if self.is_down:
            raise Unavailable("the Docker engine at unix:///fake/docker.sock is not there", hint="is Docker running?")

    def _block(self, method: str, scope: Scope) -> None:
        if method in self.blocked:
            scope.wait(None)

    def _save(self, scope: Scope, refs: tuple[str, ...]) -> Iterator[bytes]:
        self.saved.append(refs)
        images = {ref: self.stored(ref) for ref in refs}
        self._block("save", scope)
        archive = docker_archive(images) if self.layout == "docker" else oci_archive(images)
        for start in range(0, len(archive), 4096):
            scope.check()
            yield archive[start : start + 4096]


def docker_archive(images: Mapping[str, StoredImage]) -> bytes:
    """What `docker save` of an engine up to 24 writes: a folder a layer, each layer once, sorted by name."""
    entries: dict[str, bytes | str] = {}
    homes: dict[str, str] = {}
    index = []
    for ref, image in images.items():
        paths = []
        for depth, (diff_id, tar) in enumerate(zip(image.diff_ids, image.layers, strict=True)):
            folder = hashlib.sha256(f"{image.diff_ids[: depth + 1]}".encode()).hexdigest()
            paths.append(f"{folder}/layer.tar")
            entries[f"{folder}/VERSION"] = b"1.0"
            entries[f"{folder}/json"] = json.dumps({"id": folder}).encode()
            home = homes.setdefault(diff_id, folder)
            entries[f"{folder}/layer.tar"] = tar if home == folder else f"../{home}/layer.tar"
        name = f"{image.image_id.removeprefix('sha256:')}.json"
        entries[name] = image.config
        index.append({"Config": name, "RepoTags": None if ref.startswith("sha256:") else [ref], "Layers": paths})
    entries["manifest.json"] = json.dumps(index).encode()
    return pack(dict(sorted(entries.items())))


def oci_archive(images: Mapping[str, StoredImage]) -> bytes:
    """What `docker save` of an engine from 25 on (classic image store) writes: an OCI layout with a manifest.json."""
    entries: dict[str, bytes | str] = {}
    index, manifests = [], []
    for ref, image in images.items():
        blobs = [("application/vnd.oci.image.layer.v1.tar", tar) for tar in image.layers]
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("application/vnd.oci.image.config.v1+json", image.config),
            "layers": [_descriptor(media_type, blob) for media_type, blob in blobs],
        }
        raw = json.dumps(manifest).encode()
        for blob in (*image.layers, image.config, raw):
            entries[_blob_path(blob)] = blob
        manifests.append(_descriptor("application/vnd.oci.image.manifest.v1+json", raw))
        index.append(
            {
                "Config": _blob_path(image.config),
                "RepoTags": None if ref.startswith("sha256:") else [ref],
                "Layers": [_blob_path(blob) for blob in image.layers],
            }
        )
    entries["index.json"] = json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()
    entries["manifest.json"] = json.dumps(index).encode()
    entries["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    return pack(dict(sorted(entries.items())))


def layer_tar(files: Mapping[str, bytes]) -> bytes:
    """A layer with these files."""
    return pack(dict(files))


def pack(entries: Mapping[str, bytes | str]) -> bytes:
    """A tar of files (bytes) and symbolic links (str), in this order, always the same for the same entries."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def full_ref(ref: str) -> str:
    """With the tag that no tag means."""
    return ref if ":" in ref.rpartition("/")[2] else f"{ref}:latest"


def _descriptor(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def _blob_path(data: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"
