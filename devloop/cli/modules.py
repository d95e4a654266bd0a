"""`devloop modules`: the projects that belong to a session, and those of them that are fetched.

Comes in: the shared options. Goes out: an exit code. It asks a network only for what is not kept yet, or when it is to.
"""

from __future__ import annotations

from pathlib import Path

from devloop import events
from devloop.cli import reading
from devloop.cli.options import Common
from devloop.cli.report import Report, reporting
from devloop.config.modules import Module


def modules(common: Common, *, is_updating: bool) -> int:
    """Tells of each module its folder, what it has and what it requires. Blocks; Ctrl-C ends it with 130.

    `is_updating`: tags and branches are fetched again.
    """

    def body(report: Report) -> int:
        loaded = reading.load(common, report, is_updating=is_updating)
        for module in loaded.modules:
            shown = _shown(module.file, loaded.base, module.folder)
            parts = [f"{what} {', '.join(names)}" for what, names in _listed(module).items() if names]
            report.emit(events.Notice(message="; ".join([f"{module.name}: {shown}", *parts]), is_answer=True))
        return 0

    return reporting(common, body)


def _shown(file: Path, base: Path, folder: str) -> str:
    return file.relative_to(base).as_posix() if folder == "." else f"{folder}/{file.name}"


def _listed(module: Module) -> dict[str, list[str]]:
    return {
        "images": [each.image for each in module.project.build.artifacts],
        "units": [each.name for each in module.project.deploy],
        "requires": list(module.requires),
    }
