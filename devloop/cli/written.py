"""Several new files, all or none.

Comes in: a folder and texts. Goes out: the files. Whatever breaks it off, Ctrl-C too, what was there before is there again, and folders
that were made for it are gone. A file that is there is only ever replaced when that was asked for.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from devloop.errors import UsageError
from devloop.scope import Scope


def check(root: Path, files: Mapping[str, str], *, is_forced: bool) -> None:
    """Raises: UsageError for files that are in the way."""
    there = [path for path in files if os.path.lexists(root / path)]
    if there and not is_forced:
        more = f" (and {len(there) - 1} more)" if len(there) > 1 else ""
        raise UsageError(
            f"{there[0]} is there already{more}", where=str(root), hint="move it, or write it anew with --force"
        )


def write(scope: Scope, root: Path, files: Mapping[str, str], validate: Callable[[], None]) -> None:
    """Writes all, then validates. Raises: UsageError when the folder cannot be written to; what `validate` raises; Cancelled. In each
    case nothing has changed.
    """
    with contextlib.ExitStack() as undo:
        for path, text in files.items():
            scope.check()
            _write(root / path, text, undo)
        validate()
        scope.check()
        undo.pop_all()


def _write(file: Path, text: str, undo: contextlib.ExitStack) -> None:
    try:
        _make_folder(file.parent, undo)
        before = file.read_bytes() if file.is_file() else None
        if before is not None:
            undo.callback(file.write_bytes, before)
        else:
            undo.callback(file.unlink, missing_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"cannot be written: {exc.strerror}", where=str(file), hint="nothing was changed") from exc


def _make_folder(folder: Path, undo: contextlib.ExitStack) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent, undo)
    folder.mkdir()
    undo.callback(folder.rmdir)
