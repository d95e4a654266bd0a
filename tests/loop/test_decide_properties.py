"""The laws of the loop under random message streams: freshness, supersede, nothing owed forgotten, independence."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.loop.model_world import wander

STREAMS = 10_000
BATCH = 1_000


@pytest.mark.parametrize("batch", range(STREAMS // BATCH))
def test_any_stream_of_messages_ends_with_everything_fresh(batch: int) -> None:
    for seed in range(batch * BATCH, (batch + 1) * BATCH):
        rng = random.Random(seed)
        try:
            wander(rng.randrange, rng.randrange(14), is_partial=seed % 5 > 0)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_stream_that_hypothesis_finds_ends_with_everything_fresh(data: st.DataObject) -> None:
    wander(lambda n: data.draw(st.integers(0, n - 1)), data.draw(st.integers(0, 15)))
