"""What BuildKit did in a build, in a few words: how many steps it took from its cache, and which one took long.

Comes in: the lines of its plain progress, which every version prints. Goes out: a summary. It judges nothing: `failure` explains.

The `rawjson` progress of buildx from 0.13 on was measured against it and left alone: it has the same steps, times and output, seven times
as long, for it tells of every file's transfer; it does not name the Dockerfile's line either (both print the same excerpt after it),
and what people read at `-v` would have to be made from it again.
"""

from __future__ import annotations

import re

_BEGUN = re.compile(r"#(\d+) \[(?!internal\])(?:\S+ )?\s*\d+/\d+\] (.+)")
_ENDED = re.compile(r"#(\d+) (?:(CACHED)|DONE ([\d.]+)s)")
_LONG_S = 0.5
_SHOWN = 60  # characters of an instruction


class Progress:
    """The steps of one build. A step is an instruction of the Dockerfile that makes a layer, FROM included."""

    def __init__(self) -> None:
        self._steps: dict[str, str] = {}
        self._cached: set[str] = set()
        self._took: dict[str, float] = {}

    def take(self, line: str) -> None:
        """Takes note of a line; one that is not understood says nothing."""
        if begun := _BEGUN.fullmatch(line.strip()):
            self._steps.setdefault(begun[1], begun[2])
        elif ended := _ENDED.match(line.strip()):
            if ended[2]:
                self._cached.add(ended[1])
            else:
                self._took[ended[1]] = max(float(ended[3]), self._took.get(ended[1], 0.0))

    def summary(self) -> str:
        """Such as `4 of 6 steps cached, RUN pip install 12.3 s`; "" when no step was seen."""
        steps = {number: text for number, text in self._steps.items() if not text.startswith("FROM ")}
        if not steps:
            return ""
        cached = sum(number in self._cached for number in steps)
        said = f"{cached} of {len(steps)} steps cached"
        slowest = max(steps, key=lambda number: self._took.get(number, 0.0))
        if self._took.get(slowest, 0.0) < _LONG_S:
            return said
        text = steps[slowest]
        shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
        return f"{said}, {shown} {self._took[slowest]:.1f} s"
