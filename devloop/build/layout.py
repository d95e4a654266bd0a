"""An image that a BuildKit apart from the engine makes, brought into the engine as the layers that are new to it.

Comes in: the name of a builder, and an image for the engine. Goes out: the image in the engine. The builder exports into an OCI layout
that is kept for the next time, and sends only blobs that are not there yet; the engine gets only layers that came with this build. When
it lacks others, it gets all of them, and that is said. A layout can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from devloop import tarballs
from devloop.errors import StepFailed
from devloop.scope import Scope
from devloop.sizes import size
from devloop.stages import EngineImage, Tools
from devloop.store import locks
from devloop.store.folders import cache_folder

_DRIVER = re.compile(r"^Driver: +(\S+)", re.MULTILINE)
_BUILDKIT = re.compile(r"^BuildKit version: +v(\d+)\.(\d+)\.", re.MULTILINE)
_BUILDX = re.compile(r" v(\d+)\.(\d+)\.")
# `tar=false`: https://github.com/moby/buildkit/releases/tag/v0.11.0, https://github.com/docker/buildx/releases/tag/v0.10.0
_LEAST_BUILDKIT, _LEAST_BUILDX = (0, 11), (0, 10)
_CHUNK_BYTES = 1 << 18
_KEPT_S = 30 * 86400
_UNKNOWN = (0, 0)  # what was compiled from its sources says v0.0.0


def is_exported_by(scope: Scope, builder: str, tools: Tools) -> bool:
    """Whether it is a BuildKit apart from the engine that can export a layout. Two processes of 0.1 s at most."""
    about = tools.processes.run(scope, ["docker", "buildx", "inspect", builder], check=False)
    driver = _DRIVER.search(about.stdout)
    if about.code != 0 or driver is None or driver[1] == "docker":
        return False
    buildx = tools.processes.run(scope, ["docker", "buildx", "version"], check=False).stdout
    return _is_recent(_BUILDKIT, about.stdout, _LEAST_BUILDKIT) and _is_recent(_BUILDX, buildx, _LEAST_BUILDX)


def _is_recent(version: re.Pattern[str], text: str, least: tuple[int, int]) -> bool:
    """Whether no version in the text is known to be older."""
    found = ((int(each[1]), int(each[2])) for each in version.finditer(text))
    return all(each >= least or each == _UNKNOWN for each in found)


@contextmanager
def layout(builder: str, context: Path, image: str) -> Iterator[Layout]:
    """The layout of an image, for nobody else meanwhile: another session that builds the same has another folder. Raises: StepFailed."""
    key = hashlib.sha256("\0".join((builder, str(context), image)).encode()).hexdigest()[:32]
    home = cache_folder() / "layouts"
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        _forget_old(home)
        folders = (home / f"{key}-{number}" for number in itertools.count())
        folder, lock = next((each, lock) for each in folders if (lock := _claimed(each)))
    except OSError as exc:
        raise StepFailed(
            f"what a builder sends cannot be kept: {exc.strerror}", where=str(exc.filename or home)
        ) from exc
    with lock:
        yield Layout(folder / "oci")


def _claimed(folder: Path) -> IO[str] | None:
    """Its lock; None when another process, or another build of this one, has it."""
    folder.mkdir(exist_ok=True)
    return locks.claimed(folder / "lock")


def _forget_old(home: Path) -> None:
    """Of projects that nobody builds any more: taking a lock writes it anew."""
    for folder in home.iterdir():
        try:
            age_s = time.time() - (folder / "lock").stat().st_mtime
        except OSError:
            continue  # being made, or removed, at this moment
        if age_s > _KEPT_S and (lock := _claimed(folder)):
            with lock:
                shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class _Exported:
    """The image of a build: its manifest, and where that is described in the index."""

    descriptor: Mapping[str, Any]
    manifest: Mapping[str, Any]
    config: Mapping[str, Any]

    @property
    def diff_ids(self) -> tuple[str, ...]:
        return tuple(self.config["rootfs"]["diff_ids"] or ())

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(each["digest"] for each in self.manifest["layers"])

    @property
    def ids(self) -> tuple[str, str]:
        """What the image is called in an engine with the classic store, and in one with containerd's."""
        return self.manifest["config"]["digest"], self.descriptor["digest"]


