"""Waiting for what a command changed in the cluster by itself, outside of the loop.

Comes in: objects as they were applied. Goes out: events as the loop's own `ready` step has them.
"""

from __future__ import annotations

from devloop import events
from devloop.cli.report import Report
from devloop.observe import status
from devloop.observe.pods import PodStore
from devloop.products import Applied
from devloop.scope import Scope
from devloop.stages import Cluster


def until_ready(
    scope: Scope, cluster: Cluster, applied: Applied, report: Report, *, began_s: float, deadline_s: float
) -> None:
    """Blocks until all of them do their work; cancelled by the scope. `began_s`: by the report's clock. Raises: StepFailed."""
    target = f"deploy/{applied.unit}"
    ready = status.wait_ready(
        scope,
        cluster,
        PodStore(scope, cluster),
        applied,
        deadline_s=deadline_s,
        on_progress=lambda text: report.emit(events.Log(source="build", target=target, line=text)),
    )
    took_s = report.clock() - began_s
    report.emit(events.Step(step="ready", target=target, state="finished", duration_s=took_s, note=ready.summary))
