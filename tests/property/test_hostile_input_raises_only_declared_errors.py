"""Nothing that another party sends raises an undeclared error or touches a place not its own."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property import hostile, hostile_peers

TARGETS = {**hostile.TARGETS, **hostile_peers.TARGETS}


@pytest.mark.parametrize("parser", TARGETS)
def test_nonsense_is_refused_and_stays_where_it_belongs(parser: str) -> None:
    @settings(max_examples=150, deadline=None, database=None)
    @given(st.integers(0, 1 << 62))
    def attempt(seed: int) -> None:
        TARGETS[parser](random.Random(seed))

    attempt()
