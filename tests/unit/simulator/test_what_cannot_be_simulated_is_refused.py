"""One clear line for a scenario that would come out wrong in silence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from podferry.simulator.layout import prepare
from podferry.simulator.model import Cluster, MoveModel, Scenario, Trace, TracePod
from tests.unit.simulator.scenes import flat, orders

GOOD = Scenario(Trace("scene", (flat("a", 1),), 60.0), Cluster(1), orders())
ODD = TracePod("odd", 0.0, (0.0, 60.0), (1.0,), 60.0, 0.0)
LATE = TracePod("late", 0.0, (5.0,), (1.0,), 60.0, 0.0)
BAD = [
    ("no nodes", replace(GOOD, cluster=Cluster(0)), "0 nodes"),
    ("no pods", replace(GOOD, trace=Trace("empty", (), 60.0)), "'empty' has no pods"),
    ("half seconds of sampling", replace(GOOD, sampling=0.5), "sampling interval is 0.5 s"),
    ("period of no length", replace(GOOD, policy=orders(period=0.0)), "period is 0 s"),
    ("failures", replace(GOOD, moves=MoveModel(failures=1.5)), "failed moves is 1.5"),
    ("no stream", replace(GOOD, moves=MoveModel(streams_per_link=0)), "at least 1 stream"),
    ("quantiles", replace(GOOD, moves=MoveModel(p95_of_p50=0.5)), "p95_of_p50 is 0.5"),
    ("a sample lacks", replace(GOOD, trace=Trace("t", (ODD,), 60.0)), "'odd': 2 times for 1"),
    ("late first sample", replace(GOOD, trace=Trace("t", (LATE,), 60.0)), "the first time 0"),
]


@pytest.mark.parametrize(("what", "scenario", "message"), BAD, ids=[row[0] for row in BAD])
def test_it_says_what_and_where(what: str, scenario: Scenario, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prepare(scenario)
