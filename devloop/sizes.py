"""Amounts in words. Pure."""

from __future__ import annotations


def size(size_bytes: int) -> str:
    """Such as `1.2 MB`, `225 MB`, `98 B`; units of 1000."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= scale:
            value = size_bytes / scale
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{size_bytes} B"
