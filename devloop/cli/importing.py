"""`devloop import`: a configuration of another tool as a devloop.yaml."""

from __future__ import annotations

from pathlib import Path

import typer

from devloop import events
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.config import load, modules
from devloop.config.importing import files, writing
from devloop.errors import UsageError


def import_(common: Common, file: Path | None, *, to: Path | None, is_forced: bool) -> int:
    """Writes a devloop.yaml beside the file, or what `to` says (`-`: standard output), and tells what is not carried. Exit code 0 all the
    same: it is written there too.
    """
    is_printed = to == Path("-")

    def body(report: Report) -> int:
        source = files.find(file)
        made = files.convert(source, load.read, load.shown)
        text = writing.text(made.root, made.notes, source.name)
        target = None if is_printed else to or source.with_name(modules.NAMES[0])
        if target is None:
            typer.echo(text, nl=False)
        else:
            _write(target, text, is_forced=is_forced)
        for note in made.notes:
            report.emit(events.Notice(message=note.told, where=str(note.place)))
        if target is not None:
            report.emit(
                events.Notice(
                    message=f"{load.shown(target.absolute())} is written", hint=_next(len(made.notes)), is_answer=True
                )
            )
        return 0

    return reporting(common, body, to_stderr=is_printed)


def _write(target: Path, text: str, *, is_forced: bool) -> None:
    """Raises: UsageError when something is there, or it cannot be written."""
    try:
        with target.open("w" if is_forced else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as exc:
        raise UsageError(
            "is there already", where=str(target), hint="--force overwrites it; --to names another file"
        ) from exc
    except OSError as exc:
        raise UsageError(f"cannot be written: {exc.strerror}", where=str(target)) from exc


def _next(count: int) -> str:
    return (
        "look through what is not carried, in the comments at its top; then `devloop dev`" if count else "`devloop dev`"
    )
