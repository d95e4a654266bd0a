"""A folder of rendered manifests, one file an object.

Comes in: manifests. Goes out: the same files for the same objects, whatever order they come in. What an earlier render left there and is
rendered no longer goes; a file that devloop did not write is never touched.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from devloop.errors import UsageError
from devloop.products import Manifest, Object
from devloop.render.manifests import to_yaml

MARK = "# Rendered by devloop from "  # how its files begin; by this they are known again


@dataclass(frozen=True)
class Written:
    """How many files were written, for they were not there or had another content, and how many removed."""

    changed: int
    removed: int


def check(folder: Path) -> None:
    """Raises: UsageError when it cannot be such a folder."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            "is no folder", where=f"--output-dir {folder}", hint="name a folder, or one that is not there yet"
        )


def write(folder: Path, manifests: Sequence[Manifest]) -> Written:
    """Makes the folder hold these manifests. Each file is written whole or not at all. Raises: UsageError, before any is written, for a
    file of somebody else's in the way; or when the folder cannot be written to.
    """
    texts = {_name(each.object): _text(each) for each in manifests}
    private = {_name(each.object) for each in manifests if each.object["kind"] == "Secret"}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = {
            path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix == ".yaml"
        }
        _check_foreign(folder, texts, present)
        changed = [name for name, text in texts.items() if present.get(name) != text]
        for name in changed:
            _replace(folder / name, texts[name], 0o600 if name in private else 0o644)
        stale = [name for name, text in present.items() if name not in texts and _is_ours(text)]
        for name in stale:
            (folder / name).unlink()
    except OSError as exc:
        raise UsageError(f"cannot be written: {exc.strerror}", where=exc.filename or str(folder)) from exc
    return Written(len(changed), len(stale))


def _check_foreign(folder: Path, texts: Mapping[str, bytes], present: Mapping[str, bytes]) -> None:
    foreign = sorted(name for name in texts if name in present and not _is_ours(present[name]))
    if foreign:
        more = f" (and {len(foreign) - 1} more)" if len(foreign) > 1 else ""
        raise UsageError(
            f"is not devloop's, and in the way{more}",
            where=str(folder / foreign[0]),
            hint="move it, or name another folder",
        )


def _is_ours(text: bytes) -> bool:
    return text.startswith(MARK.encode())


def _text(manifest: Manifest) -> bytes:
    return f"{MARK}{' '.join(manifest.source.split())}\n{to_yaml([manifest.object])}".encode("utf-8", "surrogateescape")


def _name(obj: Object) -> str:
    """`[NAMESPACE_]GROUP_VERSION_KIND_NAME.yaml`, as `kustomize build --output` calls them; with what no file name should hold escaped."""
    metadata = obj["metadata"]
    parts = [metadata.get("namespace"), *obj["apiVersion"].split("/"), obj["kind"].lower(), metadata["name"]]
    return "_".join(quote(each, safe="") for each in parts if each) + ".yaml"


def _replace(path: Path, text: bytes, mode: int) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as new:
        made = Path(new.name)
        new.write(text)
    try:
        made.chmod(mode)
        made.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(made)
        raise
