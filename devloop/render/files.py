"""What renderers read from disk, as inputs and as text.

Comes in: paths. Goes out: `Inputs` that count a link with the file it leads to, and text. It lists no folder by itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from devloop.errors import StepFailed
from devloop.products import Inputs


def listed(
    base: Path,
    files: Iterable[Path],
    *,
    roots: Iterable[Path],
    matches: Callable[[Path], bool],
    why: Callable[[Path], str],
    definitions: Iterable[Path] = (),
    values: tuple[tuple[str, str], ...] = (),
) -> Inputs:
    """Inputs of existing `files`. A link is an input twice: as what it says, and as the file behind it. Blocks on the disk.

    `why`: as in `Inputs`, for all but what links lead to.
    """
    existing = {path for path in files if os.path.lexists(path) and not path.is_dir()}
    behind = frozenset(path.resolve() for path in existing if path.is_symlink())
    outside = [path for path in behind if not matches(path)]
    return Inputs(
        base=base,
        files=tuple(sorted(existing | {path for path in behind if path.is_file()})),
        roots=tuple(sorted({*roots, *outside})),
        matches=lambda path: path in behind or matches(path),
        definitions=frozenset(definitions),
        values=values,
        why=lambda path: "a link that counts leads to it" if path in behind and not matches(path) else why(path),
    )


def read(path: Path, name: str) -> str:
    """The file's text. Blocks on the disk. Raises: StepFailed with `where`."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise StepFailed(f"cannot read a manifest: {exc.strerror}", where=name) from exc
    except UnicodeDecodeError as exc:
        raise StepFailed("not a text in UTF-8", where=name, hint="save it as UTF-8") from exc


def shown(path: Path, base: Path) -> str:
    """The path as people know it: relative to the configuration where it lies below."""
    return (
        path.relative_to(base).as_posix() if path.is_relative_to(base) else Path(os.path.relpath(path, base)).as_posix()
    )


def program_value(program: str | None) -> str:
    """Stands for the version of a program without starting it: where it is, and what marks a new one there."""
    if program is None:
        return "none"
    try:
        status = os.stat(program)
    except OSError:
        return program
    return f"{program} {status.st_size} {status.st_mtime_ns}"
