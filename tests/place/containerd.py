"""A kind node in memory: what its containerd does with the questions and archives that come through `docker exec`.

As containerd: an OCI layout may lack the blobs of layers whose snapshot exists; a docker archive may lack none; a failed import of the
1.6 kind leaves the name behind.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from typing import Any

from devloop.place.oci import chain_ids
from devloop.refs import full_name
from devloop.stages import Container
from devloop.testing.engine import FakeEngine
from devloop.testing.processes import Call, FakeProcesses, Reply


class FakeNode:
    """One node. `refuses`: imports that fail from now on. `imports`: the blobs, by digest, that each import carried."""

    def __init__(
        self, name: str, engine: FakeEngine, processes: FakeProcesses, label: str = "io.x-k8s.kind.cluster"
    ) -> None:
        self.container: Container = engine.add_container(name, {label: "some"})
        self.names: dict[str, str] = {}
        self.snapshots: set[str] = set()
        self.imports: list[dict[str, bytes]] = []
        self.refuses = 0
        self.is_gone = False
        for flags in ((), ("-i",)):
            processes.when("docker", "exec", *flags, self.container.container_id, does=self._answer)

    def _answer(self, call: Call) -> Reply:
        if self.is_gone:
            return Reply(stderr=f"Error response from daemon: Container {self.container.name} is not running\n", code=1)
        what, *arguments = call.argv[call.argv.index("-c") + 2 :]
        return self._look(*arguments) if what == "look" else self._load(call.stdin, *arguments)

    def _look(self, name: str, snapshotter: str) -> Reply:
        names = [known for known in self.names if known == name]
        table = ["KEY PARENT KIND", "0123456789ab sha256:x Active", *(f"{key} - Committed" for key in self.snapshots)]
        return Reply("\n".join([*names, "--", snapshotter or "overlayfs", "--", *table]) + "\n")

    def _load(self, data: bytes, name: str, snapshotter: str, top: str) -> Reply:
        if self.names.get(name) and (not top or top in self.snapshots):
            return Reply("there\n")
        try:
            self._import(data)
            if top and top not in self.snapshots:
                raise LookupError(f"snapshot {top} does not exist: not found")
            if name not in self.names:
                raise LookupError(f"image {name}: not found")
        except LookupError as problem:
            self.names.pop(name, None)
            return Reply(stderr=f"level=warning msg=noise\nctr: {problem.args[0]}\n", code=1)
        return Reply()

    def _import(self, data: bytes) -> None:
        files = _unpack(data)
        if "oci-layout" in files and not files.get("manifest.json"):
            blobs = {
                f"sha256:{path.rpartition('/')[2]}": blob for path, blob in files.items() if path.startswith("blobs/")
            }
            for digest, blob in blobs.items():
                assert digest == f"sha256:{hashlib.sha256(blob).hexdigest()}"
            (entry,) = json.loads(files["index.json"])["manifests"]
            manifest = json.loads(blobs[entry["digest"]])
            layers = [blobs.get(layer["digest"]) for layer in manifest["layers"]]
            self.imports.append(
                {layer["digest"]: blobs[layer["digest"]] for layer in manifest["layers"] if layer["digest"] in blobs}
            )
            self._unpack_image(
                entry["annotations"]["io.containerd.image.name"],
                json.loads(blobs[manifest["config"]["digest"]]),
                layers,
            )
            return
        self.imports.append(
            {path: blob for path, blob in files.items() if path.endswith("layer.tar") or "blobs/" in path}
        )
        for image in json.loads(files["manifest.json"]):
            for ref in image["RepoTags"]:
                self._unpack_image(
                    full_name(ref), json.loads(files[image["Config"]]), [files[path] for path in image["Layers"]]
                )

    def _unpack_image(self, name: str, config: Any, layers: list[bytes | None]) -> None:
        self.names[name] = "incomplete"
        if self.refuses:
            self.refuses -= 1
            raise LookupError("content digest sha256:123: not found")
        diff_ids = config["rootfs"]["diff_ids"]
        for diff_id, chain_id, layer in zip(diff_ids, chain_ids(diff_ids), layers, strict=True):
            if chain_id in self.snapshots:
                continue
            if layer is None:
                raise LookupError(f"content digest {diff_id}: not found")
            plain = gzip.decompress(layer) if layer.startswith(b"\x1f\x8b") else layer
            assert diff_id == f"sha256:{hashlib.sha256(plain).hexdigest()}"
            self.snapshots.add(chain_id)
        self.names[name] = "whole"


def _unpack(data: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                stream = tar.extractfile(member)
                files[member.name] = stream.read() if stream is not None else b""
    except tarfile.TarError as problem:
        raise LookupError(f"archive/tar: {problem}") from problem
    return files
