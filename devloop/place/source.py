"""Where the layers that a node lacks come from: the role, so that a faster source is one more implementation.

Comes in: an image of the engine and the diff IDs that are wanted. Goes out: its config and those layers, in a spool file.
"""

from __future__ import annotations

from typing import IO, Protocol

from devloop.place.oci import Content
from devloop.scope import Scope
from devloop.stages import Engine, EngineImage


class LayerSource(Protocol):
    """Gets an image's config and some of its layers out of the engine."""

    def __call__(
        self, scope: Scope, engine: Engine, image: EngineImage, wanted: frozenset[str], spool: IO[bytes]
    ) -> Content:
        """Appends to the spool. Blocks; cancelled by the scope. Raises: StepFailed when it cannot; Unavailable."""
        ...
