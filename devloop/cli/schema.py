"""`devloop schema`: the JSON schemas, for editors and for readers of events."""

from __future__ import annotations

import typer

from devloop.config.schema import schema_text
from devloop.event_schema import events_schema_text


def schema(*, is_events: bool) -> int:
    """Prints the schema of devloop.yaml, or of the events."""
    typer.echo(events_schema_text() if is_events else schema_text(), nl=False)
    return 0
