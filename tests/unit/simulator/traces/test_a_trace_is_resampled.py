"""The bootstrap: other pods on the original's arrivals, the same for the same seed."""

from __future__ import annotations

from collections import Counter

from podferry.simulator import traces


def test_each_copy_keeps_the_arrivals_of_the_original() -> None:
    original = traces.load("o10n")
    drawn = traces.resample(original, 3, 7)
    assert len(drawn.pods) == 1500
    expected = Counter({pod: 3 * n for pod, n in Counter(p.arrival for p in original.pods).items()})
    assert Counter(pod.arrival for pod in drawn.pods) == expected
    assert len({pod.name for pod in drawn.pods}) == 1500


def test_the_curves_are_those_of_the_original_drawn_with_replacement() -> None:
    original = traces.load("o10n")
    known = {pod.memory for pod in original.pods}
    drawn = traces.resample(original, 1, 1)
    assert {pod.memory for pod in drawn.pods} < known


def test_a_seed_always_draws_the_same() -> None:
    original = traces.load("o10n")
    assert traces.resample(original, 1, 5) == traces.resample(original, 1, 5)
    assert traces.resample(original, 1, 5) != traces.resample(original, 1, 6)
