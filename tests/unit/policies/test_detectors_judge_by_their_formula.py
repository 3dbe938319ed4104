"""Each detector on histories whose answer was computed by hand; sizes are GiB of a node of 100."""

from __future__ import annotations

import pytest

from podferry.policies.detectors.foreseeing import (
    Holt,
    LocalRegression,
    RobustRegression,
    TimeToExhaustion,
    line,
    local_line,
    tricube,
)
from podferry.policies.detectors.pressure import PressureGate
from podferry.policies.detectors.seed import Slope, Threshold
from podferry.policies.detectors.trailing import (
    Iqr,
    KOfN,
    LastMean,
    Mad,
    NSigma,
    interquartile_range,
    next_by_ar1,
)
from podferry.policies.vocabulary import MoveCost, Pressure
from podferry.policies.words import GIB
from tests.unit.policies.worlds import node, pod, series, world

RAMP = [41.0 + at for at in range(30)]
"""1 GiB a minute for half an hour, 70 GiB now."""
TWO_LEVELS = [70.0] * 6 + [80.0] * 6
NEARLY = [70.0] * 6 + [80.0] * 5 + [88.0]


def judged(rule, values, move=0.0, **more):
    """The need [GiB], None where there is no overload."""
    more.setdefault("used", values[-1] if values else 0.0)
    pods = [pod("p", 10, 1.0, cost=MoveCost(1.0, move))]
    place = node("n", pods, history=series(values), **more)
    found = rule.detect(place, world(place))
    return None if found is None else found.need / GIB


CASES = [
    ("30.1 % free of 30", Threshold(30.0), [69.9], {}, None),
    ("30 % free are enough", Threshold(30.0), [70], {}, None),
    ("25 % free: 5 to be freed", Threshold(30.0), [75], {}, 5.0),
    ("10 leave anyway", Threshold(30.0), [75], {"outgoing": 10.0}, None),
    ("10 come", Threshold(30.0), [65], {"incoming": 10.0}, 5.0),
    ("1 a minute for 5 min leaves 25", Slope(30.0), [70], {}, 5.0),
    ("mean 95.5", LastMean(95.0, 2), [94, 97], {}, 0.5),
    ("mean 94.5, though 99 now", LastMean(95.0, 2), [90, 99], {}, None),
    ("95.5 of the 90 that kubelet leaves", LastMean(95.0, 2), [86, 86], {"eviction": 10.0}, 0.5),
    ("one sample of two", LastMean(95.0, 2), [97], {}, 2.0),
    ("no sample at all", LastMean(95.0, 2), [], {"used": 97.0}, 2.0),
    ("MAD 5: up to 87.5", Mad(2.5), TWO_LEVELS, {}, None),
    ("MAD 5: 88 is 0.5 over", Mad(2.5), NEARLY, {}, 0.5),
    ("11 samples: the threshold of 80", Mad(2.5), NEARLY[1:], {}, 8.0),
    ("IQR 10: 88 is 3 over 85", Iqr(1.5), NEARLY, {}, 3.0),
    ("IQR 10: 80 is below 85", Iqr(1.5), TWO_LEVELS, {}, None),
    ("75 + 3 * 5", NSigma(3.0), TWO_LEVELS, {}, None),
    ("75 + 6 * 5 is 5 over", NSigma(6.0), TWO_LEVELS, {}, 5.0),
    ("4 of 5, next 76.6, now 79", KOfN(75.0, 3, 5), [70, 76, 77, 78, 79], {}, 4.0),
    ("4 of 5, but next 66.1", KOfN(75.0, 3, 5), [90, 85, 80, 76, 60], {}, None),
    ("2 of 5", KOfN(75.0, 3, 5), [70, 70, 70, 78, 79], {}, None),
    ("80 in 10 min", LocalRegression(), RAMP, {"move": 600.0}, None),
    ("101 in 31 min", LocalRegression(), RAMP, {"move": 1860.0}, 1.0),
    ("whole samples: 30.1 count as 31", LocalRegression(), RAMP, {"move": 1806.0}, 1.0),
    ("1.2 * 85 in 15 min", LocalRegression(1.2), RAMP, {"move": 900.0}, 85 - 100 / 1.2),
    ("29 samples of 30", LocalRegression(), RAMP[1:], {"move": 1e6}, None),
    ("robust, the same line", RobustRegression(), RAMP, {"move": 1860.0}, 1.0),
    ("99.5 in 29.5 min", Holt(), RAMP, {"move": 1740.0}, None),
    ("101 in 31 min with margin", Holt(), RAMP, {"move": 1830.0}, 1.0),
    ("25 last 1500 s, 1490 needed", TimeToExhaustion(), RAMP, {"move": 1460.0}, None),
    ("25 last 1500 s, 1510 needed", TimeToExhaustion(), RAMP, {"move": 1480.0}, 1510 / 60 - 25),
    ("does not grow", TimeToExhaustion(), [90, 90, 90], {"move": 1e6}, None),
    ("past the reserve already", TimeToExhaustion(), [96, 96, 96], {}, 1.0),
]


