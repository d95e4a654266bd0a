"""`devloop` with an engine with containerd's store: edits go live, bases that move are heard of, superseded images go."""

from __future__ import annotations

import pytest

from tests.e2e.test_cache import (
    test_building_anew_gives_another_image_that_rolls_out_and_stays,
    test_images_are_listed_and_superseded_ones_removed,
    test_what_a_pod_uses_stays,
)
from tests.e2e.test_dev import (
    project,
    test_an_edit_during_a_build_stops_it_and_the_newer_one_goes_live,
    test_twenty_edits_arrive_one_after_the_other_in_order,
)

__all__ = [
    "project",
    "test_an_edit_during_a_build_stops_it_and_the_newer_one_goes_live",
    "test_building_anew_gives_another_image_that_rolls_out_and_stays",
    "test_images_are_listed_and_superseded_ones_removed",
    "test_twenty_edits_arrive_one_after_the_other_in_order",
    "test_what_a_pod_uses_stays",
]

pytestmark = pytest.mark.timeout(300)
