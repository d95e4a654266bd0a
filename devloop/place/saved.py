"""Layers from the engine's own archive: `docker save`, read on the fly and thrown away but for what was asked for.

Comes in: an image of the engine and the diff IDs that are wanted. Goes out: its config and those layers, in a spool file.
Works with every engine and image store. It never holds more than a chunk in memory, nor more on disk than what is
wanted and the one layer that is being looked at.
"""

from __future__ import annotations

import errno
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from typing import IO, cast

from devloop.errors import StepFailed
from devloop.place.oci import MAX_CONFIG_BYTES, Blob, Content, is_config_of
from devloop.scope import Scope
from devloop.stages import Engine, EngineImage

_CHUNK_BYTES = 1 << 18


def from_save(scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]) -> Content:
    """The image's config and the wanted layers. Blocks while the engine saves; cancelled by the scope.

    Raises: StepFailed when the archive does not hold them in a form that is understood, or there is no room for them.
    """
    chunks = engine.save(scope, [image.image_id])
    found = _Found(image, wanted, spool)
    try:
        with closing(_Reader(chunks)) as reader, _open(reader) as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.isreg() else None
                if stream is not None:
                    found.look_at(member.name, member.size, stream)
                if found.is_complete:
                    break
    except (tarfile.TarError, zlib.error) as exc:
        raise StepFailed(f"the engine's archive of {image.image_id} cannot be read: {exc}") from exc
    except OSError as exc:
        if exc.errno != errno.ENOSPC:
            raise
        raise StepFailed("no room for the image's layers", hint="free space in, or set, TMPDIR") from exc
    return found.content()


def stop(chunks: Iterator[bytes]) -> None:
    """Tells the engine that no more of a save is wanted."""
    close = getattr(chunks, "close", None)
    if close is not None:
        close()


def _open(reader: _Reader) -> tarfile.TarFile:
    return tarfile.open(fileobj=cast(IO[bytes], reader), mode="r|", bufsize=_CHUNK_BYTES)


class _Reader:
    """The file that tarfile wants, over chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int) -> bytes:
        parts = [self._rest]
        length = len(self._rest)
        while length < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            parts.append(chunk)
            length += len(chunk)
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]

    def close(self) -> None:
        stop(self._chunks)


class _Found:
    """What was found so far. The spool ends where the last kept layer ends."""

    def __init__(self, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]) -> None:
        self._image = image
        self._wanted = wanted
        self._spool = spool
        self._config: bytes | None = None
        self._blobs: dict[str, Blob] = {}

    @property
    def is_complete(self) -> bool:
        return self._config is not None and self._wanted <= self._blobs.keys()

    def content(self) -> Content:
        if self._config is None:
            raise StepFailed(f"the engine's archive of {self._image.image_id} lacks its config")
        if lacking := sorted(self._wanted - self._blobs.keys()):
            raise StepFailed(f"the engine's archive of {self._image.image_id} lacks layer {lacking[0]} in a known form")
        self._spool.flush()
        return Content(self._config, self._blobs, self._spool.fileno())

    def look_at(self, name: str, size_bytes: int, stream: IO[bytes]) -> None:
        """Keeps the file when it is a wanted layer or the config. Names say little: each engine has its own layout."""
        first = stream.read(_CHUNK_BYTES)
        is_gzip = first.startswith(b"\x1f\x8b")
        digest_in_name = f"sha256:{name.rpartition('/')[2]}" if name.startswith("blobs/sha256/") else None
        if (
            size_bytes > MAX_CONFIG_BYTES
            and digest_in_name is not None
            and not is_gzip
            and digest_in_name not in self._wanted
        ):
            return
        offset = self._spool.tell()
        sent, plain = hashlib.sha256(), hashlib.sha256()
        unzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if is_gzip else None
        chunk = first
        while chunk:
            self._spool.write(chunk)
            sent.update(chunk)
            if unzip is not None:
                plain.update(unzip.decompress(chunk))
            chunk = stream.read(_CHUNK_BYTES)
        digest = f"sha256:{sent.hexdigest()}"
        diff_id = f"sha256:{plain.hexdigest()}" if is_gzip else digest
        if diff_id in self._wanted and diff_id not in self._blobs:
            self._blobs[diff_id] = Blob(digest, offset, size_bytes, is_gzip)
            return
        if self._config is None and first.startswith(b"{") and size_bytes <= MAX_CONFIG_BYTES:
            self._look_for_config(offset)
        self._spool.seek(offset)
        self._spool.truncate()

    def _look_for_config(self, offset: int) -> None:
        self._spool.seek(offset)
        data = self._spool.read()
        if is_config_of(self._image, data):
            self._config = data