@pytest.mark.parametrize(("said", "rule", "values", "more", "need"), CASES)
def test_a_detector_asks_for_what_its_formula_says(said, rule, values, more, need):
    found = judged(rule, values, **more)
    assert found == (None if need is None else pytest.approx(need, abs=1e-9)), said


def test_when_the_node_is_exhausted_is_read_from_its_pace():
    place = node("n", history=series([70.0, 72.0]), used=72, eviction=8.0)
    found = Threshold(30.0).detect(place, world(place))
    assert found is not None
    assert found.exhausted_in == pytest.approx((92 - 72) / 2 * 60)
    assert found.why == "28.0 % free, below 30 %: 2.0 GiB to be freed"


def test_tricube_weighs_the_newest_1_and_the_first_two_as_the_third():
    assert tricube(4) == pytest.approx([(26 / 27) ** 3, (26 / 27) ** 3, (26 / 27) ** 3, 1.0])


def test_a_spike_bends_local_regression_and_not_the_robust_one():
    values = [0.5] * 27 + [0.95, 0.5, 0.5]
    assert local_line(values, robust=False)[1] > 1e-3
    assert local_line(values, robust=True) == pytest.approx((0.5, 0.0), abs=1e-12)


def test_weights_multiply_residuals_not_their_squares():
    # squares of the weights 1 1 1 4: sum 7, mean x 22/7, mean y 4/7, slope (24/7) / (62/7)
    b0, b1 = line([0.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 2.0])
    assert (b0, b1) == pytest.approx((4 / 7 - 24 / 62 * 22 / 7, 24 / 62))


def test_the_line_that_is_kept_for_a_count_of_samples_is_the_fitted_one():
    values = [0.4, 0.5, 0.45, 0.7, 0.65, 0.9, 0.8]
    assert local_line(values, robust=False) == pytest.approx(line(values, tricube(7)), rel=1e-12)


def test_the_autoregression_never_runs_away():
    # phi would be 1.1
    assert next_by_ar1([0.1, 0.1, 0.1, 0.2, 0.4, 0.8]) == pytest.approx(0.8)


def test_quartiles_are_the_samples_that_cloudsim_takes():
    assert interquartile_range([float(at) for at in range(1, 12)]) == 9.0 - 3.0


@pytest.mark.parametrize(
    ("pressure", "unknown", "found"),
    [
        (Pressure(12, 11), "pass", True),
        (Pressure(12, 9), "pass", False),
        (Pressure(9, 12), "pass", False),
        (None, "pass", True),
        (None, "hold", False),
    ],
)
def test_pressure_lets_an_overload_through_only_while_it_lasts(pressure, unknown, found):
    rule = PressureGate(Threshold(30.0), 10.0, unknown)
    place = node("n", used=80, pressure=pressure)
    assert (rule.detect(place, world(place)) is not None) is found