class Layout:
    """A folder as https://github.com/opencontainers/image-spec/blob/main/image-layout.md has it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if not self._is_sound():
            shutil.rmtree(folder)
        self._before = frozenset(self._blobs())

    def output(self) -> tuple[str, ...]:
        """Words for `docker buildx build`, which reads them as CSV."""
        folder = str(self._folder).replace('"', '""')
        return ("--output", f'type=oci,tar=false,"dest={folder}"')

    def load(self, scope: Scope, image_id: str, tools: Tools) -> tuple[str, str] | None:
        """Brings what the builder left into the engine. `image_id`: what it calls it. Returns the engine's id, and what came, in words.

        None when the engine does not take it so, which is told; then the layout is gone. Blocks; cancelled by the scope.
        """
        try:
            image = self._exported(image_id)
            new = [each for each in image.layers if each not in self._before]
            found = self._load(scope, image, new, tools)
            if found is None and len(new) < len(image.layers):
                tools.line("the engine lacks layers that did not come with this build; it gets all of them")
                found = self._load(scope, image, image.layers, tools)
            if found is not None:
                self._tidy(image)
                return found.image_id, _said(image, new)
            tools.line("the engine does not take the layers that the builder made; it gets the image as a whole")
        except (OSError, ValueError, KeyError, TypeError) as exc:
            tools.line(
                f"what the builder left in {self._folder} cannot be read ({exc!r}); the engine gets the image as a whole"
            )
        shutil.rmtree(self._folder, ignore_errors=True)
        return None

    def _load(self, scope: Scope, image: _Exported, layers: Sequence[str], tools: Tools) -> EngineImage | None:
        done = tools.processes.run(
            scope,
            [*tools.engine.cli(), "load"],
            env=tools.engine.environment(),
            stdin=self._archive(image, layers),
            check=False,
        )
        for line in done.tail if done.code else ():
            tools.line(line)
        found = next(filter(None, map(tools.engine.inspect, image.ids)), None)
        return found if found is not None and found.is_whole and found.layers == image.diff_ids else None

    def _archive(self, image: _Exported, layers: Sequence[str]) -> Iterator[bytes]:
        for path, data in _index(image).items():
            yield tarballs.member(path, data)
        for digest in dict.fromkeys((*image.ids, *layers)):
            with self._file(digest).open("rb") as file:
                size_bytes = os.fstat(file.fileno()).st_size
                yield tarballs.header(_name(digest), size_bytes)
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk
                yield tarballs.padding(size_bytes)
        yield tarballs.END

    def _is_sound(self) -> bool:
        """Whether a builder can go on with it: it writes the index in place, and may have been killed over that."""
        try:
            return isinstance(json.loads((self._folder / "index.json").read_bytes()), dict)
        except ValueError:
            return False
        except FileNotFoundError:
            return True

    def _exported(self, image_id: str) -> _Exported:
        index = json.loads((self._folder / "index.json").read_text())
        every = [each for each in self._manifests(index) if image_id in each.ids]
        if not every:
            raise KeyError(image_id)
        return every[0]

    def _manifests(self, index: Mapping[str, Any]) -> Iterator[_Exported]:
        """Those below an index, too: with attestations the image is one of several."""
        for descriptor in index["manifests"]:
            content = json.loads(self._file(descriptor["digest"]).read_bytes())
            if "manifests" in content:
                yield from self._manifests(content)
            elif "layers" in content:
                config = json.loads(self._file(content["config"]["digest"]).read_bytes())
                if "rootfs" in config:
                    yield _Exported(descriptor, content, config)

    def _tidy(self, image: _Exported) -> None:
        """Leaves what the next build of it may have in common with this one."""
        keep = {*image.ids, *image.layers}
        for each in self._blobs() - keep:
            self._file(each).unlink()
        shutil.rmtree(self._folder / "ingest", ignore_errors=True)  # of builds that were cut off

    def _blobs(self) -> set[str]:
        try:
            return {f"sha256:{name}" for name in os.listdir(self._folder / "blobs" / "sha256")}
        except FileNotFoundError:
            return set()

    def _file(self, digest: str) -> Path:
        return self._folder / _name(digest)


def _name(digest: str) -> str:
    algorithm, _, value = digest.partition(":")
    if not value.isalnum():
        raise ValueError(digest)
    return f"blobs/{algorithm}/{value}"


def _index(image: _Exported) -> Mapping[str, bytes]:
    """What names the image for each of the engine's stores: containerd's reads an OCI layout, the classic one what `docker save` writes.

    The classic store opens no file of a layer that it has (https://github.com/moby/moby, image/tarexport/load.go); containerd's keeps
    what it is given, and says so.
    """
    descriptor = {key: image.descriptor[key] for key in ("mediaType", "digest", "size")}
    saved = {"Config": _name(image.ids[0]), "RepoTags": None, "Layers": [_name(each) for each in image.layers]}
    return {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [descriptor]}).encode(),
        "manifest.json": json.dumps([saved]).encode(),
    }


def _said(image: _Exported, new: Sequence[str]) -> str:
    sizes = {each["digest"]: int(each["size"]) for each in image.manifest["layers"]}
    return f"{size(sum(sizes[each] for each in new))} of {size(sum(sizes.values()))} from the builder"
