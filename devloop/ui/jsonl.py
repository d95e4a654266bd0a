"""Events for programs: one JSON object a line (schemas/events-v1.json).

Comes in: batches of events. Goes out: lines, flushed batch by batch. All of them, in order; it never decides what matters.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from devloop.events import AnyEvent, to_dict
from devloop.ui.output import Output


class JsonLines:
    """Subscribe `show` to the bus."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def show(self, events: Sequence[AnyEvent]) -> None:
        """Writes the events. Blocks while the reader does not read."""
        lines = [json.dumps(to_dict(event), separators=(",", ":")) for event in events]
        self._output.write("".join(f"{line}\n" for line in lines).encode("ascii"))
