"""Pieces of a tar file, for streams that are made as they are read.

Comes in: names, sizes and bytes. Goes out: bytes. Pure.
"""

from __future__ import annotations

import tarfile

END = b"\0" * 1024


def header(path: str, size_bytes: int) -> bytes:
    """What comes before a file's bytes."""
    entry = tarfile.TarInfo(path)
    entry.size = size_bytes
    return entry.tobuf(tarfile.GNU_FORMAT)  # USTAR ends at 8 GiB


def padding(size_bytes: int) -> bytes:
    """What comes after them."""
    return b"\0" * (-size_bytes % 512)


def member(path: str, data: bytes) -> bytes:
    """A file as a whole."""
    return header(path, len(data)) + data + padding(len(data))


def member_bytes(size_bytes: int) -> int:
    """How much a file takes, with what is before and after it."""
    return 512 + size_bytes + -size_bytes % 512
