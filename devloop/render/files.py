"""What renderers read from disk, as inputs and as text.

Comes in: paths. Goes out: `Inputs` that count a link with the file it leads to, and text. It lists no folder by itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from devloop.errors import StepFailed
from devloop.products import Inputs

_MOST_LINKS = 40  # as for the kernel


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

    `why`: as in `Inputs`, for all but links to folders and what links lead to. Whatever becomes a link is followed at once.
    """
    existing = {path for path in files if os.path.lexists(path) and not path.is_dir()}
    links: set[Path] = set()
    behind: set[Path] = set()
    for path in existing:
        passed, real = through(path, base)
        links.update(passed)
        behind.update({real} - {path})
    outside = [path for path in behind if not matches(path)]
    followed = frozenset(links | behind)
    return Inputs(
        base=base,
        files=tuple(sorted(existing | links | {path for path in behind if path.is_file()})),
        roots=tuple(sorted({*roots, *outside, *links})),
        matches=lambda path: path in followed or matches(path),
        definitions=frozenset({*definitions, *links}),
        is_definition=lambda path: matches(path) and path.is_symlink(),
        values=values,
        why=lambda path: _of_link(path, links) if path in followed and not matches(path) else why(path),
    )


def through(path: Path, base: Path) -> tuple[tuple[Path, ...], Path]:
    """The links that a path leads through, and where it ends. Blocks on the disk. `base`: it and what is above it are taken as they are."""
    links: list[Path] = []
    plain = {base, *base.parents}
    while len(links) < _MOST_LINKS:
        link = next((each for each in (*reversed(path.parents), path) if each not in plain and each.is_symlink()), None)
        if link is None:
            break
        links.append(link)
        path = Path(os.path.normpath(link.parent / os.readlink(link) / path.relative_to(link)))
    return tuple(links), path


def _of_link(path: Path, links: Collection[Path]) -> str:
    return "a file that counts is reached through this link" if path in links else "a link that counts leads to it"


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
