"""Names of images, as people and as programs write them. Pure.

Comes in: a ref, `name` or `name:tag`. Goes out: its parts, or the same in full. It knows no digests.
"""

from __future__ import annotations


def split_ref(ref: str) -> tuple[str, str]:
    """Name and tag; the tag is `latest` when there is none."""
    name, colon, tag = ref.rpartition(":")
    return (name, tag) if colon and "/" not in tag else (ref, "latest")


def full_name(ref: str) -> str:
    """The name under which containerd and the kubelet know a ref: with registry, `library/` and tag.

    The rules are those of github.com/distribution/reference, normalize.go.
    """
    name, tag = split_ref(ref)
    domain, slash, rest = name.partition("/")
    if not slash or not ("." in domain or ":" in domain or domain == "localhost" or domain != domain.lower()):
        domain, rest = "docker.io", name
    if domain in ("docker.io", "index.docker.io"):
        domain, rest = "docker.io", rest if "/" in rest else f"library/{rest}"
    return f"{domain}/{rest}:{tag}"
