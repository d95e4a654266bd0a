"""Differences as events: two objects as YAML, and the lines in which they differ.

Comes in: differences of objects, secrets masked. Goes out: events, told. Pure but for the telling.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from devloop import events
from devloop.deploy.diff import Difference
from devloop.products import Object
from devloop.render.manifests import to_yaml


def event(found: Difference, unit: str) -> events.Difference:
    """The difference with the lines of a unified diff, from the live object, or a release's revision, to the other one."""
    ref = found.ref
    return events.Difference(
        action=found.action,
        resource=str(ref),
        api_version=ref.api_version,
        namespace=ref.namespace,
        unit=unit,
        source=found.source,
        why=found.why,
        diff=tuple(_lines(found)),
    )


def _lines(found: Difference) -> Iterable[str]:
    before, after = _yaml(found.before), _yaml(found.after)
    name = f"{found.ref}" + (f" in {found.ref.namespace}" if found.ref.namespace else "")
    return difflib.unified_diff(
        before, after, f"{name} ({found.base})", f"{name} ({found.source or 'rendered'})", lineterm=""
    )


def _yaml(obj: Object | None) -> list[str]:
    return to_yaml([obj]).splitlines()[1:] if obj else []
