"""Base images in an engine with containerd's store: what becomes of their names is told by the engine, or looked at."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import bare_devloop
from tests.e2e.test_base_images import (
    _no_images_left,
    project,
    registry,
    test_a_base_is_pulled_only_when_asked_to,
    test_a_rebuilt_base_is_one_update_of_what_stands_on_it,
    test_render_and_explain_know_the_base_of_now,
)

__all__ = [
    "_no_images_left",
    "bare_devloop",
    "project",
    "registry",
    "test_a_base_is_pulled_only_when_asked_to",
    "test_a_rebuilt_base_is_one_update_of_what_stands_on_it",
    "test_render_and_explain_know_the_base_of_now",
]

pytestmark = pytest.mark.timeout(300)
