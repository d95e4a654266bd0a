"""Images of a BuildKit apart from an engine with containerd's store, which takes an image without its layers and only says so."""

from __future__ import annotations

from tests.build.test_layout import (
    bench,
    test_a_layout_that_was_damaged_is_told_and_made_anew,
    test_an_engine_that_lost_the_base_gets_all_of_it_and_that_is_said,
    test_an_image_that_is_there_already_is_the_same_again,
    test_the_second_time_only_the_changed_layer_travels,
)

__all__ = [
    "bench",
    "test_a_layout_that_was_damaged_is_told_and_made_anew",
    "test_an_engine_that_lost_the_base_gets_all_of_it_and_that_is_said",
    "test_an_image_that_is_there_already_is_the_same_again",
    "test_the_second_time_only_the_changed_layer_travels",
]
