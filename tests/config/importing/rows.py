"""What becomes of each feature of Skaffold: the rows of the table in docs/skaffold.md, each with a configuration that shows it.

`imports`: exactly; `differs`: otherwise, as a note or the remark says; `not carried`: with a note.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

_PART = re.compile(r"^-- (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """`given`: of a skaffold.yaml. `wanted`: all that devloop's tree has besides `apiVersion`. `notes`: a part of each note, in order."""

    feature: str
    verdict: str
    remark: str
    given: str
    wanted: str
    notes: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    with_manifests: bool = False

    def __str__(self) -> str:
        return re.sub(r"\W+", "-", self.feature).strip("-")[:60]


def _row(text: str) -> Row:
    head, _, body = text.partition("\n")
    feature, verdict, remark = (each.strip() for each in head.split(" |"))
    given, *parts = _PART.split(body)
    named = dict(zip(parts[::2], (each.removeprefix("\n") for each in parts[1::2]), strict=True))
    return Row(
        feature,
        verdict,
        remark,
        given,
        named["devloop"],
        tuple(named.get("notes", "").strip().splitlines()),
        {name.removeprefix("file "): text for name, text in named.items() if name.startswith("file ")},
        "with k8s/*.yaml" in named,
    )


ROWS = tuple(map(_row, Path(__file__).with_suffix(".txt").read_text().split("\n== ")[1:]))


def table() -> str:
    """As docs/skaffold.md has it."""
    lines = (f"| {row.feature} | {row.verdict} | {row.remark} |".replace("  |", " |") for row in ROWS)
    return "\n".join(["| Skaffold | | |", "|---|---|---|", *lines]) + "\n"
