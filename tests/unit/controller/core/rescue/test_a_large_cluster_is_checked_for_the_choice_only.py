"""Where there are many nodes the rule's choice is checked, and others until one fits."""

from __future__ import annotations

import pytest

from podferry.controller.core.rescue.look import CHECKED_NODES, FAVOURITES
from podferry.policies.vocabulary import Placement
from podferry.wire.memory import PodMemory
from tests.unit.controller.core.rescue.worlds import GIB, known, looked, pod, policy, report
from tests.unit.strategies.container import samples

LARGE = CHECKED_NODES + 20


def placed(nodes: int, tainted: int) -> Placement:
    """The place of node-a's one pod; the freest `tainted` nodes do not take it."""
    taint = ({"key": "gpu", "value": "", "effect": "NoSchedule"},)
    told = (PodMemory("u-app", 2 * GIB, 2 * GIB),)
    reports = {"node-a": report("node-a", available=0.3 * GIB, pods=told)}
    views = {}
    for at in range(nodes):
        name = f"n-{at:03d}"
        reports[name] = report(name, available=(3.9 - at * 0.001) * GIB, urgent=False)
        views[name] = samples.node(name, taints=taint if at < tainted else ())
    of = known(reports, [pod("app")], views=views)
    asked = policy(target={"name": "least-used"}, victim={"name": "largest"})
    return looked(of, asked).decision.placements["shop/app"]


@pytest.mark.parametrize("tainted", [0, 1, FAVOURITES - 1, FAVOURITES, FAVOURITES + 2])
def test_the_freest_node_that_takes_the_pod_is_found(tainted: int) -> None:
    assert placed(LARGE, tainted).node == f"n-{tainted:03d}"


def test_where_no_node_takes_the_pod_nobody_is_named() -> None:
    found = placed(LARGE, LARGE)
    assert found.node == ""
    assert sum("taint" in one.why for one in found.considered) == LARGE


def test_a_small_cluster_tells_what_is_against_each_node() -> None:
    found = placed(10, 3)
    assert found.node == "n-003"
    refused = {one.key for one in found.considered if "taint" in one.why}
    assert refused == {"n-000", "n-001", "n-002"}
