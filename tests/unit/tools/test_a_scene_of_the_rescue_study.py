"""A scene fills one node, leaves room on the other, and grows slower than kubelet looks."""

from __future__ import annotations

import numpy as np
import pytest

from podferry.simulator import traces
from podferry.simulator.model import GIB, MoveModel, Trace, TracePod
from tools.rescue_study import play, predicted, scene

STAGE = scene.Stage(nodes=2, room=1600.0, headroom=100.0, seconds=180)


@pytest.fixture(scope="module")
def made() -> scene.Scene:
    return scene.draw(traces.load("o10n"), 0, STAGE, 10.0)


def test_one_node_wants_more_than_its_room_and_all_together_have_enough(made: scene.Scene) -> None:
    peaks = [float(made.used(node).max()) for node in range(2)]
    together = float((made.used(0) + made.used(1)).max())
    assert max(peaks) > STAGE.room
    assert together < 2 * STAGE.room


def test_no_node_is_full_before_there_is_something_to_foresee_from(made: scene.Scene) -> None:
    for node in range(2):
        assert float(made.used(node)[: scene.NOT_BEFORE_SECONDS].max()) <= STAGE.room


def test_what_a_node_grows_in_ten_seconds_is_below_the_headroom(made: scene.Scene) -> None:
    grown = np.concatenate([made.used(n)[10:] - made.used(n)[:-10] for n in range(2)])
    assert float(np.quantile(grown, 0.99)) < STAGE.headroom
    assert made.p99_growth < STAGE.headroom


def test_a_seed_always_draws_the_same_scene(made: scene.Scene) -> None:
    again = scene.draw(traces.load("o10n"), 0, STAGE, 10.0)
    other = scene.draw(traces.load("o10n"), 1, STAGE, 10.0)
    assert [one.text() for one in again.actors] == [one.text() for one in made.actors]
    assert [one.text() for one in other.actors] != [one.text() for one in made.actors]


def test_a_trace_that_jumps_is_refused_at_a_speed_at_which_kubelet_would_be_too_late() -> None:
    jumps = TracePod("p", 0.0, (0.0, 1000.0, 1001.0), (GIB, GIB, 9 * GIB), 4000.0, GIB)
    with pytest.raises(scene.NoScene, match="in 10 s"):
        scene.draw(Trace("jumps", (jumps,), 1.0), 0, STAGE, 10.0)


def test_the_simulator_deals_the_pods_out_as_the_lab_does(made: scene.Scene) -> None:
    """`predict` raises WrongPlaces where it does not."""
    lab = predicted.Lab(capacity=2048.0, threshold=100.0, system=348.0)
    spec = play.policy("Act")["spec"]
    off = predicted.predict(made, "off", spec, lab, MoveModel())
    act = predicted.predict(made, "Act", spec, lab, MoveModel(prepare=3.0))
    assert off.evictions + off.oom_kills > 0
    assert off.migrations == 0
    assert act.migrations > 0
    assert act.evictions + act.oom_kills < off.evictions + off.oom_kills
