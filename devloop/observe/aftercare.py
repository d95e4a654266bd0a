"""What becomes of a unit after its wait for readiness is over: it may break later, and what was broken may come good by itself.

Comes in: what was applied, and how the wait ended. Goes out: an error when it breaks, a call or a notice when it is well again. It
never restarts or changes anything.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from devloop import events
from devloop.observe import status
from devloop.observe.pods import PodStore
from devloop.products import Applied, Ready
from devloop.scope import Scope
from devloop.stages import Cluster


@dataclass
class Aftercare:
    """Looks after the units of a session. `scope`: the session's."""

    scope: Scope
    cluster: Cluster
    store: PodStore
    emit: events.Emit
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _units: dict[str, Scope] = field(default_factory=dict)

    def look_after(self, applied: Applied, *, is_ready: bool, on_recovered: Callable[[Ready], None]) -> None:
        """Watches the unit from now on, until `leave` or the next call for it. `on_recovered`: it was not ready, and now is.

        Does not block.
        """
        self.leave(applied.unit)
        inner = Scope(f"after {applied.unit}")
        with self._lock:
            self._units[applied.unit] = inner

        def body() -> None:
            with self.scope.on_cancel(inner.cancel):
                if not is_ready:
                    on_recovered(status.recovered(inner, self.cluster, self.store, applied))
                while True:
                    failure = status.broke(inner, self.cluster, self.store, applied)
                    self.emit(
                        events.Error(
                            message=f"{applied.unit} broke after it was ready: {failure.message}",
                            hint=failure.hint or "",
                            where=failure.where or "",
                            evidence=failure.evidence,
                        )
                    )
                    status.recovered(inner, self.cluster, self.store, applied)
                    self.emit(events.Notice(message=f"{applied.unit} is ready again", is_answer=True))

        self.scope.spawn(inner.name, body)

    def leave(self, unit: str) -> None:
        """Stops watching the unit: something new is being applied, or it is gone."""
        with self._lock:
            inner = self._units.pop(unit, None)
        if inner:
            inner.cancel()
