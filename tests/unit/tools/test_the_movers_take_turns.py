"""Who moves when: each pair side by side, and nobody always first."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from tools.bench.stats import cells, turns

CELLS = cells([64, 256])


def test_every_cell_is_moved_by_both_as_often_as_asked() -> None:
    counted = Counter((turn.cell, turn.by) for turn in turns(CELLS, 5))
    assert counted == {(cell, by): 5 for cell in CELLS for by in ("podferry", "hand")}


def test_the_two_moves_of_a_pair_follow_each_other() -> None:
    made = list(turns(CELLS, 3))
    for first, second in zip(made[::2], made[1::2], strict=True):
        assert first.cell == second.cell
        assert {first.by, second.by} == {"podferry", "hand"}


@pytest.mark.parametrize("cell", CELLS)
def test_who_goes_first_in_a_cell_swaps_from_round_to_round(cell: object) -> None:
    first = [turn.by for turn in list(turns(CELLS, 4))[::2] if turn.cell == cell]
    assert all(one != other for one, other in itertools.pairwise(first))


def test_each_round_makes_every_cell_before_the_next_begins() -> None:
    numbers = [turn.number for turn in turns(CELLS, 3)]
    assert numbers == sorted(numbers)


def test_each_owner_is_moved_by_each_copy_mode() -> None:
    assert {(cell.owner, cell.copy) for cell in CELLS} == set(
        itertools.product(("Deployment", "StatefulSet"), ("StopAndCopy", "PostCopy"))
    )
