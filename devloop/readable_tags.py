"""Readable tags: what a tag may look like, and the templates that make one.

Comes in: text. Goes out: verdicts, and what a template names. Pure; it fills nothing in.
"""

from __future__ import annotations

import re

# https://github.com/distribution/reference: the grammar of a tag.
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[0-9a-f]{16}")  # what devloop's own tags look like
_NAME = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)")
PLACEHOLDER = re.compile(r"\{\{\s*(.*?)\s*\}\}")

TAG_HINT = "a tag has letters, digits, `_`, `.` and `-`, at most 128, and begins with neither `.` nor `-`"
DIGEST_HINT = "give it a prefix"


def is_tag(text: str) -> bool:
    """Whether a registry takes it."""
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Whether it could be taken for what an image was made from."""
    return _DIGEST.fullmatch(text) is not None


def name_of(inside: str) -> str | None:
    """The name of a placeholder, by what stands between its braces; None for what is not `.NAME`."""
    found = _NAME.fullmatch(inside)
    return found[1] if found else None


def placeholders(template: str) -> list[str]:
    """What stands between braces, each time."""
    return PLACEHOLDER.findall(template)
