"""Where the time of an update goes.

Comes in: when steps of an update begin and end. Goes out: seconds a phase, which sum to the update's wall time. Each
moment is charged to one phase: the earliest step that is then running, or `wait` when none is. Pure: told the time, never asks.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from devloop.events import StepName

PHASES: tuple[StepName, ...] = ("build", "test", "place", "render", "await", "apply", "ready")


@dataclass
class Phases:
    """The clock of one update, started at `began_s`; what passed until its first step counts as `detected`."""

    began_s: float
    seconds: dict[str, float] = field(default_factory=dict)
    _phase: str = "detected"
    _since_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._since_s = self.began_s

    def now_running(self, steps: Collection[StepName], now_s: float) -> None:
        """Tells which kinds of steps run from now on."""
        self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + max(0.0, now_s - self._since_s)
        self._since_s = max(self._since_s, now_s)
        is_undetected = self._phase == "detected" and not steps
        self._phase = next((each for each in PHASES if each in steps), "detected" if is_undetected else "wait")
